"""The ratios as a picture: a panel for each precision and pass, a line for each layer."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.conv import COLLECTIONS, Layer
from benchmarks.measure import Outcome
from benchmarks.report import PASSES, ratio

OURS = "tensorgrad"
# beside the bars of ours; others would be off the picture
MARKS = {"tensorgrad (NumPy alone)": ("d", "0.2"), "JAX": ("x", "0.5")}
TICKS = {1 / 8: "1/8", 1 / 4: "1/4", 1 / 2: "1/2", 1: "1", 2: "2", 4: "4", 8: "8"}
LIMITS = 1 / 16, 16.0  # what is beyond is drawn there
# text stays text, and nothing differs from run to run
STYLE = {"svg.fonttype": "none", "svg.hashsalt": "tensorgrad", "font.size": 8}


def draw(outcomes: dict[Layer, dict[str, Outcome]], libraries: Sequence[str], path: Path) -> None:
    """Draw the ratios of times to the first library."""
    base = libraries[0]
    names = list(dict.fromkeys(layer.name for layer in outcomes))
    listed = {layer.name for layer in outcomes if layer.collection == COLLECTIONS[0]}
    shown = [name for name in (OURS, *MARKS) if name in libraries and name != base]
    columns = [(dtype, run) for dtype in ("float32", "float64") for run in PASSES]
    with mpl.rc_context(STYLE):
        figure = Figure((11, 1.2 + 0.19 * len(names)), layout="constrained")
        panels = figure.subplots(1, len(columns), sharey=True)
        for axes, (dtype, run) in zip(panels, columns, strict=True):
            axes.set(title=f"{dtype}, {run}", xscale="log", xlim=LIMITS)
            axes.set_xticks(list(TICKS), list(TICKS.values()))
            axes.tick_params("y", length=0)
            axes.minorticks_off()
            axes.grid(axis="x", color="0.9")
            axes.axvline(1, color="black", linewidth=1)
            axes.axhline(len(listed) - 0.5, color="0.5", linewidth=0.5)
            for library in shown:
                rows, values = [], []
                for layer, by in outcomes.items():
                    if layer.dtype == dtype:
                        value = ratio(by[library], by[base], run)
                        if value is not None:
                            rows.append(names.index(layer.name))
                            values.append(min(max(value, LIMITS[0]), LIMITS[1]))
                if library == OURS:
                    colors = ["tab:green" if value < 1 else "tab:red" for value in values]
                    axes.hlines(rows, 1, values, colors, linewidth=8)
                elif rows:
                    mark, color = MARKS[library]
                    axes.plot(values, rows, mark, color=color, ms=4, label=library, clip_on=False)
        panels[0].set_yticks(range(len(names)), names)
        panels[0].set_ylim(len(names) - 0.5, -0.5)
        figure.supxlabel(f"time by that of {base}: tensorgrad is faster (green) or slower (red)")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)
        figure.savefig(path, metadata={"Date": None})
