"""How much memory there is, was taken and may be taken by `prepare`, and what that means for what is held at once."""

from __future__ import annotations

import os
import re
import resource
import sys
from dataclasses import dataclass
from pathlib import Path

from recbench.errors import DataError, UsageError

LEAST = 1 << 29  # the interpreter and its libraries take half of this
PER_ENTITY = 200  # bytes: key, code, counts, and one feature while it is sorted
UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


def available() -> int:
    """Return the bytes of memory of this machine, or of the control group that the process is confined to."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        confined = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return total
    return min(total, int(confined)) if confined.isdigit() else total


def peak() -> int:
    """Return the most bytes that this process has held in memory."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


@dataclass(frozen=True)
class Memory:
    """A limit in bytes."""

    limit: int

    @staticmethod
    def of(words: str | None) -> Memory:
        """Read "4GB", "800MiB" or "25%"; half of the memory there is without words. Raises UsageError."""
        if words is None:
            return Memory(max(LEAST, available() // 2))
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:(%)|([kmgt]i?)?b?)", words.strip().lower())
        if found is None:
            raise UsageError(f"--max-memory {words}: expected a size such as 4GB, 800MiB or 25%")
        scale = available() / 100 if found[2] else UNITS[found[3] or ""]
        limit = int(float(found[1]) * scale)
        if limit < LEAST:
            raise UsageError(f"--max-memory {words}: at least {LEAST >> 20} MiB are needed")
        return Memory(limit)

    @property
    def block(self) -> int:
        """Bytes of text to read at once."""
        return min(32 << 20, self.limit // 96)

    @property
    def rows(self) -> int:
        """Rows of the log to hold at once."""
        return min(1 << 20, self.limit // 1024)

    @property
    def values(self) -> int:
        """Features of entities to encode at once."""
        return min(1 << 24, self.limit // 128)

    def check(self, entities: int) -> None:
        """Raise DataError if so many users and items cannot be told apart within the limit."""
        need = LEAST // 2 + entities * PER_ENTITY
        if need > self.limit:
            raise DataError(
                f"{entities:,} users and items need about {need / 2**30:.1f} GiB, more than the "
                f"{self.limit / 2**30:.1f} GiB allowed; allow more with --max-memory"
            )
