from __future__ import annotations

from pathlib import Path

import polars as pl

from recbench.preparation.frame_file import FrameFile


def test_a_file_gives_back_the_frames_it_got(tmp_path: Path) -> None:
    frames = [pl.DataFrame({"n": [1, 2], "t": ["x", None]}), pl.DataFrame({"n": [3], "t": ["y"]})]
    file = FrameFile(tmp_path / "a" / "s.parquet")
    for frame in frames:
        file.append(frame)
    assert [frame.rows() for frame in file.frames()] == [frame.rows() for frame in frames]
    assert [frame.rows() for frame in file.frames(["t"])] == [[("x",), (None,)], [("y",)]]
    assert list(FrameFile(tmp_path / "none.parquet").frames()) == []
