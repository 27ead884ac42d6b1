"""One run of a baseline: fitted, what it says of rows and catalogue, its record."""

from __future__ import annotations

import time
from importlib import import_module
from importlib.metadata import version

import torch

from recbench.baselines.base import BASELINES, Inner, Scores, defaults
from recbench.data.dataset import Dataset, Log, joined
from recbench.errors import DataError, UsageError
from recbench.evaluation.evaluate import Predictions
from recbench.memory import peak
from recbench.results.code_version import checkout, versions
from recbench.results.record import Epoch, RunKey, RunRecord, now
from recbench.results.store import Store
from recbench.run import predictions
from recbench.run.model import owned
from recbench.run.validate import Validation


class Model:
    """A baseline fitted to each kind of feedback in the train rows of `data`, which has the key's feedback only."""

    def __init__(self, key: RunKey, data: Dataset) -> None:
        baseline = BASELINES.get(key.loss)(**owned(key.settings, key.loss))
        self.data = data
        for module in baseline.needs:
            import_module(module)  # which is no part of fitting
        started = time.perf_counter()
        self.tasks = [
            baseline.fit(data.positives_of(data.train, task), len(data.items), key.seed)
            for task in range(len(data.feedback))
        ]
        self.seconds = time.perf_counter() - started

    @property
    def parameters(self) -> int:
        """Numbers that it holds."""
        return sum(fitted.parameters for fitted in self.tasks)

    def predictions(self, log: Log, given: Log) -> tuple[Predictions, predictions.Kept | None]:
        """Return what it says of a log, and the vectors to keep; None where the scores are no inner products.

        `given` are rows of new users that are known; of other users it knows what it was fitted to.
        """
        known = joined(self.data.train, given)
        scores = [task.scores(self.data.positives_of(known, number)) for number, task in enumerate(self.tasks)]
        own = torch.stack([one.rows(log.user, log.item) for one in scores], 1)
        kept = _side_by_side(scores)
        if kept is not None:
            return Predictions(own, kept.catalogue), kept
        return Predictions(own, lambda task: scores[task].catalogue()), None


def _side_by_side(scores: list[Scores]) -> predictions.Kept | None:
    """Return the vectors of all kinds of feedback as those of so many towers."""
    inner = [one for one in scores if isinstance(one, Inner)]
    if len(inner) < len(scores):
        return None
    user, item = (torch.stack([getattr(one, side) for one in inner], 1) for side in ("user", "item"))
    return predictions.Kept(user, item, torch.eye(len(scores)))


def fitted_model(key: RunKey, data: Dataset) -> Model:
    """Return the model of a run: fitted to train, or to train and validation rows."""
    return Model(key, data.with_valid() if key.settings["train.refit"] else data)


def fit_run(key: RunKey, data: Dataset, store: Store, command: str) -> tuple[RunRecord, Model]:
    """Fit a baseline and write its record. Raises TrainingError if validation is undefined."""
    validation = Validation(data, "auto")
    fitted = Model(key, data)
    given = data.valid[:0] if validation.known is None else validation.known
    found, _ = fitted.predictions(validation.log, given)
    model = fitted_model(key, data) if key.settings["train.refit"] else fitted
    record = _record(key, model, validation, validation.of(found), command)
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


def _record(key: RunKey, model: Model, validation: Validation, valid: float, command: str) -> RunRecord:
    pairs = int(model.data.train.label.count_nonzero())
    libraries = {name: version(name) for name in BASELINES.get(key.loss).needs}
    commit, dirty = checkout()
    usual = defaults(key.loss)
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
        non_default={name: value for name, value in key.settings.items() if value != usual[name]},
        finished=now(),
        versions=versions() | libraries,
        commit=commit,
        dirty=dirty,
    )
