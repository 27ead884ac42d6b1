"""Files that may be opened: those with an end, which pipes and devices do not have."""

from __future__ import annotations

import stat
from pathlib import Path

from recbench.errors import DataError, UsageError

MOST_TOML = 4 << 20  # bytes of a catalogue


def require_regular(path: Path) -> None:
    """Raise DataError if a path is missing, a folder, or neither (a pipe, socket or device, which may never end)."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    if stat.S_ISDIR(mode):
        raise DataError(f"{path}: a folder, where a file is expected")
    if not stat.S_ISREG(mode):
        raise DataError(
            f"{path}: a pipe, socket or device, where a file is expected; write its content to a file first"
        )


def read_catalogue_text(path: Path) -> str:
    """Return the text of a catalogue; raises UsageError if it is missing, not a file, not UTF-8 or far too large."""
    try:
        require_regular(path)
        if path.stat().st_size > MOST_TOML:
            raise UsageError(f"{path}: more than {MOST_TOML:,} bytes, which no catalogue has")
        return path.read_text(encoding="utf-8")
    except DataError as error:
        raise UsageError(str(error).replace("no such file", "no such catalogue file")) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not a readable TOML file ({error})") from None
