"""The weights that TIL gave its triplets, by the popularity of the positive item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recbench.errors import UsageError
from recbench.losses.building_blocks.importance import QUANTILES, QUARTERS
from recbench.plots.figure import COLOURS, figure
from recbench.results.record import RunRecord
from recbench.results.store import Store
from recbench.run.fit_baseline import require_trained
from recbench.run.fitted import weights_of


@dataclass(frozen=True)
class Weights:
    """How the weights of some triplets are distributed in the epoch that was kept."""

    label: str
    mean: float
    sd: float
    quantiles: list[float]  # at losses.importance.QUANTILES


def distributions(record: RunRecord, store: Store) -> list[Weights]:
    """Return the distribution over all triplets and over quarters of the positive's popularity, the rarest first.

    Wu et al., CIKM 2022, section 5.6.1, https://arxiv.org/abs/2208.01709, by popularity where the paper has ratings.
    Raises UsageError for a run of a loss that weighs no triplets, DataError if its weights are gone.
    """
    require_trained(record.key)
    importance = weights_of(record.key, store.folder(record.key))["loss"].get("importance")
    if importance is None or bool(importance.isnan().all()):
        raise UsageError(
            f"run {record.key.digest} ({record.key.loss}) has no triplet weights; choose one of til-ui, til-mi"
        )
    places = ["all", "rarest", *(f"quarter {n}" for n in range(2, QUARTERS)), "most popular"]
    return [
        Weights(label, mean, sd, quantiles)
        for label, (mean, sd, *quantiles) in zip(places, importance.tolist(), strict=True)
        if mean == mean  # NaN where there are no such triplets
    ]


def table(distributions: Sequence[Weights]) -> list[dict[str, Any]]:
    """Return a row per distribution."""
    return [
        {
            "popularity": weights.label,
            "mean": weights.mean,
            "sd": weights.sd,
            **{f"quantile_{part:g}": value for part, value in zip(QUANTILES, weights.quantiles, strict=True)},
        }
        for weights in distributions
    ]


def draw(distributions: Sequence[Weights], path: Path, title: str) -> None:
    """Write a box per distribution: 5, 25, 50, 75 and 95 % quantiles, and a marker at the mean."""
    boxes = [
        {
            "label": weights.label.replace(" ", "\n"),
            "whislo": weights.quantiles[0],
            "q1": weights.quantiles[1],
            "med": weights.quantiles[2],
            "q3": weights.quantiles[3],
            "whishi": weights.quantiles[4],
            "mean": weights.mean,
        }
        for weights in distributions
    ]
    with figure(path, title, width=4.6) as (_, (ax,)):
        mean = {"marker": "D", "markerfacecolor": COLOURS[1], "markeredgecolor": COLOURS[1], "markersize": 5}
        filled = {"facecolor": "0.9", "edgecolor": COLOURS[0]}
        ax.bxp(
            boxes,
            showfliers=False,
            showmeans=True,
            patch_artist=True,
            widths=0.5,
            boxprops=filled,
            medianprops={"color": COLOURS[0], "linewidth": 2},
            meanprops=mean,
        )
        ax.grid(axis="x", visible=False)
        shares = ", ".join(f"{100 * quantile:g}" for quantile in QUANTILES)
        ax.set(xlabel=f"triplets by popularity of the positive item\n(box and whiskers: {shares} %; diamond: mean)")
        ax.set(ylabel="triplet weight")
