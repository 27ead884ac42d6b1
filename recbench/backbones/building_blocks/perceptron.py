"""Multi-layer perceptrons."""

from __future__ import annotations

from torch import nn

from recbench.errors import UsageError


def layer_widths(hidden: str) -> list[int]:
    """Parse the setting `backbone.hidden`, as in "128-64"; raises UsageError if it is no such list."""
    layers = hidden.split("-") if hidden else []
    if not all(width.isdecimal() and int(width) for width in layers):
        raise UsageError(f"backbone.hidden={hidden}: expected widths joined by -, as in 128-64")
    return [int(width) for width in layers]


def perceptron(widths: list[int]) -> nn.Sequential:
    """Return linear layers from widths[0] to widths[-1] with LeakyReLU between them, none after the last."""
    layers: list[nn.Module] = []
    for width, following in zip(widths[:-1], widths[1:], strict=True):
        layers += [nn.Linear(width, following), nn.LeakyReLU(inplace=True)]  # in memory that is still in the caches
    return nn.Sequential(*layers[:-1])
