"""The checks that steps which are recorded and repeated, or made for several runs side by side, are as those of one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from recbench.batch import Batch
from recbench.gpu import everywhere_as_on_gpu
from recbench.inspect.loss_trial import InapplicableError, Trial, choose_users, require, require_equal
from recbench.inspect.tape import Tapes
from recbench.training.bundling import difference, why_alone
from recbench.training.captured_step import EAGER, CapturedStep, Step, shape_of
from recbench.training.model import Model
from recbench.training.random_numbers import RandomNumbers
from recbench.training.side_by_side import SideBySide

REPLAYS = 3  # of a recorded step
LANES = 3
STEPS = 3  # of each lane
SMALL = 24  # rows of a batch


def captured(trial: Trial) -> None:
    """Steps that are recorded once and repeated, as on a GPU, give the numbers of steps made one by one."""
    with everywhere_as_on_gpu():
        require_same_steps(trial, trial.backbone)


def require_same_steps(trial: Trial, backbone: str) -> None:
    """Raise UnmetError unless recorded steps equal others bit for bit, InapplicableError where none can be recorded."""
    data = trial.data()
    models = trial.model(data, backbone), trial.model(data, backbone)
    steps = Step(models[0]), CapturedStep(models[1], Tapes())
    batches = _batches_to_record(trial, backbone)
    expected, repeated = (_losses(step, batches) for step in steps)
    if steps[1].notes:
        raise InapplicableError(steps[1].notes[0])
    require(bool(steps[1].recorded), "no step was recorded")
    first = (expected != repeated).nonzero()[:1].flatten().tolist()
    require(not first, f"with {backbone}: the loss of step {first} differs if the step is recorded and repeated")
    for expected_part, part in zip(models[0].state().values(), models[1].state().values(), strict=True):
        for name, tensor in expected_part.items():
            message = f"with {backbone}: `{name}` differs after steps that were recorded and repeated"
            require_equal(part[name].nan_to_num(), tensor.nan_to_num(), message, 0, 0)


def _losses(step: Step, batches: list[Batch]) -> Tensor:
    """Make an epoch of these steps and return their losses."""
    torch.manual_seed(1)
    step.model.start_epoch(1)
    step.start_epoch()
    return torch.stack([step(batch) for batch in batches])


def _batches_to_record(trial: Trial, backbone: str) -> list[Batch]:
    """Return batches of one shape, enough for it to be recorded and repeated, with one of another shape between them.

    Where a sampler hardly gives two of one shape, they are of the same slates in other orders.
    """
    data = trial.data()
    model = trial.model(data, backbone)
    model.start_epoch(1)
    data = model.backbone.sequences(data)
    drawn = [
        batch
        for seed in range(3)
        for batch in model.loss.sampler.batches(data, SMALL, torch.Generator().manual_seed(seed))
    ]
    alike = [batch for batch in drawn if shape_of(batch) == shape_of(drawn[0])][: EAGER + 1 + REPLAYS]
    generator = torch.Generator().manual_seed(3)
    while len(alike) < EAGER + 1 + REPLAYS:
        alike.append(choose_users(drawn[0], torch.randperm(len(drawn[0].user), generator=generator)))
    return [*alike[:-2], drawn[-1], *alike[-2:]]


def side_by_side(trial: Trial) -> None:
    """Runs that are trained side by side, as with --lanes, make the steps that each makes alone."""
    require_same_lanes(trial, trial.backbone)


def require_same_lanes(trial: Trial, backbone: str) -> None:
    """Raise UnmetError unless lanes make the steps of each alone, InapplicableError where runs train alone."""
    reason = why_alone(_started(trial, backbone, 0), _batches(trial, backbone, 0)[0])
    if reason is not None:
        raise InapplicableError(f"runs train one after the other: {reason}")
    alone = [_started(trial, backbone, seed) for seed in range(LANES)]
    models, random = [], []
    for seed in range(LANES):
        models.append(_started(trial, backbone, seed))
        random.append(RandomNumbers())
    for model in models[1:]:
        differs = difference(models[0], model)
        require(differs is None, f"with {backbone}: of equal settings, `{differs}` is another in every run")
    batches = [_batches(trial, backbone, seed) for seed in range(LANES)]
    losses = losses_of_both(SideBySide(models, [own[0] for own in batches], random), alone, batches)
    message = f"with {backbone}: the loss of a step side by side is not that of a step alone"
    require_equal(*losses, message, 1e-5, 1e-6)


def losses_of_both(
    together: SideBySide, alone: Sequence[Model], batches: Sequence[Sequence[Batch]]
) -> tuple[Tensor, Tensor]:
    """Step models side by side, and others alone, on the same batches of each; return both losses, [steps, models].

    Those alone draw the random numbers that those side by side do.
    """
    random = []
    for own in together.random:
        with own.in_use():
            random.append(RandomNumbers())
    found, expected = [], []
    for of_step in zip(*batches, strict=False):
        found.append(together.step(of_step))
        for model, batch, own in zip(alone, of_step, random, strict=True):
            with own.in_use():
                expected.append(model.update(batch))
    return torch.stack(found), torch.stack(expected).view(len(found), -1)


def _started(trial: Trial, backbone: str, seed: int) -> Model:
    """Return a model of its own weights, as it is when an epoch begins."""
    model = trial.model(trial.data(), backbone, seed=seed)
    model.start_epoch(1)
    return model


def _batches(trial: Trial, backbone: str, seed: int) -> list[Batch]:
    model = _started(trial, backbone, 0)
    data = model.backbone.sequences(trial.data())
    batches = model.loss.sampler.batches(data, SMALL, torch.Generator().manual_seed(seed))
    return [batch for batch, _ in zip(batches, range(STEPS), strict=False)]
