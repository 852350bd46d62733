"""The ratios as a picture: a column for each precision and pass, a line for each layer."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from benchmarks.conv import Layer
from benchmarks.libraries import OURS
from benchmarks.measure import Outcome
from benchmarks.report import PASSES, ratio

LIMITS = 1 / 16, 16.0  # a ratio beyond is drawn at the border
FASTER, SLOWER = "#2a7f3f", "#c0392b"
MARKERS = {OURS[0]: "o", OURS[1]: "|", "JAX": "x"}  # others would be off the picture


def draw(outcomes: dict[Layer, dict[str, Outcome]], libraries: Sequence[str], path: Path) -> None:
    """Draw the ratios to the first library: bars for tensorgrad, marks for the others."""
    base = libraries[0]
    names = list(dict.fromkeys(layer.name for layer in outcomes))
    dtypes = list(dict.fromkeys(layer.dtype for layer in outcomes))
    columns = [(dtype, run) for dtype in dtypes for run in PASSES]
    # text as text, and nothing that differs from run to run
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "tensorgrad", "font.size": 8}):
        figure = Figure((11, 1.2 + 0.19 * len(names)), layout="constrained")
        panels = figure.subplots(1, len(columns), sharey=True)
        for axes, (dtype, run) in zip(panels, columns, strict=True):
            for library, marker in MARKERS.items():
                if library in libraries and library != base:
                    found = {
                        layer.name: ratio(by[library], by[base], run)
                        for layer, by in outcomes.items()
                        if layer.dtype == dtype
                    }
                    ratios = {name: value for name, value in found.items() if value is not None}
                    _draw(axes, ratios, names, library, marker)
            axes.set_title(f"{dtype}, {run}")
            axes.axvline(1, color="black", linewidth=1)
            axes.set_xscale("log", base=2)
            axes.set_xlim(*LIMITS)
            ticks = [1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8]
            axes.set_xticks(ticks, ["1/8", "1/4", "1/2", "1", "2", "4", "8"])
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.grid(axis="x", color="0.9")
            axes.set_axisbelow(True)
        panels[0].set_yticks(range(len(names)), names)
        panels[0].set_ylim(len(names) - 0.5, -0.5)
        figure.supxlabel(f"time / time of {base}: green is faster, red is slower")
        handles = {}
        for axes in panels:
            handles.update(dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True)))
        figure.legend(handles.values(), handles, loc="outside upper center", ncols=len(handles))
        figure.savefig(path, metadata={"Date": None})


def _draw(
    axes: Axes, ratios: dict[str, float], names: Sequence[str], library: str, marker: str
) -> None:
    low, high = LIMITS
    rows = [names.index(name) for name in ratios]
    values = [min(max(value, low), high) for value in ratios.values()]
    if library == OURS[0]:
        colors = [FASTER if value < 1 else SLOWER for value in values]
        axes.barh(rows, [value - 1 for value in values], left=1, color=colors, height=0.7)
    else:
        axes.plot(values, rows, marker, color="0.3", markersize=5, label=library, clip_on=False)
