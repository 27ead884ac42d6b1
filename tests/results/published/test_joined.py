"""Several tables of one paper as one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from recbench.errors import UsageError
from recbench.results.published.joined import find, join
from recbench.results.published.tables import cells, find_table


def test_tables_of_one_paper_are_one_in_which_a_method_stands_once() -> None:
    parts = [find_table("gnolr/table2"), find_table("gnolr/table11")]
    table = find("gnolr/table2+11")
    assert table.name == "gnolr/table2+11" and table.datasets == parts[0].datasets
    on_films = [cell for cell in cells(table) if cell.dataset == "ml-1m"]
    assert [cell.method for cell in on_films] == [
        *("BCE", "BCE*", "JRC", "JRC*", "GNOLR"),
        *("RankNet", "LambdaRank", "ListNet", "S2SRank", "SetRank", "GNOLR_L"),
    ]
    printed = {(cell.method, cell.dataset): cell.printed for part in reversed(parts) for cell in cells(part)}
    joined = {(cell.method, cell.dataset): cell.printed for cell in cells(table)}
    assert joined == printed  # where both have a method, the number of the first
    assert len(list(cells(table))) == len(joined)
    assert table.protocol.split == parts[0].protocol.split
    assert (
        table.protocol.training.startswith("gnolr/table2: Adam") and "; gnolr/table11: Adam" in table.protocol.training
    )
    assert len(set(table.notes)) == len(table.notes) and set(parts[1].notes) <= set(table.notes)


def test_one_name_is_one_table() -> None:
    assert find("gnolr/table2") == find_table("gnolr/table2")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gnolr/table2+4", "gnolr/table2 and gnolr/table4 differ in split or feedback of aliccp; take one after"),
        ("gnolr/table2+12", "unknown published table `gnolr/table12`"),
        ("gnolr/table2+2", "expected the numbers of different tables of one paper, as in gnolr/table2+11"),
        ("gnolr/table2+gnolr/table11", "expected the numbers of different tables of one paper"),
        ("gnolr/table2+", "expected the numbers of different tables of one paper"),
    ],
)
def test_names_that_cannot_be_joined(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("+", r"\+")):
        find(name)


def test_tables_that_rank_otherwise_or_have_no_data_in_common_stay_apart() -> None:
    first, other = find_table("gnolr/table2"), find_table("gnolr/table11")
    with pytest.raises(UsageError, match="gnolr/table2 and gnolr/table11 differ in unit, seen; take"):
        join([first, replace(other, protocol=replace(other.protocol, unit="percent", seen="removed"))])
    with pytest.raises(UsageError, match="differ in backbones"):
        join([first, replace(other, rows=tuple(replace(row, backbone="mf") for row in other.rows))])
    with pytest.raises(UsageError, match="differ in datasets"):
        join([first, replace(other, datasets={"shop": other.datasets["ml-1m"]})])
