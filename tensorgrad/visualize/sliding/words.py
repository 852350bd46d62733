"""What a scene says: its title, what happens in it, and the sum at each step."""

from tensorgrad.visualize.sliding.scene import Place, Scene, Term
from tensorgrad.visualize.values import short

# products that a sum spells out
_SPELT = 16

TITLES = {
    "y": "The convolution",
    "dx": "Its gradient by the input",
    "dw": "Its gradient by the kernel",
}


def story(scene: Scene) -> str:
    """Say in a few sentences what slides over what, and why."""
    geometry = scene.geometry
    if scene.result_name == "y":
        padded = any(p > 0 for pair in geometry.padding for p in pair)
        return (
            f"The kernel w slides over the {'padded ' * padded}input x"
            f"{_stride_text(geometry.stride, scene.axes)}. At each place the entries under it are "
            "multiplied by its weights, and the products are added up to one entry of y."
        )
    if scene.result_name == "dx":
        spread = max(geometry.input_dilation) > 1
        zeros = ", with the zeros between its entries that the stride asks for" if spread else ""
        return (
            "Every window that met an entry of x hands a share of its own gradient g back to it: g "
            "times the weight that lay on it. Adding the shares up, for one entry of x after the "
            f"other, slides a window again: over g{zeros}, padded as far as the windows reached; "
            "with the kernel mirrored, since the first window that met an entry did so with its "
            "last weight."
        )
    spread = max(geometry.dilation) > 1
    return (
        "Every window used each weight once, on an entry of its own, and hands it back a share of "
        "its gradient g: g times that entry. Adding the shares up, for one weight after the other, "
        "slides a window again: now g itself is the kernel, its entries "
        f"{'as far apart' if spread else 'side by side'} as the windows were."
    )


def _stride_text(stride: tuple[int, ...], axes: int) -> str:
    rows, columns = stride
    if axes == 1 or rows == columns:
        return f", {columns} entries at a time" if columns > 1 else ""
    return f", {rows} down and {columns} to the right at a time"


def index_text(place: Place, axes: int) -> str:
    """Print an index along as many axes as the caller has.

    >>> index_text((0, 3), 2), index_text((0, 3), 1)
    ('[0,3]', '[3]')
    """
    return f"[{','.join(map(str, place[-axes:]))}]"


def names(scene: Scene, step: Place) -> str:
    """Spell the sum at a step out in letters, without the zeros put around and between entries."""
    met = [
        f"{scene.field_name}{index_text(term.entry, scene.axes)}·"
        f"{scene.kernel_name}{index_text(term.weight, scene.axes)}"
        for term in scene.terms(step)
        if term.entry is not None
    ]
    return f"{scene.result_name}{index_text(step, scene.axes)} = {_sum(met)}"


def numbers(scene: Scene, step: Place) -> str:
    """Spell the same sum out in numbers; with = if none of them was rounded to be short."""
    result = float(scene.result[step])
    met = [term for term in scene.terms(step) if term.entry is not None]
    if not met:
        return "= 0, since only zeros lie under the window"
    exact = _is_exact(result) and all(_is_exact(v) for term in met for v in term.values)
    return f"= {_sum([_product(term) for term in met])} {'=' if exact else '≈'} {short(result)}"


def _sum(products: list[str]) -> str:
    if len(products) > _SPELT:
        products = [*products[:_SPELT], f"… ({len(products) - _SPELT} more)"]
    return " + ".join(products) or "0"


def _product(term: Term) -> str:
    return "·".join(f"({short(v)})" if v < 0 else short(v) for v in term.values)


def _is_exact(value: float) -> bool:
    return float(short(value).replace("−", "-")) == value
