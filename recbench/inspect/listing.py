"""What can be named on the command line."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING

from recbench import settings
from recbench.data.prepared_datasets import prepared_folders
from recbench.errors import require_known
from recbench.sources import catalog

if TYPE_CHECKING:
    from recbench.backbones.base import Backbone
    from recbench.losses.base import Loss
    from recbench.samplers.base import Sampler

Item = dict[str, object]


def listing(kind: str, extra_catalog: Path | None = None) -> list[Item]:
    """Return one object with at least `name` per dataset, loss, sampler, strategy, backbone, baseline or metric."""
    makers = {"datasets": lambda: _datasets(extra_catalog), "losses": _losses, "backbones": _backbones}
    makers |= {"samplers": _samplers, "strategies": _strategies, "baselines": _baselines, "metrics": _metrics}
    require_known("list", [kind], makers)
    return makers[kind]()


def _datasets(extra_catalog: Path | None) -> list[Item]:
    prepared = prepared_folders()
    return [
        {
            "name": name,
            "title": spec.title,
            "feedback": list(spec.feedback),
            "more feedback": list(spec.more_feedback),
            "splits": list(spec.splits),
            "rules": [spec.rule, *spec.rules] if spec.rules else [],
            "files": "downloaded" if spec.download else "to get by hand" if spec.by_hand else "",
            "prepared": sorted(folder.name for folder in prepared if folder.parent.name == name),
            "licence": spec.licence,
            "page": spec.page,
        }
        for name, spec in catalog.load(extra_catalog).items()
    ]


def _losses() -> list[Item]:
    from recbench.losses import base

    items: list[Item] = []
    for name, loss in base.LOSSES.items():
        about = {"name": name, "about": first_line(loss), "feedback": feedback_of(loss)}
        items.append({**about, "backbones": partners_of(loss), "settings": base.defaults(loss)})
    return items


def _samplers() -> list[Item]:
    from recbench.capabilities import in_words
    from recbench.samplers.base import SAMPLERS

    items: list[Item] = []
    for name, kind in SAMPLERS.items():
        sampler = kind()
        about = {"name": name, "about": first_line(kind), "losses": losses_on(sampler)}
        items.append({**about, "needs of the backbone": in_words(sampler.needs), "settings": settings.defaults(kind)})
    return items


def _strategies() -> list[Item]:
    from recbench.losses.balance import base

    losses = balanced_losses()
    items: list[Item] = [{"name": base.SUM, "about": "The sum of the terms, the loss as it is", "losses": losses}]
    for name, strategy in base.BALANCES.items():
        about = {"name": name, "about": first_line(strategy), "losses": losses}
        items.append({**about, "settings": settings.defaults(strategy)})
    return items


def balanced_losses() -> list[str]:
    """Return the names of the losses whose terms a strategy can balance."""
    from recbench.losses.base import LOSSES, can_be_balanced

    return [name for name, loss in LOSSES.items() if can_be_balanced(loss)]


def losses_on(sampler: Sampler) -> list[str]:
    """Return the names of the losses that can train some backbone on the slates of a sampler."""
    from recbench.backbones.base import BACKBONES
    from recbench.losses.base import LOSSES, why_not

    backbones = [backbone for _, backbone in BACKBONES.items()]
    return [name for name, loss in LOSSES.items() if any(why_not(loss, b, sampler=sampler) is None for b in backbones)]


def samplers_of(loss: type[Loss]) -> list[str]:
    """Return the names of the samplers on whose slates a loss can train some backbone."""
    from recbench.backbones.base import BACKBONES
    from recbench.losses.base import why_not
    from recbench.samplers.base import SAMPLERS

    samplers = {name: sampler() for name, sampler in SAMPLERS.items()}
    backbones = [backbone for _, backbone in BACKBONES.items()]
    return [name for name, own in samplers.items() if any(why_not(loss, b, sampler=own) is None for b in backbones)]


def feedback_of(loss: type[Loss]) -> str:
    """Return how many kinds of feedback a loss takes, in words."""
    return "several" if loss.min_tasks > 1 else "one or several" if loss.multitask else "one"


def partners_of(loss: type[Loss]) -> list[str]:
    """Return the names of the backbones that a loss works with."""
    from recbench.backbones.base import BACKBONES
    from recbench.losses.base import why_not

    return [name for name, backbone in BACKBONES.items() if why_not(loss, backbone) is None]


def losses_of(backbone: type[Backbone]) -> list[str]:
    """Return the names of the losses that work with a backbone."""
    from recbench.losses.base import LOSSES, why_not

    return [name for name, loss in LOSSES.items() if why_not(loss, backbone) is None]


def _backbones() -> list[Item]:
    from recbench.backbones.base import BACKBONES, defaults

    items: list[Item] = []
    for name, backbone in BACKBONES.items():
        about = {"name": name, "about": first_line(backbone), "losses": losses_of(backbone)}
        items.append({**about, "settings": defaults(backbone)})
    return items


def _baselines() -> list[Item]:
    from recbench.baselines.base import BASELINES, INSTALL

    items: list[Item] = []
    for name, baseline in BASELINES.items():
        about = {"name": name, "about": first_line(baseline), "settings": settings.defaults(baseline)}
        items.append({**about, "install": INSTALL if baseline.missing() else ""})
    return items


def _metrics() -> list[Item]:
    from recbench.evaluation import better
    from recbench.evaluation.metric import METRICS, TopKMetric

    items: list[Item] = []
    for name, metric in METRICS.items():
        items.append(
            {
                "name": f"{name}@K" if issubclass(metric, TopKMetric) else name,
                "about": first_line(metric),
                "variants": dict(metric.variants),
                "definition": "; ".join(filter(None, (metric().definition, better.WORDS[metric.better]))),
            }
        )
    return items


def first_line(cls: type) -> str:
    """Return the first line of a docstring, without its full stop."""
    return (inspect.getdoc(cls) or "").split("\n")[0].rstrip(".")
