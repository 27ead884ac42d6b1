"""Tables of numbers on consoles of any width."""

from __future__ import annotations

import pytest
from rich.console import Console

from recbench.results.number_table import NumberTable


def printed(width: int) -> list[str]:
    table = NumberTable()
    table.add_column("pair", overflow="fold")
    for heading in ("difference", "95%\ninterval"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_row("rating_ge_3 - rating_ge_4", "+0.0123", "(-0.0512, +0.0517)")
    table.add_row("A - B", "-0.5", "(0, 1)")
    console = Console(width=width)
    with console.capture() as capture:
        console.print(table)
    return [line.rstrip() for line in capture.get().splitlines()]


@pytest.mark.parametrize("width", [100, 46])  # 8 + 10 + 18 cells, and 3 between columns, with a margin
def test_columns_where_they_fit(width: int) -> None:
    lines = printed(width)
    assert all(word in lines[0] + lines[1] for word in ("pair", "difference", "interval"))
    assert any(line.endswith("+0.0123   (-0.0512, +0.0517)") for line in lines)


def test_a_block_for_each_row_where_they_do_not_fit() -> None:
    assert printed(39) == [
        "pair          rating_ge_3 - rating_ge_4",
        "difference    +0.0123",
        "95% interval  (-0.0512, +0.0517)",
        "",
        "pair          A - B",
        "difference    -0.5",
        "95% interval  (0, 1)",
        "",
    ]
