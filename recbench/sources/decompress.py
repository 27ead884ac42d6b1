"""Files as they are or packed by gzip, bzip2, xz or zstd, told by their first bytes and not by their names."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol, cast

import pyarrow as pa

from recbench.errors import DataError

MAX_RATIO = 200  # times that a packed file may grow; logs and tables grow 3 to 50 times
MOST_UNCHECKED = 16 << 20  # bytes that may come out of any file, however small
DAMAGE = (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, pa.ArrowException, ValueError)


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


OPENERS: Mapping[bytes, tuple[str, Callable[[IO[bytes]], _Readable]]] = {
    b"\x1f\x8b": ("gzip", lambda raw: gzip.GzipFile(fileobj=raw)),
    b"BZh": ("bzip2", bz2.BZ2File),
    b"\xfd7zXZ\0": ("xz", lzma.LZMAFile),
    b"\x28\xb5\x2f\xfd": ("zstd", lambda raw: pa.input_stream(raw, compression="zstd")),
}


class Unpacked:
    """What a file holds, read from its start; `position` says how much of the file itself has been read."""

    def __init__(self, path: Path, raw: IO[bytes]) -> None:
        start = raw.read(8)
        raw.seek(0)
        self.position: Callable[[], int] = raw.tell
        self._path, self._size = path, 0
        kind, opener = next((OPENERS[magic] for magic in OPENERS if start.startswith(magic)), (None, None))
        self._kind: str | None = kind
        self._content: _Readable = raw if opener is None else opener(raw)

    def read(self, size: int) -> bytes:
        """Return the next bytes, `size` of them unless the end comes first.

        Raises DataError for damage, and for a file that grows as no data does, as soon as it has.
        """
        if self._kind is None:
            return self._content.read(size)
        parts, left = [], size
        while left:
            part = self._next(min(left, MOST_UNCHECKED))
            if not part:
                break
            parts.append(part)
            left -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _next(self, size: int) -> bytes:
        try:
            part = self._content.read(size)
        except (*DAMAGE, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:  # of the disk
                raise
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise DataError(f"{self._path}: damaged {self._kind} file ({reason}); download it again") from None
        self._size += len(part)
        if self._size > MOST_UNCHECKED and self._size > MAX_RATIO * self.position():
            raise DataError(
                f"{self._path}: grows more than {MAX_RATIO} times when it is unpacked, which no data does; "
                "unpack it by hand if it can be trusted"
            )
        return part


@contextmanager
def open_unpacked(path: Path) -> Iterator[Unpacked]:
    """Open a file for reading what it holds; raises DataError if it cannot be read."""
    try:
        with path.open("rb") as raw:
            yield Unpacked(path, cast("IO[bytes]", raw))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None
