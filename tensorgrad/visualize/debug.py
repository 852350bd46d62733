"""debug: stop at the first NaN or infinity, and say where it comes from."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from tensorgrad.engine.graph import ancestors
from tensorgrad.engine.node import Node
from tensorgrad.engine.notes import Note, is_in_rule, note_here, source_lines
from tensorgrad.engine.primitive import Primitive
from tensorgrad.engine.singular import Alarm
from tensorgrad.engine.space import Parts, revealed
from tensorgrad.engine.tensor import Tensor, value_of
from tensorgrad.engine.watch import Act, Walk, watching
from tensorgrad.errors import NonFiniteError
from tensorgrad.typing import Array
from tensorgrad.visualize.graph import Graph
from tensorgrad.visualize.node import space_text
from tensorgrad.visualize.params import shown_params
from tensorgrad.visualize.reading import Known, kept, op_of, read, source_of
from tensorgrad.visualize.values import summarize

# What to do, by what has happened.
OUTSIDE = (
    "It came in from outside, with {names}: that is no result of an operation that tg.debug()"
    " looked at. Look at how it was made, or let tg.debug() begin earlier."
)
DOMAIN = (
    "Keep the arguments where the operation is defined, as in np.log(np.maximum(x, 1e-12))."
    " np.where around the result does not protect, since both its branches are computed: choose a"
    " harmless argument first, as in np.log(np.where(x > 0, x, 1.0))."
)
OVERFLOW = (
    "The numbers outgrew {dtype}, which ends at {largest:.3g}. Scale them down first, as"
    " np.exp(x - np.max(x)) does, or compute in a wider dtype."
)
SLOPE = (
    "The slope is infinite, undefined or too large here. Keep the arguments away from this point,"
    " as in np.sqrt(x + 1e-12), or choose harmless ones with np.where before the operation."
)
SEED = "It came in from outside, with the seed of the backward pass. Look at how that was made."
EARLIER = (
    "It was there before the backward pass, in {names}. Compute the result inside tg.debug() as"
    " well, to see where it came up first."
)
# operations with poles: an infinity of theirs is no overflow
POLES = frozenset(
    ["arctanh", "divide", "float_power", "log", "log10", "log1p", "log2", "power", "reciprocal"]
)


@contextmanager
def debug() -> Iterator[None]:
    """Raise at the first NaN or infinity that comes up inside, and say where it comes from.

    Looked at are the results of all operations on Tensors, and in derivatives what the rule of each
    operation makes, but for entries on which the result does not depend. An infinity that is meant,
    as in a mask, counts as well. Source lines are recorded, and NumPy's own warnings are silent
    inside. Works as a context manager and as a decorator, only for the current thread or task.

    Raises
    ------
    NonFiniteError
        At once, from the operation itself. It names the operation and its line, shows its arguments
        and says what to do; its ``graph`` shows how these came about.

    Examples
    --------
    >>> import numpy as np
    >>> import tensorgrad as tg
    >>> x = tg.tensor([4.0, -1.0], requires_grad=True)
    >>> with tg.debug():
    ...     y = np.log(x * 2)
    Traceback (most recent call last):
    ...
    tensorgrad.errors.NonFiniteError: log: 1 NaN among 2 numbers in the result, the first at [1].
      x: float64[2], from -2 to 8; -2 at [1]
      called at <doctest ...>:2 in <module>: y = np.log(x * 2)
      Keep the arguments where the operation is defined, ...

    The same in a derivative, also where no number was wrong on the way there:

    >>> x = tg.tensor([0.0, 1.0], requires_grad=True)
    >>> with tg.debug():
    ...     y = np.sum(np.sqrt(x))
    ...     y.backward()
    Traceback (most recent call last):
    ...
    tensorgrad.errors.NonFiniteError: derivative of sqrt: 1 infinity among 2 numbers in ...
      arriving gradient: float64[2], all 1; 1 at [0]
      x: float64[2], from 0 to 1; 0 at [0]
      called at <doctest ...>:2 in <module>: y = np.sum(np.sqrt(x))
      The slope is infinite, undefined or too large here. ...
    """
    with source_lines(), np.errstate(all="ignore"), watching(_Detective()):
        yield


class _Detective:
    """Looks at all results."""

    def __init__(self) -> None:
        # found in a walk inside a rule, where only the walk outside can tell whether it matters
        self.suspect: NonFiniteError | None = None
        # the node whose rule is at work, and by their index those whose rules recorded others
        self.at_work: Node | None = None
        self.origins: dict[int, Origin] = {}

    def call(self, act: Act, primitive: Primitive, args: Any, params: Any) -> Any:
        """Call a primitive, and look at its results."""
        ans = act(primitive, *args, **params)
        if is_in_rule():  # where infinities may come up on the way: what counts is what it delivers
            node = self.at_work
            if node is not None and isinstance(ans, Tensor) and ans.requires_grad:
                self.origins.setdefault(node.index, Origin(op_of(node), node.note))
            return ans
        for y in ans if isinstance(ans, tuple) else (ans,):
            if isinstance(y, Tensor) and not _is_finite(y):
                raise _of_call(primitive, args, params, y)
        return ans

    def walk(self, outputs: Sequence[Node], alarm: Alarm) -> Walk:
        """Return who looks on at a walk."""
        alarm.rung = True  # let it tell at once which entries do not matter
        return _WalkDetective(self, outputs, alarm)


class Origin(NamedTuple):
    """What is kept of a node whose rule recorded others."""

    op: str
    note: Note | None


class _WalkDetective(Walk):
    """Looks at all that rules make."""

    def __init__(self, above: _Detective, outputs: Sequence[Node], alarm: Alarm) -> None:
        self.above = above
        self.outputs = outputs
        self.is_inside = alarm.outer is not None
        self.seed: Any = None

    def arrive(self, node: Node, seed: Any) -> None:
        super().arrive(node, seed)
        self.seed = seed
        self.above.at_work = node
        if not self.is_inside:
            self.above.suspect = None
        if seed is not None and not _is_finite(seed):
            self._found(_of_sum(self.outputs, node, seed, self.above.origins))

    def deliver(self, node: Node, argnum: int | None, part: Any) -> None:
        if not _is_finite(part):
            found = _of_rule(self.outputs, node, argnum, part, self.seed, self.above.origins)
            self._found(found)

    def end(self, found: Mapping[Node, Any]) -> None:
        for node, g in found.items():
            if not _is_finite(g):
                self._found(_of_sum(self.outputs, node, g, self.above.origins))

    def _found(self, error: NonFiniteError) -> None:
        self.above.suspect = self.above.suspect or error
        if not self.is_inside:
            raise self.above.suspect


# ---- what the errors say -------------------------------------------------------------------------


def _of_call(primitive: Primitive, args: Any, params: Any, result: Tensor) -> NonFiniteError:
    """Return the error about a result of a call."""
    found = _Found(result)
    named = dict(zip(_argument_names(primitive, len(args)), args, strict=True))
    spoiled = [name for name, x in named.items() if not _is_finite(x)]
    if spoiled:
        remedy = OUTSIDE.format(names=" and ".join(spoiled))
    elif found.nans or primitive.name in POLES:
        remedy = DOMAIN
    else:
        remedy = found.overflow
    message = _message(
        f"{primitive.name}: {found.told_of('the result')}",
        *_statements(primitive, named, params, found),
        f"called at {_place(note_here())}",
        remedy,
    )
    if result._node is None:
        return NonFiniteError(message)
    numbers = _numbers([result._node])
    notes = {numbers[result._node]: f"the first that is not finite: {found}"}
    for name in spoiled:
        node = named[name]._node if isinstance(named[name], Tensor) else None
        if node is not None:
            notes[numbers[node]] = "not finite: it came in from outside"
    return NonFiniteError(message, _graph([result._node]), notes)


def _of_rule(
    outputs: Sequence[Node],
    node: Node,
    argnum: int | None,
    part: Any,
    seed: Any,
    origins: Mapping[int, Origin],
) -> NonFiniteError:
    """Return the error about what the rule of a node made."""
    primitive: Any = node.primitive
    found = _Found(part)
    named = {name: value for name, _, value in kept(node) if name != "kept"}
    if seed is not None:
        named = {"arriving gradient": seed} | named
    spoiled = [name for name, value in named.items() if not _is_finite(value)]
    if argnum is None:
        made = "its tangent"
    else:
        made = f"the gradient by {_argument_names(primitive, len(node.parents))[argnum]}"
    message = _message(
        f"derivative of {op_of(node)}: {found.told_of(made)}",
        *_statements(primitive, named, node.params, found),
        *_history(node, origins),
        EARLIER.format(names=" and ".join(spoiled)) if spoiled else SLOPE,
    )
    note = f"its derivative is the first that is not finite: {found}"
    return NonFiniteError(message, _graph(outputs), {_numbers(outputs)[node]: note})


def _of_sum(
    outputs: Sequence[Node], node: Node, g: Any, origins: Mapping[int, Origin]
) -> NonFiniteError:
    """Return the error about the gradient by a node, where all parts of the sum were finite."""
    found = _Found(g)
    message = _message(
        f"{op_of(node)}: {found.told_of('the gradient by its result')}",
        *_history(node, origins),
        SEED if node in outputs else found.overflow,
    )
    note = f"the gradient by it is not finite: {found}"
    return NonFiniteError(message, _graph(outputs), {_numbers(outputs)[node]: note})


def _message(*lines: str) -> str:
    return "\n  ".join(lines)


def _statements(
    primitive: Primitive, named: Mapping[str, Any], params: Mapping[str, Any], found: "_Found"
) -> Iterator[str]:
    for name, x in named.items():
        yield _statement(name, x, found if primitive.kind == "elementwise" else None)
    for name, text in shown_params(params).items():
        yield f"{name}: {text}"


def _statement(name: str, x: Any, found: "_Found | None") -> str:
    """Say what an array is like, and what it holds at the place of what was found."""
    if isinstance(x, Parts):
        return f"{name}: of several results"
    array = _bare(x)
    summary = summarize(array)
    text = f"{name}: {space_text(array.dtype, array.shape)}"
    low, high = summary.low, summary.high
    if not array.ndim:
        return f"{text} = {array.item():.4g}"
    if low is not None and high is not None:
        text += f", all {low:.4g}" if low == high else f", from {low:.4g} to {high:.4g}"
    if summary.nans or summary.infinities:
        text += f", {_count(summary.nans, summary.infinities)}"
    if found is None:
        return text
    try:
        entry = np.broadcast_to(array, found.array.shape)[found.place]
    except ValueError:  # the examples of a batch lie along axes of their own
        return text
    return f"{text}; {entry.item():.4g} at {list(found.place)}"


def _argument_names(primitive: Primitive, count: int) -> Sequence[str]:
    if primitive.variadic:
        return [f"{primitive.arrays[0]}[{i}]" for i in range(count)]
    return primitive.arrays[:count]


# ---- where it happened ---------------------------------------------------------------------------


def _graph(outputs: Sequence[Node]) -> Graph:
    return Graph(*read(outputs, Known()))


def _numbers(outputs: Sequence[Node]) -> dict[Node, int]:
    """Return the number that each node has in the graph of outputs."""
    return {node: number for number, node in enumerate(ancestors(outputs))}


def _history(node: Node, origins: Mapping[int, Origin]) -> Iterator[str]:
    """Say where an operation was called, and where those whose derivative it belongs to."""
    note = node.note
    yield f"called at {_place(note)}"
    while note is not None and note.rule_of is not None and note.rule_of in origins:
        op, note = origins[note.rule_of]
        yield f"by the derivative of {op}, called at {_place(note)}"


def _place(note: Note | None) -> str:
    source = source_of(note) if note is not None else None
    if source is None:
        return "a line that is unknown: tg.debug() had not begun"
    scope = f", scope {'/'.join(note.scope)}" if note is not None and note.scope else ""
    return f"{source.file}:{source.line} in {source.function}{scope}: {source.text}"


# ---- what is not finite --------------------------------------------------------------------------


class _Found:
    """What was found in an array: how many entries are not finite, and where the first is."""

    def __init__(self, x: Any) -> None:
        if isinstance(x, Parts):
            x = next(part for part in x.components.values() if not _is_finite(part))
        self.array = _bare(x)
        self.place = tuple(np.argwhere(~np.isfinite(self.array))[0].tolist())
        self.nans = int(np.count_nonzero(np.isnan(self.array)))
        self.infinities = int(np.count_nonzero(~np.isfinite(self.array))) - self.nans

    def __str__(self) -> str:
        kinds = _count(self.nans, self.infinities)
        return f"{kinds} among {self.array.size} numbers" if self.array.ndim else kinds

    def told_of(self, whole: str) -> str:
        """Say what was found in what."""
        first = f", the first at {list(self.place)}" if self.array.ndim else ""
        return f"{self} in {whole}{first}."

    @property
    def overflow(self) -> str:
        """What to do if it has become too large."""
        dtype = self.array.dtype
        return OVERFLOW.format(dtype=dtype, largest=np.finfo(dtype).max)


def _count(nans: int, infinities: int) -> str:
    kinds = [f"{nans} NaN"] if nans else []
    if infinities:
        kinds.append("1 infinity" if infinities == 1 else f"{infinities} infinities")
    return " and ".join(kinds)


def _is_finite(x: Any) -> bool:
    if isinstance(x, Parts):
        return all(map(_is_finite, x.components.values()))
    array = _bare(x)
    return array.dtype.kind not in "fc" or bool(np.all(np.isfinite(array)))


def _bare(x: Any) -> Array:
    """Return an array with all that hides in it: without history, with all examples of a batch."""
    value = revealed(value_of(x))
    if value is not x:
        return _bare(value)
    return value if hasattr(value, "dtype") else np.asarray(value)
