"""A trained run and a fitted baseline are the same to evaluation."""

from __future__ import annotations

import torch

from recbench.data.dataset import Dataset
from recbench.home import results_home
from recbench.results.store import Store
from recbench.run.evaluate import load_dataset
from recbench.run.fitted import restore
from tests.conftest import Run


def test_what_a_run_has_fitted_is_restored(prepared: Run) -> None:
    assert prepared("train", "--loss", "nsb", "--backbone", "mf", "--epochs", "1").code == 0
    assert prepared("eval", "--metric", "auc").code == 0  # which adds baselines
    store = Store(results_home())
    records = {record.key.loss: record for record, _ in store.runs()}
    for record in (records["nsb"], records["popularity"]):
        data: Dataset = load_dataset(record.key, "cpu").narrow(record.key.feedback)
        fitted = restore(record.key, data, store.folder(record.key))
        given, log = data.given_and_scored(data.valid)
        predictions = fitted.predictions(log, given)
        assert getattr(fitted, "model", fitted).parameters == record.parameters
        assert predictions.score.shape == (len(log), len(data.feedback))
        assert predictions.vectors is not None
        for column in range(len(data.feedback)):
            order = predictions.score[:, column].argsort(stable=True)
            rows = predictions.catalogue(column).rows(log.user, log.item)[order]
            assert torch.all(rows.diff() > -1e-4)  # the catalogue ranks as the rows do
