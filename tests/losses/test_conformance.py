"""What every registered loss must hold to, a new one included."""

from __future__ import annotations

import inspect
import re

import pytest
import torch
from torch import Tensor

from recbench.backbones.base import BACKBONES
from recbench.batch import Batch, Towers
from recbench.benchmark.model import Model, build
from recbench.benchmark.scorer import Scorer, linear_weights
from recbench.data.dataset import Dataset
from recbench.evaluation.ranking import auc
from recbench.losses import base
from recbench.losses.base import LOSSES, Loss
from recbench.samplers import Lists
from recbench.settings import defaults
from tests.conftest import make_dataset

NAMES = LOSSES.names()


def data_for(loss: type[Loss], rows: int = 600) -> Dataset:
    data = make_dataset(rows=rows)
    return data if loss.multitask else data.narrow(["view"])


def model_for(name: str, data: Dataset, backbone: str = "mf", **words: str) -> Model:
    values = {f"loss.{key}": value for key, value in base.resolve(LOSSES.get(name), words).items()}
    settings = defaults(BACKBONES.get(backbone)) | {"dim": 8}
    return build(data, name, backbone, values | {f"backbone.{k}": v for k, v in settings.items()}, 0, lr=0.02)


def a_batch(model: Model, data: Dataset) -> Batch:
    return next(model.loss.sampler.batches(data, 64, torch.Generator().manual_seed(1)))


def instance(name: str) -> Loss:
    data = data_for(LOSSES.get(name))
    return base.create(LOSSES.get(name), data.info, base.defaults(LOSSES.get(name)))


def value_of(model: Model, batch: Batch) -> Tensor:
    value: Tensor = model.loss(model.loss.head(model.backbone(batch.user, batch.item)), batch)
    return value


@pytest.mark.parametrize("backbone", BACKBONES.names())
@pytest.mark.parametrize("name", NAMES)
def test_loss_and_gradients_are_finite(name: str, backbone: str) -> None:
    data = data_for(LOSSES.get(name))
    model = model_for(name, data, backbone)
    value = value_of(model, a_batch(model, data))
    assert value.shape == ()
    value.backward()
    gradients = [p.grad for p in model.backbone.parameters() if p.grad is not None]
    assert any(gradient.abs().sum() > 0 for gradient in gradients)
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [20.0, 50.0, 120.0])
@pytest.mark.parametrize("name", NAMES)
def test_extreme_logits_give_finite_gradients(name: str, size: float, dtype: torch.dtype) -> None:
    loss_class = LOSSES.get(name)
    data = data_for(loss_class)
    model = model_for(name, data)
    if "vectors" in loss_class.needs:
        pytest.skip("works on vectors, of which it takes the cosine")
    batch = a_batch(model, data)
    shape = (*batch.label.shape[:2], model.loss.towers)
    sign = torch.randint(2, shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    inner = (sign * size).to(dtype).requires_grad_()
    nothing = torch.empty(0)
    value = model.loss(Towers(nothing, nothing, pair=inner), batch)
    assert value.isfinite()
    value.backward()
    assert inner.grad is not None
    assert inner.grad.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_masked_slots_do_not_count(name: str) -> None:
    data = data_for(LOSSES.get(name))
    model = model_for(name, data)
    batch = a_batch(model, data)
    if batch.mask is None or bool(batch.mask.all()):
        width = batch.item.shape[1]
        if width == 1:
            pytest.skip("its slates have one slot")
        mask = torch.ones(batch.label.shape[:2], dtype=torch.bool)
        mask[:, -1] = width <= 2
        batch = Batch(batch.user, batch.item, batch.label, mask, batch.log_q)
    assert batch.mask is not None
    towers = model.loss.head(model.backbone(batch.user, batch.item))
    expected = model.loss(towers, batch)
    wild = torch.where(batch.mask[..., None], towers.inner, torch.full_like(towers.inner, 30.0))
    changed = Towers(towers.user, towers.item, pair=wild, scale=towers.scale, bias=towers.bias)
    torch.testing.assert_close(model.loss(changed, batch), expected)


@pytest.mark.parametrize("name", NAMES)
def test_order_of_users_does_not_matter(name: str) -> None:
    data = data_for(LOSSES.get(name))
    model = model_for(name, data)
    batch = a_batch(model, data)
    order = torch.randperm(len(batch.user), generator=torch.Generator().manual_seed(2))

    def take(value: Tensor | None) -> Tensor | None:
        return None if value is None else value[order] if len(value) == len(order) else value

    item, label = take(batch.item), take(batch.label)
    assert item is not None
    assert label is not None
    shuffled = Batch(batch.user[order], item, label, take(batch.mask), take(batch.log_q))
    torch.testing.assert_close(value_of(model, shuffled), value_of(model, batch), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in NAMES if isinstance(instance(name).sampler, Lists)])
def test_order_of_rows_on_a_list_does_not_matter(name: str) -> None:
    data = data_for(LOSSES.get(name))
    model = model_for(name, data)
    batch = a_batch(model, data)
    order = torch.randperm(batch.item.shape[1], generator=torch.Generator().manual_seed(3))
    assert batch.mask is not None
    moved = Batch(batch.user, batch.item[:, order], batch.label[:, order], batch.mask[:, order])
    torch.testing.assert_close(value_of(model, moved), value_of(model, batch), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_padding_does_not_matter(name: str) -> None:
    data = data_for(LOSSES.get(name))
    model = model_for(name, data)
    batch = a_batch(model, data)
    mask = torch.ones(batch.label.shape[:2], dtype=torch.bool) if batch.mask is None else batch.mask
    wider = Batch(
        batch.user,
        torch.cat([batch.item, batch.item[:, :1]], 1),
        torch.cat([batch.label, torch.ones_like(batch.label[:, :1])], 1),
        torch.cat([mask, torch.zeros_like(mask[:, :1])], 1),
        None if batch.log_q is None else torch.cat([batch.log_q, batch.log_q[:, :1]], 1),
    )
    torch.testing.assert_close(value_of(model, wider), value_of(model, batch), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_score_has_one_column_per_feedback(name: str) -> None:
    data = data_for(LOSSES.get(name))
    model = model_for(name, data)
    logit = torch.randn(5, 4, model.loss.towers)
    assert model.loss.score(logit).shape == (5, 4, len(data.feedback))
    log_probability = model.loss.log_probability(logit)
    if log_probability is not None:
        assert log_probability.shape == (5, 4, len(data.feedback))
        assert (log_probability <= 0).all()


@pytest.mark.parametrize("logit", ["bare", "fixed", "learned"])
@pytest.mark.parametrize("name", NAMES)
def test_index_ranks_as_the_score_does(name: str, logit: str) -> None:
    words = {"logit": logit} | ({"scale": "3", "bias": "-1"} if logit == "fixed" else {})
    words |= {"scale": "1"} if logit == "bare" else {}
    if not LOSSES.get(name).reads_logits:
        words = {}
    data = data_for(LOSSES.get(name))
    model = model_for(name, data, **words)
    scorer = Scorer(model.backbone, model.loss)
    user = torch.arange(len(data.users))
    for task in range(len(data.feedback)):
        block = scorer.block(user, task)
        query = scorer.queries(task)
        if query is None:
            assert linear_weights(model.loss) is None
            continue
        product = query @ scorer.index_items.T
        torch.testing.assert_close(block - block[:, :1], product - product[:, :1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_rows_and_blocks_give_the_same_scores(name: str) -> None:
    data = data_for(LOSSES.get(name))
    scorer = Scorer(*_parts(model_for(name, data)))
    score, _ = scorer.rows(data.valid)
    for task in range(len(data.feedback)):
        block = scorer.block(data.valid.user.long(), task)
        picked = block.gather(1, data.valid.item.long()[:, None])[:, 0]
        torch.testing.assert_close(score[:, task], picked, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_training_beats_chance(name: str) -> None:
    data = data_for(LOSSES.get(name), rows=4000)
    model = model_for(name, data)
    for epoch in range(1, 13):
        generator = torch.Generator().manual_seed(epoch)
        for batch in model.loss.sampler.batches(data, 256, generator):
            model.loss.step(model.backbone, batch, model.optimizer)
    score, _ = Scorer(*_parts(model)).rows(data.valid)
    floor = 0.55 if name == "buir" else 0.75  # without negatives, popularity is most of what it learns here
    assert auc(score[:, 0], data.valid.label[:, 0]) > floor


@pytest.mark.parametrize("constant", [0.0, 1.0])
@pytest.mark.parametrize("name", NAMES)
def test_constant_labels_do_not_break_a_batch(name: str, constant: float) -> None:
    data = data_for(LOSSES.get(name))
    model = model_for(name, data)
    batch = a_batch(model, data)
    label = torch.full_like(batch.label, constant)
    value = value_of(model, Batch(batch.user, batch.item, label, batch.mask, batch.log_q))
    assert value.isfinite()
    value.backward()
    gradients = [p.grad for p in model.backbone.parameters() if p.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("name", NAMES)
def test_docstring_cites_and_settings_are_typed(name: str) -> None:
    loss_class = LOSSES.get(name)
    assert re.search(r"(19|20)\d\d", loss_class.__doc__ or ""), "name authors or paper, and year"
    parameters = inspect.signature(loss_class.__init__).parameters.values()
    for parameter in parameters:
        if parameter.kind is parameter.KEYWORD_ONLY:
            assert parameter.annotation is not parameter.empty
            assert parameter.default is not parameter.empty


@pytest.mark.parametrize("name", NAMES)
def test_file_is_short(name: str) -> None:
    source = inspect.getsource(inspect.getmodule(LOSSES.get(name)) or LOSSES.get(name))
    code = [line for line in source.splitlines() if line.strip()]
    assert len(code) <= {"croloss": 100}.get(name, 70)


def _parts(model: Model) -> tuple[torch.nn.Module, Loss]:
    return model.backbone, model.loss  # type: ignore[return-value]
