"""Where to put boxes and lines: a layered layout from sizes and edges alone, top to bottom."""

from tensorgrad.visualize.layout.layered import Point
from tensorgrad.visualize.layout.nested import Edge, Frame, Layout, Rectangle, layout

__all__ = ["Edge", "Frame", "Layout", "Point", "Rectangle", "layout"]
