"""What every loss must hold to, in checks that run in seconds on a toy dataset: `recbench verify loss`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from recbench.backbones.base import evaluation_mode
from recbench.batch import Batch
from recbench.errors import RecbenchError
from recbench.evaluation.ranking import auc
from recbench.inspect.declaration_checks import documented, searched, slates, views
from recbench.inspect.loss_trial import (
    BATCH,
    InapplicableError,
    Trial,
    UnmetError,
    choose_users,
    gradients_of,
    modes_of,
    require,
    require_equal,
    require_logits,
    require_masks,
    run_epoch,
    slots_of,
    steps_of,
    tensors_of,
    towers_of,
    value_of,
    with_label,
)
from recbench.inspect.step_checks import captured, side_by_side
from recbench.losses.base import can_be_balanced
from recbench.registry import line_of
from recbench.training.scorer import Scorer, linear_weights

EXTREMES = (20.0, 50.0, 120.0, 1e4)
FLOOR = 0.75  # AUC on the toy after a few epochs; 0.8 to 0.95 is usual
FLOOR_WITHOUT_NEGATIVES = 0.55  # popularity is most of what such a loss learns here


@dataclass(frozen=True)
class Outcome:
    """What came of one check."""

    loss: str
    check: str
    about: str
    outcome: Literal["holds", "fails", "skipped"]
    message: str  # of what fails or is skipped


def verify(name: str) -> Iterator[Outcome]:
    """Yield the outcome of each check of a registered loss, as it is done."""
    trial = Trial(name)
    for check, function in CHECKS.items():
        about = (function.__doc__ or "").strip().splitlines()[0]
        try:
            function(trial)
        except InapplicableError as reason:
            yield Outcome(name, check, about, "skipped", str(reason))
        except (UnmetError, RecbenchError) as reason:
            yield Outcome(name, check, about, "fails", str(reason))
        except Exception as error:  # whatever a new loss may raise is the finding
            message = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}{line_of(error)}"
            yield Outcome(name, check, about, "fails", message)
        else:
            yield Outcome(name, check, about, "holds", "")


def finite(trial: Trial) -> None:
    """Loss and gradients are finite with every backbone that it pairs with."""
    data = trial.data()
    require(bool(trial.backbones), "it pairs with no backbone; see `needs`")
    for backbone in trial.backbones:
        model = trial.model(data, backbone)
        batch = next(model.loss.sampler.batches(data, BATCH, torch.Generator().manual_seed(1)))
        value = value_of(model, batch)
        if value.shape != ():
            raise UnmetError(f"with {backbone}: `forward` returned shape {list(value.shape)}, expected a scalar")
        value.backward()
        gradients = gradients_of(model)
        require(all(bool(g.isfinite().all()) for g in gradients), f"with {backbone}: a gradient is not finite")
        require(any(float(g.abs().sum()) > 0 for g in gradients), f"with {backbone}: no gradient reaches the backbone")


def stable(trial: Trial) -> None:
    """Loss and gradients are finite for logits of 20, 50, 120 and 10,000 in float32 and bfloat16."""
    require_logits(trial)
    model, batch = trial.model(), trial.batch
    shape = (*slots_of(batch), model.loss.towers)
    sign = torch.randint(2, shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for size in EXTREMES:
        for dtype in (torch.float32, torch.bfloat16):
            inner = (sign * size).to(dtype).requires_grad_()
            views = model.loss.encode(model.backbone, batch).views
            value = model.loss(towers_of(inner, views), batch)
            require(bool(value.isfinite()), f"logits of ±{size:g} in {dtype}: the loss is {value.item()}")
            value.backward()
            good = inner.grad is not None and bool(inner.grad.isfinite().all())
            require(good, f"logits of ±{size:g} in {dtype}: a gradient is not finite; use logsigmoid and its like")


def constant_labels(trial: Trial) -> None:
    """Batches without a positive, and without a negative, give a finite loss and finite gradients."""
    for constant in (0.0, 1.0):
        model = trial.model()
        value = value_of(model, with_label(trial.batch, constant))
        require(bool(value.isfinite()), f"all labels {constant:g}: the loss is {value.item()}")
        value.backward()
        require(all(bool(g.isfinite().all()) for g in gradients_of(model)), f"all labels {constant:g}: gradients")


def masks(trial: Trial) -> None:
    """Masked slots do not count, whatever their logits are."""
    model, batch = trial.model(), trial.batch
    require_masks(batch)
    width = batch.label.shape[1]
    if batch.mask is None or bool(batch.mask.all()):
        if width == 1:
            raise InapplicableError("its slates have one slot")
        mask = torch.ones(batch.label.shape[:2], dtype=torch.bool)
        mask[:, -1] = width <= 2
        batch = replace(batch, mask=mask)
    towers = model.loss.encode(model.backbone, batch)
    assert batch.mask is not None
    wild = torch.where(batch.mask[..., None], towers.inner, torch.full_like(towers.inner, 30.0))
    changed = replace(towers, pair=wild)
    require_equal(model.loss(changed, batch), model.loss(towers, batch), "changing a masked logit changes the loss")


def masked_slates(trial: Trial) -> None:
    """Slates on which nothing counts do not matter, and a batch of such slates alone gives finite gradients."""
    batch, model = trial.batch, trial.model()
    require_masks(batch)
    real = torch.ones(batch.label.shape[:2], dtype=torch.bool) if batch.mask is None else batch.mask
    last = torch.arange(len(batch.user)) == len(batch.user) - 1
    with evaluation_mode(model.backbone, model.loss):  # else dropout falls on others
        masked = value_of(model, replace(batch, mask=real & ~last[:, None]))
        left_out = value_of(model, choose_users(batch, torch.arange(len(batch.user) - 1)))
    message = "a slate of masked slots alone changes the loss; divide by what counts, as Batch.mean does"
    require_equal(masked, left_out, message)
    value = value_of(model, replace(batch, mask=torch.zeros_like(real)))
    require(bool(value.isfinite()), f"a batch of masked slots alone: the loss is {value.item()}")
    if value.requires_grad:
        value.backward()
    require(all(bool(g.isfinite().all()) for g in gradients_of(model)), "a batch of masked slots alone: gradients")


def order_of_users(trial: Trial) -> None:
    """The order of the users in a batch does not matter."""
    order = torch.randperm(len(trial.batch.user), generator=torch.Generator().manual_seed(2))

    def value(batch: Batch) -> Tensor:
        model = trial.model()
        with evaluation_mode(model.backbone, model.loss):  # else dropout falls on others
            return value_of(model, batch)

    reordered = value(choose_users(trial.batch, order))
    require_equal(reordered, value(trial.batch), "the loss depends on the order of users")


def order_of_rows(trial: Trial) -> None:
    """The order of the rows on a user's list does not matter."""
    batch = trial.batch
    if "lists" not in trial.model().loss.sampler.gives or batch.mask is None:
        raise InapplicableError("it does not train on lists")
    order = torch.randperm(batch.item.shape[1], generator=torch.Generator().manual_seed(3))
    moved = replace(batch, item=batch.item[:, order], label=batch.label[:, order], mask=batch.mask[:, order])
    reordered = value_of(trial.model(), moved)
    require_equal(reordered, value_of(trial.model(), batch), "the loss depends on the order of rows on a list")


def padding(trial: Trial) -> None:
    """Padding on the slates does not matter."""
    batch = trial.batch
    require_masks(batch)
    mask = torch.ones(batch.label.shape[:2], dtype=torch.bool) if batch.mask is None else batch.mask
    wider = replace(
        batch,
        item=torch.cat([batch.item, batch.item[:, :1]], 1),
        label=torch.cat([batch.label, torch.ones_like(batch.label[:, :1])], 1),
        mask=torch.cat([mask, torch.zeros_like(mask[:, :1])], 1),
        log_q=None if batch.log_q is None else torch.cat([batch.log_q, batch.log_q[:, :1]], 1),
    )
    padded = value_of(trial.model(), wider)
    told = "a padded slot (mask False) changes the loss; count slots by batch.mask, as Batch.mean does"
    require_equal(padded, value_of(trial.model(), batch), told)


def scores(trial: Trial) -> None:
    """`score` and `log_probability` give one column per feedback, and no probability above 1."""
    model, tasks = trial.model(), len(trial.data().feedback)
    logit = torch.randn(5, 4, model.loss.towers, generator=torch.Generator().manual_seed(4))
    shape = tuple(model.loss.score(logit).shape)
    require(shape == (5, 4, tasks), f"`score` of logits {list(logit.shape)} has shape {list(shape)}")
    log_probability = model.loss.log_probability(logit)
    if log_probability is not None:
        require(tuple(log_probability.shape) == (5, 4, tasks), "`log_probability` has another shape than `score`")
        require(bool((log_probability <= 0).all()), "`log_probability` is above 0: a probability above 1")


def terms(trial: Trial) -> None:
    """The terms of a loss of several kinds of feedback, one of each, add up to it, and so do their gradients."""
    if not can_be_balanced(trial.loss):
        raise InapplicableError("it has no `terms`")
    batch = trial.batch
    for model in (trial.model(), trial.model(words={"logit": "learned"})):
        tasks = model.loss.info.tasks
        towers = model.loss.head(model.backbone.encode(batch))
        value, parts = model.loss(towers, batch), model.loss.terms(towers, batch)
        require(parts.shape == (tasks,), f"`terms` has shape {list(parts.shape)}, expected [{tasks}]")
        require_equal(parts.sum(), value, "`terms` do not add up to `forward`")
        parameters = [p for p in model.backbone.parameters() if p.requires_grad]
        both = [torch.autograd.grad(x, parameters, retain_graph=True, allow_unused=True) for x in (parts.sum(), value)]
        for one, other in zip(*both, strict=True):
            if one is not None and other is not None:
                require_equal(one, other, "the gradients of `terms` do not add up to that of `forward`")


def index(trial: Trial) -> None:
    """The search index ranks as the score does, with bare, fixed and learned logits."""
    settings: list[dict[str, str]] = [{}]
    if trial.loss.reads_logits:
        settings = [{"logit": "bare", "scale": "1"}, {"logit": "fixed", "scale": "3", "bias": "-1"}]
        settings.append({"logit": "learned"})
    for words in settings:
        model, data = trial.model(words=words), trial.data()
        scorer = Scorer(model.backbone, model.loss)
        user = torch.arange(len(data.users))
        for task in range(len(data.feedback)):
            if scorer.vectors is None:
                require(linear_weights(model.loss) is None, "a linear score has no query vectors")
                continue
            block, linear = scorer.block(user, task), scorer.vectors.catalogue(task)
            product = linear.user @ linear.item.T
            message = (
                f"inner products of the index rank differently from `score` ({words or 'defaults'}); see Loss.vectors"
            )
            require_equal(product - product[:, :1], block - block[:, :1], message, 1e-4, 1e-4)


def rows_and_blocks(trial: Trial) -> None:
    """A pair has the same score as a row and in the catalogue."""
    data = trial.data()
    model = trial.model(data)
    scorer = Scorer(model.backbone, model.loss)
    score, _ = scorer.rows(data.valid)
    for task in range(len(data.feedback)):
        block = scorer.block(data.valid.user.long(), task)
        picked = block.gather(1, data.valid.item.long()[:, None])[:, 0]
        require_equal(score[:, task], picked, "scores of rows and of the catalogue differ")


def resumes(trial: Trial) -> None:
    """A run that stops between epochs goes on as if it had not: what it needs is in parameters and buffers."""
    data = trial.data()
    model = trial.model(data)
    run_epoch(model, data, 1)
    again = trial.model(data)
    again.load(deepcopy(model.state()))
    again.optimizer.load_state_dict(deepcopy(model.optimizer.state_dict()))
    message = "the epoch after a resume differs: keep what it needs in parameters or buffers"
    require_equal(run_epoch(again, data, 2), run_epoch(model, data, 2), message, 0, 0)


def scoring(trial: Trial) -> None:
    """Scoring changes nothing: no tensor, mode or random number, and the next step is that of an unscored model."""
    data = trial.data()
    for backbone in trial.backbones:
        scored, other = trial.model(data, backbone), trial.model(data, backbone)
        steps, same_steps = steps_of(scored, data, 1), steps_of(other, data, 1)
        next(steps)
        modes, tensors, random = modes_of(scored), tensors_of(scored), torch.get_rng_state()
        scorer = Scorer(scored.backbone, scored.loss, data.valid)
        scorer.rows(data.valid)
        scorer.block(data.valid.user.long(), 0)
        after = tensors_of(scored)
        changed = [name for name in tensors if name not in after or not _same(tensors[name], after[name])]
        require(not changed, f"with {backbone}: scoring changes {', '.join(changed)}")
        require(modes_of(scored) == modes, f"with {backbone}: scoring changes the mode, training or evaluation")
        require(torch.equal(torch.get_rng_state(), random), f"with {backbone}: scoring draws random numbers")
        step = next(steps)
        next(same_steps)
        message = f"with {backbone}: the step after scoring differs"
        require_equal(step, next(same_steps), message, 0, 0)


def _same(first: Tensor, second: Tensor) -> bool:
    return first.shape == second.shape and torch.equal(first.nan_to_num(), second.nan_to_num())


def learns(trial: Trial) -> None:
    """Some epochs of training rank the validation rows far better than chance."""
    data = trial.data(rows=4000)
    model = trial.model(data)
    for number in range(1, 13):
        run_epoch(model, data, number, 256)
    score, _ = Scorer(model.backbone, model.loss).rows(data.valid)
    reached = auc(score[:, 0], data.valid.label[:, 0])
    gives = model.loss.sampler.gives
    bare = "positive first" in gives and "negatives" not in gives
    floor = FLOOR_WITHOUT_NEGATIVES if bare else FLOOR
    require(reached > floor, f"validation AUC {reached:.3f} after 12 epochs on the toy, expected more than {floor}")


CHECKS: dict[str, Callable[[Trial], None]] = {
    function.__name__.replace("_", "-"): function
    for function in (
        documented,
        searched,
        slates,
        finite,
        stable,
        constant_labels,
        masks,
        padding,
        masked_slates,
        order_of_users,
        order_of_rows,
        scores,
        terms,
        index,
        rows_and_blocks,
        resumes,
        scoring,
        views,
        captured,
        side_by_side,
        learns,
    )
}
