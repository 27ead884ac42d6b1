"""The check that runs of a loss can train side by side, to what each is alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from recbench.batch import Batch
from recbench.inspect.loss_trial import InapplicableError, Trial, require, require_equal
from recbench.training.bundling import difference, why_alone
from recbench.training.model import Model
from recbench.training.random_numbers import RandomNumbers
from recbench.training.side_by_side import SideBySide

LANES = 3
STEPS = 3
SMALL = 24  # rows of a batch


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
    model.backbone.train()
    model.loss.train()
    model.start_epoch(1)
    return model


def _batches(trial: Trial, backbone: str, seed: int) -> list[Batch]:
    model = _started(trial, backbone, 0)
    data = model.backbone.sequences(trial.data())
    batches = model.loss.sampler.batches(data, SMALL, torch.Generator().manual_seed(seed))
    return [batch for batch, _ in zip(batches, range(STEPS), strict=False)]
