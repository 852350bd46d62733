"""A graph as JSON, and back."""

import json
from collections.abc import Sequence
from dataclasses import MISSING, fields
from math import isfinite
from typing import Any

from tensorgrad.errors import GraphError, explain
from tensorgrad.visualize.node import GraphNode, Saved, Source
from tensorgrad.visualize.values import Summary

FORMAT = "tensorgrad graph"
VERSION = 1


def to_json(nodes: Sequence[GraphNode], outputs: Sequence[int]) -> str:
    """Write a graph; see `Graph.to_json`."""
    document = {
        "format": FORMAT,
        "version": VERSION,
        "outputs": list(outputs),
        "nodes": [_written(node) for node in nodes],
    }
    return json.dumps(document, allow_nan=False, separators=(",", ":"))


def _written(record: Any) -> dict[str, Any]:
    """Return the fields of a record, without those that have their default."""
    return {
        field.name: _plain(value)
        for field in fields(record)
        if (value := getattr(record, field.name)) != field.default or field.default is MISSING
    }


def _plain(value: Any) -> Any:
    if isinstance(value, (Summary, Source, Saved)):
        return _written(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not isfinite(value):
        return str(value)  # JSON has no such numbers; float() reads these words
    return value


def from_json(text: str) -> tuple[tuple[GraphNode, ...], tuple[int, ...]]:
    """Read the nodes and outputs of a graph; see `Graph.from_json`."""
    try:
        document = json.loads(text)
        if (document["format"], document["version"]) != (FORMAT, VERSION):
            raise ValueError(f"of format {document['format']!r}, version {document['version']!r}")
        nodes = tuple(_node(fields) for fields in document["nodes"])
        outputs = tuple(document["outputs"])
        _check(nodes, outputs)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise GraphError(
            explain(
                "from_json",
                f"This is not a graph as to_json() writes it: {type(error).__name__}, {error}.",
                "Pass the whole text.",
                text=text,
            )
        ) from error
    return nodes, outputs


def _node(written: dict[str, Any]) -> GraphNode:
    read: dict[str, Any] = {
        **written,
        **{
            name: tuple(written[name])
            for name in ("shape", "inputs", "arguments", "constants", "scope")
            if name in written
        },
        "saved": tuple(Saved(**saved) for saved in written.get("saved", ())),
    }
    if "source" in written:
        read["source"] = Source(**written["source"])
    for name in ("values", "gradient"):
        if name in written:
            read[name] = _summary(written[name])
    if "seconds" in written:
        read["seconds"] = float(written["seconds"])
    return GraphNode(**read)


def _summary(written: dict[str, Any]) -> Summary:
    numbers = {name: _number(written[name]) for name in ("low", "mean", "high", "deviation")}
    pixels = tuple(tuple(map(_number, row)) for row in written["pixels"])
    tuples = {"shape": tuple(written["shape"]), "counts": tuple(written["counts"])}
    return Summary(**{**written, **numbers, **tuples, "pixels": pixels})


def _number(x: Any) -> Any:
    return float(x) if isinstance(x, str) else x


def _check(nodes: Sequence[GraphNode], outputs: Sequence[int]) -> None:
    for i, node in enumerate(nodes):
        if node.number != i or any(n is not None and not 0 <= n < i for n in node.inputs):
            raise ValueError(f"node {i} has the number {node.number} and the inputs {node.inputs}")
        others = [s.number for s in node.saved] + [node.rule_of]
        if any(n is not None and not 0 <= n < len(nodes) for n in others):
            raise ValueError(f"node {i} refers to {others}")
        if len(node.inputs) != len(node.arguments):
            raise ValueError(f"node {i} has {len(node.inputs)} inputs for {node.arguments}")
        if node.constants and len(node.constants) != len(node.inputs):
            raise ValueError(f"node {i} has {len(node.inputs)} inputs for {node.constants}")
    if any(not 0 <= n < len(nodes) for n in outputs):
        raise ValueError(f"the outputs are {outputs}")
