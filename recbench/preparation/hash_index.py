"""A table from 128 bits to numbers that grows as it is asked, at a cost that does not depend on what it holds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FIRST_SLOTS = 1 << 16
AT_ONCE = 1 << 20  # keys that find their slots at once
FULLEST = 0.5  # share of the slots that are taken: beyond, searches along them grow long

Keys = NDArray[np.uint64]  # [n, 2], evenly spread, as hashes are


class HashIndex:
    """Numbers 0, 1, … of distinct keys, by open addressing (Knuth, The Art of Computer Programming, vol. 3, 6.4).

    Written here since no dataframe library keeps the hash table of a join from one block of rows to the next: made
    anew of all that is known, it would cost the blocks of a log times its entities. Memory: 16 bytes a key, with room
    to grow up to 32, and 8 to 16 for the slots.
    """

    def __init__(self) -> None:
        self._keys = np.empty((FIRST_SLOTS, 2), np.uint64)
        self._slots = np.zeros(FIRST_SLOTS, np.uint32)  # number of the key that stands here + 1, 0 for none
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def find(self, keys: Keys) -> NDArray[np.int64]:
        """Return the number of each key, -1 for one that has none, [n]."""
        found = np.full(len(keys), -1, np.int64)
        searched = np.arange(len(keys))
        place = self._home(keys)
        while len(searched):
            number = self._slots[place].astype(np.int64) - 1
            taken = number >= 0
            searched, place, number = searched[taken], place[taken], number[taken]
            same = (self._keys[number] == keys[searched]).all(1)
            found[searched[same]] = number[same]
            searched, place = searched[~same], self._next(place[~same])
        return found

    def add(self, keys: Keys) -> None:
        """Give the next numbers to keys that are distinct and have none, in their order."""
        first, self._count = self._count, self._count + len(keys)
        if self._count > len(self._keys):
            self._keys = np.concatenate([self._keys[:first], np.empty((self._count, 2), np.uint64)])
        self._keys[first : self._count] = keys
        if self._count > FULLEST * len(self._slots):
            size = 1 << int(np.ceil(np.log2(self._count / FULLEST)))
            self._slots = np.zeros(size, np.uint32)
            first = 0
        for start in range(first, self._count, AT_ONCE):
            self._place(np.arange(start, min(self._count, start + AT_ONCE)))

    def _place(self, numbers: NDArray[np.int64]) -> None:
        """Put numbers into free slots."""
        place = self._home(self._keys[numbers])
        while len(numbers):
            free = self._slots[place] == 0
            self._slots[place[free]] = numbers[free] + 1
            lost = self._slots[place] != numbers + 1  # taken before, or by another of these
            numbers, place = numbers[lost], self._next(place[lost])

    def _home(self, keys: Keys) -> NDArray[np.int64]:
        return (keys[:, 0] & np.uint64(len(self._slots) - 1)).astype(np.int64)

    def _next(self, place: NDArray[np.int64]) -> NDArray[np.int64]:
        return (place + 1) & (len(self._slots) - 1)
