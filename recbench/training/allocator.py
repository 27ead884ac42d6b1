"""How the C library treats memory that a step of training frees."""

from __future__ import annotations

import ctypes
import os

TRIM_THRESHOLD, MMAP_MAX = -1, -4  # M_TRIM_THRESHOLD and M_MMAP_MAX of malloc.h
KEPT = 1 << 30  # bytes free at the end of the heap, beyond which they go back to the system


def keep_freed_memory() -> None:
    """Let glibc reuse freed memory rather than give it back to the system; elsewhere nothing is done.

    Each step frees tensors of many MiB that the next one needs again. glibc maps and unmaps such blocks, and the
    system clears every page anew at its first touch: up to two thirds of the time of a step. With no mapped blocks
    they come from the heap, which keeps up to KEPT bytes that are free at its end.
    """
    if "CS_GNU_LIBC_VERSION" in getattr(os, "confstr_names", {}):
        library = ctypes.CDLL(None)
        library.mallopt(MMAP_MAX, 0)
        library.mallopt(TRIM_THRESHOLD, KEPT)
