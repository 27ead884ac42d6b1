"""One run of a baseline: the fit, its predictions, its record."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from importlib.metadata import version

import torch

from recbench.baselines.base import BASELINES, complete, defaults, restore
from recbench.data.dataset import Dataset, Log, concat_logs
from recbench.data.history import time_order
from recbench.data.manifest_file import read_manifest
from recbench.errors import DataError, UsageError
from recbench.evaluation.predictions import CatalogueScores, InnerProductScores, Predictions, TowerVectors
from recbench.memory import peak
from recbench.registry import imported_file
from recbench.results.code_version import checkout, versions
from recbench.results.record import Epoch, RunKey, RunRecord, now
from recbench.results.store import Store
from recbench.training.validate import Validation


class BaselineModel:
    """A baseline fitted to each kind of feedback in the train rows of `data`, which has the key's feedback only."""

    def __init__(self, key: RunKey, data: Dataset) -> None:
        baseline = restore(key.loss, key.settings)
        self.weighing = bool(complete(key.loss, key.settings)["train.row_weights"])
        self.data = data = data.weighing_rows(self.weighing)
        for module in baseline.needs:
            import_module(module)  # which is no part of fitting
        if baseline.recent < 1 and not has_time(data):
            raise UsageError(f"{key.loss}.recent={baseline.recent}: the rows of {key.data} have no time; leave it out")
        rows = data.train
        if baseline.recent < 1:
            rows = rows[time_order(rows)[len(rows) - math.ceil(baseline.recent * len(rows)) :]]
        started = time.perf_counter()
        self.by_feedback = [
            baseline.fit(data.positives_of(rows, column, self.weighing), len(data.items), key.seed)
            for column in range(len(data.feedback))
        ]
        self.seconds = time.perf_counter() - started

    @property
    def parameters(self) -> int:
        """Number of the numbers that it holds."""
        return sum(fitted.parameters for fitted in self.by_feedback)

    def predictions(self, log: Log, given: Log, rows: bool = True) -> Predictions:
        """Return what it says of a log; without `rows`, of the catalogue alone.

        `given` are known rows of new users; of other users it knows what it was fitted to.
        """
        known = concat_logs(self.data.train, given)
        scores = [
            fitted.scores(self.data.positives_of(known, c, self.weighing)) for c, fitted in enumerate(self.by_feedback)
        ]
        score = torch.empty(0, len(scores))
        if rows:
            score = torch.stack([catalogue.rows(log.user, log.item) for catalogue in scores], 1)
        vectors = _as_towers(scores)
        return Predictions(score, scores.__getitem__ if vectors is None else vectors.catalogue, vectors=vectors)


def _as_towers(scores: Sequence[CatalogueScores]) -> TowerVectors | None:
    """Return the vectors of every kind of feedback as one tower each; None if some scores are no inner products."""
    towers = [catalogue for catalogue in scores if isinstance(catalogue, InnerProductScores)]
    if len(towers) < len(scores) or len({tower.user.shape[1] for tower in towers}) > 1:
        return None
    user = torch.stack([tower.user for tower in towers], 1)
    item = torch.stack([tower.item for tower in towers], 1)
    return TowerVectors(user, item, torch.eye(len(scores)))


def has_time(data: Dataset) -> bool:
    """Return whether the rows are in time order; without times they are in that of the files."""
    return read_manifest(data.folder).time is not None


def fitted_model(key: RunKey, data: Dataset) -> BaselineModel:
    """Return the model of a run: fitted to train, or to train and validation rows."""
    return BaselineModel(key, data.with_valid() if key.settings["train.refit"] else data)


def fit_run(key: RunKey, data: Dataset, store: Store, command: str) -> tuple[RunRecord, BaselineModel]:
    """Fit a baseline and write its record. Raises TrainingError if validation is undefined."""
    validation = Validation(data, str(complete(key.loss, key.settings)["train.select"]))
    plain = replace(key, settings={**key.settings, "train.refit": False})
    if plain != key and plain in store:
        model, valid = fitted_model(key, data), store.record(plain).valid
    else:
        model = BaselineModel(key, data)
        rows = validation.request.k is None
        valid = validation.measure(model.predictions(validation.log, validation.given, rows))
        if plain != key:
            del model  # before the other takes as much memory
            model = fitted_model(key, data)
    record = _record(key, model, validation, valid, command)
    try:
        store.write_record(record)
    except DataError:
        if key not in store:  # else another process was faster
            raise
    return store.record(key), model


def require_trained(key: RunKey) -> None:
    """Raise UsageError if the run is that of a baseline, for what needs weights."""
    if key.is_baseline:
        raise UsageError(
            f"run {key.digest} is of the baseline `{key.loss}`, which has no weights; choose a trained run"
        )


def _record(key: RunKey, model: BaselineModel, validation: Validation, valid: float, command: str) -> RunRecord:
    pairs = int(model.data.train.label.count_nonzero())
    libraries = {name: version(name) for name in BASELINES.get(key.loss).needs}
    commit, dirty = checkout()
    default = defaults(key.loss)
    return RunRecord(
        key=key,
        curve=[Epoch(epoch=1, loss=0.0, metric=valid, seconds=model.seconds, slots=pairs)],  # there is no loss
        select=str(validation.request),
        best_epoch=1,
        valid=valid,
        seconds=model.seconds,
        slots=pairs,
        rows_per_second=len(model.data.train) / max(model.seconds, 1e-9),
        peak_memory_mib=peak() / 2**20,
        parameters=model.parameters,
        device_name="cpu",
        command=command,
        non_default={name: value for name, value in complete(key.loss, key.settings).items() if value != default[name]},
        finished=now(),
        versions=versions() | libraries,
        commit=commit,
        dirty=dirty,
        imports=[str(path) for path in imported_file(BASELINES.get(key.loss))],
    )
