"""A text file in pieces that end at a line end, as UTF-8 whatever it was written in; a packed one is unpacked."""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from recbench.errors import DataError
from recbench.sources.decompress import Unpacked, open_unpacked
from recbench.sources.regular_file import require_regular

BLOCK = 32 << 20  # bytes of text at once
LONGEST_LINE = 4 << 20  # bytes
FIRST_LOOK = 64 << 10  # bytes without a line feed that tell how lines end
AHEAD = 2  # pieces that are read before they are asked for
ARCHIVES = {
    b"PK\x03\x04": "a zip archive",
    b"PAR1": "a Parquet file",
    b"ARROW1": "an Arrow file",
    b"SQLite format 3": "a database",
}
BYTE_ORDER_MARKS = {  # the longer ones first: UTF-32 begins as UTF-16 does
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}

T = TypeVar("T")
R = TypeVar("R")
Advance = Callable[[int], None]  # hears of each number of bytes read


def ignore_progress(_: int) -> None:
    """Hear of nothing."""


def read_start(path: Path) -> bytes:
    """Return the first 4096 bytes of a file; raises DataError if it is missing, no file, empty or unreadable."""
    require_regular(path)
    try:
        with path.open("rb") as file:
            start = file.read(4096)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    if not start:
        raise DataError(f"{path}: empty file; download or write it again")
    return start


def read_blocks(
    path: Path, size: int = BLOCK, advance: Advance = ignore_progress, encoding: str = "utf-8"
) -> Iterator[bytes]:
    """Yield the content of a text file, plain or packed, in pieces of about `size` bytes, each of whole lines.

    What is written in another encoding than UTF-8 (or is UTF-16 by its byte order mark) is decoded and encoded as
    UTF-8; UTF-8 itself is not checked. A file whose lines end with a carriage return alone gets line feeds. Raises
    DataError for a file that is missing, no file, empty, an archive, binary, damaged, or packed as no data is, for an
    unknown encoding, and for a line longer than 4 MiB, or than four times `size`.
    """
    start = read_start(path)
    for magic, what in ARCHIVES.items():
        if start.startswith(magic):
            raise DataError(f"{path}: {what}, where text is expected; unpack or convert it first")
    with open_unpacked(path) as file:
        yield from _whole_lines(path, _decoded(path, file, size, advance, encoding), min(4 * size, LONGEST_LINE))


def read_numbered_blocks(
    path: Path, size: int = BLOCK, advance: Advance = ignore_progress, encoding: str = "utf-8"
) -> Iterator[tuple[int, bytes]]:
    """Yield what `read_blocks` yields, each piece with the number of its first line, from 1."""
    line = 1
    for piece in read_blocks(path, size, advance, encoding):
        yield line, piece
        line += piece.count(b"\n")


def map_ahead(function: Callable[[T], R], values: Iterable[T]) -> Iterator[R]:
    """Yield function(value) of each value in order, computing AHEAD of them before they are asked for, in threads."""
    pending: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(AHEAD)
    try:
        for value in values:
            pending.append(pool.submit(function, value))
            if len(pending) > AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        # Not waited for: garbage collection may end an abandoned generator within a thread that is about to start and
        # holds the lock for which the end of another waits.
        pool.shutdown(wait=False, cancel_futures=True)


def _decoded(path: Path, file: Unpacked, size: int, advance: Advance, encoding: str) -> Iterator[bytes]:
    """Yield the bytes of a file as UTF-8, with line feeds at the ends of lines."""
    piece = file.read(size)
    while b"\r" in piece and b"\n" not in piece and len(piece) < FIRST_LOOK and (more := file.read(size)):
        piece += more
    carriage_returns = b"\r" in piece and b"\n" not in piece
    decoder = _decoder(path, piece, encoding)
    piece, position = piece.removeprefix(codecs.BOM_UTF8), 0
    while piece:
        advance(file.position() - position)  # of the file on disk, however small it is packed
        position = file.position()
        yield _text(path, piece, decoder, encoding, carriage_returns)
        piece = file.read(size)
    if decoder is not None:
        yield _text(path, b"", decoder, encoding, carriage_returns)


def _text(
    path: Path, piece: bytes, decoder: codecs.IncrementalDecoder | None, encoding: str, carriage_returns: bool
) -> bytes:
    if decoder is not None:
        try:
            piece = decoder.decode(piece, final=not piece).encode()
        except UnicodeError as error:
            raise DataError(f"{path}: not {encoding} text ({error}); correct `encoding` in the catalogue") from None
    if b"\0" in piece:
        raise DataError(f"{path}: a binary file, where text is expected; download it again, or set `encoding`")
    return piece.replace(b"\r", b"\n") if carriage_returns else piece


def _decoder(path: Path, start: bytes, encoding: str) -> codecs.IncrementalDecoder | None:
    """Return what decodes the file, None for UTF-8; raises DataError for an encoding that does not exist."""
    marked = next((name for mark, name in BYTE_ORDER_MARKS.items() if start.startswith(mark)), None)
    try:
        codec = codecs.lookup(encoding)
        "".encode(encoding)  # which refuses what is no encoding of text, such as base64
    except (LookupError, ValueError):
        raise DataError(f"{path}: `{encoding}` is not an encoding; use utf-8 or iso-8859-1, say") from None
    if marked is None and codec.name in ("utf-8", "utf-8-sig"):
        return None
    return codecs.getincrementaldecoder(marked or encoding)()


def _whole_lines(path: Path, pieces: Iterator[bytes], longest: int) -> Iterator[bytes]:
    """Yield the same bytes in pieces that end at a line end; the last may end without one."""
    rest = b""  # of a line that is not complete
    for piece in pieces:
        end = piece.rfind(b"\n") + 1
        for start in range(0, end - longest, longest):
            if piece.find(b"\n", start, start + longest) < 0:
                raise _too_long(path, longest)
        if end:
            yield rest + piece[:end]
            rest = b""
        rest += piece[end:]
        if len(rest) > longest:
            raise _too_long(path, longest)
    if rest:
        yield rest


def _too_long(path: Path, longest: int) -> DataError:
    return DataError(f"{path}: a line of more than {longest:,} bytes; not the text file that is expected")
