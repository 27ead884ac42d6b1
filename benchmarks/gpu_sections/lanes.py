"""Runs side by side: steps of 1, 10 and 40 lanes, and whether they make the updates of each run alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

from benchmarks.gpu_sections import shapes
from benchmarks.gpu_sections.case import Case, Measured, Setting, of_steps, start_peak
from benchmarks.gpu_sections.steps import Shape
from benchmarks.steps import LanesStep, untrained
from recbench.inspect.step_checks import losses_of_both
from recbench.training.model import Model
from recbench.training.side_by_side import SideBySide

LANES = (1, 10, 40)
TOY_LANES = 2
TOLERANCE = 1e-3  # relative, of the losses of some steps side by side to those alone


@dataclass(frozen=True)
class Work:
    """A loss on a backbone at the size of some data, and the rates to reach on one H200."""

    loss: str
    backbone: str
    shape: Shape
    batch: int
    targets: tuple[float | None, ...] = (None, None, None)  # of LANES

    @property
    def title(self) -> str:
        """The pair, the data and the batch of each run."""
        return f"{self.loss} x {self.backbone}, {self.shape.__name__}, batch {self.batch:,}"


ALL = (
    Work("bce", "twintower", shapes.ml1m, 1024, (2e6, 8e6, 16e6)),
    Work("gnolr", "twintower", shapes.ml1m, 1024, (2e6, 8e6, 16e6)),
    Work("bpr", "mf", shapes.ml1m, 1024),
    Work("bpr", "mf", shapes.gowalla, 5000, (12e6, None, None)),
    Work("bpr", "lightgcn", shapes.gowalla, 5000, (2e6, None, None)),
    Work("jrc", "twintower", shapes.ml1m, 1024),
    Work("gnolr", "twintower", shapes.ml1m_of_3, 1024),
    Work("nsb", "twintower", shapes.ml1m_of_3, 1024),
    Work("softmax", "mf", shapes.gowalla, 1024),
    Work("gnolr", "mmoe", shapes.ml1m_of_3, 1024),
    Work("bce", "simplex", shapes.ml1m, 1024),  # which draws random numbers
)


def cases(setting: Setting) -> Iterator[Case]:
    """Yield the rates of lanes, and a check of each work."""
    for work in ALL:
        for lanes, target in zip(LANES, work.targets, strict=True):
            count = min(lanes, TOY_LANES) if setting.toy else lanes
            yield Case(work.title, f"{lanes} side by side", partial(measured, setting, work, count), target=target)
        yield Case(work.title, "side by side as alone", partial(compared, setting, work), unit="")


def measured(setting: Setting, work: Work, lanes: int) -> Measured:
    """Return the rate of so many runs together."""
    start_peak(setting.device)
    step = LanesStep(work.shape(setting), models(setting, work, lanes), work.batch)
    found = of_steps(setting, step, 2 if setting.toy else 40)
    return replace(found, note="; ".join(step.together.notes))


def compared(setting: Setting, work: Work) -> Measured:
    """Return whether the losses of some steps side by side are those of each run alone."""
    start_peak(setting.device)
    data = work.shape(setting)
    together, alone = models(setting, work, TOY_LANES), models(setting, work, TOY_LANES)
    steps = 5 if setting.toy else 20
    batches = [
        list(islice(model.loss.sampler.batches(data, work.batch, shapes.generator(place, setting.device)), steps))
        for place, model in enumerate(together)
    ]
    found, expected = losses_of_both(SideBySide(together, [own[0] for own in batches]), alone, batches)
    worst = float(((found - expected) / expected).abs().max())
    return Measured(agrees=worst <= TOLERANCE, note=f"losses differ by {worst:.1e} at most, relative")


def models(setting: Setting, work: Work, count: int) -> list[Model]:
    """Return untrained models, of which each starts at the same weights."""
    return [untrained(work.shape(setting), work.loss, work.backbone) for _ in range(count)]
