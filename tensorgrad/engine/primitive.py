"""Primitive: one differentiable operation, its rules, and the act of recording it.

An operation's array arguments are positional, its parameters are keywords. Its rules are plain
NumPy functions whose argument names say what they need; see `Rule`.
"""

from collections.abc import Callable, Container, Sequence
from inspect import Parameter, signature
from operator import itemgetter
from typing import Any, NamedTuple, NoReturn

import numpy as np

from tensorgrad.engine.modes import branch_watcher, is_recording
from tensorgrad.engine.node import Node
from tensorgrad.engine.tensor import Tensor
from tensorgrad.errors import (
    GraphError,
    IndexingError,
    ShapeError,
    TensorgradError,
    UnsupportedError,
    explain,
)
from tensorgrad.typing import Array, Draw

# One case to try an operation on: its positional and its keyword arguments.
Case = tuple[tuple[Any, ...], dict[str, Any]]
Samples = Callable[[Draw], Case]

# Every operation by its name, and the operation that answers for a function of NumPy.
REGISTRY: dict[str, "Operation"] = {}
NUMPY: dict[Callable[..., Any], "Operation"] = {}
NO_PARAMS: dict[str, Any] = {}
# What NumPy raises for arguments that do not fit, and a duck array for what it cannot do.
_REFUSALS = (ValueError, TypeError, IndexError)


class Operation:
    """What the registry knows of a public function: how to call it, and how to test it.

    Attributes
    ----------
    name
        Unique in the registry; shown in pictures and errors.
    fun
        The function itself.
    samples
        Draws arguments to try it on.
    reference
        An independent implementation to compare values with.
    kind
        ``elementwise``, ``linear``, ``bilinear``, ``general``, ``constant``, or ``composite``:
        written with other operations, and so without rules of its own.
    differentiable
        Whether results depend smoothly on the arguments, so that the laws of derivatives apply.
    """

    kind = "composite"

    def __init__(
        self,
        name: str,
        fun: Callable[..., Any],
        samples: Samples,
        reference: Callable[..., Any],
        numpy: Sequence[Callable[..., Any]] = (),
    ) -> None:
        self.name = name
        self.fun = fun
        self.samples = samples
        self.reference = reference
        self.differentiable = self.kind != "constant"
        if name in REGISTRY:
            raise TensorgradError(
                explain("register", "An operation of this name exists.", name=name)
            )
        REGISTRY[name] = self
        for function in numpy:
            NUMPY[function] = self

    def __call__(self, *args: Any, **params: Any) -> Any:
        """Call the function."""
        try:
            return self.fun(*args, **params)
        except _REFUSALS as error:
            return _retry(self, args, params, error)

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}>"


class Constant(Operation):
    """An operation with derivative zero wherever it has one: its results are constants.

    Where it ``steps``, results change from one constant to another, as those of ``floor`` and of
    comparisons: what is computed from them is smooth in pieces. Others, as ``shape``, never change
    with the values of their arguments, or say nothing about what follows.
    """

    kind = "constant"

    def __init__(
        self,
        name: str,
        fun: Callable[..., Any],
        samples: Samples,
        reference: Callable[..., Any],
        numpy: Sequence[Callable[..., Any]] = (),
        *,
        steps: bool = True,
    ) -> None:
        super().__init__(name, fun, samples, reference, numpy)
        self.steps = steps

    def __call__(self, *args: Any, **params: Any) -> Any:
        """Call the function on the bare values; arrays come back as constant Tensors."""
        plain_args = [_unwrap(arg) for arg in args]
        plain_params = {name: _unwrap(value) for name, value in params.items()}
        try:
            ans = self.fun(*plain_args, **plain_params)
        except _REFUSALS as error:
            ans = _retry(self, plain_args, plain_params, error)
        if self.steps and (note := branch_watcher()) is not None:
            note(ans)
        return as_tensors(ans)


def _unwrap(arg: Any) -> Any:
    if type(arg) is Tensor:
        return arg._value
    if type(arg) in (list, tuple):
        return type(arg)(_unwrap(item) for item in arg)
    return arg


def as_tensors(ans: Any, *, copy: bool = False) -> Any:
    """Return a result, or a list or tuple of such, with Tensors for arrays and NumPy's numbers.

    Arrays are copied where they may be an argument, or a part of one, that somebody writes to.
    """
    if type(ans) is Tensor:
        return ans
    if isinstance(ans, np.generic) or hasattr(ans, "__array_function__"):
        return Tensor(_copied(ans) if copy else ans)
    if type(ans) in (list, tuple):
        return type(ans)(as_tensors(item, copy=copy) for item in ans)
    return ans


class Rule:
    """A formula, and where the engine finds what its argument names ask for.

    The first argument is the cotangent ``g`` or the tangent ``t``. The others, in any number, are

    - the operation's own array arguments, by name (``*xs`` as a tuple), and ``ans``, its result:
      these values are saved when the operation is recorded;
    - ``x_shape`` for an array argument ``x``: its shape, which keeps no value alive;
    - ``argnum``: which argument this is about, for a rule that serves all of them;
    - after those, the operation's parameters, or ``**params`` for all of them.
    """

    __slots__ = ("argnum", "everything", "formula", "needs", "params")

    def __init__(
        self,
        formula: Callable[..., Any],
        needs: Sequence[str] = (),
        params: Sequence[str] = (),
        *,
        everything: bool = True,
        argnum: bool = False,
    ) -> None:
        self.formula = formula
        self.needs = tuple(needs)
        self.params = tuple(params)
        self.everything = everything
        self.argnum = argnum

    @classmethod
    def read(cls, formula: Callable[..., Any], arrays: Sequence[str], primitive: str) -> "Rule":
        """Make a rule of a formula by reading its signature."""
        known = {"ans", *arrays, *(f"{name}_shape" for name in arrays)}
        _, *rest = signature(formula).parameters.values()
        names = [p.name for p in rest if p.kind is not Parameter.VAR_KEYWORD and p.name != "argnum"]
        needs = [name for name in names if name in known]
        params = [name for name in names if name not in known]
        if names != [*needs, *params]:
            raise TensorgradError(
                explain(
                    primitive,
                    "A rule names arrays first, then parameters.",
                    rule=str(signature(formula)),
                )
            )
        return cls(
            formula,
            needs,
            params,
            everything=any(p.kind is Parameter.VAR_KEYWORD for p in rest),
            argnum=any(p.name == "argnum" for p in rest),
        )

    def compile(self, layout: Sequence[str]) -> "Compiled":
        """Make the rule ready for nodes whose saved values lie as in layout."""
        formula = self.formula
        places = [layout.index(name) for name in self.needs]
        pick = _picker(places)
        place = places[0] if places else 0
        if self.argnum or self.everything or self.params:

            def with_params(seed: Array, saved: Any, params: dict[str, Any], argnum: int) -> Array:
                named = params
                if not self.everything and len(params) > len(self.params):
                    named = {name: params[name] for name in self.params}
                if self.argnum:
                    named = {**named, "argnum": argnum}
                try:
                    return formula(seed, *pick(saved), **named)
                except _REFUSALS as error:
                    return _way_around(error)(formula, (seed, *pick(saved)), named)

            return with_params

        def alone(seed: Array, _saved: Any, _params: dict[str, Any], _argnum: int) -> Array:
            try:
                return formula(seed)
            except _REFUSALS as error:
                return _way_around(error)(formula, (seed,), NO_PARAMS)

        def with_value(seed: Array, saved: Any, _params: dict[str, Any], _argnum: int) -> Array:
            try:
                return formula(seed, saved[place])
            except _REFUSALS as error:
                return _way_around(error)(formula, (seed, saved[place]), NO_PARAMS)

        def with_values(seed: Array, saved: Any, _params: dict[str, Any], _argnum: int) -> Array:
            try:
                return formula(seed, *pick(saved))
            except _REFUSALS as error:
                return _way_around(error)(formula, (seed, *pick(saved)), NO_PARAMS)

        return (alone, with_value)[len(places)] if len(places) < 2 else with_values


# What a primitive is given as its rules: one for all arguments, or one for each.
Formulas = Callable[..., Any] | Sequence[Callable[..., Any] | Rule | None]
# Which arguments' values are kept, as a bit set, and how to pick what is saved.
Plan = tuple[int, Callable[[tuple[Any, ...]], tuple[Any, ...]]]
# A rule made ready for the walks: (seed, saved values of the node, its params, argnum) -> the
# cotangent of that argument, or the tangent of the result
Compiled = Callable[[Array, Any, dict[str, Any], int], Array]


def _picker(places: Sequence[int]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    if len(places) > 1:
        return itemgetter(*places)
    if places:
        (place,) = places
        return lambda values: (values[place],)
    return lambda _values: ()


def _shape(value: Any) -> Any:
    return value.shape if type(value) is np.ndarray else np.shape(value)


class Every:
    """The one rule that serves every argument of a variadic operation, by number."""

    __slots__ = ("rule",)
    __iter__ = None  # there is no end to it

    def __init__(self, rule: Compiled | None) -> None:
        self.rule = rule

    def __getitem__(self, argnum: int) -> Compiled | None:
        return self.rule


class Primitive(Operation):
    """An operation with rules: calling it on Tensors records a node.

    ``vjps`` holds, for each array argument, the rule that pulls a cotangent of the result back to
    it; ``jvps`` the rule that pushes its tangent forward. None declares an argument constant. One
    rule that names ``argnum`` serves all arguments of a variadic operation. Where
    ``jointly_linear`` the operation itself, applied to all tangents at once, is the forward rule.

    An operation that is smooth in pieces says so: ``branches`` takes the values it names, as a rule
    does, to an array of integers or booleans that is the same wherever the same formula holds.
    ``singular`` takes such values to a mask that broadcasts to the result: the entries that have no
    derivative, where the rules follow a convention.
    One that is not ``holomorphic`` has, on complex numbers, no complex derivative.
    """

    def __init__(
        self,
        name: str,
        fun: Callable[..., Any],
        vjps: Formulas,
        jvps: Formulas,
        *,
        kind: str,
        samples: Samples,
        reference: Callable[..., Any],
        numpy: Sequence[Callable[..., Any]] = (),
        view: bool = False,
        branches: Callable[..., Any] | None = None,
        singular: Callable[..., Any] | None = None,
        holomorphic: bool = True,
    ) -> None:
        self.kind = kind
        super().__init__(name, fun, samples, reference, numpy)
        self.view = view
        self.branches = branches
        self.singular = singular
        self.holomorphic = holomorphic
        self.jointly_linear = kind == "linear"
        self.arrays, self.variadic, _ = array_names(fun)
        self.rules = {"vjp": self._rules(vjps), "jvp": self._rules(jvps)}
        layout = dict.fromkeys(
            need
            for rules in self.rules.values()
            for rule in rules
            if rule is not None
            for need in rule.needs
        )
        told = (tuple(signature(f).parameters) if f else () for f in (branches, singular))
        self._tells_apart, self._tells_singular = told
        layout |= dict.fromkeys(
            name
            for name in (*self._tells_apart, *self._tells_singular)
            if name in {"ans", *self.arrays}
        )
        if self.jointly_linear and (len(self.arrays) > 1 or self.variadic):
            layout |= dict.fromkeys(f"{array}_shape" for array in self.arrays)
        self.layout = tuple(layout)
        self.vjps, self.jvps = (self._compile(rules) for rules in self.rules.values())
        self._plans: dict[int, Plan] = {}

    def _rules(self, formulas: Formulas) -> tuple[Rule | None, ...]:
        if callable(formulas):
            formulas = [formulas]
        return tuple(Rule.read(f, self.arrays, self.name) if callable(f) else f for f in formulas)

    def _compile(self, rules: "tuple[Rule | None, ...]") -> "Sequence[Compiled | None] | Every":
        made = tuple(None if rule is None else rule.compile(self.layout) for rule in rules)
        return Every(made[0]) if self.variadic and made else made

    def __call__(self, *args: Any, **params: Any) -> Any:
        """Compute the result, and record it if an argument is recorded.

        Without any Tensor among the arguments the result is a plain array, as NumPy's would be.
        """
        if Tensor in map(type, params.values()):
            _refuse_tensors(self.name, params)
        if Tensor not in map(type, args):
            try:
                return self.fun(*args, **params)
            except _REFUSALS as error:
                return _retry(self, args, params, error)
        values = []
        parents = []
        recorded = raw = 0  # bit sets over the arguments
        bit = 1
        for arg in args:
            if type(arg) is Tensor:
                node = arg._node
                values.append(arg._value)
                parents.append(node)
                if node is not None:
                    recorded |= bit
            else:
                values.append(arg)
                parents.append(None)
                if type(arg) is not float:
                    raw |= bit
            bit += bit
        try:
            ans = self.fun(*values, **params)
        except _REFUSALS as error:
            ans = _retry(self, values, params, error)
        if not recorded or not is_recording():
            return self._constant(ans)
        plan = self._plans.get(recorded)
        keeps, save = plan if plan is not None else self._plan(recorded)
        if raw & keeps:  # somebody else may write to these later
            values = [_copied(v) if raw & keeps & 1 << i else v for i, v in enumerate(values)]
        if np.ndarray in map(type, params.values()):
            params = {
                name: value.copy() if type(value) is np.ndarray else value
                for name, value in params.items()
            }
        return self._record(ans, tuple(parents), params, save((None, ans, *values)))

    def _constant(self, ans: Any) -> Any:
        return Tensor(ans)

    def _record(
        self,
        ans: Any,
        parents: tuple[Node | None, ...],
        params: dict[str, Any],
        saved: tuple[Any, ...],
    ) -> Any:
        return self._handle(ans, Node(self, parents, params, saved, ans.shape, ans.dtype))

    def _handle(self, ans: Any, node: Node) -> Any:
        """Return what stands for a result that a node recorded."""
        return Tensor(ans, node)

    def _plan(self, recorded: int) -> Plan:
        """Work out once what to save when just these arguments are recorded.

        Returns the bit set of the arguments whose values are kept, and the function that takes
        ``(None, ans, *values)`` to the tuple of saved values, laid out as ``layout`` with None for
        what no rule will ask for.
        """
        needs = {*self._tells_apart, *self._tells_singular}
        for argnum in range(1 if self.variadic else len(self.arrays)):
            if self.variadic or recorded >> argnum & 1:
                for rules in self.rules.values():
                    rule = rules[argnum] if rules else None
                    needs.update(rule.needs if rule is not None else ())
        if self.jointly_linear:
            needs.update(name for name in self.layout if name.endswith("_shape"))
        if self.variadic:
            keeps = -1 if self.arrays[0] in needs else 0
        else:
            keeps = sum(1 << i for i, name in enumerate(self.arrays) if name in needs)
        plan = self._plans[recorded] = keeps, self._saver(needs)
        return plan

    def _saver(self, needs: set[str]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
        if self.variadic:
            sources: dict[str, Callable[[tuple[Any, ...]], Any]] = {
                "ans": lambda values: values[1],
                self.arrays[0]: lambda values: values[2:],
                f"{self.arrays[0]}_shape": lambda values: tuple(map(np.shape, values[2:])),
            }
            picks = [sources[name] if name in needs else lambda _: None for name in self.layout]
            return lambda values: tuple([pick(values) for pick in picks])
        places = {"ans": 1, **{name: 2 + i for i, name in enumerate(self.arrays)}}
        wanted = [
            (places[name.removesuffix("_shape")], name.endswith("_shape"))
            if name in needs
            else (0, False)
            for name in self.layout
        ]
        if not any(of_shape for _, of_shape in wanted):
            return _picker([place for place, _ in wanted])
        return lambda values: tuple(
            [_shape(values[place]) if of_shape else values[place] for place, of_shape in wanted]
        )

    def branch(self, node: Node) -> Array | None:
        """Return which formula held for each entry when a node was recorded; None for the only."""
        return self._told(self.branches, self._tells_apart, node) if self.branches else None

    def singularities(self, node: Node) -> Any:
        """Return a mask of the entries of a result that have no derivative; None if all do."""
        return self._told(self.singular, self._tells_singular, node) if self.singular else None

    def _told(self, formula: Callable[..., Any], names: Sequence[str], node: Node) -> Any:
        values = {**node.params, **dict(zip(self.layout, node.saved or (), strict=True))}
        named = {name: values[name] for name in names}
        try:
            return formula(**named)
        except _REFUSALS as error:
            return _way_around(error)(formula, (), named)

    def restore(self, node: Node, live: Container[Node]) -> tuple[Any, ...]:
        """Return what a node saved, as Tensors where the node that made a value is in ``live``."""
        saved = node.saved
        if saved is None:
            raise_freed(self.name)
        if not live:
            return saved

        def handle(value: Array, maker: Node | None) -> Any:
            return Tensor(value, maker) if maker is not None and maker in live else value

        restored = []
        for name, value in zip(self.layout, saved, strict=True):
            if value is None or name.endswith("_shape"):
                restored.append(value)
            elif name == "ans":
                restored.append(self._handle(value, node) if node in live else value)
            elif self.variadic:
                restored.append(tuple(map(handle, value, node.parents)))
            else:
                restored.append(handle(value, node.parents[self.arrays.index(name)]))
        return tuple(restored)


class Unary(Primitive):
    """A primitive of one array without parameters: the same recording without a loop."""

    def __call__(self, x: Any) -> Any:
        """Compute the result, and record it if the argument is recorded."""
        if type(x) is not Tensor:
            try:
                return self.fun(x)
            except _REFUSALS as error:
                return _way_around(error)(self.fun, (x,), NO_PARAMS)
        value, node = x._value, x._node
        try:
            ans = self.fun(value)
        except _REFUSALS as error:
            ans = _retry(self, [value], {}, error)
        if node is None or not is_recording():
            return Tensor(ans)
        plan = self._plans.get(1)
        pick = plan[1] if plan is not None else self._plan(1)[1]
        return Tensor(
            ans, Node(self, (node,), NO_PARAMS, pick((None, ans, value)), ans.shape, ans.dtype)
        )


class Binary(Primitive):
    """A primitive of two arrays without parameters: the same recording without a loop."""

    def __call__(self, x: Any, y: Any) -> Any:
        """Compute the result, and record it if an argument is recorded."""
        recorded = raw = 0
        left = right = None
        if type(x) is Tensor:
            left = x._node
            x = x._value
            if left is not None:
                recorded = 1
        else:
            raw = 1
        if type(y) is Tensor:
            right = y._node
            y = y._value
            if right is not None:
                recorded += 2
        elif raw:
            try:
                return self.fun(x, y)
            except _REFUSALS as error:
                return _way_around(error)(self.fun, (x, y), NO_PARAMS)
        else:
            raw = 2
        try:
            ans = self.fun(x, y)
        except _REFUSALS as error:
            ans = _retry(self, [x, y], {}, error)
        if not recorded or not is_recording():
            return Tensor(ans)
        plan = self._plans.get(recorded)
        keeps, pick = plan if plan is not None else self._plan(recorded)
        if raw & keeps:  # somebody else may write to it later
            x, y = (_copied(x), y) if raw == 1 else (x, _copied(y))
        return Tensor(
            ans, Node(self, (left, right), NO_PARAMS, pick((None, ans, x, y)), ans.shape, ans.dtype)
        )


class ArrayNames(NamedTuple):
    """A function's array arguments, whether it takes any number of them, and its parameters."""

    names: tuple[str, ...]
    variadic: bool
    params: tuple[str, ...]


def array_names(fun: Callable[..., Any]) -> ArrayNames:
    """Read off which arguments of a function are arrays (positional), and which parameters."""
    if isinstance(fun, np.ufunc):
        return ArrayNames(("x", "y", "z", "w")[: fun.nin], variadic=False, params=())
    args = signature(fun).parameters.values()
    params = tuple(p.name for p in args if p.kind is Parameter.KEYWORD_ONLY)
    variadic = tuple(p.name for p in args if p.kind is Parameter.VAR_POSITIONAL)
    fixed = tuple(p.name for p in args if p.kind is Parameter.POSITIONAL_ONLY)
    return ArrayNames(variadic or fixed, variadic=bool(variadic), params=params)


def _copied(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return np.array(value)
    return value.copy() if hasattr(value, "copy") and not isinstance(value, np.generic) else value


def _refuse_tensors(name: str, params: dict[str, Any]) -> None:
    for key, value in params.items():
        if type(value) is Tensor:
            raise UnsupportedError(
                explain(
                    name,
                    "A parameter is not differentiated.",
                    f"Pass {key}.numpy() to use its value as a constant.",
                    **{key: value},
                )
            )


# What to do about an error of NumPy's, by words of its message.
_REMEDIES = {
    "broadcast": "Sizes, aligned from the right, must be equal or 1: reshape one argument.",
    "cannot reshape": "The sides must multiply to the size of the array.",
    "all the input array": "All sides but the one along the axis must be equal.",
    "out of bounds": "A side of length n has the indices -n to n - 1.",
    "too many indices": "Name at most as many axes as there are.",
    "only integers, slices": "Convert a computed index with int() or .astype(int).",
    "boolean index": "A mask has the shape of the axes it selects from.",
}


def raise_freed(op: str) -> NoReturn:
    """Raise because a walk meets a node whose saved values are gone."""
    raise GraphError(
        explain(
            "backward",
            "The values saved for this graph were freed by an earlier backward().",
            "Pass retain_graph=True to the earlier call.",
            op=op,
        )
    )


def _way_around(error: Exception) -> Callable[..., Any]:
    """Return how an error says that the function which met it can be evaluated; else raise it."""
    origin: BaseException | None = error
    while origin is not None:  # NumPy may have put an error of its own around that of a duck array
        if hasattr(origin, "retry"):
            return origin.retry
        origin = origin.__cause__
    raise error


def _retry(
    operation: Operation, values: Sequence[Any], params: dict[str, Any], error: Exception
) -> Any:
    """Evaluate in the way that an error of a duck array names, else say what was called."""
    try:
        way = _way_around(error)
    except _REFUSALS:
        _fail(operation, values, params, error)
    return way(operation.fun, values, params)


def _fail(
    operation: Operation, values: Sequence[Any], params: dict[str, Any], error: Exception
) -> NoReturn:
    """Raise an error of NumPy's again, saying what was called with which arguments."""
    if isinstance(error, (TensorgradError, np.linalg.LinAlgError)):
        raise error
    names: Sequence[str] = getattr(operation, "arrays", ())
    if operation.kind == "composite":
        names = tuple(signature(operation.fun).parameters)[: len(values)]
    if len(names) != len(values):
        names = [f"{names[0] if names else 'x'}{i}" for i in range(len(values))]
    shown: dict[str, Any] = {}
    for name, value in zip(names, values, strict=True):
        is_array = hasattr(value, "shape")
        shown[f"{name}.shape" if is_array else name] = value.shape if is_array else value
    kinds = {TypeError: UnsupportedError, IndexError: IndexingError, ValueError: ShapeError}
    kind = next(ours for theirs, ours in kinds.items() if isinstance(error, theirs))
    reason = str(error).strip().rstrip(" .")
    remedy = next((ours for theirs, ours in _REMEDIES.items() if theirs in reason), "")
    reason = f"{reason[:1].upper()}{reason[1:]}."
    name = operation.name.replace("numpy.", "np.", 1)
    raise kind(explain(name, reason, remedy, **shown, **params)) from error
