"""Every registered operation obeys every law that is about its kind.

``--grad-examples 200`` tries each law on more cases.
"""

from tensorgrad.testing import check_op

EXAMPLES = 8


def test_operation(registered_op):
    assert check_op(registered_op, examples=EXAMPLES)
