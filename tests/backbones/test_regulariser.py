"""What L2 penalties of published code are, each beside a direct computation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from recbench.backbones.base import BACKBONES, Backbone, create, defaults, resolve
from recbench.batch import Batch
from recbench.data.dataset import Dataset
from recbench.errors import UsageError
from recbench.samplers import Rows
from recbench.training.plan import OWNERS, make_keys, non_default

B, N = 6, 2
WEIGHT = 0.3


@dataclass
class Case:
    """A batch of triplets, and the tensors that codes penalise."""

    backbone: Backbone
    batch: Batch

    @property
    def rows(self) -> list[Tensor]:
        """Free vectors of users, positives and negatives, [B, D] each."""
        user_table, item_table = self.tables
        item = item_table[self.batch.item]
        return [user_table[self.batch.user], item[:, 0], item[:, 1]]

    @property
    def vectors(self) -> list[Tensor]:
        """What the backbone makes of them."""
        user, item = self.backbone.tables()
        return [user[self.batch.user], item[self.batch.item[:, 0]], item[self.batch.item[:, 1]]]

    @property
    def tables(self) -> list[Tensor]:
        return [p for name, p in self.backbone.named_parameters() if "table" in name]

    @property
    def parameters(self) -> list[Tensor]:
        return list(self.backbone.parameters())

    @property
    def weights(self) -> list[Tensor]:
        return [p for name, p in self.backbone.named_parameters() if "table" not in name]

    def penalty(self) -> Tensor:
        return torch.as_tensor(self.backbone.encode(self.batch).regulariser(self.batch))


def case(data: Dataset, backbone: str, l2: float, *, mask: Tensor | None = None, **spec: str) -> Case:
    torch.manual_seed(0)
    kind = BACKBONES.get(backbone)
    made = create(kind, data, 2, False, defaults(kind) | {"dim": 3, "l2": l2} | spec)
    generator = torch.Generator().manual_seed(1)
    user = torch.randint(made.users, (B,), generator=generator)
    item = torch.randint(made.items, (B, N), generator=generator)
    return Case(made, Batch(user, item, torch.zeros(B, N, 1), mask))


def squares(tensors: list[Tensor]) -> Tensor:
    return torch.stack([tensor.square().sum() for tensor in tensors]).sum()


def norms(tensors: list[Tensor]) -> Tensor:
    return torch.stack([tensor.square().sum().sqrt() for tensor in tensors]).sum()


# code, backbone, l2 that stands for the published weight WEIGHT, the other settings, and what the code computes
Direct = Callable[[Case], Tensor]
READINGS: dict[str, tuple[str, float, dict[str, str], Direct]] = {
    "lightgcn": ("lightgcn", WEIGHT, {}, lambda c: WEIGHT / 2 * squares(c.rows) / B),
    "sgl": ("lightgcn", WEIGHT, {"l2_divisor": "1"}, lambda c: WEIGHT / 2 * squares(c.rows)),
    "selfrec-sgl": (
        "lightgcn",
        WEIGHT,
        {"l2_of": "vectors", "l2_form": "norms"},
        lambda c: WEIGHT * norms(c.vectors) / B,
    ),
    "selfrec-simgcl": (
        "lightgcn",
        WEIGHT,
        {"l2_of": "vectors", "l2_form": "norms", "l2_slots": "first"},
        lambda c: WEIGHT * norms(c.vectors[:2]) / B,
    ),
    "selfrec-mf": ("mf", WEIGHT / B, {"l2_form": "norms"}, lambda c: WEIGHT * norms(c.rows) / B / B),
    "recbole-batch": ("mf", WEIGHT, {"l2_form": "norms", "l2_divisor": "rows"}, lambda c: WEIGHT * norms(c.rows) / B),
    "crgcn": (
        "lightgcn",
        WEIGHT,
        {"l2_of": "tables", "l2_form": "norms", "l2_divisor": "rows"},
        lambda c: WEIGHT * norms(c.tables) / c.backbone.items,
    ),
    "ultragcn": (
        "mgccf",
        WEIGHT,
        {"l2_of": "parameters", "l2_divisor": "1"},
        lambda c: WEIGHT / 2 * squares(c.parameters),
    ),
    "lightgcl": (
        "neumf",
        2 * WEIGHT,
        {"l2_of": "parameters", "l2_divisor": "1"},
        lambda c: WEIGHT * squares(c.parameters),
    ),
    "relmf": ("mf", WEIGHT, {"l2_of": "tables", "l2_divisor": "1"}, lambda c: WEIGHT / 2 * squares(c.tables)),
    "mbgcn": ("lightgcn", 2 * WEIGHT, {"l2_of": "vectors"}, lambda c: WEIGHT * squares(c.vectors) / B),
    "mb-cgcn": (
        "mgccf",
        WEIGHT,
        {"l2_of": "rows+weights"},
        lambda c: WEIGHT / 2 * (squares(c.rows) + squares(c.weights)) / B,
    ),
}


@pytest.mark.parametrize("code", READINGS)
def test_readings_of_published_code(toy: Dataset, code: str) -> None:
    backbone, l2, spec, direct = READINGS[code]
    penalised = case(toy, backbone, l2, mask=None, **spec)
    torch.testing.assert_close(penalised.penalty(), direct(penalised).detach())


WITH_L2 = [name for name in BACKBONES.names() if "l2" in defaults(BACKBONES.get(name))]


@pytest.mark.parametrize("backbone", WITH_L2)
def test_every_backbone_with_l2_has_these_settings(toy: Dataset, backbone: str) -> None:
    kind = BACKBONES.get(backbone)
    made = create(kind, toy, 1, False, defaults(kind) | {"dim": 4, "l2": 0.1, "l2_of": "parameters"})
    rows = next(Rows().batches(toy, 16, torch.Generator().manual_seed(0)))
    penalty = torch.as_tensor(made.encode(rows).regulariser(rows))
    torch.testing.assert_close(penalty.detach(), 0.05 * squares(list(made.parameters())).detach() / 16)


def test_all_parameters_undivided_have_the_gradient_of_weight_decay(toy: Dataset) -> None:
    penalised = case(toy, "mgccf", WEIGHT, l2_of="parameters", l2_divisor="1")
    gradients = torch.autograd.grad(penalised.penalty(), penalised.parameters)
    for gradient, parameter in zip(gradients, penalised.parameters, strict=True):
        torch.testing.assert_close(gradient, WEIGHT * parameter)


@pytest.mark.parametrize("form", ["squares", "norms"])
def test_masked_slots_are_not_penalised(toy: Dataset, form: str) -> None:
    """A column on which nothing counts has a norm of 0, whose gradient is 0 too."""
    mask = torch.tensor([[True, False]]).repeat(B, 1)
    masked, first = (case(toy, "mf", 1.0, mask=mask, l2_form=form, l2_slots=slots) for slots in ("all", "first"))
    torch.testing.assert_close(masked.penalty(), first.penalty())
    masked.penalty().backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in masked.parameters)


def test_a_slate_that_all_users_share_is_one_tensor(toy: Dataset) -> None:
    shared = case(toy, "mf", 1.0, l2_form="norms", l2_divisor="rows")
    item = torch.tensor([[3, 5, 8, 9]])
    shared.batch = Batch(shared.batch.user, item, torch.zeros(B, 4, 1))
    expected = norms([shared.rows[0], shared.tables[1][item[0]]]) / 4
    torch.testing.assert_close(shared.penalty(), expected.detach())


def test_settings_are_of_the_key_where_they_differ(toy: Dataset) -> None:
    words = {owner: dict[str, str]() for owner in OWNERS}
    words["backbone"] = {"l2": "0.1", "l2_of": "tables", "l2_form": "squares"}
    (key,) = make_keys(toy, "bpr", "mf", words, (), (0,), "cpu", {})
    assert {name for name in key.settings if "l2_" in name} == {"backbone.l2_of"}
    assert non_default(key) == {"backbone.l2": 0.1, "backbone.l2_of": "tables"}


@pytest.mark.parametrize(
    ("backbone", "words", "message"),
    [
        ("mf", {"l2_of": "rows+weights"}, "backbone.l2_of=rows.weights: there is no penalty with backbone.l2=0"),
        ("lightgcn", {"l2_of": "parameters", "l2_divisor": "rows"}, "backbone.l2_divisor=rows: parameters have no"),
        ("lightgcn", {"l2_of": "tables", "l2_slots": "first"}, "backbone.l2_slots=first: l2_of=tables is the same"),
        ("lightgcn", {"l2_off": "tables"}, "unknown setting `l2_off` of backbone `lightgcn`; did you mean `l2_of`"),
        ("lightgcn", {"l2_form": "norm"}, "backbone.l2_form=norm: expected one of squares, norms"),
        ("twintower", {"l2_of": "tables"}, "unknown setting `l2_of` of backbone `twintower`"),
    ],
)
def test_what_makes_no_penalty_is_refused(backbone: str, words: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolve(BACKBONES.get(backbone), words)
