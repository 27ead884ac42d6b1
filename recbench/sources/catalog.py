"""The datasets that can be prepared: `datasets.toml`, and a user's own tables beside it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

import recbench
from recbench.errors import UsageError, require_known, suggestion, unknown
from recbench.sources.calendar_day import parse_day
from recbench.sources.check_spec import check_spec
from recbench.sources.dataset_spec import DatasetSpec, ExpectedCounts, KCore, Side
from recbench.sources.regular_file import read_catalogue_text

LONGEST_NAME = 64  # characters of a feedback, of which names of folders are made
DATE_FIRST = tuple(sorted(DatasetSpec.splits, key=lambda split: split != "date"))  # where a date is named
COMPARISONS = {">=": "ge", "<=": "le", "<>": "ne", "!=": "ne", "=": "eq", ">": "gt", "<": "lt"}  # in names
TOML_TYPES = {
    "str": 'text in quotes, as in "name"',
    "int": "a whole number",
    "float": "a number with a point",
    "bool": "true or false",
    "date": "a day, as in 2024-05-01",
    "datetime": "a day with a time of day",
    "array": 'a list, as in ["name"]',
    "object": 'a table, as in { key = "name" }',
}
GIVEN = {"name", "folder"}  # fields of a DatasetSpec that are no keys of its table


def load(extra: Path | None = None) -> dict[str, DatasetSpec]:
    """Return all datasets by name: the catalogue's, then those of a user's own TOML file.

    Raises UsageError for a file that is missing or is not TOML, a name that is taken, and unknown or ill-typed keys.
    """
    specs = dict(_shipped_datasets())
    if extra is not None:
        for name, spec in _read(extra, extra.resolve().parent).items():
            if name in specs:
                raise UsageError(f"{extra}: `{name}` is a dataset of recbench; choose another name")
            specs[name] = spec
    return specs


def find(name: str, extra: Path | None = None, rule: str | None = None) -> DatasetSpec:
    """Return one dataset of the catalogue under its default or another rule.

    Raises UsageError with the nearest name if there is no such dataset or rule.
    """
    specs = load(extra)
    require_known("dataset", [name], specs, listed_by="recbench list datasets")
    spec = specs[name]
    if rule in (None, spec.rule):
        return spec
    require_known(f"rule of {name}", [rule], [spec.rule, *spec.rules])
    tables = _tables(_shipped() if spec.folder is None else extra or Path())
    return _build(name, tables[name], spec.folder, rule)


def choose_feedback(spec: DatasetSpec, words: str) -> DatasetSpec:
    """Return the dataset with other feedback: names of the catalogue and expressions, joined by commas.

    An expression may be named, as in "top=rating>=5"; else its name is made of its letters and digits.
    Raises UsageError for what is neither.
    """
    known = spec.feedback | spec.more_feedback
    chosen = {}
    for word in _split_expressions(words):
        named = re.fullmatch(r"([A-Za-z]\w*)\s*=\s*(?!=)(.+)", word)
        if word in known:
            chosen[word] = known[word]
        elif named is not None and not re.fullmatch(r"[\w.]+", named[2]):
            if chosen.setdefault(named[1], named[2]) != named[2]:
                raise UsageError(f"--feedback: `{named[1]}` is named twice; give each its own name")
        elif re.fullmatch(r"\w+", word):
            raise unknown(
                f"feedback of {spec.name}",
                word,
                known,
                "name one, or an expression of columns, as in 'top=rating>=5'; ",
            )
        else:
            chosen[_name_of(word)] = word
    for name in chosen:
        if len(name) > LONGEST_NAME:
            raise UsageError(f"--feedback: `{name[:40]}…` is too long for a name; give one, as in top=rating>=5")
    same = {name: count for name, count in (spec.expect.positives or {}).items() if chosen.get(name) == known.get(name)}
    return check_spec(replace(spec, feedback=chosen, expect=replace(spec.expect, positives=same)))


def _split_expressions(words: str) -> list[str]:
    """Return the expressions between the commas that stand outside parentheses and quotes; raises UsageError."""
    parts, depth, quote = [""], 0, ""
    for character in words:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"`":
            quote = character
        elif character in "()":
            depth += 1 if character == "(" else -1
        if character == "," and not quote and depth <= 0:
            parts.append("")
        else:
            parts[-1] += character
    parts = [part.strip() for part in parts]
    if any(parts) and not all(parts):
        raise UsageError(f"--feedback {words}: nothing stands beside a comma; leave the comma out")
    return list(filter(None, parts))


def _name_of(expression: str) -> str:
    for symbol, word in COMPARISONS.items():
        expression = expression.replace(symbol, f" {word} ")
    return "_".join(re.findall(r"\w+", expression))


def expression_named(name: str) -> str:
    """Return the expression of a column and a number that gives a feedback such a name: "rating>=3" of rating_ge_3.

    Any other name is returned as it is.
    """
    parts = re.fullmatch(rf"(\w+)_({'|'.join(COMPARISONS.values())})_(\d+)(?:_(\d+))?", name)
    if parts is None:
        return name
    symbol = next(symbol for symbol, word in COMPARISONS.items() if word == parts[2])
    return f"{parts[1]}{symbol}{parts[3]}" + (f".{parts[4]}" if parts[4] else "")


def _shipped() -> Path:
    package = Path(recbench.__file__).parent
    inside = package / "datasets.toml"
    return inside if inside.exists() else package.parent / "datasets.toml"


@cache  # nothing changes the file while a process runs
def _shipped_datasets() -> Mapping[str, DatasetSpec]:
    return _read(_shipped(), None)


def _read(path: Path, folder: Path | None) -> dict[str, DatasetSpec]:
    specs = {}
    for name, table in _tables(path).items():
        specs[name] = _build(name, table, folder)
        for rule in specs[name].rules:
            _build(name, table, folder, rule)
    return specs


def _tables(path: Path) -> dict[str, dict[str, Any]]:
    try:
        tables = tomllib.loads(read_catalogue_text(path))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise UsageError(f"{path}: not a readable TOML file ({reason})") from None
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise UsageError(f"{path}: `{name}` stands outside a table; put it below a line such as [my-dataset]")
    return tables


def _build(name: str, table: dict[str, Any], folder: Path | None, rule: str | None = None) -> DatasetSpec:
    _check_keys(DatasetSpec, name, table)
    if rule is not None:
        changed = table["rules"][rule]
        _check_keys(DatasetSpec, f"{name}.rules.{rule}", changed)
        for side in ("user", "item"):
            if not (isinstance(table.get(side), dict) and isinstance(changed.get(side, {}), dict)):
                raise UsageError(f'{name}.rules.{rule}: `{side}` is a table, as in {side} = {{ key = "{side}_id" }}')
        sides = {side: {**table[side], **changed.get(side, {})} for side in ("user", "item")}
        table = {**table, "expect": {}, "note": "", **changed, **sides, "rule": rule}
    if isinstance(day := table.get("split_date"), str):
        table = {**table, "split_date": parse_day(day, f"{name}: split_date =")}
    if "split_date" in table and "splits" not in table:
        table = {**table, "splits": DATE_FIRST}
    try:
        spec = msgspec.convert({**table, "name": name}, DatasetSpec)
    except msgspec.ValidationError as error:
        raise UsageError(f"{name}: {_in_plain_words(str(error))}") from None
    return check_spec(replace(spec, folder=folder))


def _in_plain_words(message: str) -> str:
    """Return msgspec's message of a value of the wrong type, types called as who writes TOML knows them."""
    parts = re.fullmatch(r"Expected `(.+)`, got `(.+)` - at `\$\.(.+)`", message)
    if parts is None:
        return message.replace("$.", "")
    kinds = [TOML_TYPES.get(kind, kind) for kind in parts[1].split(" | ") if kind != "null"]
    return f"`{parts[3]}` is {TOML_TYPES.get(parts[2], parts[2])}; expected {' or '.join(kinds)}"


def _check_keys(cls: type, where: str, table: dict[str, Any]) -> None:
    """Raise UsageError that names the nearest key for one that the dataclass does not have."""
    nested = {"user": Side, "item": Side, "expect": ExpectedCounts, "core": KCore} if cls is DatasetSpec else {}
    known = [field.name for field in fields(cls) if field.name not in GIVEN]
    for key, value in table.items():
        if key not in known:
            guess = suggestion(key, known).rstrip() or f"known: {', '.join(known)}"
            raise UsageError(f"{where}: unknown key `{key}`; {guess}")
        if key in nested and isinstance(value, dict):
            _check_keys(nested[key], f"{where}.{key}", value)
