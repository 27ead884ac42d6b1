"""The checks that steps which are recorded and repeated, or made for several runs side by side, are as those of one.

A recording here is what a CUDA graph is on a GPU, made on any device.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from recbench.batch import Batch
from recbench.gpu import everywhere_as_on_gpu
from recbench.inspect.loss_trial import InapplicableError, Trial, choose_users, require, require_equal
from recbench.training.bundling import difference, why_alone
from recbench.training.captured_step import EAGER, CapturedStep, Recorder, Replay, Step, shape_of
from recbench.training.model import Model
from recbench.training.random_numbers import RandomNumbers
from recbench.training.side_by_side import SideBySide

REPLAYS = 3  # of a recorded step
LANES = 3
STEPS = 3  # of each lane
SMALL = 24  # rows of a batch


class Tapes(Recorder):
    """Records steps on tapes."""

    def record(self, step: Callable[[], Tensor]) -> tuple[Replay, Tensor]:
        """Make a step and record it."""
        tape = Tape()
        with tape:
            return tape.replay, step()

    def forget(self) -> None:
        """Do nothing: tapes share no memory."""


class Tape(TorchDispatchMode):
    """The operators that were called inside, with the memory that each read and wrote; `replay` runs them again.

    As with a CUDA graph, what Python did in between does not happen again, and all memory is where it was.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[tuple[Any, tuple[Any, ...], Mapping[str, Any], list[Tensor]]] = []

    @torch.no_grad()
    def replay(self) -> None:
        """Run the operators again, on the same memory."""
        for func, args, kwargs, results in self.calls:
            for recorded, value in zip(results, _new(func, func(*args, **kwargs)), strict=True):
                recorded.copy_(value)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run an operator and keep it, unless it only gives another name to memory that is there."""
        kwargs = dict(kwargs or {})
        result = func(*args, **kwargs)
        new = _new(func, result)
        if new or any(argument.alias_info and argument.alias_info.is_write for argument in func._schema.arguments):
            self.calls.append((func, args, kwargs, new))
        return result


def _new(func: Any, result: Any) -> list[Tensor]:
    """Return those of the results of an operator that are neither its arguments nor views of them."""
    returns = func._schema.returns
    results = [result] if len(returns) == 1 else list(result or ())
    own = [value for value, about in zip(results, returns, strict=True) if about.alias_info is None]
    flat = [part for value in own for part in (value if isinstance(value, list | tuple) else [value])]
    return [part for part in flat if isinstance(part, Tensor) and not part._is_zerotensor()]  # which has no memory


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
