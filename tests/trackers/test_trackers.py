"""What trackers are told, with modules that only write down what they hear, and with TensorBoard where it is."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from recbench.home import results_home
from recbench.results.store import Store
from tests.conftest import Run

TRAIN = (
    "train",
    "--loss",
    "bce",
    "--backbone",
    "mf",
    "--set",
    "backbone.dim=4",
    "--epochs",
    "2",
    "--select",
    "recall@20",
)
OWN = """
from pathlib import Path
from recbench.trackers.base import TRACKERS, Tracker

@TRACKERS.add("{name}")
class Own(Tracker):
    def __init__(self, run):
        self.path = run.results / f"heard-{{run.key.digest}}.txt"
        self.say(run.name)

    def say(self, words):
        with self.path.open("a") as file:
            file.write(words + chr(10))

    def epoch(self, epoch):
        self.say(f"epoch {{epoch['epoch']}} {{epoch['metric']:.4f}}")
        {fault}

    def finish(self, record):
        self.say(f"valid {{record.valid:.4f}}")

    def close(self):
        self.say("closed")
"""


def own(tmp_path: Path, name: str, fault: str = "") -> str:
    path = tmp_path / f"{name}.py"
    path.write_text(OWN.format(name=name, fault=fault))
    return str(path)


def heard() -> list[list[str]]:
    return [path.read_text().splitlines() for path in sorted(results_home().glob("heard-*.txt"))]


def test_a_tracker_of_ones_own_hears_all_and_changes_nothing(prepared: Run, tmp_path: Path) -> None:
    told = prepared(*TRAIN)
    assert told.code == 0, told.err
    (plain,) = (record for record, _ in Store(results_home()).runs())
    Store(results_home()).delete(plain)
    told = prepared(*TRAIN, "--track", own(tmp_path, "scribe"))
    assert told.code == 0 and "warning" not in told.err
    (record,) = (record for record, _ in Store(results_home()).runs())
    metrics = [epoch["metric"] for epoch in record.curve]
    assert record.key == plain.key and metrics == [epoch["metric"] for epoch in plain.curve]
    assert heard() == [
        [
            f"bce × mf on synthetic/global, seed 0 ({record.key.digest})",
            *(f"epoch {number} {metric:.4f}" for number, metric in enumerate(metrics, 1)),
            f"valid {record.valid:.4f}",
            "closed",
        ]
    ]


def test_a_tracker_that_fails_costs_one_line(prepared: Run, tmp_path: Path) -> None:
    first, second = own(tmp_path, "broken", "raise RuntimeError('no\\nnetwork')"), own(tmp_path, "sound")
    told = prepared(*TRAIN, "--track", f"{first},{second}")
    assert told.code == 0
    warnings = [line for line in told.err.splitlines() if "warning" in line]
    assert warnings == [f"warning: --track {first} failed (RuntimeError: no network); training goes on without it"]
    ((*_, valid, closed),) = heard()  # of the sound one, which writes last
    assert valid.startswith("valid ") and closed == "closed"


def test_a_run_that_goes_on_shows_the_epochs_of_before(prepared: Run, tmp_path: Path) -> None:
    stop = own(tmp_path, "stopper", "raise KeyboardInterrupt")
    told = prepared(*TRAIN, "--track", stop)
    assert told.code != 0 and "train --resume" in told.err
    assert heard()[0][-1] == "closed"
    told = prepared("train", "--resume", "--track", own(tmp_path, "scribe"))
    assert told.code == 0, told.err
    said = heard()[0]
    again = said[said.index("closed") + 1 :]
    assert [line.split()[0] for line in again] == ["bce", "epoch", "epoch", "valid", "closed"]


def test_runs_of_several_losses_and_processes_are_shown(prepared: Run, tmp_path: Path) -> None:
    told = prepared("train", "--loss", "bce,bpr", *TRAIN[3:], "--jobs", "2", "--track", own(tmp_path, "scribe"))
    assert told.code == 0, told.err
    assert sorted(lines[0].split()[0] for lines in heard()) == ["bce", "bpr"]
    assert all(lines[-1] == "closed" for lines in heard())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--track", "tensorbord"), "did you mean `tensorboard`"),
        (("--track", "no.py"), "error: --track "),
    ],
)
def test_what_cannot_be_tracked_is_refused(prepared: Run, words: tuple[str, ...], said: str) -> None:
    told = prepared(*TRAIN, *words)
    assert told.code == 2 and said in told.err and told.err.count("\n") == 1
    assert not results_home().exists() or not list(results_home().glob("runs/*"))


def test_a_package_that_is_missing_is_named(prepared: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    told = prepared(*TRAIN, "--track", "mlflow")
    assert told.code == 2 and "--track mlflow needs mlflow, which is not installed" in told.err


class Heard(ModuleType):
    """A module that answers every call with itself, and writes down what it was."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__spec__ = SimpleNamespace(name=name)  # type: ignore[assignment]
        self.calls: list[tuple[str, Any, Any]] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def call(*words: Any, **options: Any) -> Any:
            self.calls.append((name, words, options))
            return self

        return call

    def of(self, name: str) -> list[tuple[Any, Any]]:
        return [(words, options) for called, words, options in self.calls if called == name]


def test_what_wandb_is_told(prepared: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    module = Heard("wandb")
    module.summary = Heard("summary")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", module)
    told = prepared(*TRAIN, "--track", "wandb")
    assert told.code == 0 and "warning" not in told.err
    (record,) = (record for record, _ in Store(results_home()).runs())
    ((_, begun),) = module.of("init")
    assert (begun["project"], begun["id"], begun["resume"]) == ("recbench", record.key.digest, "allow")
    assert begun["reinit"] == "create_new"  # else runs side by side are all shown as the first
    assert begun["config"]["backbone.dim"] == 4 and begun["name"].startswith("bce × mf on synthetic/global, seed 0")
    assert module.of("log") == [
        (({"loss": epoch["loss"], "valid recall@20": epoch["metric"]},), {"step": epoch["epoch"]})
        for epoch in record.curve
    ]
    (((final,), _),) = module.summary.of("update")  # type: ignore[attr-defined]
    assert final["valid"] == record.valid and final["best_epoch"] == record.best_epoch
    assert module.of("finish") == [((), {"exit_code": 0})]


@pytest.mark.parametrize("resumed", [False, True])
def test_what_mlflow_is_told(prepared: Run, monkeypatch: pytest.MonkeyPatch, resumed: bool) -> None:
    module = Heard("mlflow")
    module.search_runs = lambda *_, **__: [module] if resumed else []  # type: ignore[attr-defined]
    module.get_metric_history = lambda *_: [SimpleNamespace(step=1)] if resumed else []  # type: ignore[attr-defined]
    module.experiment_id = "7"  # type: ignore[attr-defined]
    module.info = SimpleNamespace(run_id="r1")  # type: ignore[attr-defined]
    lock, locked = results_home() / ".mlflow.lock", []

    def get_experiment_by_name(name: str) -> Any:
        locked.append(lock.exists())
        return module

    module.get_experiment_by_name = get_experiment_by_name  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mlflow", module)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    told = prepared(*TRAIN, "--track", "mlflow")
    assert told.code == 0 and "warning" not in told.err
    (record,) = (record for record, _ in Store(results_home()).runs())
    ((_, client),) = module.of("MlflowClient")
    assert locked == [True] and not lock.exists()  # so that processes do not make the database at the same time
    assert client["tracking_uri"] == f"sqlite:///{results_home().absolute()}/mlflow.db"
    assert (("r1", "backbone.dim", 4), {}) in module.of("log_param")
    curve = [words[2] for words, options in module.of("log_metric") if words[1] == "valid recall_20"]
    assert curve == [epoch["metric"] for epoch in record.curve[resumed:]]  # epoch 1 is shown already
    assert module.of("update_run") == [(("r1", "RUNNING"), {})] * resumed and len(module.of("create_run")) != resumed
    assert (("r1", "valid", record.valid), {}) in module.of("log_metric")
    assert module.of("set_terminated") == [(("r1", "FINISHED"), {})]


def test_what_tensorboard_shows(prepared: Run) -> None:
    events = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="tensorboard is not installed"
    )
    assert prepared(*TRAIN, "--track", "tensorboard").code == 0
    for record, _ in Store(results_home()).runs():
        Store(results_home()).delete(record)
    told = prepared(*TRAIN, "--track", "tensorboard")  # which tells all epochs again, as a run that goes on does
    assert told.code == 0 and "warning" not in told.err
    (record,) = (record for record, _ in Store(results_home()).runs())
    (folder,) = results_home().glob("tensorboard/synthetic-global/bce-mf/s0-*")
    shown = events.EventAccumulator(str(folder))
    shown.Reload()
    points = [(point.step, pytest.approx(point.value)) for point in shown.Scalars("valid recall@20")]
    assert points == [(epoch["epoch"], epoch["metric"]) for epoch in record.curve]
    assert [point.value for point in shown.Scalars("best_epoch")] == [record.best_epoch]
