"""The check that a step can be recorded and repeated, which makes it one launch on a GPU."""

from __future__ import annotations

import torch
from torch import Tensor

from recbench.batch import Batch
from recbench.gpu import everywhere_as_on_gpu
from recbench.inspect.loss_trial import InapplicableError, Trial, choose_users, require, require_equal
from recbench.inspect.tape import Tapes
from recbench.training.captured_step import EAGER, CapturedStep, Step, shape_of

REPLAYS = 3
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
    batches = _batches(trial, backbone)
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
    step.model.backbone.train()
    step.model.loss.train()
    step.model.start_epoch(1)
    step.start_epoch()
    return torch.stack([step(batch) for batch in batches])


def _batches(trial: Trial, backbone: str) -> list[Batch]:
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
