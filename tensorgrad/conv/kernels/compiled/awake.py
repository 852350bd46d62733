"""How the threads wait awake: they look at a count, and leave Python to the others meanwhile."""

from typing import Any

from llvmlite import binding, ir
from numba.core import types
from numba.extending import intrinsic

from tensorgrad.conv import workers
from tensorgrad.conv.kernels.compiled.tiles import compiled_for

# How often one looks before one goes to sleep, which takes some tenths of a millisecond.
PATIENCE = 10_000
# After it has given an order a thread runs some Python, and the next one must not get in its way.
COURTESY = 60
_X86 = binding.get_process_triple().startswith(("x86_64", "i686"))


@intrinsic
def load(_typing: Any, counts: Any, place: Any) -> Any:
    """Make an entry of counts, as other threads have left it."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        return builder.load_atomic(builder.gep(data, [args[1]]), "acquire", 8)

    return types.int64(counts, place), emit


@intrinsic
def store(_typing: Any, value: Any, counts: Any, place: Any) -> Any:
    """Store an entry of counts, for other threads to see."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = context.make_array(sig.args[1])(context, builder, args[1]).data
        builder.store_atomic(args[0], builder.gep(data, [args[2]]), "release", 8)
        return context.get_dummy_value()

    return types.void(value, counts, place), emit


@intrinsic
def pause(_typing: Any) -> Any:
    """Wait for some cycles, where the processor has an instruction for it."""

    def emit(context: Any, builder: Any, _sig: Any, _args: Any) -> Any:
        if _X86:
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(builder.module.declare_intrinsic("llvm.x86.sse2.pause", (), kind), [])
        return context.get_dummy_value()

    return types.void(), emit


def wait(counts, place, last):
    """Return when a count is no longer the last one, or after a while."""
    for _ in range(PATIENCE):
        if load(counts, place) != last:
            return
        pause()


def report(counts, done):
    """Store how many orders are done, and wait for another."""
    store(done, counts, workers.DONE)
    for _ in range(PATIENCE):
        if load(counts, workers.ORDERS) != done:
            for _ in range(COURTESY):
                pause()
            return
        pause()


def stay_awake() -> None:
    """Let all threads do so from now on.

    What they call is compiled here: a process that is forked while one of them does that would
    wait for it forever.
    """
    counts = types.Array(types.int64, 1, "C")
    workers.watch.wait = compiled_for(wait, (counts, types.int64, types.int64))
    workers.watch.report = compiled_for(report, (counts, types.int64))
