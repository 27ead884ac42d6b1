"""What has been fitted, a trained run or a baseline: the same to evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recbench.data.dataset import Dataset, Log, concat_logs
from recbench.errors import DataError
from recbench.evaluation.predictions import Predictions
from recbench.results.record import RunKey
from recbench.run.fit_baseline import BaselineModel, fitted_model
from recbench.run.how_to_train import train_again
from recbench.training import checkpoint
from recbench.training.distributed.evaluation import SharedEvaluation
from recbench.training.distributed.training import tables_by_all
from recbench.training.model import Model, build
from recbench.training.ranks import current
from recbench.training.schedule import Schedule
from recbench.training.scorer import Scorer
from recbench.training.train import WEIGHTS


class TrainedRun:
    """A trained model with its best weights; `data` has the key's feedback only."""

    def __init__(self, model: Model, data: Dataset) -> None:
        self.model = model
        self.data = data

    def predictions(self, log: Log, given: Log) -> Predictions:
        """Return the scores of the rows of a log and of the catalogue, with the vectors to keep where there are any.

        Known of the users is what they did in train, in validation and in the given rows, see
        `Dataset.given_and_scored`. Ranks that evaluate the run together all call this, and have all scores.
        """
        known, ranks = concat_logs(self.data.train, self.data.valid, given), current()
        scorer = Scorer(self.model.backbone, self.model.loss, known, tables_by_all(self.model, ranks, known))
        return scorer.predictions(log, None if ranks.size == 1 else SharedEvaluation(ranks).scores(scorer, log))


Fitted = TrainedRun | BaselineModel


def restore(key: RunKey, data: Dataset, folder: Path) -> Fitted:
    """Return what a run has fitted: a trained model from its weights in `folder`, a baseline by fitting it again.

    `data` has the key's feedback only. Raises DataError if weights are missing, damaged or do not fit.
    """
    if key.is_baseline:
        return fitted_model(key, data)
    return TrainedRun(trained_model(key, data, folder), data)


def weights_of(key: RunKey, folder: Path) -> Any:
    """Return what a finished run has learned, from its folder; raises DataError if that is missing or damaged."""
    path = folder / WEIGHTS
    if not path.exists():
        raise DataError(f"{path}: missing; weights are not committed with records, so run `{train_again([key])}`")
    return checkpoint.load(path)


def trained_model(key: RunKey, data: Dataset, folder: Path) -> Model:
    """Return the model of a finished run with its best weights; `data` has the key's feedback only.

    Raises DataError if the weights are missing, damaged or do not fit.
    """
    path, weights = folder / WEIGHTS, weights_of(key, folder)
    schedule = Schedule.of(key.settings)
    trained_on = schedule.training(data, key.seed)
    if schedule.refit:
        trained_on = trained_on.with_valid()
    model = build(trained_on, key.loss, key.backbone, key.settings, key.seed, schedule)
    try:
        model.load(weights)
    except (RuntimeError, KeyError) as error:
        raise DataError(f"{path}: does not fit the model ({str(error).splitlines()[0]}); train again") from error
    return model
