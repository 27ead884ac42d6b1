"""PRIS: its weights by hand, and its proposals."""

from __future__ import annotations

from math import exp

import pytest
import torch

from recbench.batch import Batch
from recbench.data.dataset import Dataset
from tests.losses.by_hand import sigmoid, softplus
from tests.losses.sampled_slates import ALIKE, SHARES, inner_products, loss_by_words, losses_of, model, model_on, slate


def by_hand(log_q: list[float]) -> tuple[list[float], list[float]]:
    """The weights and the losses of three negatives with scores .5, 0 and 2, the positive's being 1."""
    scores = [0.5, 0.0, 2.0]
    weight = [exp(score - q) for score, q in zip(scores, log_q[1:], strict=True)]
    return [w / sum(weight) for w in weight], [softplus(score - 1) for score in scores]


@pytest.mark.parametrize("log_q", [SHARES, ALIKE])
def test_pris_by_hand(log_q: list[float]) -> None:
    towers, batch, _ = slate([[1.0, 0.5, 0.0, 2.0]], [log_q])
    expected = sum(w * value for w, value in zip(*by_hand(log_q), strict=True))
    assert float(loss_by_words("pris")(towers, batch).detach()) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("detach", ["true", "false"])
def test_pris_gradients_by_hand(detach: str) -> None:
    towers, batch, inner = slate([[1.0, 0.5, 0.0, 2.0]], [SHARES])
    loss_by_words("pris", detach=detach)(towers, batch).backward()
    weight, value = by_hand(SHARES)
    mean = sum(w * x for w, x in zip(weight, value, strict=True))
    expected = [w * sigmoid(score - 1) for w, score in zip(weight, (0.5, 0.0, 2.0), strict=True)]
    if detach == "false":  # the derivative of the softmax of the weights
        expected = [e + w * (x - mean) for e, w, x in zip(expected, weight, value, strict=True)]
    assert inner.grad is not None
    assert inner.grad[0, 1:, 0].tolist() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("detach", ["true", "false"])
def test_pris_with_one_negative_is_bpr(detach: str) -> None:
    generator = torch.Generator().manual_seed(0)
    scores = (5 * torch.randn(8, 2, generator=generator)).tolist()
    log_q = torch.cat([torch.zeros(8, 1), -5 * torch.rand(8, 1, generator=generator)], 1).tolist()
    towers, batch, inner = slate(scores, log_q)
    value = loss_by_words("pris", detach=detach)(towers, batch)
    value.backward()
    expected_towers, batch, expected_inner = slate(scores)
    expected = loss_by_words("bpr")(expected_towers, batch)
    expected.backward()
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(inner.grad, expected_inner.grad)


def test_pris_leaves_out_masked_negatives_and_users_without_any() -> None:
    towers, batch, inner = slate([[1.0, 0.5, 0.0, 2.0, 9.0], [1.0, 3.0, 4.0, 5.0, 6.0]], [[*SHARES, -1.0]] * 2)
    mask = torch.tensor([[True, True, True, True, False], [True, False, False, False, False]])
    value = loss_by_words("pris", detach="false")(towers, Batch(batch.user, batch.item, batch.label, mask, batch.log_q))
    value.backward()
    expected = sum(w * x for w, x in zip(*by_hand(SHARES), strict=True))
    assert float(value.detach()) == pytest.approx(expected, abs=1e-12)
    assert inner.grad is not None
    assert inner.grad.isfinite().all()
    assert not inner.grad[1].any()


@pytest.mark.parametrize("size", [20.0, 50.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_pris_through_its_weights_is_finite(size: float, dtype: torch.dtype) -> None:
    inner = torch.tensor([[1.0, -1, 1, -1], [-1, 1, 1, 1]]).mul(size).to(dtype).unsqueeze(-1).requires_grad_()
    user = torch.arange(2)
    log_q = torch.tensor([SHARES] * 2)
    loss_by_words("pris", detach="false")(
        inner_products(inner), Batch(user, user[:, None], inner.detach(), log_q=log_q)
    ).backward()
    assert inner.grad is not None
    assert inner.grad.isfinite().all()


@pytest.mark.parametrize(
    "words",
    [{"proposal": "uniform"}, *({"proposal": f"cluster-{p}", "clusters": "5"} for p in ("uniform", "popularity"))],
)
def test_pris_with_any_proposal_is_reproducible_and_learns(words: dict[str, str], view: Dataset) -> None:
    first, second = (model(view, "pris", **words) for _ in range(2))
    for epoch in range(1, 11):
        values = losses_of(first, view, epoch)
        assert torch.equal(values, losses_of(second, view, epoch))
        if epoch == 1:
            start = values.mean()
    assert values.mean() < 0.8 * start


@pytest.mark.parametrize(("proposal", "sampler"), [("popularity", "popularity"), ("cluster-popularity", "clusters")])
def test_pris_on_a_sampler_is_pris_on_that_proposal(proposal: str, sampler: str, view: Dataset) -> None:
    words: dict[str, str] = {"scale": "3.3"}
    clusters = {"clusters": 5} if sampler == "clusters" else {}
    of_loss = {key: str(value) for key, value in clusters.items()}
    whole = model(view, "pris", proposal=proposal, negatives="3", **of_loss, **words)
    chosen = model_on(view, "pris", sampler, {"negatives": 3, **clusters}, **words)
    for epoch in (1, 2):
        assert torch.equal(losses_of(whole, view, epoch), losses_of(chosen, view, epoch))


def test_clusters_take_the_scale_of_the_logits(view: Dataset) -> None:
    """With a scale of 40 the clusters that suit a user take nearly all draws, with one of 0.01 none is preferred."""
    spread = []
    for scale in ("0.01", "40"):
        made = model(view, "pris", proposal="cluster-uniform", clusters="5", cosine="true", scale=scale)
        batch = next(made.loss.sampler.batches(view, 500, torch.Generator().manual_seed(0)))
        assert batch.log_q is not None
        spread.append(float(batch.log_q[:, 1:].std()))
    assert spread[1] > 3 * spread[0]
