"""How much memory there is and was taken, whether a table fits, and what `prepare` may hold at once within a limit."""

from __future__ import annotations

import os
import re
import resource
import sys
from dataclasses import dataclass
from pathlib import Path

from recbench.errors import DataError, UsageError

MAX_LIMIT = 1 << 50
MIN_LIMIT = 1 << 29  # the interpreter and its libraries take half of this
PER_ENTITY = 200  # bytes: key, code, counts, and one feature while it is sorted
MOST_RANGES = 128
UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


def available() -> int:
    """Return the bytes of memory of this machine, or of the control group that the process is confined to."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        confined = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return total
    return min(total, int(confined)) if confined.isdigit() else total


def check_room(rows: int, width: int, setting: str) -> None:
    """Raise UsageError if a table of 32-bit numbers [rows, width] is larger than the memory of this machine.

    `setting` is what to make smaller. Linux promises more memory than there is, and ends a process that takes it.
    """
    need, there = 4 * rows * width, available()
    if need > there:
        raise UsageError(
            f"{setting}: {rows:,} vectors of {width:,} numbers take {need / 2**30:,.0f} GiB, more than the "
            f"{there / 2**30:,.0f} GiB of this machine; give a smaller one"
        )


def peak() -> int:
    """Return the most bytes of memory that this process has taken so far."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


@dataclass(frozen=True)
class Memory:
    """A limit in bytes."""

    limit: int

    @staticmethod
    def parse(words: str | None) -> Memory:
        """Read "4GB", "800MiB" or "25%"; half of the memory there is without words.

        Raises UsageError for other words, for less than 512 MiB and for more than 100% or 1024 TiB.
        """
        if words is None:
            return Memory(max(MIN_LIMIT, available() // 2))
        size = re.fullmatch(r"([0-9]{1,18}(?:\.[0-9]{1,18})?)\s*(?:(%)|([kmgt]i?)?b?)", words.strip().lower())
        if size is None or (size[2] and float(size[1]) > 100):
            raise UsageError(f"--max-memory {words}: expected a size such as 4GB, 800MiB or 25%")
        scale = available() / 100 if size[2] else UNITS[size[3] or ""]
        limit = int(float(size[1]) * scale)
        if limit < MIN_LIMIT:
            raise UsageError(f"--max-memory {words}: at least {MIN_LIMIT >> 20} MiB are needed")
        if limit > MAX_LIMIT:
            raise UsageError(f"--max-memory {words}: at most {MAX_LIMIT >> 40} TiB can be asked for")
        return Memory(limit)

    @property
    def block(self) -> int:
        """Bytes of text to read at once."""
        return min(32 << 20, self.limit // 96)

    def rows(self, total: int) -> int:
        """Number of rows to hold at once of a log of `total` rows that is cut into ranges.

        There are at most MOST_RANGES where the limit allows that: each is an open file, and every block of the log
        leaves a piece in each.
        """
        return min(self.limit // 1024, max(1 << 20, -(-total // MOST_RANGES)))

    @property
    def values(self) -> int:
        """Number of feature values of entities to encode at once."""
        return min(1 << 24, self.limit // 128)

    def check(self, entities: int) -> None:
        """Raise DataError if so many users and items do not fit into the limit."""
        need = MIN_LIMIT // 2 + entities * PER_ENTITY
        if need > self.limit:
            raise DataError(
                f"{entities:,} users and items need about {need / 2**30:.1f} GiB, more than the "
                f"{self.limit / 2**30:.1f} GiB allowed; allow more with --max-memory"
            )
