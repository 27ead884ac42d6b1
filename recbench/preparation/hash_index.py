"""A table from 128 bits to numbers that grows as it is asked, at a cost that does not depend on what it holds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FIRST_SLOTS = 1 << 16
FREE = -1
AT_ONCE = 1 << 20  # keys that find their slots at once
FULLEST = 0.5  # share of the slots that are taken: beyond, searches along them grow long

Hashes = NDArray[np.uint64]  # [n], evenly spread


class HashIndex:
    """Numbers 0, 1, … of distinct keys, by open addressing (Knuth, The Art of Computer Programming, vol. 3, 6.4).

    A key is two hashes: one says where the search begins, the other which key it is, so that keys are confused only if
    the second ones are equal and the first ones nearly so. Written here since no dataframe library keeps the hash table
    of a join from one block of rows to the next: made anew of all that is known, it would cost the blocks of a log
    times its entities. Memory: 16 bytes a key, with room to grow up to 32, and 8 to 16 for the slots.
    """

    def __init__(self) -> None:
        self._start = np.empty(FIRST_SLOTS, np.uint64)
        self._which = np.empty(FIRST_SLOTS, np.uint64)
        self._slots = np.full(FIRST_SLOTS, FREE, np.int32)  # number of the key that stands here
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def find(self, start: Hashes, which: Hashes) -> NDArray[np.int32]:
        """Return the number of each key, -1 for one that has none, [n]."""
        place = self._home(start)
        found = self._slots.take(place)
        searched = np.flatnonzero(self._other(found, which))
        place = place[searched]
        while len(searched):
            place = self._next(place)
            number = self._slots.take(place)
            found[searched] = number
            other = self._other(number, which[searched])
            searched, place = searched[other], place[other]
        return found

    def add(self, start: Hashes, which: Hashes) -> None:
        """Give the next numbers to keys that are distinct and have none, in their order."""
        first, self._count = self._count, self._count + len(start)
        if self._count > len(self._start):
            room = np.empty(self._count, np.uint64)
            self._start = np.concatenate([self._start[:first], room])
            self._which = np.concatenate([self._which[:first], room])
        self._start[first : self._count] = start
        self._which[first : self._count] = which
        if self._count > FULLEST * len(self._slots):
            self._slots = np.full(1 << int(np.ceil(np.log2(self._count / FULLEST))), FREE, np.int32)
            first = 0
        for begin in range(first, self._count, AT_ONCE):
            self._place(np.arange(begin, min(self._count, begin + AT_ONCE), dtype=np.int32))

    def _place(self, numbers: NDArray[np.int32]) -> None:
        """Put numbers into free slots."""
        place = self._home(self._start[numbers])
        while len(numbers):
            free = self._slots.take(place) == FREE
            self._slots[place[free]] = numbers[free]
            lost = self._slots.take(place) != numbers  # taken before, or by another of these
            numbers, place = numbers[lost], self._next(place[lost])

    def _other(self, numbers: NDArray[np.int32], which: Hashes) -> NDArray[np.bool_]:
        """Return where another key stands than the one that is searched, [n]."""
        other: NDArray[np.bool_] = (self._which.take(numbers, mode="clip") != which) & (numbers != FREE)
        return other

    def _home(self, start: Hashes) -> NDArray[np.int64]:
        return (start & np.uint64(len(self._slots) - 1)).view(np.int64)

    def _next(self, place: NDArray[np.int64]) -> NDArray[np.int64]:
        return (place + 1) & (len(self._slots) - 1)
