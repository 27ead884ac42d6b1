"""Losses that differ by where their negatives come from: values, identities, and what they ask of a backbone."""

from __future__ import annotations

from math import log

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from recbench.batch import Batch, Towers
from recbench.data.dataset import Dataset, Info
from recbench.errors import UsageError
from recbench.losses.aobpr import AOBPR
from recbench.losses.base import LOSSES, Loss, create, resolve
from recbench.losses.building_blocks.backbone_vectors import snapshot
from recbench.run.model import Model, build
from recbench.samplers import InBatch, Shared, Triplets

INFO = Info(users=30, items=40, rates=(0.3,), feedback=("view",))


def loss(name: str, **words: str) -> Loss:
    kind = LOSSES.get(name)
    return create(kind, INFO, resolve(kind, words)).double()


def model(data: Dataset, name: str, backbone: str = "mf", **words: str) -> Model:
    kind = LOSSES.get(name)
    values = {f"loss.{key}": value for key, value in resolve(kind, words).items()}
    return build(data, name, backbone, {**values, "backbone.dim": 8}, seed=0, lr=0.02)


@pytest.fixture
def view(toy: Dataset) -> Dataset:
    return toy.narrow(["view"])


def pairs(inner: Tensor) -> Towers:
    return Towers(torch.empty(0), torch.empty(0), pair=inner)


def slate(scores: list[list[float]], log_q: list[list[float]] | None = None) -> tuple[Towers, Batch, Tensor]:
    """Return towers and batch of slates whose first slot is the positive, and the leaf [B, N, 1]."""
    inner = torch.tensor(scores, dtype=torch.double).unsqueeze(-1).requires_grad_()
    label = torch.zeros_like(inner)
    label[:, 0] = 1
    shares = None if log_q is None else torch.tensor(log_q, dtype=torch.double)
    user = torch.arange(len(scores))
    return pairs(inner), Batch(user, user[:, None], label.detach(), log_q=shares), inner


def test_bpr_by_hand() -> None:
    towers, batch, inner = slate([[2.0, 1.0], [0.5, 1.5]])
    value = loss("bpr")(towers, batch)
    value.backward()
    assert float(value.detach()) == pytest.approx(0.8132616875182228, abs=1e-12)
    assert inner.grad is not None
    assert inner.grad[:, 0, 0].tolist() == pytest.approx([-0.13447071, -0.36552929], abs=1e-8)


SHARES = [0.0, log(0.5), log(0.3), log(0.2)]
ALIKE = [0.0, log(0.25), log(0.25), log(0.25)]


@pytest.mark.parametrize(("log_q", "expected"), [(SHARES, 1.1732652), (ALIKE, 1.0758006)])
def test_pris_by_hand(log_q: list[float], expected: float) -> None:
    towers, batch, _ = slate([[1.0, 0.5, 0.0, 2.0]], [log_q])
    assert float(loss("pris")(towers, batch).detach()) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize(
    ("detach", "expected"),
    [("true", [0.0285689, 0.0205726, 0.6198166]), ("false", [-0.0243394, -0.0452131, 0.7385105])],
)
def test_pris_gradients_by_hand(detach: str, expected: list[float]) -> None:
    towers, batch, inner = slate([[1.0, 0.5, 0.0, 2.0]], [SHARES])
    loss("pris", detach=detach)(towers, batch).backward()
    assert inner.grad is not None
    assert inner.grad[0, 1:, 0].tolist() == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("detach", ["true", "false"])
def test_pris_with_one_negative_is_bpr(detach: str) -> None:
    generator = torch.Generator().manual_seed(0)
    scores = (5 * torch.randn(8, 2, generator=generator)).tolist()
    log_q = torch.cat([torch.zeros(8, 1), -5 * torch.rand(8, 1, generator=generator)], 1).tolist()
    towers, batch, inner = slate(scores, log_q)
    value = loss("pris", detach=detach)(towers, batch)
    value.backward()
    expected_towers, batch, expected_inner = slate(scores)
    expected = loss("bpr")(expected_towers, batch)
    expected.backward()
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(inner.grad, expected_inner.grad)


def test_pris_leaves_out_masked_negatives_and_users_without_any() -> None:
    towers, batch, inner = slate([[1.0, 0.5, 0.0, 2.0, 9.0], [1.0, 3.0, 4.0, 5.0, 6.0]], [[*SHARES, -1.0]] * 2)
    mask = torch.tensor([[True, True, True, True, False], [True, False, False, False, False]])
    value = loss("pris", detach="false")(towers, Batch(batch.user, batch.item, batch.label, mask, batch.log_q))
    value.backward()
    assert float(value.detach()) == pytest.approx(1.1732652, abs=1e-7)
    assert inner.grad is not None
    assert inner.grad.isfinite().all()
    assert not inner.grad[1].any()


@pytest.mark.parametrize("size", [20.0, 50.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_pris_through_its_weights_is_finite(size: float, dtype: torch.dtype) -> None:
    inner = torch.tensor([[1.0, -1, 1, -1], [-1, 1, 1, 1]]).mul(size).to(dtype).unsqueeze(-1).requires_grad_()
    user = torch.arange(2)
    log_q = torch.tensor([SHARES] * 2)
    loss("pris", detach="false")(pairs(inner), Batch(user, user[:, None], inner.detach(), log_q=log_q)).backward()
    assert inner.grad is not None
    assert inner.grad.isfinite().all()


@pytest.mark.parametrize(("correct", "expected"), [("true", 1.135341688064661), ("false", 0.636813518362947)])
def test_softmax_by_hand(correct: str, expected: float) -> None:
    """Four positives as each other's negatives, whose shares of the rows are 0.4, 0.3, 0.2 and 0.1."""
    towers, batch, _ = slate([[1.2, 0.3, -0.5, 0.0]], [[log(0.4), log(0.3), log(0.2), log(0.1)]])
    made = loss("softmax", source="batch", correct=correct)
    assert float(made(towers, batch).detach()) == pytest.approx(expected, abs=1e-9)


def shared_batch(view: Dataset, sampler: Shared | InBatch) -> tuple[Batch, Tensor]:
    batch = next(sampler.batches(view, 3, torch.Generator().manual_seed(0)))
    generator = torch.Generator().manual_seed(1)
    inner = torch.randn(*batch.label.shape[:2], 1, generator=generator, dtype=torch.double)
    return batch, inner.requires_grad_()


@pytest.mark.parametrize("sampler", [Shared(4), InBatch()], ids=str)
def test_softmax_is_cross_entropy_over_what_counts(sampler: Shared | InBatch, view: Dataset) -> None:
    batch, inner = shared_batch(view, sampler)
    assert batch.mask is not None
    correct = isinstance(sampler, InBatch)
    logit = inner[..., 0] if not correct else inner[..., 0] - batch.log_q
    target = torch.arange(len(batch.user))
    expected = cross_entropy(logit.masked_fill(~batch.mask, -torch.inf), target)
    found = loss("softmax", source="batch" if correct else "pool")(pairs(inner), batch)
    torch.testing.assert_close(found, expected)


def test_softmax_is_croloss_with_kernel_exp_and_alpha_1(view: Dataset) -> None:
    """Equation 24 scales the rank by |I| / |I'| and W_1 divides its log by log(|I| + 1)."""
    batch, inner = shared_batch(view, Shared(4))
    assert batch.mask is not None
    softmax = loss("softmax")(pairs(inner), batch)
    (slope,) = torch.autograd.grad(softmax, inner)
    negatives = batch.mask[:, len(batch.user) :].sum(1).double()
    for normalise, unit, shift in (
        ("paper", log(INFO.items + 1), float((INFO.items / negatives).log().mean())),
        ("code", 1.0, 0.0),
    ):
        croloss = loss("croloss", kernel="exp", alpha="1", normalise=normalise)(pairs(inner), batch)
        (other,) = torch.autograd.grad(croloss, inner)
        assert float(croloss.detach()) == pytest.approx((float(softmax.detach()) + shift) / unit, abs=1e-12)
        torch.testing.assert_close(other * unit, slope, rtol=1e-12, atol=1e-15)


def test_wbpr_without_a_power_is_bpr(view: Dataset) -> None:
    found = losses_of(model(view, "wbpr", beta="0"), view)
    assert torch.equal(found, losses_of(model(view, "bpr"), view))
    assert not torch.equal(found, losses_of(model(view, "wbpr"), view))


def losses_of(made: Model, data: Dataset, epoch: int = 1) -> Tensor:
    """Return the losses of the steps of an epoch."""
    made.loss.start_epoch(made.backbone, epoch)
    batches = made.loss.sampler.batches(data, 64, torch.Generator().manual_seed(epoch))
    return torch.stack([made.loss.step(made.backbone, batch, made.optimizer) for batch in batches])


def test_wbpr_can_count_users_alike(view: Dataset) -> None:
    """The sum of a user's weights over an epoch is the same for all, and their mean over rows is 1."""
    made = model(view, "wbpr", user_weight="true").loss
    (batch,) = made.sampler.batches(view, len(view.train), torch.Generator().manual_seed(0))
    weight = []
    for row in range(len(batch.user)):
        difference = torch.zeros(len(batch.user), 2, 1)
        difference[row, 1] = 30.0
        rest = float(made(pairs(torch.zeros_like(difference)), batch))
        weight.append((float(made(pairs(difference), batch)) - rest) * len(batch.user) / (30 - log(2)))
    total = torch.zeros(30).index_add_(0, batch.user, torch.tensor(weight))
    assert sum(weight) == pytest.approx(len(batch.user), rel=1e-3)
    assert total[total > 0].max() == pytest.approx(float(total[total > 0].min()), rel=1e-2)
    assert max(weight) > 1.2 * min(weight)


@pytest.mark.parametrize("words", [{"proposal": p} for p in ("uniform", "cluster-uniform", "cluster-popularity")])
def test_pris_with_any_proposal_is_reproducible_and_learns(words: dict[str, str], view: Dataset) -> None:
    first, second = (model(view, "pris", clusters="5", **words) for _ in range(2))
    for epoch in range(1, 11):
        values = losses_of(first, view, epoch)
        assert torch.equal(values, losses_of(second, view, epoch))
        if epoch == 1:
            start = values.mean()
    assert values.mean() < 0.8 * start


def test_clusters_take_the_scale_of_the_logits(view: Dataset) -> None:
    """With a scale of 40 the clusters that suit a user take nearly all draws, with one of 0.01 none is preferred."""
    spread = []
    for scale in ("0.01", "40"):
        made = model(view, "pris", proposal="cluster-uniform", clusters="5", cosine="true", scale=scale)
        batch = next(made.loss.sampler.batches(view, 500, torch.Generator().manual_seed(0)))
        assert batch.log_q is not None
        spread.append(float(batch.log_q[:, 1:].std()))
    assert spread[1] > 3 * spread[0]


@pytest.mark.parametrize("name", ["aobpr", "pris"])
def test_negatives_follow_the_vectors_from_one_epoch_to_the_next(name: str, view: Dataset) -> None:
    made = model(view, name, **({"proposal": "cluster-uniform"} if name == "pris" else {}))

    def negatives() -> Tensor:
        batches = made.loss.sampler.batches(view, 64, torch.Generator().manual_seed(0))
        return torch.cat([batch.item for batch in batches])

    first = negatives()
    with torch.no_grad():
        for parameter in made.backbone.parameters():
            parameter.normal_(generator=torch.Generator().manual_seed(5))
    assert torch.equal(negatives(), first)
    made.loss.start_epoch(made.backbone, 1)
    assert not torch.equal(negatives(), first)


def test_aobpr_draws_what_the_model_ranks_high(view: Dataset) -> None:
    made = model(view, "aobpr", share="0.02")
    with torch.no_grad():
        for parameter in made.backbone.parameters():
            parameter.normal_(generator=torch.Generator().manual_seed(5))
    made.loss.start_epoch(made.backbone, 1)
    gaps = []
    for sampler in (made.loss.sampler, Triplets()):
        (batch,) = sampler.batches(view, len(view.train), torch.Generator().manual_seed(0))
        logit = made.backbone(batch.user, batch.item).logit[:, 1, 0].detach()
        gaps.append(float(logit.mean()))
    assert gaps[0] > gaps[1] + 1


def test_a_snapshot_is_what_is_scored_and_a_copy(view: Dataset) -> None:
    made = model(view, "aobpr", cosine="true")
    made.backbone.train()
    user, item = snapshot(made.backbone)
    assert made.backbone.training
    torch.testing.assert_close(user.norm(dim=1), torch.ones(30))
    index = torch.arange(5)
    expected = made.backbone(index, index[:, None]).logit[:, 0, 0]
    torch.testing.assert_close((user[:5] * item[:5]).sum(1), expected)
    with torch.no_grad():
        for parameter in made.backbone.parameters():
            parameter.mul_(-1)
    torch.testing.assert_close((user[:5] * item[:5]).sum(1), expected)
    assert float((user - snapshot(made.backbone)[0]).abs().max()) > 0.1


def test_what_draws_by_vectors_refuses_a_backbone_without(view: Dataset) -> None:
    with pytest.raises(UsageError, match="`aobpr` needs vectors"):
        model(view, "aobpr", "neumf")
    with pytest.raises(UsageError, match=r"clusters of loss `pris` need vectors.*loss.proposal=popularity"):
        model(view, "pris", "neumf", proposal="cluster-popularity")
    assert model(view, "pris", "neumf").loss.name == "pris"


@pytest.mark.parametrize(
    ("name", "key", "word"),
    [
        ("wbpr", "beta", "-1"),
        ("wbpr", "negatives", "0"),
        ("aobpr", "share", "0"),
        ("pris", "negatives", "0"),
        ("pris", "clusters", "0"),
        ("pris", "beta", "-0.5"),
        ("pris", "proposal", "rank"),
        ("softmax", "negatives", "0"),
        ("softmax", "source", "everything"),
    ],
)
def test_settings_out_of_range(name: str, key: str, word: str) -> None:
    with pytest.raises(UsageError, match=rf"loss\.{key}={word}"):
        loss(name, **{key: word})


def test_aobpr_draws_for_the_share_it_was_given() -> None:
    made = loss("aobpr", share="0.2")
    assert isinstance(made, AOBPR)
    assert made.proposal.share == 0.2
