"""SGL against plain loops over its encodings."""

from __future__ import annotations

import pytest
import torch

from tests.losses import by_loops
from tests.losses.graph_views import model_of, products_of_a_step, value


@pytest.mark.parametrize("augment", ["edges", "nodes", "walk"])
def test_value(augment: str) -> None:
    model, batch = model_of("sgl", weight=0.7, temperature=0.3, augment=augment, drop=0.4)
    found, towers = value(model, batch)
    plain, one, other = towers.views
    assert torch.equal(plain.vectors, torch.cat(model.backbone.tables()))
    assert not torch.allclose(one.vectors, other.vectors)
    expected = by_loops.bpr(towers) + 0.7 * by_loops.contrast_with_all(one, other, batch, 0.3)
    assert found == pytest.approx(expected, abs=1e-5)


def test_value_among_the_batch() -> None:
    model, batch = model_of("sgl", weight=0.7, temperature=0.3, against="batch")
    found, towers = value(model, batch)
    _, one, other = towers.views
    expected = by_loops.bpr(towers) + 0.7 * by_loops.contrast(one, other, batch, 0.3)
    assert found == pytest.approx(expected, abs=1e-5)


def test_three_propagations_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    assert products_of_a_step(*model_of("sgl"), monkeypatch) == 3 * 3
