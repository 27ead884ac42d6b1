"""MLflow: the server of MLFLOW_TRACKING_URI, or else a database in the folder of results."""

from __future__ import annotations

import os
import re

from recbench.disk import hold_lock
from recbench.results.record import Epoch, RunRecord
from recbench.trackers.base import TRACKERS, TrackedRun, Tracker, final_numbers

EXPERIMENT = "recbench"  # unless MLFLOW_EXPERIMENT_NAME says otherwise


@TRACKERS.add("mlflow")
class MLflow(Tracker):
    """https://mlflow.org/docs/latest/ml/tracking/; a run that goes on later is the same run there."""

    package = "mlflow"

    def __init__(self, run: TrackedRun) -> None:
        from mlflow import MlflowClient

        address = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{run.results.absolute()}/mlflow.db"
        self.metric = re.sub(r"[^\w ./-]", "_", f"valid {run.select}")  # MLflow allows no @ in names
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
        run.results.mkdir(parents=True, exist_ok=True)
        # Two processes that make tables or an experiment at the same time fail.
        with hold_lock(run.results / ".mlflow.lock", lambda: None, remove=True):
            self.client = MlflowClient(tracking_uri=address)
            experiment = self.client.get_experiment_by_name(name)
            place = experiment.experiment_id if experiment else self.client.create_experiment(name)
        unfinished = f"tags.run = '{run.key.digest}' and attributes.status != 'FINISHED'"
        if begun := self.client.search_runs([place], unfinished, max_results=1):
            self.id = begun[0].info.run_id
            self.client.update_run(self.id, "RUNNING")
        else:
            tags = {"run": run.key.digest, "data": run.key.data, "feedback": ",".join(run.key.feedback)}
            self.id = self.client.create_run(place, tags=tags, run_name=run.name).info.run_id
        self.told = {metric.step for metric in self.client.get_metric_history(self.id, self.metric)}
        self.ended = "KILLED"
        for setting, value in run.key.settings.items():
            self.client.log_param(self.id, setting, value)

    def epoch(self, epoch: Epoch) -> None:
        """Show an epoch."""
        if epoch["epoch"] in self.told:
            return
        self.client.log_metric(self.id, "loss", epoch["loss"], step=epoch["epoch"])
        self.client.log_metric(self.id, self.metric, epoch["metric"], step=epoch["epoch"])

    def finish(self, record: RunRecord) -> None:
        """Show the final numbers."""
        for name, value in final_numbers(record).items():
            self.client.log_metric(self.id, name, value)
        self.client.set_tag(self.id, "command", record.command)
        self.ended = "FINISHED"

    def close(self) -> None:
        """Say how the run ended."""
        self.client.set_terminated(self.id, self.ended)
