"""Frames on disk, written and read one at a time, so that no step of `prepare` holds all rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from numpy.typing import NDArray

from recbench.data.content import frame_of

Compression = Literal["lz4", "zstd"]


class FrameFile:
    """Frames of one schema in one Parquet file: first all are appended, then they are read in that order."""

    def __init__(self, path: Path, compression: Compression = "lz4") -> None:
        self.path = path
        self.compression = compression
        self.rows = 0
        self._writer: pq.ParquetWriter | None = None

    def append(self, frame: pl.DataFrame) -> None:
        """Write one frame; one without rows only fixes the schema."""
        table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
        if self._writer is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(
                self.path, table.schema, compression=self.compression, use_dictionary=False, write_statistics=False
            )
        if len(frame):
            self._writer.write_table(table.cast(self._writer.schema), row_group_size=len(frame))
            self.rows += len(frame)

    def close(self) -> FrameFile:
        """Finish the file and return it."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        return self

    def frames(self, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """Yield the frames that have rows, with these columns only."""
        self.close()
        if not self.rows:
            return
        with pq.ParquetFile(self.path) as file:
            for group in range(file.num_row_groups):
                yield frame_of(file.read_row_group(group, columns=None if columns is None else list(columns)))

    def remove(self) -> None:
        """Delete the file."""
        self.close()
        self.path.unlink(missing_ok=True)


def scatter(
    frames: Iterable[pl.DataFrame], key: str, bounds: NDArray[np.int64 | np.uint64], folder: Path
) -> list[FrameFile]:
    """Distribute rows over len(bounds) + 1 files by the range that their key falls in; bounds[i] begins range i + 1.

    Rows keep their order within a range. Ranges that nothing falls in come as empty files.
    """
    files = [FrameFile(folder / f"{number}.parquet") for number in range(len(bounds) + 1)]
    for frame in frames:
        place = np.searchsorted(bounds, frame[key].to_numpy(), side="right").astype(np.uint32)
        for (number,), part in (
            frame.with_columns(_place=place).partition_by("_place", as_dict=True, include_key=False).items()
        ):
            files[int(number)].append(part)
    return [file.close() for file in files]


def even_ranges(stop: int, at_once: int) -> NDArray[np.int64]:
    """Return the bounds that cut 0 … stop - 1 into ranges of at most `at_once`."""
    return np.arange(at_once, stop, at_once, dtype=np.int64)
