from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbench.errors import DataError, UsageError
from recbench.plots.figure import COLOURS, figure, look, target
from recbench.plots.series import Panel, Point, Series, draw, logarithmic, mean_of, numeric


@given(st.lists(st.floats(0, 1), min_size=2, max_size=9))
def test_a_point_is_mean_and_sample_deviation(values: list[float]) -> None:
    point = mean_of("x", values)
    mean = sum(values) / len(values)
    assert point.mean == pytest.approx(mean)
    assert point.sd == pytest.approx((sum((v - mean) ** 2 for v in values) / (len(values) - 1)) ** 0.5, abs=1e-12)
    assert (point.x, point.seeds) == ("x", len(values))


def test_one_seed_has_no_deviation() -> None:
    assert mean_of(1, [0.25]) == Point(1, 0.25, None, 1)


def test_what_is_a_number() -> None:
    assert numeric([1, 2.5])
    assert not numeric([1, True])
    assert not numeric(["1"])
    assert logarithmic([1, 8])
    assert not logarithmic([0, 8])
    assert not logarithmic([16, 64])


def test_lines_are_told_apart_without_colour() -> None:
    assert len({(look(n)["color"], look(n)["marker"]) for n in range(49)}) == 49
    assert len({(look(n)["marker"], look(n)["linestyle"]) for n in range(28)}) == 28


def luminance(colour: str) -> float:
    red, green, blue = (int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_colour_shows_on_white() -> None:
    assert all(1.05 / (luminance(colour) + 0.05) > 2 for colour in COLOURS)


PANELS = [
    Panel("view", "loss.scale", "auc", [Series("a $x", [Point(1, 0.5, 0.1, 2), Point(10, 0.6, None, 1)])]),
    Panel("buy", "noise", "auc", [Series("b", [Point("none", 0.5, None, 1)])], ("none", "pos 1")),
]


@pytest.mark.parametrize("name", ["a.svg", "a.png"])
def test_the_same_picture_is_the_same_file(tmp_path: Path, name: str) -> None:
    first, second = tmp_path / "deep" / name, tmp_path / name
    for path in (first, second):
        draw(PANELS, path, "costs $5, or $6")
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" or b"<svg" in first.read_bytes()[:500]


def test_axes_of_numbers_and_of_words(tmp_path: Path) -> None:
    with figure(tmp_path / "x.png", "", 5) as (drawing, axes):
        assert len(axes) == len(drawing.axes) == 5
    seen = []
    draw(PANELS, tmp_path / "a.svg", "t")
    from matplotlib.figure import Figure

    save = Figure.savefig

    def look_at(self: Figure, *words: object, **options: object) -> None:
        seen.append([(ax.get_xscale(), [t.get_text() for t in ax.get_xticklabels()]) for ax in self.axes])
        save(self, *words, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", look_at)
        draw(PANELS, tmp_path / "a.png", "t")
    assert seen == [[("log", ["1", "10"]), ("linear", ["none", "pos 1"])]]


def test_targets() -> None:
    assert target(None, "angles") == Path("angles.png")
    assert target(Path("x.SVG"), "angles") == Path("x.SVG")
    with pytest.raises(UsageError, match=r"-o x.pdf: expected a name that ends in .png or .svg"):
        target(Path("x.pdf"), "angles")


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match=r"run `pip install recbench\[plot\]`"):
        target(None, "angles")


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        draw(PANELS, tmp_path / "file" / "a.png", "t")


def test_words_of_records_are_no_formulas_and_no_escapes(tmp_path: Path) -> None:
    odd = "$\\frac$ \x1b[31m 東京"
    panel = Panel(odd, odd, odd, [Series(odd, [Point(odd, 0.5, None, 1), Point("b", 0.6, None, 1)])])
    for name in ("a.png", "a.svg"):
        draw([panel], tmp_path / name, odd)
        assert (tmp_path / name).stat().st_size > 1000
