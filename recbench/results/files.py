"""JSON files of recbench's own: they appear whole or not at all, carry a digest, and are read strictly."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Any, TypeVar

import msgspec

from recbench.errors import DataError
from recbench.results.json_structs import canonical, decode, encode, printed
from recbench.results.record import SCHEMA_OF_LANES as NEWEST

T = TypeVar("T")

DIGEST = "sha256"  # field of every file: hex digits over all other fields; files of older versions have none
LARGEST = 8 << 20  # bytes; the records of thousands of epochs are far smaller
FREE_SPACE = "free space, or set RECBENCH_RESULTS to a writable folder"
NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


class DamagedFileError(DataError):
    """A file of recbench's own that is not what was written."""


def load(path: Path, cls: type[T], remedy: str = "delete it") -> T:
    """Read a JSON file of the given dataclass.

    Raises DamagedFileError, which ends in the `remedy`, if it is not what `save` wrote, and DataError if it is missing
    or of a newer schema.
    """
    try:
        data: Any = msgspec.json.decode(_read(path))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DamagedFileError(f"{path}: damaged ({reason}); {remedy}") from None
    schema = data.get("schema") if isinstance(data, dict) else None
    if type(schema) is int and schema > NEWEST:
        raise DataError(f"{path}: schema {schema} is newer than this recbench reads ({NEWEST}); upgrade recbench")
    digest = data.pop(DIGEST, None) if isinstance(data, dict) else None
    if digest is not None and digest != _digest(data):
        raise DamagedFileError(f"{path}: damaged (its content does not match its digest); {remedy}")
    try:
        return decode(cls, data, str(path))
    except DataError as error:
        raise DamagedFileError(f"{error}; {remedy}") from None


def save(path: Path, value: object, *, once: bool = False, remedy: str = FREE_SPACE) -> bool:
    """Write a dataclass for `load`, with a digest; see `write_atomically`."""
    data = encode(value)
    return write_atomically(path, printed(data | {DIGEST: _digest(data)}), once=once, remedy=remedy)


def write_atomically(path: Path, content: str | bytes, *, once: bool = False, remedy: str = FREE_SPACE) -> bool:
    """Write a file so that it appears whole or not at all, its folders made as needed.

    With `once`, a file that exists stays and False is returned. Raises DataError, which ends in the `remedy`, if it
    cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary_beside(path) as temporary:
            with temporary.open("xb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
            return _appear(temporary, path, once)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"{path}: cannot be written ({reason}); {remedy}") from error


@contextmanager
def temporary_beside(path: Path) -> Iterator[Path]:
    """Yield the path of a hidden file in the same folder, to be renamed to `path` once it is complete.

    It is removed at the end if that did not come about; what a killed process leaves ends in `.tmp`.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{token_hex(4)}.tmp")
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _read(path: Path) -> bytes:
    """Return the content of a regular file of at most LARGEST bytes; raises ValueError for anything else."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:  # a pipe would wait for a writer
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("not a regular file")
        if status.st_size > LARGEST:
            raise ValueError(f"{status.st_size / 2**20:.0f} MiB, expected at most {LARGEST / 2**20:.0f}")
        return file.read()


def _digest(data: object) -> str:
    return sha256(canonical(data)).hexdigest()


def _appear(temporary: Path, path: Path, once: bool) -> bool:
    if once:
        try:
            os.link(temporary, path)
            return True
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            if path.exists():
                return False
    os.replace(temporary, path)  # noqa: PTH105 (named by the tests that make it fail)
    return True
