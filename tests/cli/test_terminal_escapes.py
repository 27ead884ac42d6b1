"""Nothing that stands in records, data, catalogues or names of files steers the terminal of who looks at it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recbench.home import results_home
from recbench.results.store import Store
from tests.conftest import Run
from tests.results.conftest import auc, evaluation_of, key_of, record_of

ESCAPES = "\x1b]0;title\x07\x1b[2J\x9b31m\u202eevil\u2066\x08[bold][link=x]y[/link]"
STEERING = set(ESCAPES) - {character for character in ESCAPES if character.isprintable()}
SHOWN = [("show",), ("show", "--json"), ("leaderboard",), ("leaderboard", "--json")]
SHOWN += [("leaderboard", "--format", form) for form in ("csv", "markdown", "html")]
RECORD: dict[str, Any] = {
    "command": ESCAPES,
    "device_name": ESCAPES,
    "select": ESCAPES,
    "commit": ESCAPES,
    "notes": [ESCAPES],
    "versions": {ESCAPES: ESCAPES},
    "non_default": {f"loss.{ESCAPES}": ESCAPES},
}
VALUE = dict.fromkeys(("metric", "feedback", "signature"), ESCAPES)
KEY: dict[str, Any] = {
    "fingerprint": ESCAPES,
    "feedback": ("click", ESCAPES),
    "device": ESCAPES,
    "settings": {f"loss.{ESCAPES}": ESCAPES},
    "sources": {ESCAPES: ESCAPES},
}
CATALOGUE = """
[shop]
title = {title}
reader = "table"
files = [{file}]
licence = {licence}
feedback = {{ click = {expression} }}
user = {{ key = {column}, categorical = [{column}] }}
item = {{ key = "item_id", categorical = ["item_id"] }}
"""
FIELDS = {"title": "a shop", "file": "e.csv", "licence": "free", "expression": "event = 'click'", "column": "user_id"}
WORDS: list[tuple[str, ...]] = [
    *(("prepare", "{}"), ("check", "{}"), ("list", "{}"), ("papers", "{}"), ("show", "{}"), ("compare", "{}", "bce")),
    *(("train", "--loss", "{}"), ("train", "--dataset", "{}"), ("train", "--backbone", "{}"), ("train", "--set", "{}")),
    *(("train", "--set", "loss.{}=1"), ("train", "--preset", "{}"), ("train", "--import", "{}"), ("train", "{}")),
    *(("eval", "--metric", "{}"), ("eval", "--run", "{}"), ("eval", "--dialect", "{}"), ("leaderboard", "--{}")),
    *(("leaderboard", "--dataset", "{}"), ("leaderboard", "--metric", "{}"), ("leaderboard", "--against", "{}")),
    *(("leaderboard", "--format", "csv", "-o", "{}/x.csv"), ("leaderboard", "--format", "csv", "-o", "{}.csv")),
    *(("plot", "curves", "-o", "{}"), ("plot", "curves", "-o", "{}/x.png"), ("plot", "sensitivity", "--setting", "{}")),
    *(("replay", "{}"), ("pack", "-o", "{}.json"), ("pack", "-o", "{}/x.json"), ("{}",), ("sweep", "--loss", "{}")),
    *(("sweep", "--grid", "{}=1"), ("verify", "{}"), ("reproduce", "{}"), ("baselines", "--only", "{}")),
    ("prepare", "shop", "--catalog", "{}.toml"),
]


def require_clean(run: Run, *words: str) -> str:
    result = run(*words)
    printed = result.out + result.err
    assert not STEERING & set(printed), (words, printed[-500:])
    assert "a bug: run again" not in result.err, result.err
    assert "Traceback" not in result.err
    return printed


def add(change: dict[str, Any], of_key: dict[str, Any], of_value: dict[str, Any]) -> None:
    store = Store(results_home())
    key = key_of(**of_key)
    store.write_record(record_of(key, **{"imports": []} | change))
    store.add_evaluation(key, evaluation_of(key, auc(0.5, **of_value), options={ESCAPES: ESCAPES}))


@pytest.mark.parametrize("name", [*RECORD, *VALUE, *KEY])
def test_records(run: Run, name: str) -> None:
    where: list[dict[str, Any]] = [{name: fields[name]} if name in fields else {} for fields in (RECORD, KEY, VALUE)]
    add(*where)
    printed = [require_clean(run, *words) for words in SHOWN]
    assert any("evil" in text for text in printed)  # it is shown, but steers nothing


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_words_of_a_command(run: Run, words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    add({}, {"loss": "bce"}, {})
    require_clean(run, *(word.format(ESCAPES) for word in words))


@pytest.mark.parametrize("name", FIELDS)
def test_catalogues_and_data(run: Run, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fields = FIELDS | {name: FIELDS[name] + ESCAPES}
    (tmp_path / "my.toml").write_text(CATALOGUE.format(**{key: json.dumps(word) for key, word in fields.items()}))
    rows = [f"u{n % 3},i{n % 5},click,{1_700_000_000 + n}" for n in range(40)]
    (tmp_path / "e.csv").write_text("\n".join(["user_id,item_id,event,ts", *rows]))
    require_clean(run, "list", "datasets", "--catalog", "my.toml")
    require_clean(run, "prepare", "shop", "--catalog", "my.toml")
    require_clean(run, "prepare", "shop", "--catalog", "my.toml", "--json")


@pytest.mark.parametrize(
    "row", [f"{ESCAPES},i1,click", f"u1,{ESCAPES},click", f"u1,i1,{ESCAPES}", f"u1,i1,click,{ESCAPES}"]
)
def test_rows(run: Run, row: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.toml").write_text(CATALOGUE.format(**{key: json.dumps(word) for key, word in FIELDS.items()}))
    rows = [f"u{n % 3},i{n % 5},click" for n in range(40)]
    (tmp_path / "e.csv").write_text("\n".join(["user_id,item_id,event", *rows, row]), encoding="utf-8")
    require_clean(run, "prepare", "shop", "--catalog", "my.toml")


DAMAGE: list[Callable[[bytes], bytes]] = [
    lambda content: content[:-5],
    lambda content: content.replace(b'"command"', json.dumps(ESCAPES, ensure_ascii=False).encode()),
    lambda content: content.replace(b"0.7", json.dumps(ESCAPES).encode()),
]


@pytest.mark.parametrize("damage", DAMAGE)
def test_warnings(run: Run, damage: Callable[[bytes], bytes]) -> None:
    add({}, {"loss": "bce"}, {})
    add({}, {"loss": "gnolr"}, {})
    folder = Store(results_home()).folder(key_of(loss="gnolr"))
    path = folder / "record.json"
    path.write_bytes(damage(path.read_bytes()))
    assert "skipped" in require_clean(run, "leaderboard")


def test_there_are_sixty_places() -> None:
    assert len(RECORD) + len(VALUE) + len(KEY) + len(WORDS) + len(FIELDS) + 4 + len(DAMAGE) >= 60
