"""Training steps of recbench: one by one, recorded as CUDA graphs, and recorded after torch's compiler."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import torch

from benchmarks.gpu_sections import shapes
from benchmarks.gpu_sections.case import Case, Measured, Setting, of_steps, start_peak
from benchmarks.steps import recbench_step, untrained
from recbench.data.dataset import Dataset
from recbench.training.captured_step import Step, make_step
from recbench.training.schedule import Schedule

Shape = Callable[[Setting], Dataset]


@dataclass(frozen=True)
class Work:
    """A loss on a backbone at the size of some data, and what is known of its rate on one H200."""

    pair: str
    shape: Shape
    batch: int
    eager_before: float | None = None
    captured_before: float | None = None
    target: float | None = None  # of captured steps
    compiled_target: float | None = None
    most_mebibytes: float | None = None  # that steps may take

    @property
    def title(self) -> str:
        """The pair, its settings, the data and the batch."""
        return f"{self.pair}, {self.shape.__name__}, batch {self.batch:,}"


ALL = (
    Work("bce x twintower", shapes.ml1m, 1024, 249e3, 2.25e6, 2e6, 2.5e6),
    Work("gnolr x twintower", shapes.ml1m, 1024, 170e3, 2.04e6, 2e6, 2.5e6),
    Work("bpr x mf", shapes.gowalla, 5000, 2.39e6, 12.8e6, 12e6),
    Work("bpr x lightgcn backbone.layers=3", shapes.gowalla, 5000, 1.33e6, 2.02e6, 2e6),
    Work("gnolr x twintower", shapes.aliccp, 1024, 154e3, 0.96e6, 3e6),
    Work("softmax x mf loss.negatives=10", shapes.gowalla, 5000, 38e3, None, 5 * 38e3, most_mebibytes=1024),
    Work("croloss x mf", shapes.gowalla, 5000, 34e3, None, 5 * 34e3, most_mebibytes=1024),
    Work("softmax x neumf", shapes.gowalla, 1024, 1024 / 0.072),
    Work("bce x twintower", shapes.ml1m, 8192, 1.9e6),
    Work("bce x twintower", shapes.ml1m, 65_536, 13.8e6, 27.7e6),
    Work("jrc x twintower", shapes.ml1m, 1024, 140e3),
    Work("listnet x twintower", shapes.ml1m, 1024, 242e3),
    Work("ranknet x twintower", shapes.ml1m, 1024, 213e3),
    Work("lambdarank x twintower", shapes.ml1m, 1024, 154e3),
    Work("setrank x twintower", shapes.ml1m, 1024, 188e3),
    Work("s2srank x twintower", shapes.ml1m, 1024, 120e3),
    Work("gnolr-l x twintower", shapes.ml1m, 1024, 126e3),
    Work("aobpr x mf", shapes.gowalla, 5000, 0.90e6),
    Work("pris x mf", shapes.gowalla, 5000, 2.14e6),
    Work("til-ui x mf", shapes.gowalla, 5000, 0.62e6),
    Work("til-mi x mf loss.pretrain=0", shapes.gowalla, 5000, 0.51e6),
)
TOY = (ALL[0], ALL[2], ALL[5], ALL[11])
NEVER = "no shape of batch came often enough to be recorded"


def cases(setting: Setting) -> Iterator[Case]:
    """Yield the rates of each work one by one and recorded; of those with such a target, compiled too."""
    for work in TOY if setting.toy else ALL:
        yield Case(work.title, "one by one", partial(measure, setting, work, capture=False), before=work.eager_before)
        recorded = partial(measure, setting, work, capture=True)
        yield Case(work.title, "captured", recorded, target=work.target, before=work.captured_before)
    for work in () if setting.toy else ALL:
        if work.compiled_target:
            compiled = partial(measure, setting, work, capture=True, compiled=True)
            yield Case(work.title, "captured, compiled", compiled, target=work.compiled_target)


def measure(setting: Setting, work: Work, capture: bool, compiled: bool = False) -> Measured:
    """Return the rate of steps, batches included; the note says why steps were not recorded, if so."""
    start_peak(setting.device)
    data = work.shape(setting)
    step, rows = steps_of(data, work, capture, compiled)
    warm_up = 2 if setting.toy else 40 if capture else 10
    measured = of_steps(setting, rows, warm_up)
    notes = list(step.notes)
    if capture and setting.device.type == "cuda" and not notes and not getattr(step, "recorded", None):
        notes.append(NEVER)
    fits = None
    if work.most_mebibytes and measured.mebibytes is not None:
        fits = measured.mebibytes <= work.most_mebibytes
        notes.append(f"at most {work.most_mebibytes:,.0f} MiB are wanted")
    return replace(measured, agrees=fits, note="; ".join(notes))


def steps_of(data: Dataset, work: Work, capture: bool, compiled: bool) -> tuple[Step, Callable[[], int]]:
    """Return what makes the steps, and a function that makes the next one and returns its rows."""
    loss, _, rest = work.pair.partition(" x ")
    backbone, *words = rest.split()
    batch = min(work.batch, len(data.train) // 2)
    schedule = Schedule(lr=1e-3, batch_size=batch, capture=capture, compile=compiled)
    torch.manual_seed(0)
    model = untrained(data, loss, backbone, words, schedule)
    model.start_epoch(1)
    step = make_step(model, schedule)
    step.start_epoch()
    return step, recbench_step(data, model, batch, step)
