"""Whether ways to make the same steps give the same numbers: recorded, again, and on the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache, partial
from itertools import islice

import torch
from torch import Tensor

from benchmarks.gpu_sections.case import Case, Measured, Setting
from benchmarks.gpu_sections.shapes import batch_on, generator, moved
from benchmarks.gpu_sections.steps import NEVER
from recbench.data.dataset import Dataset
from recbench.inspect.loss_trial import Trial
from recbench.inspect.step_checks import Tapes, losses_of_both
from recbench.losses.base import LOSSES
from recbench.training.bundling import why_alone
from recbench.training.captured_step import CapturedStep, CudaGraphs, Step
from recbench.training.model import Model
from recbench.training.side_by_side import SideBySide

EPOCHS, BATCH, STEPS = 2, 20, 14  # steps are recorded in the first epoch, and repeated in both
COMPARED_STEPS, TOLERANCE = 3, 2e-3  # relative, between the losses of the CPU and of the GPU
LANES, LANE_STEPS, LANE_TOLERANCE = 3, 12, 1e-5  # runs; steps, of which the last are recorded; of the losses, relative
PREFERRED = "twintower"
ON_MMOE = ("bpr", "tce-bpr")  # which were found to differ by half a percent
TOY = ("bce", "gnolr", "bpr", "softmax")


def cases(setting: Setting) -> Iterator[Case]:
    """Yield the checks of every loss, on one backbone each."""
    names = TOY if setting.toy else LOSSES.names()
    for name in names:
        yield Case(f"{name} x {_backbone(name)}", "captured as one by one", partial(_captured, setting, name), "")
    for name in names:
        yield Case(f"{name} x {_backbone(name)}", "side by side as alone", partial(_side_by_side, setting, name), "")
    for name in names:
        yield Case(f"{name} x {_backbone(name)}", "twice the same", partial(_twice, setting, name), "")
    for name, backbone in [*((name, _backbone(name)) for name in names), *((name, "mmoe") for name in ON_MMOE)]:
        yield Case(f"{name} x {backbone}", "as on the CPU", partial(_as_on_cpu, setting, name, backbone), "")


def _backbone(name: str) -> str:
    trial = Trial(name)
    return PREFERRED if PREFERRED in trial.backbones else trial.backbone


def _captured(setting: Setting, name: str) -> Measured:
    expected = _one_by_one(setting, name)
    step, found = _train(setting, name, capture=True)
    if not getattr(step, "recorded", None):
        return Measured(note="; ".join(step.notes) or NEVER)
    return Measured(agrees=_equal(expected, found), note=_difference(expected, found))


def _twice(setting: Setting, name: str) -> Measured:
    expected, found = _one_by_one(setting, name), _train(setting, name, capture=False)[1]
    return Measured(agrees=_equal(expected, found), note=_difference(expected, found))


@lru_cache(maxsize=128)
def _one_by_one(setting: Setting, name: str) -> list[Tensor]:
    return _train(setting, name, capture=False)[1]


def _train(setting: Setting, name: str, capture: bool) -> tuple[Step, list[Tensor]]:
    """Train some epochs; return what made the steps, and all losses and weights."""
    data = moved(_even(Trial(name).data()), setting.device)
    model = Trial(name).model(data, _backbone(name))
    recorder = CudaGraphs(setting.device) if setting.device.type == "cuda" else Tapes()
    step = CapturedStep(model, recorder) if capture else Step(model)
    torch.manual_seed(1)
    losses = []
    for epoch in range(1, EPOCHS + 1):
        model.backbone.train()
        model.loss.train()
        model.start_epoch(epoch)
        step.start_epoch()
        for batch in islice(model.loss.sampler.batches(data, BATCH, generator(epoch, setting.device)), STEPS):
            losses.append(step(batch).detach().clone())
        model.end_epoch()
    return step, [torch.stack(losses).cpu(), *_weights(model)]


def _even(data: Dataset) -> Dataset:
    """Return a dataset whose users have as many rows each, so that all batches of lists are of one shape."""
    user = torch.arange(len(data.train), dtype=torch.int32) % len(data.users)
    return replace(data, train=replace(data.train, user=user))


def _weights(model: Model) -> list[Tensor]:
    return [weight.detach().cpu().clone() for part in model.state().values() for weight in part.values()]


def _equal(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def _difference(one: list[Tensor], other: list[Tensor]) -> str:
    if _equal(one, other):
        return ""
    losses = (one[0] - other[0]).abs()
    step = int((losses != 0).nonzero()[0]) + 1 if bool(losses.any()) else 0
    weights = max(float((a.double() - b.double()).abs().max()) for a, b in zip(one, other, strict=True) if a.numel())
    return f"losses differ from step {step} on, by {float(losses.max()):.1e} at most; weights by {weights:.1e}"


def _side_by_side(setting: Setting, name: str) -> Measured:
    """Compare the losses of some runs side by side with those of the same runs alone, on the same batches."""
    data = moved(_even(Trial(name).data()), setting.device)
    models, alone = ([_started(name, data, seed) for seed in range(LANES)] for _ in range(2))
    batches = [
        list(islice(model.loss.sampler.batches(data, BATCH, generator(seed, setting.device)), LANE_STEPS))
        for seed, model in enumerate(models)
    ]
    reason = why_alone(_started(name, data, LANES), batches[0][0])
    if reason is not None:
        return Measured(note=f"trained one after the other: {reason}")
    together = SideBySide(models, [own[0] for own in batches])
    found, expected = losses_of_both(together, alone, batches)
    differences = (found - expected).abs() / expected.abs().clamp(min=1e-3)
    early, largest = float(differences[:COMPARED_STEPS].max()), float(differences.max())
    note = f"relative difference {early:.1e} in {COMPARED_STEPS} steps, {largest:.1e} in {len(differences)}"
    return Measured(agrees=early <= LANE_TOLERANCE, note="; ".join([note, *together.notes]))


def _started(name: str, data: Dataset, seed: int) -> Model:
    """Return a model of its own weights at the start of an epoch."""
    model = Trial(name).model(data, _backbone(name), seed=seed)
    model.backbone.train()
    model.loss.train()
    model.start_epoch(1)
    return model


def _as_on_cpu(setting: Setting, name: str, backbone: str) -> Measured:
    """Compare the losses of a few steps from equal weights on equal batches."""
    trial = Trial(name)
    data = trial.data()
    here = trial.model(data, backbone)
    there = trial.model(moved(data, setting.device), backbone)
    there.load(here.state())
    torch.manual_seed(1)
    before = torch.get_rng_state()
    for model in (here, there):
        model.start_epoch(1)
    differences, random = [], False
    batches = here.loss.sampler.batches(data, BATCH, generator(0, torch.device("cpu")))
    for _, batch in zip(range(COMPARED_STEPS), batches, strict=False):
        of_cpu = float(here.update(batch))
        random = random or not torch.equal(before, torch.get_rng_state())
        of_gpu = float(there.update(batch_on(batch, setting.device)))
        differences.append(abs(of_gpu - of_cpu) / max(abs(of_cpu), 1e-3))
    largest = float(torch.tensor(differences).max())  # NaN where one is, which is no agreement
    note = f"largest relative difference {largest:.1e}"
    if random:
        return Measured(note=f"{note}; draws random numbers, which every kind of device draws otherwise")
    return Measured(agrees=largest <= TOLERANCE, note=note)
