"""XSimGCL against plain loops over its one encoding."""

from __future__ import annotations

import pytest
import torch

from tests.losses import by_loops
from tests.losses.graph_views import model_of, products_of_a_step, value


@pytest.mark.parametrize("layer", [1, 2])
def test_value(layer: int) -> None:
    model, batch = model_of("xsimgcl", weight=0.7, temperature=0.3, layer=layer)
    found, towers = value(model, batch)
    (final,) = towers.views
    expected = by_loops.bpr(towers) + 0.7 * by_loops.contrast(final, final.layer(layer), batch, 0.3)
    assert found == pytest.approx(expected, abs=1e-5)


def test_what_is_ranked_in_training_has_noise_and_what_is_scored_has_none() -> None:
    model, batch = model_of("xsimgcl", noise=0.3)
    towers = model.loss.encode(model.backbone, batch)
    assert torch.equal(towers.user, towers.views[0].user[batch.user])
    users, _ = model.backbone.tables()
    assert not torch.allclose(towers.user, users[batch.user])
    assert torch.equal(users, model.backbone.tables()[0])


def test_a_layer_that_is_not_there_is_the_last() -> None:
    far, last = (model_of("xsimgcl", layer=layer) for layer in (9, 3))
    torch.manual_seed(0)
    found = value(*far)[0]
    torch.manual_seed(0)
    assert found == value(*last)[0]


def test_one_propagation_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    assert products_of_a_step(*model_of("xsimgcl"), monkeypatch) == 3
