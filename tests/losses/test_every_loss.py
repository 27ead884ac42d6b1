"""No loss without a test of its values, of runs side by side, of recorded steps, and a line on the page of methods.

The last two are asked of every loss elsewhere: here it is held that they are asked.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from recbench.inspect.conformance import CHECKS
from recbench.losses.base import LOSSES
from tests.losses.test_conformance import NAMES

COMPARES = re.compile(r"approx\(|assert_close\(|allclose\(|torch\.equal\(|gradcheck\(")
OF_ALL = ("test_conformance.py", "test_every_loss.py", "test_base.py")  # which hold for any loss


@cache
def files_that_compare_numbers() -> dict[str, str]:
    """The text of each file of tests of losses that compares numbers, by its path."""
    texts = {str(path): path.read_text() for path in Path(__file__).parent.rglob("test_*.py")}
    return {path: text for path, text in texts.items() if COMPARES.search(text) and Path(path).name not in OF_ALL}


def files_on(loss: str) -> list[str]:
    """The files that compare numbers of a loss, which they name or import."""
    module = LOSSES.get(loss).__module__
    named = re.compile(rf"[\"']{re.escape(loss)}[\"' ]|\bfrom {re.escape(module)} import|\b{module.split('.')[-1]}\b")
    return [path for path, text in files_that_compare_numbers().items() if named.search(text)]


@pytest.mark.parametrize("loss", NAMES)
def test_its_values_are_compared(loss: str) -> None:
    assert files_on(loss), f"no file of tests/losses compares numbers of `{loss}` with what they should be"


def test_every_loss_is_checked_side_by_side_recorded_and_for_a_source() -> None:
    assert LOSSES.names() == NAMES
    assert {"side-by-side", "captured", "documented"} <= CHECKS.keys()
