from __future__ import annotations

import csv as python_csv
import io
import json as python_json
import os

import pytest
from msgspec.structs import asdict
from rich.console import Console

from recbench.errors import DataError, UsageError
from recbench.results import leaderboard
from recbench.results.leaderboard import markdown, terminal_table, write_markdown
from recbench.results.leaderboard_export import csv
from recbench.results.leaderboard_rows import collect_rows
from recbench.results.number_words import clock, sparkline

SIGNATURES = {
    "auc": "auc|ties:half|rows:test",
    "gauc": "gauc|weight:impressions|single-class:skip|ties:half",
    "recall@50": "recall@50|denominator:relevant|candidates:all|seen:removed|index:flat",
    "ndcg@50": "ndcg@50|denominator:ideal|candidates:all|seen:removed|index:flat",
}


def show(rows, width=80, **options) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None, **options)
    console.print(terminal_table(rows))
    return console.file.getvalue()


@pytest.fixture
def rows(store, add, make_value):
    for loss, base in (("gnolr", 0.7), ("bce", 0.6), ("bpr", 0.65)):
        for backbone in ("twintower", "mf"):
            for seed in range(3):
                value = base + (backbone == "mf") / 100 + seed / 1000
                values = [make_value(value, metric=m, signature=s) for m, s in SIGNATURES.items()]
                bound = [make_value(0.9, metric="auc", signature=SIGNATURES["auc"])]
                learned = {"loss.logit": "learned"} if loss == "bce" else {}
                add(
                    *values,
                    loss=loss,
                    backbone=backbone,
                    seed=seed,
                    settings=learned,
                    non_default=learned,
                    bound=bound,
                )
    return collect_rows(store)


def test_a_terminal_of_80_columns(rows):
    lines = show(rows).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "synthetic/random: click"
    assert lines[1].split() == [
        "loss",
        "×",
        "backbone",
        "auc",
        "(a)",
        "gauc",
        "(b)",
        "ndcg@50",
        "(c)",
        "seeds",
    ]
    methods = [line.split()[:3] for line in lines if " × " in line and "±" in line]
    best_first = [
        ["gnolr", "×", "mf"],
        ["gnolr", "×", "twintower"],
        ["bpr", "×", "mf"],
        ["bpr", "×", "twintower"],
    ]
    assert methods[:4] == methods[6:10] == best_first  # two tables, in the same order
    assert lines[3].split()[3:] == ["0.7110", "±", "0.0010"] * 3 + ["3"]
    assert next(line for line in lines if "recall@50 (d)" in line).split()[-2:] == ["time", "seeds"]
    assert "  logit=learned" in [line.rstrip() for line in lines]
    assert any("(upper bound)" in line or "true probability" in line for line in lines)
    assert any("0.9000" in line for line in lines)
    text = "".join(line.strip() for line in lines)
    for signature in SIGNATURES.values():
        assert text.replace(" ", "").count(signature) == 1


def test_a_wide_terminal_gets_one_table(rows):
    text = show(rows, width=160)
    assert text.count("loss × backbone") == 1
    assert text.count("recall@50 (d)") == 1


@pytest.mark.parametrize("width", [30, 40, 60, 100])
def test_any_width_keeps_the_numbers_whole(rows, width):
    text = show(rows, width=width)
    assert max(map(len, text.splitlines())) <= width
    assert text.count("0.7110 ± 0.0010") == 4


@pytest.fixture
def curved(store, make_key, make_record, make_evaluation, make_value):
    """One method, validated four times, trained for 94 seconds."""
    curve = [{"epoch": n, "loss": 0.5, "metric": m, "seconds": n, "slots": n} for n, m in enumerate((0.1, 0.8, 0.4), 1)]
    key = make_key()
    store.write_record(make_record(key, curve=curve, seconds=94.0))
    store.add_evaluation(key, make_evaluation(key, make_value(0.5)))
    return collect_rows(store)


@pytest.mark.parametrize(
    ("width", "headings"),
    [
        (80, ["auc (a)", "curve", "time", "seeds"]),
        (46, ["auc (a)", "curve", "time", "seeds"]),  # 17 of the name, 9 of the number, 7, 6 and 7
        (45, ["auc (a)", "time", "seeds"]),
        (39, ["auc (a)", "time", "seeds"]),
        (38, ["auc (a)", "seeds"]),
        (33, ["auc (a)", "seeds"]),
    ],
)
def test_curves_are_the_first_to_go_then_times(curved, width, headings):
    lines = show(curved, width=width).splitlines()
    assert lines[1].split() == ["loss", "×", "backbone", *" ".join(headings).split()]
    assert lines[3].split() == ["gnolr", "×", "twintower", "0.5000"] + ["▁█▄"] * ("curve" in headings) + ["1:34"] * (
        "time" in headings
    ) + ["1"]
    assert ("curve: validation" in "".join(lines)) == ("curve" in headings)


def test_no_curve_of_one_epoch(rows):
    text = show(rows, width=200)
    assert "curve" not in text and "0:02" in text


def test_no_curve_without_blocks(curved):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Console(file=stream, width=80, color_system=None).print(terminal_table(curved))
    stream.flush()
    text = stream.buffer.getvalue().decode("ascii")
    assert "curve" not in text and "1:34" in text


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.2, "0:00"),
        (7.4, "0:07"),
        (59.6, "1:00"),
        (94, "1:34"),
        (3599.4, "59:59"),
        (3600, "1:00:00"),
        (7384, "2:03:04"),
    ],
)
def test_clock(seconds, said):
    assert clock(seconds) == said


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([], ""),
        ([0.5], ""),
        ([0, 1], "▁█"),
        ([1, 0, 7], "▂▁█"),
        ([0.3, 0.3, 0.3], "▁▁▁"),
        ([-2, -1, 0, 1, 2, 3, 4, 5], "▁▂▃▄▅▆▇█"),
        ([n // 10 for n in range(120)], "▁▂▂▃▄▄▅▅▆▇▇█"),  # means of ten equal values each
    ],
)
def test_sparkline(values, said):
    assert sparkline(values) == said


def test_the_best_is_bold_and_the_bound_dim(rows):
    console = Console(file=io.StringIO(), width=160, force_terminal=True, color_system="standard", no_color=False)
    console.print(terminal_table(rows))
    text = console.file.getvalue()
    assert "\x1b[1m0.7110 ± 0.0010\x1b[0m" in text
    assert "\x1b[1m0.7010" not in text
    assert "\x1b[2mtrue probability" in text


def test_markup_and_control_characters_in_names_are_shown_as_they_are(store, add, make_value):
    add(
        make_value(0.5, feedback="[red]x[/red]", signature="[/]\x1b[31m"),
        dataset="[bold]",
        loss="[link=x]",
        non_default={"loss.a": "[/nope]\nnext"},
    )
    text = show(collect_rows(store))
    for piece in (
        "[bold]/random: [red]x[/red]",
        "[link=x] × twintower",
        "a=[/nope]�next",
        "(a) [/]�[31m",
    ):
        assert piece in text
    assert "\x1b" not in text


def test_a_console_without_unicode(rows):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Console(file=stream, width=80, color_system=None).print(terminal_table(rows))
    stream.flush()
    text = stream.buffer.getvalue().decode("ascii")
    assert text.count("0.7110 +/- 0.0010") == 4
    assert max(map(len, text.splitlines())) <= 80


def test_two_signatures_of_a_metric_are_two_columns(store, add, make_value):
    add(make_value(0.5), make_value(0.4, signature="other"), loss="bce")
    add(make_value(0.6), loss="bpr", seed=1)
    add(make_value(0.8), loss="bpr", seed=2)
    text = show(collect_rows(store))
    assert "auc (a)" in text
    assert "auc (b)" in text
    bpr = next(line for line in text.splitlines() if line.startswith("bpr"))
    assert bpr.split() == ["bpr", "×", "twintower", "0.7000", "±", "0.1414", "-", "0:02", "2"]


def test_differing_numbers_of_seeds_and_data(store, add, make_value):
    gauc = make_value(0.5, metric="gauc")
    add(make_value(0.5), gauc, seed=0)
    add(make_value(0.5), seed=1)
    add(make_value(0.5), fingerprint="0123456789abcdef")
    text = show(collect_rows(store))
    assert "synthetic/random (data 0123456789ab): click" in text
    assert "synthetic/random (data ffffffffffff): click" in text
    assert " 1-2" in text


def test_markdown(rows):
    text = markdown(rows)
    assert "## synthetic/random: click" in text
    assert "| loss | backbone | settings | auc (a) | gauc (b) | ndcg@50 (c) | recall@50 (d) | time | seeds |" in text
    assert "| gnolr | mf |  | **0.7110 ± 0.0010** |" in text
    assert "| gnolr | twintower |  | 0.7010 ± 0.0010 |" in text
    assert "| bce | mf | logit=learned | 0.6110 ± 0.0010 |" in text
    assert "| true probability (best attainable) |  |  | 0.9000 |  |  |  |  |  |" in text
    assert text.count("recall@50\\|denominator:relevant") == 1
    cells = {line.replace("\\|", "").count("|") for line in text.splitlines() if line.startswith("|")}
    assert cells == {10}


def test_markdown_escapes_names(store, add, make_value):
    add(
        make_value(0.5, feedback="a|b"),
        loss="x|y*<b>",
        non_default={"loss.s": "line\nbreak `code` [a](b) \\"},
    )
    text = markdown(collect_rows(store))
    assert "## synthetic/random: a\\|b" in text
    assert "| x\\|y\\*&lt;b> | twintower | s=line�break \\`code\\` \\[a\\](b) \\\\ | **0.5000** | 0:02 | 1 |" in text


def test_csv_is_safe_to_open_in_a_spreadsheet(store, add, make_value):
    add(
        make_value(-0.5, feedback="=cmd|' /C calc'!A0", signature="@sum"),
        loss="-x",
        backbone="+y",
        split='a,"b"',
    )
    (row,) = python_csv.DictReader(io.StringIO(csv(collect_rows(store))))
    assert row["feedback"] == "'=cmd|' /C calc'!A0"
    assert (row["signature"], row["loss"], row["backbone"], row["split"]) == ("'@sum", "'-x", "'+y", 'a,"b"')
    assert (row["mean"], row["sd"], row["seeds"], row["best"], row["bound"]) == ("-0.5", "", "1", "true", "")
    assert row["trained_on"] == "click buy"
    assert row["run"] == row["runs"]
    assert (row["values"], row["seconds"]) == ("'-0.5", "1.5") and "curve" not in row


def test_csv_keeps_all_digits(rows):
    means = [float(row["mean"]) for row in python_csv.DictReader(io.StringIO(csv(rows)))]
    assert means == [row.mean for row in rows]


def test_json_is_json(rows):
    objects = [asdict(row) for row in rows]
    assert python_json.loads(python_json.dumps(objects, allow_nan=False)) == objects
    assert objects[0]["loss"] == "gnolr"
    assert objects[0]["values"] == [0.71, 0.711, 0.712] and objects[0]["seconds"] == 1.5
    assert objects[0]["curve"] == [pytest.approx(0.7)]


def test_the_file_holds_the_whole_board(store, rows, add, make_value):
    write_markdown(store)
    path = store.root / "leaderboard.md"
    assert path.read_text().endswith(markdown(rows))
    add(make_value(0.99), loss="new")
    write_markdown(store)
    assert path.read_text().endswith(markdown(collect_rows(store)))
    assert "new" in path.read_text()
    assert not list(store.root.glob(".*"))


def test_what_comes_while_the_file_is_written_is_not_lost(store, add, make_value, monkeypatch):
    add(make_value(0.5))
    write = leaderboard.write_atomically

    def write_late(path, text):
        if "late" not in text and not list(store.root.glob("runs/*/late-*")):
            add(make_value(0.9), loss="late")
        return write(path, text)

    monkeypatch.setattr(leaderboard, "write_atomically", write_late)
    write_markdown(store)
    assert "| late |" in (store.root / "leaderboard.md").read_text()


def test_a_failed_write_leaves_the_old_file(store, rows, add, make_value, monkeypatch):
    write_markdown(store)
    before = (store.root / "leaderboard.md").read_text()
    add(make_value(0.99), loss="new")

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(DataError, match=r"leaderboard\.md: cannot be written \(No space left"):
        write_markdown(store)
    assert (store.root / "leaderboard.md").read_text() == before
    assert not list(store.root.glob(".*"))


def test_nothing_to_write(store):
    with pytest.raises(UsageError, match="no runs to compare"):
        write_markdown(store)
    assert not store.root.exists()
