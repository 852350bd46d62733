"""Nodes and names that several tests of drawings are made of."""

from typing import Any

from tensorgrad.visualize.node import GraphNode

# names that a drawing, a listing or a page might take for something else
HOSTILE = [
    'say "hi"',
    "it's",
    "back\\slash",
    "\\",
    '\\"',
    "\\N and \\l",
    "two\nlines\r\n",
    "\u2028\u2029",
    "\0\x1b[31m",
    "<b>html</b>",
    "<!-- <script>",
    "</script><script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 1'>",
    "javascript:window.hacked=1",
    "&lt;&#65;&amp;",
    "]]>",
    "-->]; n9 [x",
    "}",
    "end",
    "`code` **bold** #35;",
    "%% comment",
    "__proto__",
    "const",
    "return",
    "t0",
    "t1",
    "2.0",
    "",
    " ",
    "字",
    "\N{PARTY POPPER}",
    "\N{RIGHT-TO-LEFT OVERRIDE}abc",
    "\ud800",
    "\ufffe",
    "x" * 10_000,
    '"' * 10_000,
    "long " * 2_000,
]


def make_node(number: int, op: str = "sin", inputs: Any = (), **fields: Any) -> GraphNode:
    """A node with as few fields as a test needs to name."""
    defaults = {
        "kind": "op" if inputs else "leaf",
        "is_output": False,
        "name": None,
        "shape": (2,),
        "dtype": "float64",
        "nbytes": 16,
        "params": {},
        "arguments": tuple("xyzuvw"[: len(inputs)]),
    }
    return GraphNode(number=number, op=op, inputs=tuple(inputs), **defaults | fields)
