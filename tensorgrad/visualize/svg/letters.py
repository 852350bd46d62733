"""How wide a text will be, without a font at hand."""

from unicodedata import east_asian_width

# thousandths of the font's size, as in Helvetica and Arial: from the space to the tilde
_WIDTHS = (
    *(278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278),
    *(556,) * 10,
    *(278, 278, 584, 584, 584, 556, 1015),
    *(667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833),
    *(722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611),
    *(278, 278, 278, 469, 556, 333),
    *(556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833),
    *(556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500),
    *(334, 260, 334, 584),
)
# what a viewer takes in place of these fonts may be wider, and so is bold
_RESERVE, _BOLD = 1.05, 1.08


def width(text: str, size: float, is_bold: bool = False) -> float:
    """Return the width of one line in pixels, rather too wide than too narrow.

    >>> round(width("conv", 12))
    27
    """
    thousandths = sum(map(_letter, text))
    return thousandths / 1000 * size * _RESERVE * (_BOLD if is_bold else 1.0)


def _letter(letter: str) -> int:
    code = ord(letter) - ord(" ")
    if 0 <= code < len(_WIDTHS):
        return _WIDTHS[code]
    return 1200 if east_asian_width(letter) in "WF" else 700
