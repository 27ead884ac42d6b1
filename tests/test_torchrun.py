"""What torchrun says of its processes, and what a command makes of it."""

from __future__ import annotations

import pytest

from recbench.torchrun import Place, place
from tests.conftest import Run

SECOND = {"TORCHELASTIC_RUN_ID": "none", "RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}


def test_the_place_of_a_process() -> None:
    assert place(SECOND) == Place(rank=5, size=8, local_rank=1)


@pytest.mark.parametrize(
    "environment",
    [{}, {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}, SECOND | {"WORLD_SIZE": "1", "RANK": "0"}],
    ids=["no torchrun", "another program's variables", "one process"],
)
def test_a_process_that_trains_alone_has_none(environment: dict[str, str]) -> None:
    assert place(environment) is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["leaderboard"], "torchrun starts `recbench train` and `eval` alone"),
        (["train", "--loss", "bce,bpr"], "torchrun trains one method by all its processes"),
        (["train", "--fair"], "leave out --fair, --jobs and --launcher"),
    ],
)
def test_what_torchrun_does_not_start_is_told_once_a_machine(
    run: Run, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    for name, value in SECOND.items():
        monkeypatch.setenv(name, value)
    assert run(*words).err == ""
    monkeypatch.setenv("LOCAL_RANK", "0")
    result = run(*words)
    assert result.code == 2
    assert message in result.err
    assert len(result.err.splitlines()) == 1
