"""A text file in pieces that end at a line end; a gzip-compressed one is unpacked on the way."""

from __future__ import annotations

import gzip
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, TypeVar, cast

from recbench.errors import DataError

BLOCK = 32 << 20  # bytes of text at once
ARCHIVES = {b"PK\x03\x04": "a zip archive", b"PAR1": "a Parquet file"}
GZIP = b"\x1f\x8b"

T = TypeVar("T")
R = TypeVar("R")
Advance = Callable[[int], None]  # hears of each number of bytes read


def ignore_progress(_: int) -> None:
    """Hear of nothing."""


def read_start(path: Path) -> bytes:
    """Return the first 4096 bytes of a file; raises DataError if it is missing, a folder, empty or unreadable."""
    try:
        with path.open("rb") as file:
            start = file.read(4096)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise DataError(f"{path}: a folder, where a file is expected") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    if not start:
        raise DataError(f"{path}: empty file; download or write it again")
    return start


def read_blocks(path: Path, size: int = BLOCK, advance: Advance = ignore_progress) -> Iterator[bytes]:
    """Yield the content of a text file, plain or gzip, in pieces of about `size` bytes, each of whole lines.

    Raises DataError for a file that is missing, empty, an archive, binary, or a damaged gzip file, and for a line
    longer than four times `size`.
    """
    start = read_start(path)
    for magic, what in ARCHIVES.items():
        if start.startswith(magic):
            raise DataError(f"{path}: {what}, where text is expected; unpack or convert it first")
    packed = start.startswith(GZIP)
    try:
        with path.open("rb") as raw:
            file = cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if packed else raw
            yield from _pieces(path, raw, file, size, advance)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: damaged gzip file ({error}); download it again") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None


def map_ahead(function: Callable[[T], R], values: Iterable[T], workers: int = 2) -> Iterator[R]:
    """Yield function(value) of each value in order, computing a few of them ahead in threads."""
    pending: deque[Future[R]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for value in values:
            pending.append(pool.submit(function, value))
            if len(pending) > workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _pieces(path: Path, raw: IO[bytes], file: IO[bytes], size: int, advance: Advance) -> Iterator[bytes]:
    position = 0
    while piece := file.read(size):
        if not piece.endswith(b"\n"):
            rest = file.readline(4 * size + 1)
            if len(rest) > 4 * size:
                raise DataError(f"{path}: a line of more than {4 * size:,} bytes; not the text file that is expected")
            piece += rest
        advance(raw.tell() - position)  # of the file on disk, however small it is packed
        position = raw.tell()
        if b"\0" in piece:
            raise DataError(f"{path}: a binary file, where text is expected; download it again")
        yield piece
