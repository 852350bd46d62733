"""The drawing of a graph in SVG, made here: it needs no other program, font or package."""

from tensorgrad.visualize.svg.colours import Colour
from tensorgrad.visualize.svg.write import svg

__all__ = ["Colour", "svg"]
