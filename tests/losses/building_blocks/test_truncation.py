"""The truncated and the reweighted losses: schedule, constants of the gradient, masks."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import binary_cross_entropy_with_logits

from recbench.batch import Batch, Towers
from recbench.errors import UsageError
from recbench.inspect.conformance import Trial
from recbench.losses.building_blocks.truncation import TruncatedLoss
from tests.losses.by_hand import batch, loss, rows, sigmoid, towers
from tests.losses.denoising_slates import DENOISING, LABELS, LOGITS, MARGINS, gradient, pairs, truncated


@pytest.mark.parametrize(
    ("steps", "expected"), [(0, 0.0), (14999, 0.09999666655555185), (29999, 0.2), (30000, 0.2), (90000, 0.2)]
)
def test_schedule(steps: int, expected: float) -> None:
    made = loss("tce")
    assert isinstance(made, TruncatedLoss)
    made.steps += steps
    assert float(made.dropped_share()) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", ["tce", "tce-bpr"])
def test_every_update_counts_as_a_step_and_so_after_a_resume(name: str) -> None:
    trial = Trial(name)
    model = trial.model(words={"gradual": "5", "drop": "0.5"})
    assert isinstance(model.loss, TruncatedLoss)
    shares = []
    for _ in range(3):
        shares.append(float(model.loss.dropped_share()))
        model.loss.step(model.backbone, trial.batch, model.optimizer)
    again = trial.model(words={"gradual": "5", "drop": "0.5"})
    again.load(model.state())
    assert isinstance(again.loss, TruncatedLoss)
    for _ in range(3):
        shares.append(float(again.loss.dropped_share()))
        again.loss.step(again.backbone, trial.batch, again.optimizer)
    assert shares == pytest.approx([0, 0.125, 0.25, 0.375, 0.5, 0.5])


def test_weights_are_constants_of_the_gradient() -> None:
    found = gradient("rce", towers(rows(LOGITS)), batch(rows(LABELS)))[:, 0]
    weight = torch.tensor([sigmoid(x) ** 0.2 for x in (2, -1, -0.5, 2)], dtype=torch.float64)
    error = torch.tensor(LOGITS, dtype=torch.float64).sigmoid() - torch.tensor(LABELS, dtype=torch.float64)
    torch.testing.assert_close(found, weight * error / 4, rtol=1e-6, atol=0)
    found = gradient("rce-bpr", towers(pairs(MARGINS)), batch([[1, 0]] * 4))
    weight = torch.tensor([sigmoid(margin) ** 0.2 for margin in MARGINS], dtype=torch.float64)
    slope = -weight * torch.tensor(MARGINS, dtype=torch.float64).neg().sigmoid() / 4
    torch.testing.assert_close(found, torch.stack([slope, -slope], 1), rtol=1e-6, atol=0)


def test_what_is_left_out_has_no_gradient() -> None:
    found = gradient("tce", towers(rows(LOGITS)), batch(rows(LABELS)), drop=0.25)[:, 0]
    assert (found == 0).tolist() == [False, True, False, False]
    found = gradient("tce-bpr", towers(pairs(MARGINS)), batch([[1, 0]] * 4), drop=0.25)
    assert (found == 0).all(1).tolist() == [False, True, False, False]


@given(st.lists(st.tuples(st.floats(-9, 9), st.booleans()), min_size=1, max_size=20))
def test_without_truncation_and_weights_they_are_cross_entropy(slots: list[tuple[float, bool]]) -> None:
    logit, label = [x for x, _ in slots], [float(y) for _, y in slots]
    expected = binary_cross_entropy_with_logits(*torch.tensor([logit, label], dtype=torch.float64))
    slates = towers([logit]), batch([label])
    for made in (truncated("tce", drop=0.0), loss("tce", drop=0.5), loss("rce", beta=0.0)):
        assert float(made(*slates)) == pytest.approx(float(expected), abs=1e-12)


@given(st.lists(st.floats(-9, 9), min_size=1, max_size=20))
def test_without_truncation_and_weights_they_are_bpr(margins: list[float]) -> None:
    slates = towers(pairs(margins)), batch([[1, 0]] * len(margins))
    expected = float(loss("bpr")(*slates))
    for made in (truncated("tce-bpr", drop=0.0), loss("tce-bpr", drop=0.5), loss("rce-bpr", beta=0.0)):
        assert float(made(*slates)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", DENOISING)
def test_masked_slots_do_not_count(name: str) -> None:
    settings = {"drop": 0.25} if name.startswith("tce") else {}
    make = truncated if name.startswith("tce") else loss
    real = [[1.5, 0.3], [-0.2, 0.9], [0.1, -1.0], [0.4, -0.6]]
    padded = [[*slate, wild] for slate, wild in zip(real, (40.0, -40.0, 7.0, 0.0), strict=True)]
    for label in (0.0, 1.0):
        slates = batch([[1, 0, label]] * 4, [[True, True, False]] * 4)
        found = make(name, **settings)(towers(padded), slates)
        expected = make(name, **settings)(towers(real), batch([[1, 0]] * 4))
        assert float(found) == pytest.approx(float(expected), abs=1e-12)


@pytest.mark.parametrize("name", DENOISING)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gradients_stay_finite(name: str, dtype: torch.dtype) -> None:
    pair = torch.tensor([[50.0, -50.0], [-50.0, 50.0], [50.0, 50.0]], dtype=dtype).unsqueeze(-1).requires_grad_()
    nothing, settings = torch.empty(0), {"drop": 0.3} if name.startswith("tce") else {}
    made = (truncated if name.startswith("tce") else loss)(name, **settings)
    label = torch.tensor([[1.0, 0.0]] * 3).unsqueeze(-1)
    made(Towers(nothing, nothing, pair=pair), Batch(nothing.long(), nothing.long(), label)).backward()
    assert pair.grad is not None
    assert pair.grad.isfinite().all()
    assert pair.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("tce", {"drop": 1.0}, "loss.drop=1.0: expected a number in"),
        ("tce-bpr", {"drop": -0.1}, "loss.drop=-0.1: expected a number in"),
        ("tce", {"gradual": 0}, "loss.gradual=0: expected at least 1"),
        ("tce-bpr", {"negatives": 0}, "loss.negatives=0: expected at least 1"),
        ("rce", {"beta": -1.0}, "loss.beta=-1.0: expected at least 0"),
        ("rce-bpr", {"negatives": 0}, "loss.negatives=0: expected at least 1"),
    ],
)
def test_settings_are_checked(name: str, settings: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        loss(name, **settings)
