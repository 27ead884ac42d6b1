"""SimGCL against plain loops over its encodings."""

from __future__ import annotations

import pytest
import torch

from recbench.backbones.mf import MF
from recbench.losses.base import why_not
from recbench.losses.simgcl import SimGCL
from tests.losses import by_loops
from tests.losses.graph_views import model_of, products_of_a_step, value


def test_value() -> None:
    model, batch = model_of("simgcl", weight=0.7, temperature=0.3, noise=0.2)
    found, towers = value(model, batch)
    plain, one, other = towers.views
    assert torch.equal(plain.vectors, torch.cat(model.backbone.tables()))
    assert not torch.equal(one.vectors, other.vectors)
    expected = by_loops.bpr(towers) + 0.7 * by_loops.contrast(one, other, batch, 0.3)
    assert found == pytest.approx(expected, abs=1e-5)


def test_scores_leave_out_the_free_vectors_unless_told_otherwise() -> None:
    for words, first in (({}, 1), ({"free_vectors": True}, 0)):
        model, batch = model_of("simgcl", **words)
        encoding = value(model, batch)[1].views[0]
        torch.testing.assert_close(torch.cat(model.backbone.tables()), torch.stack(encoding.layers[first:]).mean(0))


def test_three_propagations_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    assert products_of_a_step(*model_of("simgcl"), monkeypatch) == 3 * 3


def test_it_is_refused_on_a_backbone_without_a_graph() -> None:
    assert why_not(SimGCL, MF) == (
        "loss `simgcl` needs encodings of all users and items over changed graphs and vectors that are the mean of the "
        "layers of a graph convolution, which backbone `mf` does not have; see `recbench list losses` for the pairs "
        "that work"
    )
