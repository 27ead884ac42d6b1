"""docs/methods.md is what the docstrings say today."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from recbench.backbones.base import BACKBONES
from recbench.baselines.base import BASELINES
from recbench.evaluation.metric import METRICS
from recbench.inspect.methods_page import ELSEWHERE, page
from recbench.losses.base import LOSSES
from recbench.samplers import SAMPLERS

PAGE = Path(__file__).parents[2] / "docs" / "methods.md"


@cache
def fresh_page() -> str:
    return page()


def section(name: str) -> str:
    return fresh_page().partition(f"### `{name}`\n")[2].partition("\n### ")[0]


def test_the_page_is_fresh() -> None:
    if PAGE.read_text() != fresh_page():
        pytest.fail("docs/methods.md is out of date: run `python -m recbench.inspect.methods_page > docs/methods.md`")


def test_every_method_has_a_section() -> None:
    titles = fresh_page()
    for registry in (LOSSES, SAMPLERS, BACKBONES, BASELINES, METRICS):
        for name in registry.names():
            assert f"\n### `{name}`\n" in titles or f"\n### `{name}@K`\n" in titles


def test_a_section_tells_source_settings_and_pairs() -> None:
    text = section("buir")
    assert "https://arxiv.org/abs/2105.06323" in text
    assert "Feedback: one; slates: `Triplets(" in text and "backbones: all but `neumf`." in text
    assert "| `loss.momentum` | `0.995` | a number in [0, 1) |" in text
    assert "| `loss.scale` | `2` | a number above 0 |" in section("gnolr")
    assert "| `sampler.share` | `0.05` | a number above 0 |" in section("adaptive")
    assert "backbones: `variational-autoencoder`." in section("mult-vae")
    assert "`bce`" in section("rows") and "`listnet`" not in section("rows")
    assert "| `backbone.hidden` | `128-64` | text |" in section("mmoe")


def test_the_losses_that_others_have_too_are_here() -> None:
    line = next(line for line in ELSEWHERE.splitlines() if line.startswith("| losses of both"))
    ours, theirs = (cell.split() for cell in line.split("|")[2:4])
    assert {word.strip("`") for word in ours} <= set(LOSSES.names())
    assert len(ours) == len(theirs) == 9
