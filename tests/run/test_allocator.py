"""What is freed is used again, without new pages from the system."""

from __future__ import annotations

import os
import resource

import pytest
import torch

from recbench.run.allocator import keep_freed_memory


@pytest.mark.skipif("CS_GNU_LIBC_VERSION" not in getattr(os, "confstr_names", {}), reason="glibc only")
def test_large_blocks_are_made_of_the_pages_of_freed_ones() -> None:
    keep_freed_memory()
    for numbers in (1 << 24, 1 << 25):
        torch.ones(numbers)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(10):
            torch.ones(numbers)
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
        assert faults < 5 * numbers * 4 / resource.getpagesize()  # all ten would be new pages by default
