"""Runs: train them, find them, evaluate them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, overload

import polars as pl
from rich.console import Console

from recbench.api.arguments import (
    chosen_settings,
    command_of_seeds,
    console_of,
    data_name,
    names_of,
    own_store,
    seed_numbers,
)
from recbench.api.own_classes import all_names, all_sources
from recbench.api.prepared import PreparedData
from recbench.api.table import Table
from recbench.backbones.base import BACKBONES, Backbone
from recbench.errors import UsageError
from recbench.inspect.evaluation_tables import evaluations_json, evaluations_table
from recbench.losses.base import LOSSES, Loss
from recbench.results.record import RunRecord
from recbench.run.baselines import BaselineRequest, run_baselines
from recbench.run.baselines_beside import add_baseline_rows
from recbench.run.encode import encode
from recbench.run.eval_command import EvalRequest, evaluate_all
from recbench.run.export import export_run
from recbench.run.raw_ids import read_frame
from recbench.run.train_command import DEFAULT_BACKBONE, TrainRequest, command_words, complete, train_completed
from recbench.settings import Value, typed_words
from recbench.study.fair import require_fair
from recbench.study.launchers.base import LaunchOptions
from recbench.study.methods import MethodsRequest
from recbench.study.several import is_several, train_several
from recbench.trackers.base import require_trackers
from recbench.training.console import print_line
from recbench.training.model import pick_device

EVALUATION = {
    **dict.fromkeys(("dataset", "split", "loss", "backbone"), pl.String()),
    "seed": pl.Int64(),
    **dict.fromkeys(("metric", "feedback"), pl.String()),
    **dict.fromkeys(("value", "bound"), pl.Float64()),
    "counted": pl.Int64(),
    **dict.fromkeys(("signature", "run"), pl.String()),
}


@dataclass(frozen=True)
class Runs(Sequence[RunRecord]):
    """Finished runs, each with its record; runs of one method that differ in their seed are evaluated together."""

    records: tuple[RunRecord, ...]

    @overload
    def __getitem__(self, index: int) -> RunRecord: ...

    @overload
    def __getitem__(self, index: slice) -> Runs: ...

    def __getitem__(self, index: int | slice) -> RunRecord | Runs:
        return Runs(self.records[index]) if isinstance(index, slice) else self.records[index]

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[RunRecord]:
        return iter(self.records)

    @property
    def curve(self) -> pl.DataFrame:
        """One row per validated epoch: run, seed, epoch, training loss, selection metric on validation, seconds."""
        return pl.DataFrame(
            [
                {"run": record.key.digest, "seed": record.key.seed, **epoch}
                for record in self.records
                for epoch in record.curve
            ]
        )

    def to_polars(self) -> pl.DataFrame:
        """One row per run: what was trained, its best epoch and validation metric, and what it cost."""
        return pl.DataFrame(
            [
                {
                    "run": record.key.digest,
                    "data": record.key.data,
                    "loss": record.key.loss,
                    "backbone": record.key.backbone,
                    "seed": record.key.seed,
                    "selected_by": record.select,
                    "valid": record.valid,
                    "best_epoch": record.best_epoch,
                    "epochs": record.epochs,
                    "seconds": record.seconds,
                    "parameters": record.parameters,
                }
                for record in self.records
            ]
        )

    def evaluate(
        self,
        metrics: str | Sequence[str] = (),
        *,
        candidates: str = "catalogue",
        index: str = "flat",
        keep_seen: bool = False,
        dialect: str | None = None,
        baselines: bool = False,
        device: str = "auto",
        quiet: bool = False,
    ) -> Evaluations:
        """Open the test rows, compute metrics such as "auc" or "recall@50/buy", keep and return them; `recbench eval`.

        With `baselines`, rows of baselines are put on the leaderboard beside them.
        Raises UsageError for a metric that does not exist or that these runs cannot have.
        """
        request = EvalRequest(
            metrics=names_of(metrics), candidates=candidates, index=index, keep_seen=keep_seen, dialect=dialect
        )
        store, console = own_store(), console_of(quiet)
        evaluated = evaluate_all(self.records, request, store, console, device)
        if baselines and index == "flat":
            add_baseline_rows(evaluated, request, store, console, "recbench eval")
        return Evaluations(pl.DataFrame(evaluations_json(evaluated), schema=EVALUATION), evaluations_table(evaluated))

    def encode(
        self, rows: pl.DataFrame | str | Path, *, side: Literal["user", "item"] | None = None, quiet: bool = False
    ) -> pl.DataFrame:
        """Return the vectors of new users or items, as in the files of an export; `recbench encode`.

        `rows` is a data frame, a CSV or a Parquet file. It has the raw columns of users or items, a row for each, for
        backbones that encode features; or columns `user` and `item`, what each new user had, the oldest first, for
        backbones that read that. Raises UsageError for other backbones, and unless this is one run.
        """
        record = self._only("encode")
        path = Path(rows) if isinstance(rows, str | Path) else Path("rows")
        frame = read_frame(path) if isinstance(rows, str | Path) else pl.DataFrame(rows)
        encoded = encode(record, own_store(), frame, side, path)
        for note in encoded.notes:
            print_line(console_of(quiet), f"note: {note}")
        return encoded.frame

    def export(
        self,
        folder: str | Path,
        *,
        index: Literal["flat", "hnsw", "ivf"] = "flat",
        formats: str | Sequence[str] = (),
    ) -> Path:
        """Write vectors with raw ids, an index and a README to a new folder, and return it; `recbench export`.

        `formats` are "torch" and "onnx", for what encodes new users and items by features. Raises UsageError unless
        this is one run, for a folder that exists, and for a backbone that has no such vectors.
        """
        export_run(self._only("export"), own_store(), Path(folder), index, names_of(formats))
        return Path(folder)

    def _only(self, action: str) -> RunRecord:
        if len(self) != 1:
            raise UsageError(f"{action}: {len(self)} runs, where one is expected; take one, as in runs[:1]")
        return self[0]

    def __repr__(self) -> str:
        lines = [
            f"{record.key.digest}  {record.key.title}  valid {record.selected_by} {record.valid:.4f} "
            f"at epoch {record.best_epoch} of {record.epochs}"
            for record in self.records
        ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return self.to_polars()._repr_html_()


class Evaluations(Table):
    """One row per run, metric and feedback, with the signature that pins the definition of each number."""


def train(
    data: PreparedData | str | None = None,
    *,
    loss: str | type[Loss] | Sequence[str | type[Loss]] = "gnolr",
    backbone: str | type[Backbone] | Sequence[str | type[Backbone]] | None = None,
    sampler: str | None = None,
    feedback: str | Sequence[str] = (),
    seeds: int | Sequence[int] = 1,
    settings: Mapping[str, Value] | None = None,
    preset: str | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    device: str = "auto",
    quiet: bool = False,
    track: str | Sequence[str] = (),
    fair: bool = False,
    trials: int | None = None,
    jobs: int | None = None,
    lanes: int | None = None,
) -> Runs:
    """Train one run per method and seed, or return what was trained before with the same settings; `recbench train`.

    `data` is what `prepare` returned, DATASET/SPLIT, or None for what was prepared last. `loss` and `backbone` are
    names, or classes that a decorator has registered: the digest of their source is then part of the run's key. Several
    make a run of each loss on each backbone; the loss "all" means those that fit. `fair` gives every method a learned
    scale and bias and the same search, of `trials` points. `jobs` runs train at a time, in processes, and up to
    `lanes` side by side in each.
    `seeds` is a number of seeds from 0 on, or the seeds. `settings` are those of `--set`: {"loss.scale": 2.5}.
    `track` names trackers ("tensorboard", "mlflow", "wandb", or a Python file with one) that show the runs.
    An interrupted call goes on after the last finished epoch when it is made again.
    Raises UsageError for whatever does not exist or cannot work together, before anything is written.
    """
    chosen = chosen_settings(settings, sampler, epochs=epochs, batch_size=batch_size, lr=lr)
    losses, backbones = all_names(loss, LOSSES), all_names(backbone, BACKBONES) if backbone else (None,)
    request = TrainRequest(
        loss=losses[0] if losses else "",
        backbone=backbones[0] if backbones else None,
        dataset=data_name(data),
        feedback=names_of(feedback),
        seeds=seed_numbers(seeds),
        settings=tuple(typed_words(chosen)),
        imports=(),
        preset=preset,
        track=names_of(track),
    )
    require_trackers(request.track)
    require_fair(trials, fair)
    methods, options = MethodsRequest(losses, backbones, request, fair, trials), LaunchOptions(jobs=jobs, lanes=lanes)
    return Runs(tuple(_train(methods, options, chosen, device, console_of(quiet))))


def _train(
    methods: MethodsRequest, options: LaunchOptions, chosen: Mapping[str, Value], device: str, console: Console
) -> list[RunRecord]:
    request, losses, backbones = methods.common, methods.losses, methods.backbones
    several = is_several(methods, device, options)
    completed = complete(request) if request.loss in LOSSES.names() else request
    sources = all_sources(losses, (*backbones, completed.backbone), chosen)
    paths = tuple(path for path in sources if path.exists())
    if several:
        for path in sources.keys() - set(paths):
            raise UsageError(f"{path}: a class of no file trains here alone, one run after another; put it into a file")
        methods = replace(methods, common=replace(request, imports=paths))
        named = ",".join(str(backbone or completed.backbone or DEFAULT_BACKBONE) for backbone in backbones)
        more = ["--preset", request.preset] if request.preset else []
        more += ["--fair"] if methods.fair else []
        more += ["--trials", str(methods.trials)] if methods.trials else []
        command = _command(replace(methods.common, loss=",".join(losses), backbone=named), more)
        return train_several(methods, own_store(), console, device, options, command)
    completed = replace(completed, imports=paths)
    digests = {path.name: digest for path, digest in sources.items()}
    target, command = pick_device(device), _command(completed)
    return train_completed(completed, digests, own_store(), console, target, command)


def runs(word: str) -> Runs:
    """Return the runs that a word means, as in the commands: LOSS or LOSS/BACKBONE, perhaps with settings.

    These follow a plus, as in "bce/mf+logit=bare". Or DATASET, DATASET/SPLIT, a tag, "latest", "best", "all", or the
    first digits of a run. Raises UsageError if there is none.
    """
    return Runs(tuple(own_store().named(word)))


def fit_baselines(
    data: PreparedData | str | None = None,
    *,
    only: str | Sequence[str] = (),
    metrics: str | Sequence[str] = (),
    feedback: str | Sequence[str] = (),
    seeds: int = 1,
    budget: float = 120,
    settings: Mapping[str, Value] | None = None,
    quiet: bool = False,
) -> Evaluations:
    """Tune baselines on validation within `budget` seconds each, fit and evaluate them; `recbench baselines`.

    `only` are names from `recbench list baselines`, none meaning all. `settings` are {"item-knn.k": 50}.
    """
    request = BaselineRequest(
        dataset=data_name(data),
        feedback=names_of(feedback),
        only=names_of(only),
        seeds=tuple(range(seeds)),
        settings=tuple(typed_words(settings or {})),
        budget=budget,
    )
    command = "recbench baselines"
    evaluated = run_baselines(request, EvalRequest(metrics=names_of(metrics)), own_store(), console_of(quiet), command)
    return Evaluations(pl.DataFrame(evaluations_json(evaluated), schema=EVALUATION), evaluations_table(evaluated))


def _command(request: TrainRequest, more: Sequence[str] = ()) -> str:
    """Return the command that trains the same; several where the seeds are not consecutive."""
    method = request.loss, str(request.backbone)
    words = command_words(*method, request.dataset, request.feedback, request.settings, request.imports)
    return command_of_seeds([*words, *more], request.seeds)
