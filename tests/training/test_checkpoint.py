"""Checkpoints: everything comes back, and a failed write leaves the last one."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from recbench.errors import DataError
from recbench.training import checkpoint


def test_nested_state_comes_back(tmp_path: Path) -> None:
    state = {
        "weights": {"a": torch.randn(3, 2), "b": torch.arange(4)},
        "optimizer": {"state": {0: {"step": torch.tensor(7.0)}, 1: {}}, "param_groups": [{"lr": 0.1, "fused": True}]},
        "nothing": None,
        "text": "é",
        "big": 2**60,
    }
    path = tmp_path / "state.safetensors"
    checkpoint.save(path, state)
    back = checkpoint.load(path)
    torch.testing.assert_close(back["weights"], state["weights"])
    assert back["optimizer"]["state"][0]["step"] == 7
    assert back["optimizer"]["param_groups"] == [{"lr": 0.1, "fused": True}]
    assert (back["nothing"], back["text"], back["big"]) == (None, "é", 2**60)


def test_who_reads_records_reads_weights(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    checkpoint.save(tmp_path / "state", {"a": torch.zeros(2)})
    assert (tmp_path / "state").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_tied_weights_are_saved(tmp_path: Path) -> None:
    tensor = torch.ones(3)
    checkpoint.save(tmp_path / "state", {"a": tensor, "b": tensor})
    assert torch.equal(checkpoint.load(tmp_path / "state")["b"], tensor)


def test_a_failed_write_leaves_the_last_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state"
    checkpoint.save(path, {"a": 1})

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match=r"state: cannot be written \(No space left on device\); free space"):
        checkpoint.save(path, {"a": 2})
    assert checkpoint.load(path) == {"a": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["state"]


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"\x10\x00\x00\x00\x00\x00\x00\x00{}"])
def test_damaged_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state"
    path.write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        checkpoint.load(path)


def test_no_flipped_bit_goes_unnoticed(tmp_path: Path) -> None:
    state = {
        "weights": {
            "a": torch.randn(30, 2),
            "b": torch.arange(40),
            "none": torch.empty(0),
            "half": torch.ones(3).half(),
        },
        "curve": [{"epoch": 1, "metric": 0.5}],
        "notes": ["a remark"],
    }
    path = tmp_path / "state.safetensors"
    checkpoint.save(path, state)
    whole = path.read_bytes()
    generator = random.Random(0)
    for bit in generator.sample(range(8 * len(whole)), 500):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        try:
            back = checkpoint.load(path)
        except DataError as error:
            assert str(error).startswith(f"{path}: damaged") and str(error).endswith("delete it and train again")
            assert "\n" not in str(error)
        else:  # a bit that means nothing, such as one of the padding
            torch.testing.assert_close(back, state, rtol=0, atol=0)


def test_a_file_without_a_digest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    save_file({"/a": torch.ones(2)}, path, metadata={"state": '{"dict": [["a", {"tensor": "/a"}]]}'})
    assert torch.equal(checkpoint.load(path)["a"], torch.ones(2))
