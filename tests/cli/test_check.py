"""`recbench check`: leaks, and damage of whatever was written."""

from __future__ import annotations

from pathlib import Path

import pytest

from recbench.home import home, results_home
from tests.conftest import Run


@pytest.fixture
def evaluated(prepared: Run) -> Run:
    assert prepared("train", "--loss", "bce", "--backbone", "mf", "--epochs", "1").code == 0
    assert prepared("eval", "--metric", "auc", "--metric", "recall@5", "--no-baselines").code == 0
    return prepared


def flip(path: Path) -> None:
    """Turn one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def test_nothing_is_damaged(evaluated: Run) -> None:
    result = evaluated("check", "--json")
    assert result.code == 0, result.err
    assert {finding["rule"]: finding["status"] for finding in result.json}["results"] == "ok"
    assert "no damaged files" in evaluated("check").out


@pytest.mark.parametrize("name", ["weights.safetensors", "scores.parquet", "vectors.safetensors", "record.json"])
def test_one_flipped_bit_of_results_is_found(evaluated: Run, name: str) -> None:
    (path,) = results_home().rglob(name)
    flip(path)
    result = evaluated("check")
    lines = [line for line in result.err.splitlines() if str(path) in line]
    assert result.code == 1 and len(lines) == 1, result.err
    assert "damaged" in lines[0] and ";" in lines[0]


def test_one_flipped_bit_of_prepared_data_is_found(evaluated: Run) -> None:
    path = home() / "prepared" / "synthetic" / "global" / "test.parquet"
    flip(path)
    result = evaluated("check")
    assert (result.code, len(result.err.splitlines())) == (1, 1)
    assert f"{path}: damaged" in result.err and "recbench prepare synthetic" in result.err
