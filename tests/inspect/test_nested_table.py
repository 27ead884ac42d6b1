"""Reports and listings as people read and type them."""

from __future__ import annotations

import pytest
from rich.console import Console, RenderableType

from recbench.inspect.nested_table import in_words, items_table, report_table


def printed(renderable: RenderableType) -> list[str]:
    console = Console(width=80)
    with console.capture() as capture:
        console.print(renderable)
    return [line.rstrip() for line in capture.get().splitlines()]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (True, "yes"),
        (None, ""),
        (["a", "b"], "a, b"),
        ({"cosine": False, "scale": 2.5}, "cosine=false, scale=2.5"),  # as `--set` takes them
    ],
)
def test_values_in_words(value: object, words: str) -> None:
    assert in_words(value) == words


def test_a_report() -> None:
    report = {"uncommitted_changes": True, "threads": {"cpus": 2, "torch": 1}, "prepared": []}
    assert printed(report_table(report)) == [
        "uncommitted changes  yes",
        "threads              cpus: 2",
        "                     torch: 1",
        "prepared             none",
    ]


def test_a_listing_shows_variants_as_they_are_typed() -> None:
    items = [
        {"name": "gauc", "about": "Mean AUC", "variants": {"mean": "weight=1"}, "definition": "ties=half"},
        {"name": "shop", "title": "A shop", "splits": ["user"], "rules": []},
    ]
    assert printed(items_table(items)) == [
        "gauc  Mean AUC",
        "      gauc(mean): weight=1",
        "      definition: ties=half",
        "shop  A shop",
        "      splits: user",
    ]


def test_a_mapping_within_a_mapping_stands_in_brackets() -> None:
    words = in_words({"rows": {"train": 7, "test": 3}, "feedback": ["like"]})
    assert words == "rows=(train=7, test=3), feedback=like"
