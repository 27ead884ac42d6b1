"""Graph filtering."""

from __future__ import annotations

from typing import Any

from recbench.baselines.base import BASELINES, Baseline, FittedBaseline, Size
from recbench.baselines.building_blocks.graph_filter import GraphFilter, NormalisedGraph, Signal, dense, graph_memory
from recbench.data.dataset import Positives
from recbench.settings import at_least


@BASELINES.add("gf-cf")
class GFCF(Baseline):
    """What the user has had, smoothed over the graph of users and items, and by its `factors` slowest waves.

    With R~ = D_u^-1/2 R D_i^-1/2 and V its first right singular vectors, what the user has had is multiplied by
    R~'R~ + `ideal` D_i^-1/2 V V' D_i^1/2. Shen et al., CIKM 2021, https://arxiv.org/abs/2108.07567. A user without
    positives scores 0 everywhere.
    """

    needs = ("scipy",)
    saving = "lower gf-cf.factors with --set"
    search = {"ideal": (0.0, 0.1, 0.2, 0.3, 0.5, 1.0), "factors": (32, 64, 128, 256, 512)}

    def __init__(self, *, factors: int = 256, ideal: float = 0.3) -> None:
        at_least("gf-cf.factors", factors, 1)
        at_least("gf-cf.ideal", ideal, 0)
        self.factors, self.ideal = factors, ideal

    def fit(self, train: Positives, items: int, seed: int) -> FittedBaseline:
        """Find the singular vectors."""
        graph = NormalisedGraph(train, items)
        first = graph.principal(self.factors)
        into, out = first.T * graph.inverse_root.T, self.ideal * graph.root * first

        def apply(signal: Any) -> Signal:
            smoothed = dense(graph.by_item @ (graph.by_user @ signal))
            smoothed += out @ (signal.T @ into.T).T
            return smoothed

        return GraphFilter(items, graph.by_user.nnz + first.size, apply)

    def memory(self, size: Size) -> int:
        """Return about how many bytes it takes."""
        return graph_memory(size, self.factors)
