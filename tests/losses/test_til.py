"""Triplet importance learning: weights, the step that learns them, clusters, and what is noted of them."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import embedding, embedding_bag, logsigmoid, softplus

from recbench.backbones.base import BACKBONES
from recbench.backbones.mf import MF
from recbench.batch import Batch, Towers
from recbench.data.dataset import Dataset, Info
from recbench.data.toy import toy as make_toy
from recbench.errors import UsageError
from recbench.inspect.conformance import Trial
from recbench.losses import base
from recbench.losses.base import LOSSES
from recbench.losses.building_blocks.bilevel import slopes
from recbench.losses.building_blocks.clusters import Clusters, divergence, log_membership, sharpened
from recbench.losses.building_blocks.importance import WeightNetwork, distribution, states
from recbench.losses.building_blocks.triplet_importance import TIL, columns
from recbench.losses.til_mi import TILMI
from recbench.run.model import Model, build
from recbench.samplers import Triplets
from recbench.settings import defaults

NAMES = ["til-ui", "til-mi"]
LEARNED = {"pretrain": "0", "gamma": "0.1"}
OF_THE_PAPER = ["mf", "neumf", "mgccf", "lightgcn"]
SMALL: dict[str, dict[str, int | str | float]] = {"neumf": {"embedding": 3, "hidden": "5-4", "std": 0.2}}


def data() -> Dataset:
    return make_toy().narrow(["view"])


def model(name: str, backbone: str = "mf", dim: int = 8, **words: str) -> Model:
    values = {f"loss.{key}": value for key, value in base.resolve(LOSSES.get(name), words).items()}
    values |= {f"backbone.{key}": value for key, value in defaults(BACKBONES.get(backbone)).items()}
    values |= {f"backbone.{key}": value for key, value in SMALL.get(backbone, {}).items()}
    if "backbone.dim" in values:
        values["backbone.dim"] = dim
    return build(data(), name, backbone, values, seed=0, lr=0.01)


def til(of: Model) -> TIL:
    assert isinstance(of.loss, TIL)
    return of.loss


def batches(of: Model, epoch: int = 1, size: int = 64) -> list[Batch]:
    return list(of.loss.sampler.batches(data(), size, torch.Generator().manual_seed(epoch)))


def run_epoch(of: Model, epoch: int) -> Tensor:
    of.backbone.train()
    of.loss.train()
    of.loss.start_epoch(of.backbone, epoch)
    return torch.stack([of.loss.step(of.backbone, batch, of.optimizer) for batch in batches(of, epoch)])


def weights_before_a_step(of: Model, batch: Batch) -> Tensor:
    with torch.no_grad():
        return til(of).weights(of.loss.head(of.backbone.encode(batch)), batch)


def always_one(of: Model) -> None:
    network = til(of).network
    with torch.no_grad():
        network.last.weight.zero_()
        network.last.bias.fill_(50)


@pytest.mark.parametrize(("output", "expected"), [("sigmoid", 0.7310586), ("softplus", 1.3132617)])
def test_weight_of_a_triplet(output: str, expected: float) -> None:
    user, interest = torch.tensor([[1.0, 0.5]]), torch.tensor([[0.5, 0.0]])
    state = states(user, interest, torch.tensor([[[0.2, 0.4], [-0.3, 0.1]]]))
    torch.testing.assert_close(state, torch.tensor([[0.3, 0.2, -0.45, 0.05]]))
    network = WeightNetwork(4, 2, output)  # type: ignore[arg-type]
    with torch.no_grad():
        network.first.weight.copy_(torch.tensor([[1.0, 0, -1, 0], [0, 1, 0, -1]]))
        network.first.bias.copy_(torch.tensor([0.1, -0.1]))
        network.last.weight.copy_(torch.tensor([[1.0, -1.0]]))
        network.last.bias.fill_(0.2)
    torch.testing.assert_close(network.first(state).relu(), torch.tensor([[0.85, 0.05]]))
    assert network(state).tolist() == pytest.approx([expected], abs=1e-6)


def test_slope_of_one_number() -> None:
    theta, weight, rate = {"theta": torch.tensor([0.3], dtype=torch.float64)}, 0.6, 0.1
    slope = {"theta": -weight * torch.sigmoid(-theta["theta"])}
    assert float(theta["theta"] - rate * slope["theta"]) == pytest.approx(0.3255334, abs=1e-7)
    seen: list[float] = []

    def each(at: object) -> Tensor:
        return softplus(-at["theta"])  # type: ignore[index]

    def outer(at: object) -> Tensor:
        value = softplus(-at["theta"]).sum()  # type: ignore[index]
        seen.append(float(value.detach()))
        return value

    found = -rate * slopes(each, outer, theta, slope, rate)
    assert seen == pytest.approx([0.5435689], abs=1e-7)
    assert found.tolist() == pytest.approx([-0.0178448], abs=1e-7)


def test_clustering_loss() -> None:
    item = torch.tensor([[0.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    centres = torch.tensor([[0.0, 0.0], [2.0, 0.0]], dtype=torch.float64)
    log_share = log_membership(item, centres)
    share = torch.tensor([[0.8333333333333334, 0.16666666666666669], [0.5, 0.5]], dtype=torch.float64)
    torch.testing.assert_close(log_share.exp(), share)
    target = sharpened(share)
    expected = [[0.925925925925926, 0.07407407407407408], [0.33333333333333337, 0.6666666666666667]]
    torch.testing.assert_close(target, torch.tensor(expected, dtype=torch.float64))
    assert float(divergence(target, log_share).sum()) == pytest.approx(0.09412014037672525, abs=1e-12)


def test_membership_of_an_item_on_its_centre_has_a_finite_gradient() -> None:
    centres = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    target = torch.tensor([[0.0, 0.0, 1.0]], dtype=torch.float64)
    divergence(target, log_membership(centres[2:].detach(), centres)).sum().backward()
    assert centres.grad is not None
    assert centres.grad.isfinite().all()
    assert torch.autograd.gradcheck(lambda c: log_membership(torch.ones(2, 4, dtype=torch.float64), c), centres)


@torch.enable_grad()
def outer_after_a_step(of: Model, batch: Batch, rate: float) -> float:
    """The outer objective by its definition: one step of plain gradient descent, then BPR."""
    inner, outer = columns(batch, [0, 1]), columns(batch, [0, 2])
    copy = deepcopy(of.backbone)
    towers = of.loss.head(copy.encode(inner))
    logit = towers.logit[..., 0]
    weight = til(of).weights(towers, inner).detach()
    loss = -(weight * logsigmoid(logit[:, 0] - logit[:, 1])).mean() + towers.regulariser(inner)
    loss = loss + til(of).clustering_loss(towers, inner)
    parameters = list(copy.parameters())
    with torch.no_grad():
        for p, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            p -= rate * gradient
        logit = of.loss.head(copy.encode(outer)).logit[..., 0]
    return float(-logsigmoid(logit[:, 0] - logit[:, 1]).mean())


@pytest.mark.parametrize(
    ("backbone", "rate"), [("mf", 0.01), *((backbone, 2.0) for backbone in (*OF_THE_PAPER, "twintower", "ytdnn"))]
)
@pytest.mark.parametrize("name", NAMES)
def test_the_network_follows_the_gradient_of_the_outer_objective(name: str, backbone: str, rate: float) -> None:
    words = LEARNED if name == "til-mi" else {}
    of = model(name, backbone, 4, hidden="3", lookahead=str(rate), **words)
    of.backbone.double()
    of.loss.double()
    of.loss.start_epoch(of.backbone, 1)
    batch = batches(of)[0]
    assert batch.mask is not None
    assert batch.mask.all()
    with torch.no_grad():  # no hidden unit near its kink
        til(of).network.first.bias.copy_(torch.tensor([1.0, -1.0, 0.5]))
    parameters = list(til(of).network.parameters())
    expected, epsilon = [], 1e-4
    for p in parameters:
        numbers = torch.zeros_like(p)
        for place in range(p.numel()):
            ends = []
            for sign in (1, -1):
                with torch.no_grad():
                    p.view(-1)[place] += sign * epsilon
                    ends.append(outer_after_a_step(of, batch, rate))
                    p.view(-1)[place] -= sign * epsilon
            numbers.view(-1)[place] = (ends[0] - ends[1]) / (2 * epsilon)
        expected.append(numbers)
    of.loss.step(of.backbone, batch, of.optimizer)
    for p, numbers in zip(parameters, expected, strict=True):
        assert p.grad is not None
        torch.testing.assert_close(p.grad, numbers, rtol=2e-4, atol=2e-4 * float(max(e.abs().max() for e in expected)))
    assert max(float(numbers.abs().max()) for numbers in expected) > 0


@pytest.mark.parametrize("backbone", [*OF_THE_PAPER, "twintower", "ytdnn"])
def test_with_all_weights_one_the_backbone_s_step_is_that_of_bpr(backbone: str) -> None:
    of, plain = model("til-ui", backbone), model("bpr", backbone)
    always_one(of)
    of.loss.start_epoch(of.backbone, 1)
    for batch in batches(of)[:3]:
        loss = of.loss.step(of.backbone, batch, of.optimizer)
        always_one(of)
        torch.testing.assert_close(loss, plain.loss.step(plain.backbone, columns(batch, [0, 1]), plain.optimizer))
    for name, expected in plain.backbone.state_dict().items():
        torch.testing.assert_close(of.backbone.state_dict()[name], expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("backbone", [*OF_THE_PAPER, "twintower", "ytdnn"])
@pytest.mark.parametrize("outer", ["fresh", "same"])
def test_the_outer_gradient_does_not_leak_into_the_backbone(backbone: str, outer: str) -> None:
    of = model("til-ui", backbone, outer=outer, lookahead="5")
    of.loss.start_epoch(of.backbone, 1)
    batch = batches(of)[0]
    inner = columns(batch, [0, 1])
    by_hand = deepcopy(of.backbone)
    optimizer = torch.optim.Adam(by_hand.parameters(), lr=0.01)
    weight = weights_before_a_step(of, inner)
    assert float(weight.std()) > 0
    towers = by_hand.encode(inner)
    logit = towers.logit[..., 0]
    loss = -(weight * logsigmoid(logit[:, 0] - logit[:, 1])).mean() + towers.regulariser(inner)
    loss.backward()
    gradients = {name: p.grad for name, p in by_hand.named_parameters()}
    optimizer.step()
    returned = of.loss.step(of.backbone, batch, of.optimizer)
    torch.testing.assert_close(returned, loss.detach())
    for name, p in of.backbone.named_parameters():
        torch.testing.assert_close(p.grad, gradients[name], rtol=1e-4, atol=1e-8)
        torch.testing.assert_close(p, by_hand.get_parameter(name), rtol=0, atol=1e-4)


def test_items_that_are_only_outer_negatives_stay_where_they_are() -> None:
    of = model("til-ui", lookahead="5")
    of.loss.start_epoch(of.backbone, 1)
    batch = columns(batches(of)[0], [0, 1, 2])
    batch = replace(batch, user=batch.user[:5], item=batch.item[:5], label=batch.label[:5], mask=None, log_q=None)
    only = set(batch.item[:, 2].tolist()) - set(batch.item[:, :2].flatten().tolist())
    assert only
    before = of.backbone.tables()[1]
    of.loss.step(of.backbone, batch, of.optimizer)
    moved = (of.backbone.tables()[1] != before).flatten(1).any(1).nonzero()[:, 0].tolist()
    assert set(moved) == set(batch.item[:, :2].flatten().tolist())


@pytest.mark.parametrize("name", NAMES)
def test_masked_triplets_do_not_count(name: str) -> None:
    words = LEARNED if name == "til-mi" else {}
    first, second = model(name, **words), model(name, **words)
    for of in (first, second):
        of.loss.start_epoch(of.backbone, 1)
    batch = replace(batches(first)[0], log_q=None, row=None)
    assert batch.mask is not None
    mask = batch.mask.clone()
    mask[40:] = False
    if name == "til-mi":  # a positive is an item to be clustered, whatever became of its negatives
        mask[40:, 0] = False
    found = first.loss.step(first.backbone, replace(batch, mask=mask), first.optimizer)
    fewer = Batch(batch.user[:40], batch.item[:40], batch.label[:40], batch.mask[:40])
    torch.testing.assert_close(found, second.loss.step(second.backbone, fewer, second.optimizer))
    for p, q in zip(first.loss.parameters(), second.loss.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=0, atol=1e-5)
    torch.testing.assert_close(first.backbone.tables()[1], second.backbone.tables()[1], rtol=0, atol=1e-5)


@pytest.mark.parametrize("backbone", BACKBONES.names())
def test_it_works_on_every_backbone(backbone: str) -> None:
    of = model("til-mi", backbone, **LEARNED)
    loss = run_epoch(of, 1)
    assert loss.isfinite().all()
    for module in (of.backbone, of.loss):
        assert all(bool(p.isfinite().all()) for p in module.parameters())
    moved = [float(p.grad.abs().max()) for p in til(of).network.parameters() if p.grad is not None]
    assert len(moved) == 4
    assert max(moved) > 0


def test_a_backbone_without_forward_mode_derivatives_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def embed(self: MF, user: Tensor, item: Tensor) -> Towers:
        one = torch.ones(len(user), 1)
        of_user = embedding_bag(user[:, None], self.user_table, mode="sum", per_sample_weights=one)
        return Towers(of_user[:, None], embedding(item, self.item_table)[:, :, None])

    monkeypatch.setattr(MF, "embed", embed)
    with pytest.raises(UsageError, match="loss `til-ui` needs forward-mode derivatives, .* backbone `mf`"):
        run_epoch(model("til-ui"), 1)


def test_the_vectors_of_neumf_are_those_of_both_branches() -> None:
    of = model("til-mi", "neumf", dim=2, clusters="4", **LEARNED)
    of.loss.start_epoch(of.backbone, 1)
    log, table = data().train, dict(of.backbone.named_parameters())["item_table"].detach()
    assert table.shape[1] == 5
    assert til(of).network.first.in_features == 10
    assert clusters(of).centres.shape == (4, 5)
    liked = log.item[(log.user == 7) & (log.label[:, 0] > 0)].long().unique()
    torch.testing.assert_close(til(of).interest[7], table[liked].mean(0))


def test_looking_ahead_leaves_running_statistics_alone() -> None:
    values = {f"loss.{key}": value for key, value in base.resolve(LOSSES.get("til-ui"), {}).items()}
    values |= {f"backbone.{key}": value for key, value in defaults(BACKBONES.get("mmfi")).items()}
    values["backbone.batch_norm"] = True
    of = build(data(), "til-ui", "mmfi", values, seed=0, lr=0.01)
    plain_values = {k: v for k, v in values.items() if k.startswith("backbone.")}
    plain_values |= {f"loss.{key}": value for key, value in base.resolve(LOSSES.get("bpr"), {}).items()}
    plain = build(data(), "bpr", "mmfi", plain_values, seed=0, lr=0.01)
    of.loss.start_epoch(of.backbone, 1)
    batch = batches(of)[0]
    before = deepcopy(of.backbone.state_dict())
    of.loss.step(of.backbone, batch, of.optimizer)
    plain.loss.step(plain.backbone, columns(batch, [0, 1]), plain.optimizer)
    running = [name for name in before if "running" in name]
    assert running
    for name in running:
        assert not torch.equal(of.backbone.state_dict()[name], before[name])
        torch.testing.assert_close(of.backbone.state_dict()[name], plain.backbone.state_dict()[name])


@pytest.mark.parametrize("backbone", ["mf", "lightgcn"])
def test_interest_is_the_mean_of_the_training_items(backbone: str) -> None:
    of, log = model("til-ui", backbone), data().train
    of.loss.start_epoch(of.backbone, 1)
    item = of.backbone.tables()[1][:, 0]
    for user in range(30):
        liked = log.item[(log.user == user) & (log.label[:, 0] > 0)].long().unique()
        expected = item[liked].mean(0) if len(liked) else torch.zeros(8)
        torch.testing.assert_close(til(of).interest[user], expected)


def test_the_outer_negatives_are_fresh_unless_the_same_are_wanted() -> None:
    assert model("til-ui").loss.sampler == Triplets(2)
    assert model("til-ui", outer="same").loss.sampler == Triplets(1)


@pytest.mark.parametrize("clustering", ["learned", "kmeans"])
def test_a_run_resumed_between_two_refreshes_goes_on_as_it_was(clustering: str) -> None:
    words = {"pretrain": "1", "refresh": "3", "clusters": "5", "clustering": clustering}
    of = model("til-mi", **words)
    for epoch in (1, 2):
        run_epoch(of, epoch)
    again = model("til-mi", **words)
    again.load(deepcopy(of.state()))
    again.optimizer.load_state_dict(deepcopy(of.optimizer.state_dict()))
    for epoch in (3, 4, 5):
        assert torch.equal(run_epoch(again, epoch), run_epoch(of, epoch))
    assert again.loss.notes == of.loss.notes
    for name, value in of.loss.state_dict().items():
        assert torch.equal(again.loss.state_dict()[name], value), name


def test_without_alpha_and_gamma_several_interests_are_one() -> None:
    one, several = model("til-ui"), model("til-mi", pretrain="0", alpha="0", gamma="0")
    assert torch.equal(run_epoch(one, 1), run_epoch(several, 1))


def test_until_the_clusters_start_there_is_one_interest() -> None:
    one, several = model("til-ui"), model("til-mi", pretrain="1", clusters="5", gamma="1")
    assert torch.equal(run_epoch(one, 1), run_epoch(several, 1))
    assert several.loss.notes[1:] == ["no clusters: training ended within loss.pretrain=1 epochs"]
    assert not torch.equal(run_epoch(one, 2), run_epoch(several, 2))
    assert not any(note.startswith("no clusters") for note in several.loss.notes)


def clusters(of: Model) -> Clusters:
    assert isinstance(of.loss, TILMI)
    return of.loss.groups


def test_states_take_the_centre_of_an_item_s_cluster() -> None:
    of = model("til-mi", pretrain="0", alpha="0.5", clusters="5")
    of.loss.start_epoch(of.backbone, 1)
    groups = clusters(of)
    vectors, item = torch.randn(3, 2, 8), torch.tensor([[0, 1], [2, 3], [4, 4]])
    found = til(of).item_states(vectors, item)
    table = of.backbone.tables()[1][:, 0]
    nearest = torch.cdist(table, groups.centres.detach()).argmin(1)
    torch.testing.assert_close(found, vectors + 0.5 * groups.centres.detach()[nearest[item]])


def test_the_centres_are_learned_and_membership_waits_for_its_refresh() -> None:
    of = model("til-mi", pretrain="0", refresh="2", clusters="5", gamma="1")
    of.loss.start_epoch(of.backbone, 1)
    groups = clusters(of)
    centres, target = groups.centres.detach().clone(), groups.target.clone()
    run_epoch(of, 1)
    after = groups.centres.detach().clone()
    assert (after != centres).any()
    torch.testing.assert_close(groups.target, target)
    of.loss.start_epoch(of.backbone, 2)
    assert torch.equal(groups.target, target)
    of.loss.start_epoch(of.backbone, 3)
    assert torch.equal(groups.centres.detach(), after)
    share = log_membership(of.backbone.tables()[1][:, 0], after).exp()
    torch.testing.assert_close(groups.target, sharpened(share))


def test_with_k_means_the_centres_are_placed_anew_and_not_learned() -> None:
    of = model("til-mi", pretrain="0", refresh="2", clusters="5", clustering="kmeans", gamma="1")
    groups = clusters(of)
    assert not any(name.startswith("groups") for name, _ in of.loss.named_parameters())
    run_epoch(of, 1)
    centres = groups.centres.clone()
    run_epoch(of, 2)
    assert torch.equal(groups.centres, centres)
    run_epoch(of, 3)
    assert not torch.equal(groups.centres, centres)


def test_centres_of_k_means_are_the_means_of_what_is_nearest() -> None:
    generator = torch.Generator().manual_seed(3)
    corner = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])[torch.arange(60) % 3]
    item = corner + 0.1 * torch.randn(60, 2, generator=generator)
    groups = Clusters(3, 60, 2, learned=True)
    groups.renew(item, restart=True)
    assert torch.equal(groups.cluster, torch.cdist(item, groups.centres).argmin(1))
    assert sorted(groups.cluster.unique().tolist()) == [0, 1, 2]
    for number, centre in enumerate(groups.centres):
        torch.testing.assert_close(centre.detach(), item[groups.cluster == number].mean(0))


def test_clusters_are_no_more_than_items() -> None:
    assert len(clusters(model("til-mi", clusters="1000")).centres) == 40


def test_distribution_of_weights() -> None:
    generator = torch.Generator().manual_seed(1)
    weight, popularity = torch.rand(103, generator=generator), torch.randperm(103, generator=generator)
    found = distribution(weight, popularity)
    quarters = np.array_split(weight.numpy()[np.argsort(popularity.numpy())], 4)
    for row, part in zip(found, [weight.numpy(), *quarters], strict=True):
        quantiles = np.quantile(part, [0.05, 0.25, 0.5, 0.75, 0.95], method="closest_observation")
        assert row[:2].tolist() == pytest.approx([part.mean(), part.std()], abs=1e-6)
        assert np.abs(row[2:].numpy() - quantiles).max() <= np.diff(np.sort(part)).max() + 1e-6


def test_the_weights_of_the_last_epoch_are_noted() -> None:
    of = model("til-ui")
    always_one(of)
    with torch.no_grad():
        til(of).network.last.bias.zero_()
    til(of).network.requires_grad_(False)
    of.loss.start_epoch(of.backbone, 1)
    for batch in batches(of)[:-1]:
        til(of)._keep_weights(
            columns(batch, [0, 1]), torch.full((len(batch.user),), 0.5), torch.ones(len(batch.user)) > 0
        )
    assert of.loss.notes == []
    batch = batches(of)[-1]
    counts = torch.ones(len(batch.user)) > 0
    counts[0] = False
    til(of)._keep_weights(columns(batch, [0, 1]), torch.full((len(batch.user),), 0.5), counts)
    assert of.loss.notes == [
        "triplet weights of the last epoch: mean 0.5, sd 0, quantiles 5/25/50/75/95 % 0.5 0.5 0.5 0.5 0.5; "
        "means by popularity of the positive, rare to popular: 0.5 0.5 0.5 0.5",
        "the triplet weights hardly differ, which is plain BPR; try a lower loss.weight_lr",
    ]
    torch.testing.assert_close(til(of).importance[:, 0], torch.full((5,), 0.5))


def test_weights_that_vanish_are_noted() -> None:
    of = model("til-ui", weight_lr="1e-6")
    with torch.no_grad():
        til(of).network.last.bias.fill_(-10)
    run_epoch(of, 1)
    assert of.loss.notes[1:] == ["the triplet weights fell to almost 0 in epoch 1; try a lower loss.weight_lr"]


def test_weights_do_not_vanish_in_training() -> None:
    of = model("til-mi", pretrain="2", weight_lr="0.01")
    for epoch in range(1, 9):
        run_epoch(of, epoch)
    assert len(of.loss.notes) == 1
    assert 0.3 < float(til(of).importance[0, 0]) < 1
    assert float(til(of).importance[0, 1]) > 1e-3


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("til-ui", {"hidden": 0}, "loss.hidden=0: expected at least 1"),
        ("til-ui", {"lookahead": 0.0}, "loss.lookahead=0.0: expected a number above 0"),
        ("til-mi", {"weight_lr": -1.0}, "loss.weight_lr=-1.0: expected a number above 0"),
        ("til-mi", {"alpha": -1.0}, "loss.alpha=-1.0: expected at least 0"),
        ("til-mi", {"gamma": -1.0}, "loss.gamma=-1.0: expected at least 0"),
        ("til-mi", {"clusters": 0}, "loss.clusters=0: expected at least 1"),
        ("til-mi", {"pretrain": -1}, "loss.pretrain=-1: expected at least 0"),
        ("til-mi", {"refresh": 0}, "loss.refresh=0: expected at least 1"),
    ],
)
def test_settings_are_checked(name: str, settings: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        base.create(LOSSES.get(name), Info(10, 10, (0.5,)), base.defaults(LOSSES.get(name)) | settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMES)
def test_learned_logits_are_trained_with_the_backbone(name: str) -> None:
    of = Trial(name).model(words={"logit": "learned", "cosine": "true"})
    before = float(of.loss.head.log_scale.detach())
    run_epoch(of, 1)
    assert float(of.loss.head.log_scale.detach()) != before
