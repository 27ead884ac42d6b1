"""Studies from Python are those of the commands."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest
from torch import Tensor

import recbench as rb
from recbench.api import studies
from recbench.errors import UsageError
from recbench.home import results_home
from recbench.results.store import Store
from recbench.run.invocation import Invocation
from recbench.study.bakeoff.bake import BakeoffRequest
from recbench.study.bakeoff.conclusion import Conclusion, seconds_of
from recbench.study.bakeoff.program import Program
from tests.conftest import Run


@pytest.fixture
def data(prepared: Run) -> rb.PreparedData:
    return rb.prepared("synthetic")


def test_several_methods_train_as_by_the_command(data: rb.PreparedData, prepared: Run) -> None:
    runs = rb.train(data, loss=["bce", "bpr"], backbone="mf", epochs=1, seeds=2, lanes=2, quiet=True)
    assert [(record.key.loss, record.key.seed) for record in runs] == [("bce", 0), ("bce", 1), ("bpr", 0), ("bpr", 1)]
    told = prepared(*runs[0].command.split()[1:])
    assert told.code == 0 and "valid" not in told.err  # nothing is trained
    assert {record.key.digest for record, _ in Store(results_home()).runs()} == {run.key.digest for run in runs}


def test_a_class_of_no_file_trains_beside_others_in_this_process(
    data: rb.PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    @rb.LOSSES.add("squares")
    class Squares(rb.Loss):
        """Squared error."""

        def forward(self, towers: rb.Towers, batch: rb.Batch) -> Tensor:
            """Return the mean."""
            return batch.mean((towers.logit[..., 0] - batch.label[..., 0]) ** 2)

    monkeypatch.setattr(sys.modules[__name__], "Squares", Squares, raising=False)  # as if it were defined outside
    with pytest.raises(UsageError, match="other processes do not have Squares, defined in test_studies.py"):
        rb.train(data, loss=[Squares, "bce"], backbone="mf", epochs=1, jobs=2, quiet=True)
    own, bce = rb.train(data, loss=[Squares, "bce"], backbone="mf", epochs=1, quiet=True)
    assert list(own.key.sources) == [f"{__name__}.Squares"] and not bce.key.sources
    found = rb.sweep(data, losses=Squares, grid={"lr": 0.05}, backbone="mf", settings={"train.epochs": 1}, quiet=True)
    (trial,) = found.sweep.trials
    call = f"rb.sweep({data.name!r}, losses=('squares',), grid={{'lr': 0.05}}, backbone='mf', search='grid', "
    assert rb.runs(trial.runs[0])[0].command.startswith(call)  # no command has the class
    ended_with, _, needs = found.sweep.commands["squares"].partition("  # ")
    assert needs == f"in Python, with {__name__}.Squares as it was" and "seeds=5" in ended_with
    (same,) = eval(ended_with.replace("seeds=5", "quiet=True"))
    assert same.key.digest == trial.runs[0]


def test_several_that_cannot_be_meant(data: rb.PreparedData) -> None:
    with pytest.raises(UsageError, match="unknown loss `bec`; did you mean `bce`"):
        rb.train(data, loss=["bec", "bpr"], epochs=1, quiet=True)
    with pytest.raises(UsageError, match="^trials=3: of what `fair` searches; add fair, or use `rb.sweep`"):
        rb.train(data, loss="bce", trials=3, quiet=True)
    assert not list(results_home().rglob("record.json"))


def test_a_sweep_is_that_of_the_command(data: rb.PreparedData, prepared: Run) -> None:
    found = rb.sweep(
        data,
        losses=["bce"],
        grid={"lr": [0.01, 0.05], "bce:loss.pos_weight": [1, 2]},
        backbone="mf",
        epochs=1,
        quiet=True,
    )
    words = ("--losses", "bce", "--grid", "lr=0.01,0.05", "--grid", "bce:loss.pos_weight=1,2", "--backbone", "mf")
    typed = prepared("sweep", *words, "--epochs", "1", "--json")
    assert typed.code == 0 and "4 runs exist and are not trained again" in typed.err
    trials = typed.json["trials"]
    assert found.to_polars()["settings"].to_list() == [" ".join(trial["words"]) for trial in trials]
    assert found.to_polars()["valid"].to_list() == [trial["valid"] for trial in trials]
    recorded = prepared(*shlex.split(rb.runs(trials[0]["runs"][0])[0].command)[1:])
    assert recorded.code == 0 and "4 runs exist and are not trained again" in recorded.err
    assert found.best["bce"]["train.epochs"] == "1" and "rank" in str(found)
    again = rb.train(data, loss="bce", backbone="mf", settings=found.best["bce"], quiet=True)
    assert again[0].key.digest == trials[0]["runs"][0]
    with pytest.raises(UsageError, match="a range needs search random or optuna"):
        rb.sweep(data, losses="bce", grid={"lr": "0.001..0.1"}, quiet=True)


def test_a_table_is_reproduced_as_by_the_command(data: rb.PreparedData, prepared: Run) -> None:
    rows = {"method": ["BPR", "AOBPR"], "backbone": "mf", "seeds": 1, "settings": {"train.epochs": 1}}
    found = rb.reproduce("til/table1", dataset="gowalla", data=data, **rows, quiet=True)
    frame = found.to_polars()
    assert frame["verdict"].unique().to_list() == ["not comparable"] and frame["sd"].null_count() == len(frame)
    assert frame["difference"].to_list() == (frame["mean"] - frame["reported"]).to_list()
    typed = prepared(*shlex.split(rb.runs(frame["runs"][0][0])[0].command)[1:], "--json")
    assert typed.code == 0 and "valid" not in typed.err  # nothing is trained
    assert [{name: row[name] for name in frame.columns} for row in typed.json["lines"]] == found.to_dicts()
    assert "reported" in str(found) and "matches: the mean over seeds" in str(found)
    with pytest.raises(UsageError, match="unknown method `BRP` of til/table1 on gowalla; did you mean `BPR`"):
        rb.reproduce("til/table1", dataset="gowalla", method="BRP", quiet=True)
    with pytest.raises(UsageError, match="^grid lr=0.1|0.2: only `fair` searches; add fair, or use `rb.sweep`"):
        rb.reproduce("til/table1", grid={"lr": [0.1, 0.2]}, quiet=True)


def test_a_bakeoff_asks_what_the_command_does(data: rb.PreparedData, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[BakeoffRequest] = []
    commands: list[str] = []

    def conclude(request: BakeoffRequest, invocation: Invocation) -> Conclusion:
        asked.append(request)
        commands.append(invocation.command)
        program, steps = Program(1, ("0.01",), 1, 1.0), [("go on", "recbench eval")]
        return Conclusion(request.dataset, program, [], ["Take it."], ["It."], steps, Path("page.html"), 1.0)

    monkeypatch.setattr(studies, "conclude", conclude)
    answer = rb.bakeoff(data, budget="2m", losses=["bce", "bpr"], quiet=True)
    assert (asked[0].dataset, asked[0].budget, asked[0].losses) == (data.name, 120, ("bce", "bpr"))
    assert str(answer).splitlines()[0] == data.name and "Take it." in str(answer) and "recbench eval" in str(answer)
    assert answer._repr_html_().startswith("<p>It.</p><div>") and answer.page == Path("page.html")
    assert len(answer) == 0 and "question" in answer.to_polars().columns
    typed = f"recbench bakeoff {data.name} --budget 2m --backbone twintower --jobs 1 --losses bce,bpr"
    assert asked[0].own == () and commands == [typed]

    @rb.LOSSES.add("squares")
    class Squares(rb.Loss):
        def forward(self, towers: rb.Towers, batch: rb.Batch) -> Tensor:
            return batch.mean(towers.logit[..., 0] ** 2)

    rb.bakeoff(data, own=Squares, losses="bce", budget="2m", quiet=True)
    assert (asked[1].own, asked[1].losses) == (("squares",), ("bce",))
    (name,) = asked[1].classes
    assert name.endswith(".Squares")
    call = f"rb.bakeoff({data.name!r}, budget='2m', backbone='twintower', losses=('bce',), own=('squares',))  # "
    assert commands[1].startswith(call)
    with pytest.raises(UsageError, match="leave jobs out"):
        rb.bakeoff(data, own=Squares, jobs=2, quiet=True)
    with pytest.raises(UsageError, match="did you mean `bce`"):
        rb.bakeoff(data, losses="bec", quiet=True)
    with pytest.raises(UsageError, match="expected a time, such as 90s"):
        rb.bakeoff(data, budget="soon", quiet=True)
    with pytest.raises(UsageError, match="no such file, and no dataset is called so"):
        rb.bakeoff("mine.csv", quiet=True)
    assert seconds_of("1.5h") == 5400


def test_export_is_the_command(data: rb.PreparedData, tmp_path: Path) -> None:
    runs = rb.train(data, loss="bpr", backbone="mf", epochs=1, quiet=True)
    folder = runs.export(tmp_path / "out", index="ivf")
    assert {"README.md", "items.faiss", "items.parquet"} <= {path.name for path in folder.iterdir()}
    with pytest.raises(UsageError, match="exists; choose another folder"):
        runs.export(folder)
