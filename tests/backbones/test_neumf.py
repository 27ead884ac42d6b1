"""Neural matrix factorisation: its logit, its blocks, and what is made of a backbone without inner products."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from recbench.backbones import neumf
from recbench.backbones.base import create
from recbench.backbones.neumf import NeuMF
from recbench.batch import Batch
from recbench.data.dataset import Dataset
from recbench.data.toy import toy as make_toy
from recbench.errors import UsageError
from recbench.evaluation.evaluate import ScoredLog, evaluate
from recbench.evaluation.predictions import BlockScores
from recbench.evaluation.ranking import auc
from recbench.evaluation.request import parse
from recbench.evaluation.signature import Protocol
from recbench.settings import defaults
from recbench.training.model import Model, build
from recbench.training.schedule import Schedule
from recbench.training.scorer import Scorer

FORWARD_MODE = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's own use of it


def test_a_logit_by_hand(toy: Dataset) -> None:
    backbone = NeuMF(toy, 1, False, dim=2, embedding=2, hidden="2")
    tower = backbone.models[0]
    with torch.no_grad():
        backbone.user_table[3] = torch.tensor([1.0, 2.0, 1.0, 0.0])
        backbone.item_table[5] = torch.tensor([0.5, -1.0, 0.0, 1.0])
        tower.user_side.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        tower.item_side.weight.copy_(torch.tensor([[0.0, 1.0], [-1.0, 0.0]]))
        tower.user_side.bias.copy_(torch.tensor([0.0, 0.1]))
        tower.head.weight.copy_(torch.tensor([[1.0, 1.0, 0.5, -0.5]]))
    logit = backbone(torch.tensor([3]), torch.tensor([[5]])).logit
    assert logit.item() == pytest.approx(-0.55, abs=1e-6)
    assert logit.sigmoid().item() == pytest.approx(0.36586440898919936, abs=1e-6)


def direct(backbone: NeuMF, user: int, item: int) -> Tensor:
    """The logits [K] of one pair by the paper's formula, on the concatenated vectors."""
    logits = []
    for k, tower in enumerate(backbone.models):
        p, p_mlp = backbone.user_table[user].unflatten(0, (backbone.towers, -1))[k].split(backbone.split)
        q, q_mlp = backbone.item_table[item].unflatten(0, (backbone.towers, -1))[k].split(backbone.split)
        hidden = torch.cat([p_mlp, q_mlp])
        first = torch.cat([tower.user_side.weight, tower.item_side.weight], 1)
        hidden = (first @ hidden + tower.user_side.bias).clamp(min=0)
        for layer in tower.layers:
            hidden = (layer.weight @ hidden + layer.bias).clamp(min=0)
        logits.append(tower.head.weight[0] @ torch.cat([p * q, hidden]))
    return torch.stack(logits)


def lively(data: Dataset, towers: int = 2, **settings: Any) -> NeuMF:
    """A model whose every part matters."""
    torch.manual_seed(1)
    backbone = NeuMF(data, towers, False, **{"dim": 3, "embedding": 4, "hidden": "6-5", "std": 1.0} | settings)
    for tower in backbone.models:
        torch.nn.init.normal_(tower.user_side.bias)
        for layer in tower.layers:
            torch.nn.init.normal_(layer.bias)
    return backbone.double()


@pytest.mark.parametrize("block", [1, 40, 1 << 20])
@pytest.mark.parametrize("shared", [False, True])
def test_logits_equal_the_formula_in_blocks_of_any_size(
    shared: bool, block: int, toy: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neumf, "BLOCK", block)
    backbone = lively(toy)
    user = torch.tensor([0, 7, 29])
    item = torch.tensor([[1, 2, 39, 5]]) if shared else torch.tensor([[1, 2, 3, 5], [0, 39, 8, 8], [4, 5, 6, 7]])
    logit = backbone(user, item).logit
    rows = item.expand(3, -1).tolist()
    expected = torch.stack(
        [torch.stack([direct(backbone, u, i) for i in row]) for u, row in zip(user.tolist(), rows, strict=True)]
    )
    torch.testing.assert_close(logit, expected)


def test_both_sides_are_initialised_as_one_layer(toy: Dataset) -> None:
    tower = NeuMF(toy, 1, False, dim=8, embedding=32, hidden="32-16-8").models[0]
    bound = (6 / (64 + 32)) ** 0.5
    for side in (tower.user_side, tower.item_side):
        assert float(side.weight.detach().abs().max()) == pytest.approx(bound, rel=0.02)
        assert float(side.weight.detach().std()) == pytest.approx(bound / 3**0.5, rel=0.05)
    assert tower.head.weight.shape == (1, 16)
    assert tower.head.bias is None


@FORWARD_MODE
def test_gradients(toy: Dataset) -> None:
    backbone = lively(toy, dim=2, embedding=2, hidden="3-2")
    user, item = torch.tensor([0, 2]), torch.tensor([[0, 1], [2, 1]])
    of_user, of_item = backbone.user_table[:3].detach(), backbone.item_table[:3].detach()
    names = [name for name, _ in backbone.models.named_parameters()]
    values = [p.detach().clone().requires_grad_() for p in backbone.models.parameters()]

    def score(of_user: Tensor, of_item: Tensor, *weights: Tensor) -> Tensor:
        given = {f"models.{name}": value for name, value in zip(names, weights, strict=True)}
        out = torch.func.functional_call(backbone, {"user_table": of_user, "item_table": of_item} | given, (user, item))
        logit: Tensor = out.logit
        return logit

    inputs = (of_user.requires_grad_(), of_item.requires_grad_(), *values)
    assert torch.autograd.gradcheck(score, inputs, check_forward_ad=True)


def test_l2_is_half_the_squared_norm_of_both_branches_per_user(toy: Dataset) -> None:
    backbone = NeuMF(toy, 1, False, dim=1, embedding=1, hidden="2", l2=1e-4)
    with torch.no_grad():
        backbone.user_table[0] = torch.tensor([1.0, 2.0])
        backbone.item_table[0] = torch.tensor([0.5, -1.0])
        backbone.item_table[1] = torch.tensor([0.0, 3.0])
    user, item = torch.tensor([0]), torch.tensor([[0, 1]])
    regulariser = torch.as_tensor(backbone(user, item).regulariser(Batch(user, item, torch.zeros(1, 2, 1))))
    assert regulariser.item() == pytest.approx(0.0007625)


class Largest(TorchDispatchMode):
    """Remembers the largest tensor that any operation returned."""

    numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if isinstance(out, Tensor):
            self.numbers = max(self.numbers, out.untyped_storage().nbytes() // out.element_size())
        return out


def test_a_block_of_the_catalogue_needs_no_more_than_its_scores(toy: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neumf, "BLOCK", 512)
    backbone = NeuMF(toy, 1, False, dim=1, embedding=1, hidden="64-32")
    users, items = torch.arange(8), torch.arange(40).repeat(25)[None]
    with torch.no_grad(), Largest() as largest:
        backbone(users, items)
    pairs, item_side = 8 * 1000, 1000 * 64
    assert pairs <= largest.numbers <= item_side
    assert largest.numbers < pairs * 64 / 5


def model(data: Dataset, loss: str = "bpr", **settings: Any) -> Model:
    values = {f"backbone.{k}": v for k, v in defaults(NeuMF).items()} | {"backbone.std": 0.1}
    values |= {"loss.negatives": 1, "loss.cosine": False} if loss == "bpr" else {}
    return build(data, loss, "neumf", values | settings, seed=0, schedule=Schedule(lr=0.01))


def test_the_catalogue_is_scored_exhaustively_and_the_signature_says_exact() -> None:
    data = make_toy().narrow(["view"])
    made = model(data)
    predictions = Scorer(made.backbone, made.loss).predictions(data.valid)
    assert isinstance(predictions.catalogue(0), BlockScores)
    protocol = Protocol("toy", "valid", index="hnsw")
    seen = data.positives_of(data.train, 0)
    scored = ScoredLog(data.valid, ("view",), predictions, lambda column: seen, len(data.items))
    (value,) = evaluate([parse("recall@5")], scored, protocol)
    assert "search=exact" in value.signature
    assert value.cost is None

    relevant: dict[int, set[int]] = {}
    known = set(zip(seen.user.tolist(), seen.item.tolist(), strict=True))
    for user, item, label in zip(
        data.valid.user.tolist(), data.valid.item.tolist(), data.valid.label[:, 0], strict=True
    ):
        if label and (user, item) not in known:
            relevant.setdefault(user, set()).add(item)
    recalls = []
    with torch.no_grad():
        for user, wanted in relevant.items():
            score = made.backbone(torch.tensor([user]), torch.arange(len(data.items))[None]).logit[0, :, 0]
            left = [i for i in score.argsort(descending=True).tolist() if (user, i) not in known][:5]
            recalls.append(len(wanted & set(left)) / len(wanted))
    assert value.value == pytest.approx(sum(recalls) / len(recalls))
    assert value.count == len(recalls)


def test_it_learns() -> None:
    data = make_toy(rows=3000).narrow(["view"])
    made = model(data)
    for epoch in range(8):
        for batch in made.loss.sampler.batches(data, 256, torch.Generator().manual_seed(epoch)):
            made.loss.step(made.backbone, batch, made.optimizer)
    score, _ = Scorer(made.backbone, made.loss).rows(data.valid)
    assert auc(score[:, 0], data.valid.label[:, 0]) > 0.75


def test_losses_on_vectors_refuse_it() -> None:
    with pytest.raises(
        UsageError,
        match="loss `buir` needs vectors whose inner products are the scores, which backbone `neumf` does not have",
    ):
        model(make_toy().narrow(["view"]), "buir")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden": ""}, "backbone.hidden is empty: expected widths joined by -"),
        ({"hidden": "8-x"}, "backbone.hidden=8-x: expected widths"),
        ({"hidden": "8-²"}, "backbone.hidden=8-²: expected widths"),
        ({"embedding": 0}, "backbone.embedding=0: expected at least 1"),
        ({"dim": 0}, "backbone.dim=0: expected at least 1"),
        ({"l2": -1.0}, "backbone.l2=-1.0: expected at least 0"),
    ],
)
def test_settings_out_of_range(settings: dict[str, Any], message: str, toy: Dataset) -> None:
    with pytest.raises(UsageError, match=f"^{message}"):
        create(NeuMF, toy, 1, False, settings)
