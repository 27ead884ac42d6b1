"""The same search for every loss, on validation alone, in which nothing is trained twice."""

from __future__ import annotations

import io
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from rich.console import Console

from recbench.data.dataset import Dataset
from recbench.data.prepared_datasets import find_prepared
from recbench.errors import DataError, TrainingError, UsageError
from recbench.home import results_home
from recbench.results import sweeps
from recbench.results.record import RunRecord
from recbench.results.store import Store
from recbench.results.sweeps import Sweep
from recbench.run.invocation import Invocation
from recbench.run.train_command import TrainRequest
from recbench.study import search_space as space
from recbench.study import sweep
from recbench.study.launchers import in_this_process
from recbench.study.launchers import local as launcher
from recbench.study.launchers.base import LaunchOptions, Work
from recbench.study.launchers.local import train_in_order
from recbench.study.sweep import SweepRequest, sweep_all, sweep_json, sweep_table
from recbench.training.train import LOCK

COMMON = TrainRequest(
    loss="",
    backbone="mf",
    dataset="synthetic/global",
    feedback=(),
    seeds=(0,),
    settings=("train.epochs=1", "backbone.dim=4"),
    imports=(),
)
GRID = ("lr=0.01,0.1", "loss.scale=1,2")


class Go:
    """Sweeps; `said` is what the last one printed meanwhile."""

    said = ""

    def __call__(
        self,
        grid: tuple[str, ...] = GRID,
        losses: tuple[str, ...] = ("gnolr", "bce"),
        *,
        jobs: int = 1,
        common: TrainRequest = COMMON,
        terminal: bool = False,
        **options: Any,
    ) -> Sweep:
        screen = io.StringIO()
        console = Console(file=screen, force_terminal=terminal, width=200)
        order = SweepRequest(losses, grid, common, **options)
        try:
            invocation = Invocation(Store(results_home()), console, "recbench sweep")
            return sweep_all(order, invocation, LaunchOptions(jobs=jobs))
        finally:
            self.said = screen.getvalue()


@pytest.fixture
def go(small_home: Path, monkeypatch: pytest.MonkeyPatch) -> Go:
    monkeypatch.setenv("RECBENCH_HOME", str(small_home))
    return Go()


def records() -> dict[str, dict[str, Any]]:
    """Every record by digest."""
    return {path.parent.name[-12:]: json.loads(path.read_text()) for path in results_home().rglob("record.json")}


def written() -> dict[str, int]:
    """When every record and its weights were written."""
    kept = [path for path in results_home().rglob("*") if path.suffix in (".json", ".safetensors")]
    return {str(path): path.stat().st_mtime_ns for path in kept if "runs" in path.parts}


def points(found: Sweep, loss: str) -> set[tuple[str, ...]]:
    return {tuple(trial.words) for trial in found.trials if trial.loss == loss}


@pytest.mark.parametrize(
    ("word", "setting", "words", "number", "loss"),
    [
        ("lr=0.005,0.05", "train.lr", ("0.005", "0.05"), None, None),
        ("batch-size=16,32", "train.batch_size", ("16", "32"), None, None),
        ("bce:loss.pos_weight=1, 2", "loss.pos_weight", ("1", "2"), None, "bce"),
        ("nsb:loss.pos_weight=1,2,3|1", "loss.pos_weight", ("1,2,3", "1"), None, "nsb"),
        ("lr=1e-3..1e-1", "train.lr", ("1e-3", "1e-1"), float, None),
        ("loss.scale=1..4", "loss.scale", ("1", "4"), float, None),
        ("backbone.dim=16..64", "backbone.dim", ("16", "64"), int, None),
        ("loss.logit=fixed,learned", "loss.logit", ("fixed", "learned"), None, None),
        ("sampler.name=uniform,adaptive", "sampler.name", ("uniform", "adaptive"), None, None),
        ("sampler.beta=0..1", "sampler.beta", ("0", "1"), float, None),
    ],
)
def test_words_of_the_grid(word: str, setting: str, words: tuple[str, ...], number: object, loss: str | None) -> None:
    (dimension,) = space.parse([word], ["bce", "nsb", "gnolr"], "mf")
    assert (dimension.setting, dimension.words, dimension.number, dimension.loss) == (setting, words, number, loss)


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ((), "--grid: nothing to search"),
        (("lr",), "--grid lr: expected [LOSS:]KEY=A,B,C or KEY=LOW..HIGH"),
        (("lr=",), "--grid lr=: expected [LOSS:]KEY=A,B,C"),
        (("lr=1,,2",), "--grid lr=1,,2: a value is missing"),
        (("lr=1..x",), "--grid lr=1..x: expected numbers on both sides of `..`, the smaller first"),
        (("lr=0.1..0.01",), "--grid lr=0.1..0.01: expected numbers on both sides of `..`, the smaller first"),
        (("backbone.dim=1.5..8",), "expected whole numbers on both sides"),
        (("loss.cosine=0..1",), "loss.cosine is true or false; list its values"),
        (("lr=0.01..0.1",), "a range needs --search random or optuna"),
        (("loss.scal=1,2",), "unknown setting `loss.scal` of gnolr × mf; did you mean `loss.scale`"),
        (
            ("loss.pos_weight=1,2",),
            "--grid loss.pos_weight=1,2: loss `gnolr` has no loss.pos_weight; search it for the losses that have it, "
            "as in --grid bce:loss.pos_weight=1,2",
        ),
        (("gnol:loss.scale=1",), "unknown loss `gnol` of --losses; did you mean `gnolr`"),
        (("lr=0.1", "train.lr=0.2"), "--grid train.lr=0.2: train.lr is searched already"),
        (("loss.scale=1", "gnolr:loss.scale=2"), "loss.scale is searched already"),
        (("select=auc,gauc",), "train.select cannot be searched"),
        (("train.epochs=1,2",), "train.epochs is given by --set and by --grid"),
        (("lr=0.1,fast",), "train.lr=fast: expected a number"),
        (("loss.scale=1,-1",), "loss.scale=-1.0: expected a number above 0"),
        (("sampler.beta=0,1",), "sampler.beta=0: of which sampler? Add --sampler NAME"),
        (("sampler.name=uniform,popular",), "unknown sampler `popular`; did you mean `popularity`"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_anything_is_trained(
    go: Go, grid: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UsageError) as raised:
        go(grid)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not results_home().exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trials": 3}, "--trials 3: a grid has as many as its values make"),
        ({"losses": ()}, "--losses: expected names joined by commas"),
        ({"losses": ("gnolr", "bec")}, "unknown loss `bec`; did you mean `bce`"),
        ({"grid": ("loss.scale=-1..2",), "search": "random"}, "loss.scale=-1.0: expected a number above 0"),
    ],
)
def test_other_orders_that_cannot_work(go: Go, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as raised:
        go(**options)
    assert message in str(raised.value)
    assert not results_home().exists()


def test_draws_are_the_same_for_the_same_seed_and_spread_as_they_should() -> None:
    dimensions = space.parse(["lr=0.001..0.1", "backbone.dim=4..6", "loss.scale=1,2"], ["gnolr"], "mf")
    rows = space.draw(dimensions, 300, 7)
    assert rows == space.draw(dimensions, 300, 7)
    assert rows != space.draw(dimensions, 300, 8)
    assert len(set(rows)) == 300
    rate = [float(row[0]) for row in rows]
    assert all(0.001 <= value <= 0.1 for value in rate)
    assert 110 < sum(value < 0.01 for value in rate) < 190  # the geometric middle halves a log-uniform draw
    assert {row[1] for row in rows} == {"4", "5", "6"}
    assert {row[2] for row in rows} == {"1", "2"}


def test_a_range_across_zero_is_drawn_evenly() -> None:
    (dimension,) = space.parse(["loss.bias=-1..3"], ["bce"], "mf")
    values = [float(word) for (word,) in space.draw([dimension], 200, 0)]
    assert all(-1 <= value <= 3 for value in values)
    assert 70 < sum(value < 1 for value in values) < 130


def test_no_more_rows_than_there_are() -> None:
    dimensions = space.parse(["lr=0.1,0.2", "backbone.dim=4,8"], ["gnolr"], "mf")
    assert sorted(space.draw(dimensions, 20, 0)) == sorted(space.grid(dimensions))


def test_corners_hold_every_value_and_both_ends() -> None:
    dimensions = space.parse(["lr=0.1..0.2", "backbone.dim=4,8,16"], ["gnolr"], "mf")
    assert space.corners(dimensions) == [("0.1", "4"), ("0.2", "8"), ("0.2", "16")]


def test_the_estimator_goes_where_it_is_better() -> None:
    dimensions = space.parse(["lr=0.001..1", "backbone.dim=4..64", "loss.cosine=true,false"], ["gnolr"], "mf")
    estimators = [space.Estimator(dimensions, "gnolr", 3) for _ in range(2)]
    rates = []
    for _ in range(40):
        point, same = (estimator.ask() for estimator in estimators)
        assert point == same
        assert 4 <= int(point["backbone.dim"]) <= 64
        assert point["loss.cosine"] in ("true", "false")
        rates.append(float(point["train.lr"]))
        for estimator in estimators:
            estimator.tell(None if rates[-1] > 0.3 else -abs(rates[-1] - 0.02))
    assert sum(rate < 0.03 for rate in rates[:10]) >= 3  # half of a log-uniform draw, a thirtieth of an even one
    assert sum(abs(rate - 0.02) for rate in rates[-10:]) < 0.3 * sum(abs(rate - 0.02) for rate in rates[:10])


def test_optuna_is_not_there(go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError, match=r"run `pip install 'recbench\[sweep\]'`, or use --search random"):
        go(search="optuna", trials=2)
    assert not records()


@pytest.mark.parametrize("search", ["grid", "random", "optuna"])
def test_every_loss_gets_the_same_points(go: Go, search: str) -> None:
    grid = GRID if search == "grid" else ("lr=0.01..0.1", "loss.scale=1,2")
    found = go(grid, search=search, trials=None if search == "grid" else 4)
    assert points(found, "gnolr") == points(found, "bce")
    assert len(points(found, "gnolr")) == 4
    assert len(records()) == 8
    if search == "grid":
        listed = {(f"train.lr={lr}", f"loss.scale={scale}") for lr in ("0.01", "0.1") for scale in ("1", "2")}
        assert points(found, "bce") == listed


def test_a_word_for_one_loss_is_searched_for_that_alone(go: Go) -> None:
    found = go(("lr=0.01,0.1", "bce:loss.pos_weight=1,2,4"))
    assert points(found, "gnolr") == {("train.lr=0.01",), ("train.lr=0.1",)}
    assert len(points(found, "bce")) == 6
    assert "gnolr (2 points), bce (6 points), 8 runs" in go.said


def test_a_sampler_and_its_settings_are_searched(go: Go) -> None:
    popular = replace(COMMON, settings=(*COMMON.settings, "sampler.name=popularity"))
    found = go(("sampler.beta=0.5,1",), ("bpr",), common=popular)
    assert {record["key"]["settings"]["sampler.beta"] for record in records().values()} == {0.5, 1}
    assert "--set sampler.name=popularity" in found.commands["bpr"]
    found = go(("sampler.name=uniform,popularity",), ("bpr",))
    assert points(found, "bpr") == {("sampler.name=uniform",), ("sampler.name=popularity",)}
    assert len(records()) == 3  # one of which was there
    with pytest.raises(UsageError, match="unknown setting `sampler.share` of bpr × mf"):
        go(("sampler.share=0.1,0.2",), ("bpr",), common=popular)


def test_strategies_and_their_settings_are_searched(go: Go) -> None:
    found = go(("loss.balance=sum,dwa",), ("gnolr",))
    assert points(found, "gnolr") == {("loss.balance=sum",), ("loss.balance=dwa",)}
    slow = replace(COMMON, settings=(*COMMON.settings, "loss.balance=dwa"))
    found = go(("loss.balance.temperature=1,2",), ("gnolr",), common=slow)
    assert {r["key"]["settings"].get("loss.balance.temperature") for r in records().values()} == {None, 1, 2}
    assert len(records()) == 3  # one of which was there
    with pytest.raises(UsageError, match="unknown setting `loss.balance.temperature` of bce × mf"):
        go(("loss.balance.temperature=1,2",), ("bce",))


def test_what_is_found_is_what_the_records_say(go: Go) -> None:
    found = go(("lr=0.001,0.03,0.1",), common=replace(COMMON, seeds=(3, 4)))
    kept = records()
    assert len(kept) == 12
    for loss in ("gnolr", "bce"):
        trials = [trial for trial in found.trials if trial.loss == loss]
        means = []
        for trial in trials:
            first, second = (kept[digest] for digest in trial.runs)
            assert [first["key"]["seed"], second["key"]["seed"]] == [3, 4]
            assert trial.words == [f"train.lr={first['key']['settings']['train.lr']}"]
            assert trial.valid == pytest.approx((first["valid"] + second["valid"]) / 2)
            assert trial.sd == pytest.approx(abs(first["valid"] - second["valid"]) / 2**0.5)
            assert trial.seconds == pytest.approx(first["seconds"] + second["seconds"])
            means.append(trial.valid)
        assert means == sorted(means, reverse=True)
        assert set(found.best[loss]) == {"backbone.dim=4", "train.epochs=1", *trials[0].words}
    assert sweeps.find(Store(results_home()), found.digest[:5]).best == found.best
    stored = sweeps.find(Store(results_home()), found.digest)
    assert stored == found
    assert sweep_json(found)["sweep"] == found.digest == stored.digest


def test_a_sweep_that_is_not_there(go: Go) -> None:
    found = go(("lr=0.1",), ("bce",))
    with pytest.raises(UsageError, match=f"0 sweeps start with `x`, not one; there are {found.digest}"):
        sweeps.find(Store(results_home()), "x")
    path = results_home() / "sweeps" / f"{found.digest}.json"
    path.write_text(path.read_text().replace('"bce"', "7", 1))
    with pytest.raises(DataError, match="damaged"):
        sweeps.find(Store(results_home()), found.digest)


def test_nothing_is_trained_twice(go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    train, trained = in_this_process.train, []

    def count(run: Any, *arguments: Any, **named: Any) -> RunRecord:
        if len(trained) == 3:
            raise KeyboardInterrupt
        trained.append(run.key.digest)
        return train(run, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(in_this_process, "train", count)
        with pytest.raises(KeyboardInterrupt):
            go()
    assert "stopped after 3 of 8 runs; type the same command to continue" in go.said
    assert not list(results_home().rglob("lock"))
    assert not (results_home() / "sweeps").exists()
    before = written()
    assert len(records()) == 3
    first = go()
    assert "3 runs exist and are not trained again" in go.said
    assert len(records()) == 8
    assert before.items() <= written().items()
    before = written()
    monkeypatch.setattr(in_this_process, "train", None)
    again = go()
    assert written() == before
    assert replace(again, finished=first.finished) == first


def test_the_test_rows_stay_closed(go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("a sweep read the test rows")

    monkeypatch.setattr(Dataset, "read", refuse)
    assert len(go(search="random", trials=2).trials) == 4


def test_processes_give_the_same_records(go: Go, tmp_path: Path) -> None:
    def outcome() -> dict[str, object]:
        return {
            digest: ([(line["loss"], line["metric"], line["slots"]) for line in record["curve"]], record["key"])
            for digest, record in records().items()
        }

    alone = go()
    expected = outcome()
    shutil.move(results_home(), tmp_path / "alone")
    together = go(jobs=2)
    assert outcome() == expected
    assert [trial.runs for trial in together.trials] == [trial.runs for trial in alone.trials]
    assert together.best == alone.best


DIVERGING = '''
"""A loss that is NaN from a learning rate on."""
from torch.nn.functional import softplus
from recbench.losses.base import LOSSES, Loss


@LOSSES.add("diverging")
class Diverging(Loss):
    """Diverging (2026)."""

    def __init__(self, info, *, limit: float = 1.0) -> None:
        super().__init__(info)
        self.limit = limit

    def forward(self, towers, batch):
        """Return the mean, or NaN."""
        return softplus(-towers.logit).mean() * (1 if self.limit < 2 else float("nan"))
'''


def test_a_trial_that_fails_is_the_worst_and_the_others_go_on(go: Go, tmp_path: Path) -> None:
    file = tmp_path / "diverging.py"
    file.write_text(DIVERGING)
    common = replace(COMMON, imports=(file,))
    found = go(("diverging:loss.limit=3,1",), ("diverging", "bce"), common=common)
    first, last, other = found.trials
    assert (first.words, first.failed) == (["loss.limit=1"], "")
    assert first.valid is not None
    assert (last.words, last.valid, last.select) == (["loss.limit=3"], None, "")
    assert "the loss became nan at step 1 of epoch 1" in last.failed
    assert other.loss == "bce"
    assert "loss.limit=3  seed 0  failed: the loss became nan" in go.said
    screen = io.StringIO()
    Console(file=screen, width=100).print(sweep_table(found))
    assert "1 failed: the loss became nan" in screen.getvalue()
    assert screen.getvalue().index("loss.limit=1") < screen.getvalue().index("loss.limit=3")
    assert f"--import {file}" in found.commands["diverging"]
    nothing = go(("loss.limit=3",), ("diverging",), common=common, search="optuna", trials=2)
    assert (nothing.best, nothing.commands) == ({}, {})


def test_whatever_else_ails_a_run_is_told_in_one_line(go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(*arguments: object, **named: object) -> None:
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(in_this_process, "train", break_down)
    assert [trial.failed for trial in go(("lr=0.1",), ("bce",)).trials] == ["RuntimeError: two lines"]


def test_a_process_that_dies_is_told(go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    class Dead:
        def submit(self, *arguments: object, **named: object) -> object:
            future: launcher.Future[None] = launcher.Future()
            future.set_exception(launcher.BrokenProcessPool())
            return future

    found = go(("lr=0.1",), ("bce",))
    key = Store(results_home()).find(found.trials[0].runs[0]).key
    with pytest.raises(TrainingError, match="ended from outside, .* type the same command to continue"):
        list(launcher.train_by_pool([key], Work(results_home(), "cpu", (), ""), Dead(), 2))  # type: ignore[arg-type]


@pytest.mark.parametrize("lanes", [1, 2])
def test_a_run_that_another_process_trains_is_left_to_it(go: Go, tmp_path: Path, lanes: int) -> None:
    go(("lr=0.01,0.1",), ("bce",))
    store = Store(results_home())
    first, second = (record.key for record, _ in store.runs())
    done = store.folder(first).rename(tmp_path / "done")
    shutil.rmtree(store.folder(second))
    store.folder(first).mkdir()
    data = Dataset.load(find_prepared("synthetic/global"))
    other = FileLock(store.folder(first) / LOCK)
    other.acquire()
    work = Work(store.root, "cpu", (), "", launch=LaunchOptions(lanes=lanes))
    runs = train_in_order([first, second], work, data, Console(quiet=True))
    assert next(runs).key == second
    for part in done.iterdir():
        shutil.copy2(part, store.folder(first))
    before = written()
    other.release()
    last = next(runs)
    assert isinstance(last, RunRecord)
    assert last.key == first
    assert written() == before


def test_a_terminal_has_a_live_line(go: Go) -> None:
    go(("lr=0.1,0.2",), ("bce",), terminal=True)
    said = go.said
    assert "2/2" in said
    assert "best so far bce × mf 0." in said
    assert "left" in said


def test_plain_lines_elsewhere(go: Go) -> None:
    found = go(("lr=0.1,0.2",), ("bce",))
    title, first, second = go.said.splitlines()
    assert title == "sweep on synthetic/global: bce (2 points), 2 runs"
    assert first.startswith("    1/2  bce × mf  train.lr=0.1  seed 0  valid auc 0.")
    assert "left" in first
    best = max(trial.valid or 0 for trial in found.trials)
    assert f"best so far {best:.4f}" in second
    assert "\x1b" not in go.said


def test_presets_and_common_settings_hold_for_all_trials(go: Go) -> None:
    common = replace(COMMON, preset="gnolr/ml-1m", settings=(*COMMON.settings, "train.batch_size=512"))
    found = go(("lr=0.02",), common=common)
    assert found.count == 1
    kept = {record["key"]["loss"]: record["key"]["settings"] for record in records().values()}
    assert kept["bce"]["loss.pos_weight"] == 2
    assert kept["gnolr"]["loss.scale"] == 2.57
    for of_loss in kept.values():
        assert of_loss["train.lr"] == 0.02
        assert of_loss["train.epochs"] == 1
        assert of_loss["train.batch_size"] == 512
        assert of_loss["train.patience"] == 12


def test_the_aim_names_the_sweep(go: Go) -> None:
    one = go(("lr=0.1",), ("bce",))
    assert go(("train.lr=0.1",), ("bce",)).digest == one.digest
    others = [go(("lr=0.2",), ("bce",)), go(("lr=0.1",), ("bce",), common=replace(COMMON, seeds=(1,)))]
    assert len({one.digest, *(other.digest for other in others)}) == 3
    assert sweep.SEEDS == 5
