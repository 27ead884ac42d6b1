"""The datasets that can be prepared: `datasets.toml`, and a user's own tables beside it."""

from __future__ import annotations

import pkgutil
import re
import tomllib
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import msgspec

import recbench
from recbench.errors import UsageError, unknown

RESERVED = ("user", "item", "level", "timestamp")
SPLITS = ("global", "user", "random", "users", "given")
ROUNDING = ("floor", "round", "percent-rank")
GIVEN = {"name", "folder"}  # fields of a Spec that are no keys of its table
MOST_FEEDBACK = 16  # the combinations of feedback on a row are counted


@dataclass(frozen=True)
class Side:
    """The columns that describe a user or an item; without a key, a distinct row of features is an entity."""

    key: str | None = None
    categorical: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    bag: tuple[str, ...] = ()  # text: values joined by the dataset's bag_separator
    vector: tuple[str, ...] = ()  # text: numbers joined by the dataset's bag_separator, as many in every row

    @property
    def features(self) -> tuple[str, ...]:
        """All feature columns, in the order in which they are stored."""
        return self.categorical + self.bag + self.numeric + self.vector

    @property
    def identity(self) -> tuple[str, ...]:
        """Key and features, each once: what tells two entities apart where there is no entity table."""
        return tuple(dict.fromkeys(((self.key,) if self.key else ()) + self.features))


@dataclass(frozen=True)
class Remote:
    """One file to download: an archive or a raw file, from the first of its mirrors that delivers it."""

    file: str
    urls: tuple[str, ...]
    bytes: int | None = None
    sha256: str | None = None
    md5: str | None = None


@dataclass(frozen=True)
class Expect:
    """Counts of the complete data after the filters of the rule; those of the parts as rounded as they are printed."""

    rows: int | None = None
    users: int | None = None
    items: int | None = None
    positives: dict[str, int] | None = None
    train: str | None = None  # rows, such as "2.13M"; valid counts as train
    test: str | None = None
    source: str = ""  # the paper and table, where the counts are those of a paper


@dataclass(frozen=True)
class Core:
    """Least numbers of rows: items with fewer are dropped, then users with fewer, again and again."""

    user: int = 1
    item: int = 1
    rounds: int | None = None  # until nothing changes


@dataclass(frozen=True)
class Spec:
    """One dataset of the catalogue, under one of its rules: what is dropped, what is feedback, how it is split."""

    name: str
    title: str
    reader: str  # module of recbench.readers
    feedback: dict[str, str]  # name -> SQL expression over the log's columns, true where the feedback was given
    user: Side
    item: Side
    more_feedback: dict[str, str] = field(default_factory=dict)  # left out unless `--feedback` names it
    licence: str = ""
    licence_page: str = ""  # to be accepted before the first download, where there is one
    citation: str = ""
    page: str = ""  # about the dataset, and where to log in for it
    files: tuple[str, ...] = ()
    optional_files: tuple[str, ...] = ()
    given_files: tuple[str, ...] = ()  # needed for `--split given` only
    given: str = ""  # what the shipped split is
    download: tuple[Remote, ...] = ()
    by_hand: dict[str, str] = field(default_factory=dict)  # file to get on the page -> its size in words
    time: str | None = None
    time_unit: str = "s"  # s or ms
    splits: tuple[str, ...] = ("global", "user")  # the first is the default
    ratio: tuple[int, int, int] = (63, 7, 30)  # of train, valid and test; without effect on `given`
    rounding: str = "floor"  # of a user's train rows, split `user`: floor, round, or percent-rank as in Spark
    filter: str | None = None  # SQL expression: the log rows to keep
    distinct: bool = False  # only the first row of each user and item
    complete: bool = False  # only rows whose user and item lack no feature
    core: Core | None = None
    min_count: int = 1  # categorical values on fewer train rows are unknown
    known_users: bool = False  # only rows whose user key is on min_count or more train rows; split `given`
    aggregates: dict[str, str] = field(default_factory=dict)  # feature -> why it knows of the test days
    columns: tuple[str, ...] = ()  # of files without a header, in order; reader `table` only
    types: dict[str, Literal["int", "float", "text"]] = field(default_factory=dict)  # of columns not to be guessed
    separator: str = ","  # of the fields; reader `table` only
    encoding: str = "utf-8"  # reader `table` only
    bag_separator: str = "|"
    expect: Expect = Expect()
    note: str = ""
    rules: dict[str, dict[str, Any]] = field(default_factory=dict)  # name -> keys of this table it replaces
    rule: str = "default"  # the name of this rule, of which `rules` are the others
    folder: Path | None = None  # folder of the user's own TOML, which its files are relative to

    @property
    def split(self) -> str:
        """The default split."""
        return self.splits[0]

    @cached_property
    def log_columns(self) -> tuple[str, ...]:
        """Columns that the feedback and filter expressions and the time need, each once.

        Raises UsageError if an expression cannot be parsed.
        """
        import polars as pl  # here, so that listing the catalogue stays fast

        named = {f"feedback `{name}`": sql for name, sql in self.feedback.items()}
        if self.filter is not None:
            named["filter"] = self.filter
        columns = [self.time] if self.time else []
        for what, sql in named.items():
            try:
                columns += pl.sql_expr(sql).meta.root_names()
            except pl.exceptions.PolarsError as error:
                reason = str(error).splitlines()[0]
                raise UsageError(
                    f'{self.name}: {what} = "{sql}" is not an SQL expression ({reason}); write it like "rating > 4"'
                ) from None
        return tuple(dict.fromkeys(columns))


def load(extra: Path | None = None) -> dict[str, Spec]:
    """Return all datasets by name: the catalogue's, then those of a user's own TOML file.

    Raises UsageError for a file that is missing or is not TOML, a name that is taken, and unknown or ill-typed keys.
    """
    specs = _read(_shipped(), None)
    if extra is not None:
        for name, spec in _read(extra, extra.resolve().parent).items():
            if name in specs:
                raise UsageError(f"{extra}: `{name}` is a dataset of recbench; choose another name")
            specs[name] = spec
    return specs


def find(name: str, extra: Path | None = None, rule: str | None = None) -> Spec:
    """Return one dataset of the catalogue under its default or another rule.

    Raises UsageError with the nearest name if there is no such dataset or rule.
    """
    specs = load(extra)
    if name not in specs:
        raise unknown("dataset", name, specs)
    spec = specs[name]
    if rule in (None, spec.rule):
        return spec
    if rule not in spec.rules:
        raise unknown(f"rule of {name}", str(rule), [spec.rule, *spec.rules])
    tables = _tables(_shipped() if spec.folder is None else extra or Path())
    return _build(name, tables[name], spec.folder, rule)


def choose_feedback(spec: Spec, words: str) -> Spec:
    """Return the dataset with other feedback: names of the catalogue and expressions, joined by commas.

    An expression may be named, as in "top=rating>=5"; else its name is made of its letters and digits.
    Raises UsageError for what is neither.
    """
    known = spec.feedback | spec.more_feedback
    chosen = {}
    for word in filter(None, (word.strip() for word in words.split(","))):
        named = re.fullmatch(r"([A-Za-z]\w*)\s*=\s*(?!=)(.+)", word)
        if word in known:
            chosen[word] = known[word]
        elif named is not None and not re.fullmatch(r"[\w.]+", named[2]):
            chosen[named[1]] = named[2]
        elif re.fullmatch(r"\w+", word):
            raise unknown(f"feedback of {spec.name}", word, known)
        else:
            chosen[_name_of(word)] = word
    same = {name: count for name, count in (spec.expect.positives or {}).items() if chosen.get(name) == known.get(name)}
    return _check(replace(spec, feedback=chosen, expect=replace(spec.expect, positives=same)))


def _name_of(expression: str) -> str:
    symbols = {">=": " ge ", "<=": " le ", "<>": " ne ", "!=": " ne ", "=": " eq ", ">": " gt ", "<": " lt "}
    for symbol, word in symbols.items():
        expression = expression.replace(symbol, word)
    return "_".join(re.findall(r"\w+", expression))


def _shipped() -> Path:
    package = Path(recbench.__file__).parent
    inside = package / "datasets.toml"
    return inside if inside.exists() else package.parent / "datasets.toml"


def _read(path: Path, folder: Path | None) -> dict[str, Spec]:
    specs = {}
    for name, table in _tables(path).items():
        specs[name] = _build(name, table, folder)
        for rule in specs[name].rules:
            _build(name, table, folder, rule)
    return specs


def _tables(path: Path) -> dict[str, dict[str, Any]]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{path}: no such catalogue file") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path}: not a readable TOML file ({error})") from None
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise UsageError(f"{path}: `{name}` stands outside a table; put it below a line such as [my-dataset]")
    return tables


def _build(name: str, table: dict[str, Any], folder: Path | None, rule: str | None = None) -> Spec:
    _check_keys(Spec, name, table)
    if rule is not None:
        changed = table["rules"][rule]
        _check_keys(Spec, f"{name}.rules.{rule}", changed)
        sides = {side: {**table[side], **changed.get(side, {})} for side in ("user", "item")}
        table = {**table, "expect": {}, "note": "", **changed, **sides, "rule": rule}
    try:
        spec = msgspec.convert({**table, "name": name}, Spec)
    except msgspec.ValidationError as error:
        raise UsageError(f"{name}: {str(error).replace('$.', '')}") from None
    return _check(replace(spec, folder=folder))


def _check_keys(cls: type, where: str, table: dict[str, Any]) -> None:
    """Raise UsageError that names the nearest key for one that the dataclass does not have."""
    nested = {"user": Side, "item": Side, "expect": Expect, "core": Core} if cls is Spec else {}
    known = [field.name for field in fields(cls) if field.name not in GIVEN]
    for key, value in table.items():
        if key not in known:
            near = get_close_matches(key, known, n=1, cutoff=0.5)
            guess = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(known)}"
            raise UsageError(f"{where}: unknown key `{key}`; {guess}")
        if key in nested and isinstance(value, dict):
            _check_keys(nested[key], f"{where}.{key}", value)


def _check(spec: Spec) -> Spec:
    def refuse(reason: str) -> UsageError:
        return UsageError(f"{spec.name}: {reason}")

    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", spec.name):
        raise refuse("a dataset's name is made of letters, digits, `-`, `_` and `.`")
    modules = pkgutil.iter_modules([str(Path(recbench.__file__).parent / "readers")])
    families = [module.name for module in modules if not module.ispkg and module.name != "base"]
    if spec.reader not in families:
        raise refuse(str(unknown("reader", spec.reader, families)))
    if not spec.files and spec.reader != "synthetic":
        raise refuse("no `files`; name those to read, relative to this catalogue or to --raw DIR")
    if not spec.separator or not spec.bag_separator:
        raise refuse("`separator` and `bag_separator` cannot be empty")
    if not spec.feedback:
        raise refuse('no feedback; add one, as in feedback = { like = "rating > 4" }')
    if len(spec.feedback) > MOST_FEEDBACK:
        raise refuse(f"{len(spec.feedback)} feedback types; recbench takes up to {MOST_FEEDBACK}")
    for name in spec.feedback:
        if not re.fullmatch(r"[A-Za-z]\w*", name) or name in RESERVED or name.startswith("truth_"):
            raise refuse(f"`{name}` cannot name a feedback; use letters, digits and `_`, and none of {RESERVED}")
    if not spec.splits:
        raise refuse(f"`splits` is empty; choose among {', '.join(SPLITS)}")
    for split in spec.splits:
        if split not in SPLITS:
            raise refuse(str(unknown("split", split, SPLITS)))
    if spec.time_unit not in ("s", "ms"):
        raise refuse(f"`time_unit` must be s or ms, not {spec.time_unit!r}")
    lacking = [name for name in (*spec.user.identity, *spec.item.identity) if spec.columns and name not in spec.columns]
    if lacking:
        raise refuse(str(unknown("column", lacking[0], spec.columns)))
    if spec.rounding not in ROUNDING:
        raise refuse(str(unknown("rounding", spec.rounding, ROUNDING)))
    if min(spec.ratio) < 0 or not spec.ratio[0] or not spec.ratio[2]:
        raise refuse("`ratio` is three whole numbers, those of train and test at least 1, as in [8, 1, 1]")
    for count in (spec.expect.train, spec.expect.test):
        if count is not None and not re.fullmatch(r"\d+(\.\d+)?[KM]", count):
            raise refuse(f"`expect` has {count!r}, which is no count as papers print them, such as 2.13M or 9.8K")
    for side, columns in (("user", spec.user), ("item", spec.item)):
        _check_side(f"{spec.name}.{side}", columns)
    return spec


def _check_side(where: str, side: Side) -> None:
    if not side.identity:
        raise UsageError(f"{where}: needs a key or at least one feature column")
    for name in side.identity:
        if side.features.count(name) > 1:
            raise UsageError(f"{where}: the feature column `{name}` is listed twice; keep one kind of it")
        if "/" in name or name == "row":
            raise UsageError(f"{where}: a column cannot be called `{name}` (no `/`, not `row`); rename it")
