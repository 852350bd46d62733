"""What is supported of NumPy, as a table made from the registry.

``python -m tensorgrad.testing.coverage`` prints it. Every public function of `NAMESPACES` is in the
registry, or in `REFUSED` or `OUTSIDE` with the reason.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import tensorgrad.conv
import tensorgrad.ops  # noqa: F401  (these fill the registry)
from tensorgrad.engine.primitive import NUMPY

NAMESPACES = {"numpy": np, "numpy.linalg": np.linalg, "numpy.fft": np.fft, "numpy.emath": np.emath}

# Functions that raise for a recorded tensor: they would lose its gradient.
REFUSED = {
    "makes an array of other data: use np.stack, or np.array(..., like=x)": (
        "arange asarray_chkfinite asmatrix bmat from_dlpack frombuffer fromiter frompyfunc kaiser"
        " nested_iters"
    ),
    "writes files": "save savetxt savez savez_compressed",
    "is about bits, dates or memory": (
        "packbits unpackbits isnat busday_count busday_offset is_busday datetime_as_string"
        " isfortran"
    ),
    "prints a number: use x.item()": (
        "base_repr binary_repr format_float_positional format_float_scientific"
    ),
}
# Functions that take no array, or work on tensors because they call others that do.
OUTSIDE = {
    "takes sizes, or a window's length": (
        "bartlett blackman broadcast_shapes diag_indices fft.fftfreq fft.rfftfreq fromfunction"
        " hamming hanning indices mask_indices tril_indices triu_indices"
    ),
    "asks for a type": (
        "datetime_data isdtype isscalar issubdtype iterable mintypecode promote_types typename"
    ),
    "reads files or text": "fromfile fromregex fromstring genfromtxt load loadtxt",
    "is about NumPy itself": (
        "get_include get_printoptions getbufsize geterr geterrcall info printoptions"
        " set_printoptions setbufsize seterr seterrcall show_config show_runtime test linalg.test"
        " fft.test"
    ),
    "is another name of vstack": "row_stack",
}


def public_functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield every public function of NumPy's namespaces, with its name."""
    for prefix, namespace in NAMESPACES.items():
        for name in sorted(vars(namespace)):
            function = getattr(namespace, name)
            if not name.startswith("_") and callable(function) and not isinstance(function, type):
                yield f"{prefix}.{name}".removeprefix("numpy."), function


def table() -> str:
    """Return the supported functions of NumPy as a Markdown table."""
    rows = ["| of NumPy | | functions |", "|---|--:|---|"]
    for prefix in NAMESPACES:
        lead = f"{prefix}.".removeprefix("numpy.")
        kinds: dict[str, list[str]] = {"differentiable": [], "locally constant": []}
        for name, function in public_functions():
            if name.rpartition(".")[0] == lead.rstrip(".") and function in NUMPY:
                smooth = NUMPY[function].differentiable
                kinds["differentiable" if smooth else "locally constant"].append(name)
        rows += [_row(f"{prefix}, {kind}", names) for kind, names in kinds.items() if names]
    rows += [_row(f"refused: {reason}", names.split()) for reason, names in REFUSED.items()]
    return "\n".join(rows)


def _row(kind: str, names: list[str]) -> str:
    return f"| {kind} | {len(names)} | {' '.join(f'`{name}`' for name in names)} |"


if __name__ == "__main__":
    print(table())
