"""Files that appear whole or not at all, and are read strictly."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from secrets import token_hex
from typing import Any, TypeVar

import msgspec

from recbench.errors import DataError
from recbench.results.json_structs import decode
from recbench.results.record import SCHEMA

T = TypeVar("T")

NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


def load(path: Path, cls: type[T]) -> T:
    """Read a JSON file of the given dataclass.

    Raises DataError if it is missing, damaged or of a newer schema.
    """
    try:
        data: Any = msgspec.json.decode(path.read_bytes())
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{path}: damaged ({reason})") from None
    schema = data.get("schema") if isinstance(data, dict) else None
    if type(schema) is int and schema > SCHEMA:
        raise DataError(f"{path}: schema {schema} is newer than this recbench reads ({SCHEMA}); upgrade recbench")
    return decode(cls, data, str(path))


def write_atomically(path: Path, text: str, *, once: bool = False) -> bool:
    """Write a file so that it appears whole or not at all, its folders made as needed.

    With `once`, a file that exists stays and False is returned. Raises DataError if it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("x", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            return _appear(temporary, path, once)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(
            f"{path}: cannot be written ({reason}); free space, or set RECBENCH_RESULTS to a writable folder"
        ) from error


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
