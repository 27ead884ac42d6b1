from __future__ import annotations

from pathlib import Path

import pytest

from recbench.errors import DataError
from recbench.sources.catalog import find
from tests.readers.read_files import read

HEADER = "user_id,video_id,play_duration,video_duration,time,date,timestamp,watch_ratio\n"
ROW = "14,148,4381,6067,2020-07-05 05:27:48.378,20200705,1593898068.378,0.722103\n"


def test_the_small_matrix_is_the_test_of_the_shipped_split_alone(tmp_path: Path) -> None:
    (tmp_path / "big_matrix.csv").write_text(HEADER + ROW)
    (tmp_path / "small_matrix.csv").write_text(HEADER + "7,9,100,40,,,,2.5\n")
    spec = find("kuairec")
    columns = ["user_id", "video_id", "watch_ratio", "split"]
    both = read(spec, tmp_path, "given").log.select(columns).rows()
    assert both == [(14, 148, 0.722103, "train"), (7, 9, 2.5, "test")]
    assert read(spec, tmp_path, "random").log.select(columns).rows() == both[:1]
    (tmp_path / "small_matrix.csv").write_text(HEADER + "7,,100,40,,,,2.5\n")
    with pytest.raises(DataError, match=r"small_matrix.csv, line 2, column `video_id`: empty"):
        read(spec, tmp_path, "given")
