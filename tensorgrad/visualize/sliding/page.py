"""Scenes as HTML: the drawings, with a slider, a play button, and the sum at each step."""

import json
from html import escape
from pathlib import Path
from typing import Any

from tensorgrad.visualize.sliding.drawing import (
    CELL,
    STYLE,
    at_cell,
    drawing,
    met_windows,
    product_texts,
)
from tensorgrad.visualize.sliding.scene import Place, Scene
from tensorgrad.visualize.sliding.words import TITLES, names, numbers, story

_HERE = Path(__file__).parent


def page(scenes: tuple[Scene, ...], first: int) -> str:
    """Return a whole page."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>A convolution</title>'
        "<style>:root{color-scheme:light dark}</style></head>"
        f"<body>{fragment(scenes, first)}</body></html>"
    )


def fragment(scenes: tuple[Scene, ...], first: int) -> str:
    """Return what goes into a page: it takes the colours and the width of that."""
    tabs = "".join(
        f'<button type="button" role="tab" aria-selected="{str(i == first).lower()}">'
        f"{TITLES[scene.result_name]}</button>"
        for i, scene in enumerate(scenes)
    )
    panels = "".join(_panel(scene, shown=i == first) for i, scene in enumerate(scenes))
    data = [[_step(scene, step) for step in scene.steps] for scene in scenes]
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    style = STYLE + (_HERE / "sliding.css").read_text(encoding="utf-8")
    script = (_HERE / "sliding.js").read_text(encoding="utf-8")
    place = scenes[first].steps[0]
    sums = [escape(spell(scenes[first], place)) for spell in (names, numbers)]
    return (
        '<div class="tg-conv" role="group" tabindex="0" '
        'aria-label="A convolution and its gradients. Arrow keys step, space plays.">'
        f'<style>{style}</style><div role="tablist">{tabs}</div>{panels}'
        '<div class="controls">'
        '<button type="button" class="play" aria-label="Play">▶</button>'
        '<button type="button" aria-label="One step back">‹</button>'
        '<input type="range" min="0" value="0" aria-label="Step">'
        '<button type="button" aria-label="One step on">›</button>'
        "<output></output></div>"
        f'<p class="sum" aria-live="polite"><span class="names">{sums[0]}</span>'
        f'<br><span class="numbers">{sums[1]}</span></p>'
        f'<script type="application/json">{text}</script><script>{script}</script></div>'
    )


def _panel(scene: Scene, *, shown: bool) -> str:
    title, hidden = TITLES[scene.result_name], "" if shown else " hidden"
    return (
        f'<div role="tabpanel" aria-label="{title}"{hidden}><p class="story">{story(scene)}</p>'
        f'<div class="drawing">{drawing(scene, scene.steps[0], alone=False)}</div></div>'
    )


def _step(scene: Scene, step: Place) -> dict[str, Any]:
    """Return what changes from step to step: texts, and where groups of the drawing lie."""
    moves = {
        "window": at_cell(scene, scene.corner(step)),
        "now": (CELL * step[1], CELL * step[0]),
    }
    if scene.forward is not None:
        moves["used"] = at_cell(scene.forward, step)
    return {
        "moves": moves,
        "names": names(scene, step),
        "numbers": numbers(scene, step),
        "products": product_texts(scene, step),
        "zeros": [int(term.entry is None) for term in scene.terms(step)],
        "met": met_windows(scene, step) if scene.forward is not None else [],
    }
