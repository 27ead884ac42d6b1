"""The comparison kernels and the weights of ranks that CROLoss chooses from; after its Figure 2."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch

from recbench.errors import UsageError
from recbench.losses.building_blocks.rank import Gaps, Kernel, PowerWeight, log_rank
from recbench.plots.figure import figure, look
from recbench.plots.series import Panel, Point, Series
from recbench.settings import at_least, within_limits

KERNELS: tuple[Kernel | Literal["step"], ...] = ("hinge", "sigmoid", "exp", "softplus", "step")
WIDEST = 4.0  # gap to either side
STEPS = 401
RANKS = 200


def panels(alphas: Sequence[float], margin: float, items: int) -> list[Panel]:
    """Return the kernels phi(x) for gaps x in [-4, 4], and the weights w_alpha(x) of ranks x from 1 to items + 1.

    Tang et al., CIKM 2022, Figure 2 and equations 12, 13 and 15, https://arxiv.org/abs/2208.02971, by the code that
    trains. Raises UsageError for an alpha or margin below 0 or fewer than 2 items.
    """
    if not all(map(math.isfinite, (*alphas, margin))):
        raise UsageError("--alpha and --margin: expected finite numbers")
    at_least("--margin", margin, 0)
    within_limits("--items", items)
    for alpha in alphas:
        at_least("--alpha", alpha, 0)
    return [_kernels(margin), _weights(alphas, items)]


def _kernels(margin: float) -> Panel:
    x = torch.linspace(-WIDEST, WIDEST, STEPS, dtype=torch.double)
    gaps = Gaps(x[:, None], torch.ones(STEPS))
    lines = []
    for kernel in KERNELS:
        # With one negative the rank is 1 + phi(gap).
        value = log_rank(kernel, gaps, margin).expm1()
        lines.append(_line(f"hinge, margin {margin:g}" if kernel == "hinge" else kernel, x, value))
    return Panel("comparison kernels", "gap x: score of the negative less the positive's", "φ(x)", lines)


def _weights(alphas: Sequence[float], items: int) -> Panel:
    x = torch.logspace(0, float(torch.tensor(items + 1.0).log10()), RANKS, dtype=torch.double)
    lines = [_line(f"α = {alpha:g}", x, PowerWeight(alpha, items).log_density(x.log()).exp()) for alpha in alphas]
    return Panel(f"weights of ranks, {items:,} items", "rank x", "weight w(x)", lines)


def _line(label: str, x: torch.Tensor, y: torch.Tensor) -> Series:
    return Series(label, [Point(at, value, None, 0) for at, value in zip(x.tolist(), y.tolist(), strict=True)])


def table(drawn: Sequence[Panel]) -> list[dict[str, Any]]:
    """Return a row per point of each function."""
    return [
        {"panel": panel.title, "function": line.label, "x": point.x, "value": point.mean}
        for panel in drawn
        for line in panel.lines
        for point in line.points
    ]


def draw(drawn: Sequence[Panel], path: Path, title: str) -> None:
    """Write the panels, that of the weights with logarithmic axes."""
    with figure(path, title, len(drawn), width=4.2) as (_, axes):
        for ax, panel in zip(axes, drawn, strict=True):
            for number, line in enumerate(panel.lines):
                style = look(number) | {"marker": ""}
                ax.plot(
                    [point.x for point in line.points], [point.mean for point in line.points], label=line.label, **style
                )
            ax.set(title=panel.title, xlabel=panel.x, ylabel=panel.y)
            ax.legend()
        axes[0].set_ylim(-0.1, WIDEST)
        axes[1].set(xscale="log", yscale="log")
