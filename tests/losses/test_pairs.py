"""Which pairs of loss and backbone work: what is said of every pair is what comes of trying it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import pytest
import torch
from torch.autograd import forward_ad
from torch.func import functional_call

from recbench.backbones.base import BACKBONES, Backbone
from recbench.backbones.building_blocks.feature_views import ComplementaryMask, FeatureMask
from recbench.backbones.building_blocks.views import Noise, Propagation
from recbench.backbones.mf import MF
from recbench.backbones.neumf import NeuMF
from recbench.batch import Batch
from recbench.capabilities import OF_SLATES
from recbench.data.dataset import Dataset
from recbench.data.toy import toy
from recbench.errors import RecbenchError, UsageError
from recbench.inspect.listing import losses_on
from recbench.inspect.loss_trial import BATCH, Trial, small_settings
from recbench.losses import base
from recbench.losses.base import LOSSES, create, defaults, incompatibility, why_not
from recbench.losses.bpr import BPR
from recbench.losses.listnet import ListNet
from recbench.losses.pris import PRIS
from recbench.samplers import Catalogue, Lists, Rows, Sampler, Triplets
from recbench.samplers import base as samplers
from recbench.samplers.base import SAMPLERS as SAMPLERS_BY_NAME
from recbench.settings import prefixed
from recbench.training.model import Model, build
from recbench.training.schedule import Schedule
from recbench.training.scorer import Scorer
from tests.samplers.epochs import SAMPLERS, epoch
from tests.training.test_validate import new_users

PAIRS = [(loss, backbone) for loss in LOSSES.names() for backbone in BACKBONES.names()]
VIEW = toy().narrow(["view"])


def made(name: str) -> Backbone:
    torch.manual_seed(0)
    return BACKBONES.get(name)(VIEW, 1, False, **small_settings(name))


@cache
def measured(name: str) -> frozenset[str]:
    """What a backbone is found to have."""
    backbone = made(name).eval()
    user, item = torch.arange(4), torch.arange(5)
    towers = backbone(user, item[None])
    has = {"embeddings"} if towers.user.shape[-1] == towers.item.shape[-1] else set()
    users, items = backbone.tables()
    product = torch.einsum("ukd,ikd->uik", users[user], items[item])
    if towers.inner.shape == product.shape and torch.allclose(towers.inner, product, atol=1e-6):
        has.add("vectors")
    has |= encoded_users(backbone)
    has |= {"new users"} if tells_new_users_apart(name) else set()
    tables = [getattr(backbone, name, None) for name in ("user_table", "item_table")]
    own = [t is not None and torch.equal(t, v[:, 0]) for t, v in zip(tables, (users, items), strict=True)]
    if "vectors" in has and all(own):
        has.add("free vectors")
    batch = next(Rows().batches(VIEW, 8, torch.Generator().manual_seed(0)))
    try:
        plain, noisy = backbone.encode_views(batch, [Propagation(), Noise(0.5)]).views
        if torch.equal(plain.vectors, torch.cat(backbone.tables())) and not torch.allclose(
            noisy.vectors, plain.vectors
        ):
            has.add("graph views")
        mean = torch.stack(plain.layers).mean(0)
        if mean.shape == plain.vectors.shape and torch.allclose(mean, plain.vectors):
            has.add("layers")
    except UsageError:
        pass
    has |= {"feature views"} if masks_features(backbone, batch) else set()
    try:
        with torch.no_grad(), forward_ad.dual_level():
            dual = {n: forward_ad.make_dual(p.detach(), torch.ones_like(p)) for n, p in backbone.named_parameters()}
            functional_call(_Encoding(backbone), {f"backbone.{n}": p for n, p in dual.items()}, (batch,))
        has.add("forward derivatives")
    except NotImplementedError:
        pass
    return frozenset(has)


def masks_features(backbone: Backbone, batch: Batch) -> bool:
    """Whether a backbone makes vectors of items by a part of their features, which then depend on that part."""
    mask = FeatureMask(100, "random", 0.0)
    mask.setup(VIEW)
    try:
        left, masked = backbone.encode_views(batch, [mask, ComplementaryMask(mask)]).views
    except UsageError:
        return False
    return left.vectors.shape == masked.vectors.shape and not torch.allclose(left.vectors, masked.vectors)


def encoded_users(backbone: Backbone) -> set[str]:
    """What is found of how a backbone makes users of the feedback that a batch of catalogue slates has of them."""
    batch = next(Catalogue().batches(VIEW, 50, torch.Generator().manual_seed(0)))
    assert batch.pairs is not None
    others = replace(batch.pairs, item=(batch.pairs.item + 1) % VIEW.items.seen)
    try:
        first, second = (backbone.encode(each) for each in (batch, replace(batch, pairs=others)))
    except UsageError:  # it reads the rows of a batch, which this has not
        return set()
    drawn = {"code distributions"} if backbone.train().encode(batch).divergence is not None else set()
    backbone.eval()
    return drawn | (set() if torch.allclose(first.user, second.user) else {"user codes"})


def tells_new_users_apart(name: str) -> bool:
    """Whether users without training rows have vectors of their own, and not those of an unknown user, or none."""
    data = new_users(toy()).narrow(["view"])
    torch.manual_seed(0)
    backbone = BACKBONES.get(name)(data, 1, False, **small_settings(name)).eval()
    vectors, _ = backbone.tables(backbone.histories(data.given_and_scored(data.valid)[0]))
    return len(torch.unique(vectors[data.users.seen :, 0], dim=0)) > 1


class _Encoding(torch.nn.Module):
    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, batch: object) -> torch.Tensor:
        return self.backbone.encode(batch).inner  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's own use of it
@pytest.mark.parametrize("name", BACKBONES.names())
def test_a_backbone_offers_what_it_has(name: str) -> None:
    assert BACKBONES.get(name).offers == measured(name)


@pytest.mark.parametrize("sampler", SAMPLERS, ids=str)
def test_a_sampler_gives_what_its_batches_carry(sampler: Sampler) -> None:
    batches = epoch(sampler, VIEW)
    carried = set()
    label = [batch.label.amax(-1) > 0 for batch in batches]  # [B, 0] where it is given as pairs
    counts = [
        torch.ones_like(positive) if b.mask is None else b.mask for b, positive in zip(batches, label, strict=True)
    ]
    if all(b.row is not None and torch.equal(VIEW.train.user[b.row].long(), b.user) for b in batches):
        carried.add("row")
    one_positive = all(bool(((p & c).sum(1) == 1).all()) for p, c in zip(label, counts, strict=True))
    if one_positive and all(bool(p[:, 0].all()) for p in label) and batches[0].item.shape[0] != 1:
        carried.add("positive first")
    if one_positive and all(bool((c & ~p).any(1).all()) for p, c in zip(label, counts, strict=True)):
        carried.add("negatives")
    if any(bool(((p & c).sum(1) > 1).any()) for p, c in zip(label, counts, strict=True)):
        carried.add("lists")
    if all(b.log_q is not None and bool((b.log_q < 0).all()) for b in batches):
        carried.add("slot probabilities")
    if all(b.pairs is not None and b.item.tolist() == [list(range(VIEW.items.seen))] for b in batches):
        carried.add("catalogue")
    assert sampler.gives == carried


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Pairs are made whatever is said of them."""
    monkeypatch.setattr(base, "incompatibility", lambda *_: None)
    yield


def works(name: str, backbone: str) -> bool:
    """Whether a step and a scoring run, and the backbone has what loss and sampler read of it."""
    trial = Trial(name)
    data = trial.data()
    try:
        model: Model = trial.model(data, backbone)
        loss = model.loss
        model.start_epoch(1)
        batch = next(loss.sampler.batches(data, BATCH, torch.Generator().manual_seed(1)))
        assert bool(loss.step(model.backbone, batch, model.optimizer).isfinite())
        scores, _ = Scorer(model.backbone, loss).rows(data.valid)
        assert bool(scores.isfinite().all())
    except (RecbenchError, RuntimeError):  # shapes that do not fit, for one
        return False
    return (loss.needs | loss.sampler.needs) - OF_SLATES.keys() <= measured(backbone)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
@pytest.mark.parametrize(("loss", "backbone"), PAIRS)
def test_a_pair_works_if_and_only_if_it_is_said_to(loss: str, backbone: str, unchecked: None) -> None:
    with pytest.MonkeyPatch.context() as checked:
        checked.setattr(base, "incompatibility", incompatibility)
        reason = why_not(LOSSES.get(loss), BACKBONES.get(backbone))
    assert (reason is None) == works(loss, backbone), reason


def test_the_reason_is_one_line_in_plain_words() -> None:
    reason = why_not(ListNet, BACKBONES.get("ytdnn"))
    assert reason == (
        "backbone `ytdnn` needs the training row that each slate stands for, which the slates `lists` of "
        "loss `listnet` do not have; see `recbench list losses` for the pairs that work"
    )


def test_settings_of_the_loss_decide() -> None:
    assert why_not(PRIS, NeuMF) is None
    reason = why_not(PRIS, NeuMF, defaults(PRIS) | {"proposal": "cluster-uniform"})
    assert reason is not None
    assert reason.startswith("loss `pris` on slates `clusters` needs vectors")
    assert "needs vectors whose inner products are the scores, which backbone `neumf` does not have" in reason
    assert why_not(PRIS, MF, defaults(PRIS) | {"negatives": 0}) == "loss.negatives=0: expected at least 1"


@pytest.mark.parametrize(
    ("sampler", "words"),
    [
        (Rows(), "negatives of the user beside a positive and a positive in the first slot of each slate"),
        (Triplets(0), "negatives of the user beside a positive"),
        (Lists(), "negatives of the user beside a positive and a positive in the first slot of each slate"),
        (Triplets(3), None),
    ],
    ids=str,
)
def test_slates_that_a_loss_cannot_read(sampler: Sampler, words: str | None) -> None:
    reason = incompatibility(create(BPR, VIEW.info, defaults(BPR)), sampler, MF)
    assert (reason is None) == (words is None)
    assert f"needs {words}, which the slates {sampler.title} do not have" in str(reason) or words is None


@pytest.mark.parametrize("loss", LOSSES.names())
def test_a_loss_trains_on_the_slates_of_the_samplers_it_is_said_to(loss: str) -> None:
    trial = Trial(loss)
    kind, data = trial.loss, trial.data()
    for name in SAMPLERS_BY_NAME.names():
        chosen = samplers.create(samplers.defaults(name))
        reason = why_not(kind, BACKBONES.get(trial.backbone), sampler=chosen)
        settings = prefixed("loss", defaults(kind)) | prefixed("backbone", small_settings(trial.backbone))
        settings |= prefixed("sampler", samplers.defaults(name))
        if reason is not None:
            assert "\n" not in reason and "recbench list samplers" in reason
            with pytest.raises(UsageError, match=re.escape(reason)):
                build(data, loss, trial.backbone, settings, seed=0, schedule=Schedule())
            continue
        model = build(data, loss, trial.backbone, settings, seed=0, schedule=Schedule())
        assert model.loss.sampler == chosen
        model.start_epoch(1)
        batch = next(chosen_batches(model, data))
        assert bool(model.loss.step(model.backbone, batch, model.optimizer).isfinite())
        gradients = [p.grad for p in model.backbone.parameters() if p.grad is not None]
        assert any(bool(gradient.any()) for gradient in gradients)


def chosen_batches(model: Model, data: Dataset) -> Iterator[Batch]:
    return model.loss.sampler.batches(data, BATCH, torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("loss", "sampler", "works"),
    [
        ("bpr", "popularity", True),
        ("bpr", "in-batch", False),  # its positives are not first
        ("softmax", "in-batch", True),
        ("softmax", "rows", False),
        ("listnet", "lists", True),
        ("listnet", "uniform", False),
        ("bce", "rows", True),
        ("wbpr", "popularity", False),  # is its own sampler
        ("aobpr", "adaptive", False),
        ("buir", "uniform", False),
        ("til-ui", "uniform", False),
        ("full-softmax", "catalogue", True),
        ("full-softmax", "catalogue-rows", True),
        ("full-softmax", "rows", False),
        ("bce", "catalogue", False),  # reads labels of slots, not pairs
    ],
)
def test_which_samplers_a_loss_takes(loss: str, sampler: str, works: bool) -> None:
    assert (loss in losses_on(SAMPLERS_BY_NAME.get(sampler)())) == works


def test_settings_of_slates_that_a_sampler_replaces_are_refused() -> None:
    chosen = samplers.create({"name": "uniform", "negatives": 3})
    for kind, key, value in ((BPR, "negatives", 4), (PRIS, "proposal", "uniform"), (ListNet, "longest", 7)):
        values = defaults(kind) | {key: value}
        on = samplers.create(samplers.defaults("lists")) if kind is ListNet else chosen
        assert str(why_not(kind, MF, values, sampler=on)).startswith(f"loss.{key} is a setting of the slates of loss")
        assert why_not(kind, MF, values) is None
    assert why_not(PRIS, MF, defaults(PRIS) | {"detach": False}, sampler=chosen) is None


def test_a_need_of_one_s_own_is_asked_of_the_backbone() -> None:
    class Contrastive(BPR):
        needs = BPR.needs | {"views"}

    class Views(MF):
        offers = MF.offers | {"views"}

    reason = why_not(Contrastive, MF)
    assert reason is not None and "needs views, which backbone `mf` does not have" in reason
    assert why_not(Contrastive, Views) is None
