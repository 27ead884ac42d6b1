"""A benchmark harness for embedding-based recommendation with several kinds of implicit feedback.

From Python, `import recbench as rb` has what the commands do: `rb.prepare`, `rb.train`, `rb.compare` and the names
below. They are loaded when they are first used.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recbench import metrics
    from recbench.api.own_classes import import_file
    from recbench.api.prepared import PreparedData, prepare, prepared
    from recbench.api.published import reproduce
    from recbench.api.results import compare, leaderboard
    from recbench.api.runs import Runs, runs
    from recbench.api.studies import bakeoff, sweep
    from recbench.api.training import fit_baselines, train
    from recbench.backbones.base import BACKBONES, Backbone
    from recbench.batch import Batch, Towers
    from recbench.data.dataset import Dataset, Info
    from recbench.errors import RecbenchError
    from recbench.evaluation.metric import METRICS, RowMetric, TopKMetric
    from recbench.losses.base import LOSSES, Loss
    from recbench.samplers import SAMPLERS, Sampler

__version__ = "0.1.0"

__all__ = [
    "BACKBONES",
    "LOSSES",
    "METRICS",
    "SAMPLERS",
    "Backbone",
    "Batch",
    "Dataset",
    "Info",
    "Loss",
    "PreparedData",
    "RecbenchError",
    "RowMetric",
    "Runs",
    "Sampler",
    "TopKMetric",
    "Towers",
    "bakeoff",
    "compare",
    "fit_baselines",
    "import_file",
    "leaderboard",
    "metrics",
    "prepare",
    "prepared",
    "reproduce",
    "runs",
    "sweep",
    "train",
]

_MODULES = {
    "recbench.api.own_classes": ("import_file",),
    "recbench.api.prepared": ("PreparedData", "prepare", "prepared"),
    "recbench.api.published": ("reproduce",),
    "recbench.api.results": ("compare", "leaderboard"),
    "recbench.api.runs": ("Runs", "runs"),
    "recbench.api.studies": ("bakeoff", "sweep"),
    "recbench.api.training": ("fit_baselines", "train"),
    "recbench.backbones.base": ("BACKBONES", "Backbone"),
    "recbench.batch": ("Batch", "Towers"),
    "recbench.data.dataset": ("Dataset", "Info"),
    "recbench.errors": ("RecbenchError",),
    "recbench.evaluation.metric": ("METRICS", "RowMetric", "TopKMetric"),
    "recbench.losses.base": ("LOSSES", "Loss"),
    "recbench.samplers": ("SAMPLERS", "Sampler"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name == "metrics":
        with _uninterrupted():
            return import_module("recbench.metrics")
    if name not in _MODULE_OF:
        raise AttributeError(f"module `recbench` has no attribute `{name}`", name=name, obj=sys.modules[__name__])
    with _uninterrupted():
        value: object = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let Ctrl-C wait for the end of an import: torch and polars cannot be imported again after half of one."""
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGINT) is None:  # None: a handler that is not Python's, as of a host
        yield
        return
    came: list[int] = []
    usual = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
    if came:
        signal.raise_signal(signal.SIGINT)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
