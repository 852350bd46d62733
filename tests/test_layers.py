"""The tree is the architecture: imports point down the layers, and go round in no circle."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import tensorgrad

ROOT = Path(tensorgrad.__file__).parent

# from the bottom to the top; packages on one line may not import each other
LAYERS = [
    {"errors", "typing"},
    {"engine"},
    {"ops"},
    {"array_api"},
    {"linalg", "fft"},
    {"conv", "special"},
    {"transforms"},
    {"nn", "optim"},
    {"visualize"},
    {"testing"},
    {"extend"},
    {"__init__"},
]
LEVEL = {package: level for level, packages in enumerate(LAYERS) for package in packages}


def modules(root: Path) -> dict[str, Path]:
    """Every module below root by its dotted name; a package stands for its __init__.py."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = (root.name, *path.relative_to(root).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


class Imports(ast.NodeVisitor):
    """Collects the modules that a file imports, also inside functions, but not for types only."""

    def __init__(self, name: str, path: Path, known: dict[str, Path]) -> None:
        self.known = known
        self.package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        self.found: set[str] = set()
        self.visit(ast.parse(path.read_text()))

    def visit_If(self, node: ast.If) -> None:
        if "TYPE_CHECKING" in ast.unparse(node.test):
            for child in node.orelse:
                self.visit(child)
        else:
            self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        self.found.update(alias.name for alias in node.names if alias.name in self.known)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = node.module or ""
        if node.level:
            parents = self.package.split(".")
            above = parents[: len(parents) - node.level + 1]
            base = ".".join([*above, *([node.module] if node.module else [])])
        for alias in node.names:
            submodule = f"{base}.{alias.name}"
            if submodule in self.known:
                self.found.add(submodule)
            elif base in self.known:
                self.found.add(base)


def graph(root: Path) -> dict[str, set[str]]:
    known = modules(root)
    return {name: Imports(name, path, known).found - {name} for name, path in known.items()}


def level(module: str) -> int:
    package = [*module.split("."), "__init__"][1]
    assert package in LEVEL, f"{module} belongs to no layer: add it to LAYERS, where it stands"
    return LEVEL[package]


def violations(root: Path) -> Iterator[str]:
    """Say which imports point up, or sideways to another package of the same layer."""
    for module, imported in graph(root).items():
        for other in sorted(imported):
            same_package = module.split(".")[1:2] == other.split(".")[1:2]
            if level(other) >= level(module) and not same_package:
                yield f"{module} imports {other}"


def cycle(root: Path) -> list[str]:
    try:
        TopologicalSorter(graph(root)).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_imports_point_down():
    assert list(violations(ROOT)) == []


def test_no_import_cycle():
    assert cycle(ROOT) == []


@pytest.fixture
def tree(tmp_path):
    """A small package with the layers' names, and a function that writes its files."""
    root = tmp_path / "tensorgrad"

    def write(files: dict[str, str]) -> Path:
        packages = dict.fromkeys(["__init__", "engine/__init__", "ops/__init__"], "")
        for name, text in (packages | files).items():
            path = root / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return root

    return write


@pytest.mark.parametrize(
    "planted",
    [
        "from tensorgrad.ops import add",
        "from tensorgrad.ops.add import x",
        "import tensorgrad.ops.add",
        "from ..ops import add",
        "from ..ops.add import x",
        "from .. import ops",
        "from tensorgrad import ops",
        "import tensorgrad",
        "def f():\n    from tensorgrad.ops import add",
        "try:\n    from tensorgrad.ops import add\nexcept ImportError:\n    pass",
        "if TYPE_CHECKING:\n    pass\nelse:\n    from tensorgrad.ops import add",
    ],
)
def test_an_upward_import_is_found(tree, planted):
    root = tree({"ops/add": "x = 1", "engine/node": planted})
    (message,) = violations(root)
    assert message.startswith("tensorgrad.engine.node imports tensorgrad")


@pytest.mark.parametrize(
    "allowed",
    [
        "if TYPE_CHECKING:\n    from tensorgrad.ops import add",
        "from tensorgrad.engine import other",
        "from . import other",
        "import numpy",
    ],
)
def test_other_imports_are_allowed(tree, allowed):
    root = tree(
        {
            "ops/add": "from tensorgrad.engine import node",
            "engine/node": allowed,
            "engine/other": "",
        }
    )
    assert list(violations(root)) == []
    assert cycle(root) == []


def test_a_sideways_import_is_found(tree):
    root = tree({"nn/a": "from tensorgrad.optim import b", "optim/b": ""})
    assert list(violations(root)) == ["tensorgrad.nn.a imports tensorgrad.optim.b"]


def test_a_cycle_is_found(tree):
    root = tree(
        {
            "engine/a": "from tensorgrad.engine.b import x",
            "engine/b": "def f():\n    from tensorgrad.engine.a import y",
        }
    )
    assert set(cycle(root)) == {"tensorgrad.engine.a", "tensorgrad.engine.b"}


def test_a_module_of_no_layer_is_found(tree):
    with pytest.raises(AssertionError, match=r"tensorgrad\.utils belongs to no layer"):
        list(violations(tree({"utils": "import tensorgrad.engine"})))
