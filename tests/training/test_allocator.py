"""What is freed is used again, without new pages from the system."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest

# In a process of its own, since what other tests have allocated decides where large blocks come from.
PAGE_FAULTS = """
import resource, sys, torch
from recbench.training.allocator import keep_freed_memory

keep_freed_memory()
numbers = int(sys.argv[1])
for _ in range(30):  # until small blocks have found places beside the large one
    torch.ones(numbers)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    torch.ones(numbers)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif("CS_GNU_LIBC_VERSION" not in getattr(os, "confstr_names", {}), reason="glibc only")
@pytest.mark.parametrize("numbers", [1 << 24, 1 << 25])
def test_large_blocks_are_made_of_the_pages_of_freed_ones(numbers: int) -> None:
    command = [sys.executable, "-c", PAGE_FAULTS, str(numbers)]
    faults = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert faults < 5 * numbers * 4 / resource.getpagesize()  # all ten would be new pages by default
