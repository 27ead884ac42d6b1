"""A file of the user's counts for the runs that use it, and where that cannot be told."""

from __future__ import annotations

from pathlib import Path

import pytest

from recbench.home import results_home
from recbench.own_files import counting
from recbench.registry import import_file
from recbench.results.store import Store
from tests.conftest import Run, forget_imports

LOSS = """
from recbench.losses import LOSSES, Loss

SCALE: float = float("2")


@LOSSES.add("{name}")
class Own(Loss):
    \"\"\"{text}\"\"\"

    def forward(self, towers, batch):
        return batch.mean(towers.logit[..., 0] ** 2 * SCALE)
"""
METRIC = """
from recbench.evaluation.metric import METRICS, RowMetric


@METRICS.add("own-metric")
class OwnMetric(RowMetric):
    pass
"""


def imported(folder: Path, files: dict[str, str]) -> dict[str, str]:
    """Write and import files, and return their digests."""
    sources = {}
    for name, text in files.items():
        (folder / name).write_text(text)
        sources[name] = import_file(folder / name)
    return sources


def test_a_file_counts_where_what_it_registers_is_named(tmp_path: Path) -> None:
    sources = imported(
        tmp_path,
        {"first.py": LOSS.format(name="one", text="."), "second.py": LOSS.format(name="two", text="."), "m.py": METRIC},
    )

    def counted(*words: str) -> list[str]:
        return list(counting(sources, words))

    assert counted("one", "twintower", "auc") == ["first.py"]
    assert counted("two", "mf", "auc") == ["second.py"]
    assert counted("bce", "mf", "own-metric/view") == ["m.py"]
    assert counted("bce", "twintower", "one-of-them", "another-two") == []
    assert counting(sources, ["one"]) == {"first.py": sources["first.py"]}
    assert counting({"__main__.Own": "0123456789ab"}, ["bce"]) == {"__main__.Own": "0123456789ab"}


def test_a_file_counts_that_one_that_counts_names(tmp_path: Path) -> None:
    chain = {
        "a.py": LOSS.format(name="loss-a", text="As loss-b."),
        "b.py": LOSS.format(name="loss-b", text="From the_third import x."),
        "the_third.py": LOSS.format(name="loss-c", text="."),
        "other.py": LOSS.format(name="loss-d", text="As loss-a."),
    }
    sources = imported(tmp_path, chain)
    assert list(counting(sources, ["loss-a"])) == ["a.py", "b.py", "the_third.py"]
    assert list(counting(sources, ["loss-c"])) == ["the_third.py"]


VALUES = """
from typing import Annotated

from recbench.losses import Logit
from recbench.samplers import Triplets
from recbench.settings import Range

Share = Annotated[float, Range(0, 1)]


class Two(Own):
    sampler = Triplets(negatives=2)
    logit = Logit("fixed", scale=10.0)
    needs = frozenset({"positive first"})
"""


def test_a_file_whose_classes_say_their_sampler_and_logit_counts_for_no_other(tmp_path: Path) -> None:
    sources = imported(tmp_path, {"own.py": LOSS.format(name="one", text=".") + VALUES})
    assert counting(sources, ["bce"]) == {}
    assert counting(sources, ["one"]) == sources


@pytest.mark.parametrize(
    "more",
    [
        "import torch\ntorch.set_float32_matmul_precision('high')",
        "import recbench.batch\nrecbench.batch.ANY = 1",
        "if SCALE:\n    SCALE = 3.0",
        "CALLED = print()",
        "def patch(f): return f\n@patch\ndef g(): pass",
        "class Body:\n    print()",
        "class Triplets:\n    pass\nCALLED = Triplets()",
    ],
)
def test_a_file_that_does_more_than_define_counts_for_all(tmp_path: Path, more: str) -> None:
    sources = imported(tmp_path, {"own.py": LOSS.format(name="one", text=".") + more, "helper.py": "X = 1"})
    assert counting(sources, ["bce"]) == sources


def test_a_file_that_has_changed_since_its_import_counts(tmp_path: Path) -> None:
    sources = imported(tmp_path, {"own.py": LOSS.format(name="one", text=".")})
    assert counting(sources, ["bce"]) == {}
    (tmp_path / "own.py").write_text("changed")
    assert counting(sources, ["bce"]) == sources


def test_changing_ones_own_loss_trains_no_other_again(prepared: Run, tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    own.write_text(LOSS.format(name="one", text="."))
    words = ("--backbone", "mf", "--epochs", "1")
    assert prepared("train", "--loss", "bce", *words).code == 0
    both = prepared("train", "--import", str(own), "--loss", "bce,one", *words)
    assert both.code == 0 and "1 run exists and is not trained again" in both.err
    own.write_text(LOSS.format(name="one", text="Another text."))
    forget_imports()
    again = prepared("train", "--import", str(own), "--loss", "bce,one", *words)
    assert again.code == 0 and "1 run exists and is not trained again" in again.err
    assert sorted(record.key.loss for record, _ in Store(results_home()).runs()) == ["bce", "one", "one"]
    assert prepared("eval", "--run", "bce", "--metric", "auc").code == 0
