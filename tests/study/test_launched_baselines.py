"""Baselines where nothing of the driver is: the numbers and the files of this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from recbench.errors import TrainingError, UsageError
from recbench.evaluation.evaluate import Value
from recbench.results.store import Store
from recbench.run.baselines import BaselineRequest, run_baselines
from recbench.run.eval_command import EvalRequest
from recbench.run.invocation import Invocation
from recbench.study import launched_baselines
from recbench.study.launched_baselines import run_launched_baselines
from recbench.study.launchers import base
from recbench.study.launchers.base import LaunchOptions, Work

SILENT = Console(quiet=True)
FIXED = tuple(f"item-knn.{word}" for word in ("shrink=0", "item_exponent=0.5", "user_exponent=0.5", "normalise=true"))
REQUEST = BaselineRequest("synthetic/global", (), ("popularity", "item-knn"), (0,), FIXED, budget=60)
EVALUATION = EvalRequest(metrics=("auc", "recall@5"))


@pytest.fixture
def node(small_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster whose only node is this process, without the driver's data."""
    monkeypatch.setenv("RECBENCH_HOME", str(small_home))
    monkeypatch.setattr(base, "find_spec", lambda name: name)

    def call_each(
        function: Callable[[Any, Any], Any], arguments: Sequence[Any], shared: Any, *_: object
    ) -> Iterator[tuple[int, Any]]:
        monkeypatch.setenv("RECBENCH_HOME", str(tmp_path / "nothing"))
        nowhere = tmp_path / "nowhere"
        for number, argument in reversed(list(enumerate(arguments))):
            there = replace(argument, folder=nowhere, work=replace(argument.work, results=nowhere))
            yield number, function(there, shared)
        assert not nowhere.exists()
        monkeypatch.setenv("RECBENCH_HOME", str(small_home))

    monkeypatch.setattr(launched_baselines, "call_each", call_each)


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_what_a_node_finds_is_kept_as_if_it_were_found_here(node: None, tmp_path: Path) -> None:
    here = run_baselines(REQUEST, EVALUATION, Invocation(Store(tmp_path / "here"), SILENT, "recbench baselines"))
    store = Store(tmp_path / "there")
    work = Work(store.root, "cpu", (), "recbench baselines", launch=LaunchOptions("ray"))
    for _ in range(2):  # the second time all is on record
        there = run_launched_baselines(REQUEST, EVALUATION, work, SILENT)
        for one, other in zip(here, there, strict=True):
            assert one.record.key == other.record.key
            assert list(map(stated, one.values)) == list(map(stated, other.values))
            evaluations = store.evaluations(one.record.key)
            assert {(v.metric, v.feedback, v.value, v.signature) for e in evaluations for v in e.values} == {
                stated(value) for value in one.values
            }
        assert files(store.root) == files(tmp_path / "here")


def stated(value: Value) -> tuple[str, str, float, str]:
    return value.metric, value.feedback, value.value, value.signature


def test_one_that_fails_does_not_stop_the_others(node: None, tmp_path: Path) -> None:
    request = replace(REQUEST, settings=("train.select=recall@20/nothing",), budget=0)
    work = Work(tmp_path / "there", "cpu", (), "", launch=LaunchOptions("ray"))
    with pytest.raises(TrainingError, match=r"2 of 2 baselines failed$"):
        run_launched_baselines(request, EVALUATION, work, SILENT)


def test_a_file_of_candidates_is_not_on_the_nodes(node: None, tmp_path: Path) -> None:
    evaluation = replace(EVALUATION, candidates="pairs.csv")
    work = Work(tmp_path, "cpu", (), "", launch=LaunchOptions("ray"))
    with pytest.raises(UsageError, match="--candidates pairs.csv: not with --launcher ray, whose nodes lack the file"):
        run_launched_baselines(REQUEST, evaluation, work, SILENT)
