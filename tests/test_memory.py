from __future__ import annotations

import pytest

from recbench.errors import DataError, UsageError
from recbench.memory import MIN_LIMIT, Memory, check_room


def test_memory() -> None:
    assert Memory.parse("4GB").limit == 4 * 10**9 and Memory.parse("1.5 GiB").limit == 3 << 29
    assert Memory.parse("800mib").limit == 800 << 20 and Memory.parse(None).limit >= MIN_LIMIT
    assert Memory.parse("50%").limit == pytest.approx(Memory.parse(None).limit, rel=1e-6)
    for words, message in (("much", "expected a size such as 4GB"), ("10MB", "at least 512 MiB are needed")):
        with pytest.raises(UsageError, match=message):
            Memory.parse(words)
    for words in ("101%", "9" * 400 + "GB", "9999999TB", "-1GB", "nan", "1e9", "1_000GB", "\u0663GB"):
        with pytest.raises(UsageError, match="expected a size such as|at most 1024 TiB"):
            Memory.parse(words)
    Memory(1 << 30).check(1_000_000)
    with pytest.raises(DataError, match=r"9,000,000 users and items need about 1.9 GiB, more than the 1.0 GiB"):
        Memory(1 << 30).check(9_000_000)


def test_a_long_log_is_cut_into_few_ranges_as_far_as_the_limit_allows() -> None:
    memory = Memory(12 * 10**9)
    assert memory.rows(10**6) == memory.rows(10**8) == 1 << 20
    assert memory.rows(10**9) == -(-(10**9) // 128)
    assert Memory(10**9).rows(10**9) == 10**9 // 1024


def test_a_table_larger_than_the_machine_is_refused_before_it_is_made() -> None:
    check_room(1000, 64, "backbone.dim")
    message = r"backbone.dim: 943 vectors of 999,999,999 numbers take 3,513 GiB, more than the .* give a smaller one"
    with pytest.raises(UsageError, match=message):
        check_room(943, 999_999_999, "backbone.dim")
