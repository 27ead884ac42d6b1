"""The datasets that can be prepared: `datasets.toml`, and a user's own tables beside it."""

from __future__ import annotations

import pkgutil
import re
import tomllib
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

import recbench
from recbench.data import readers
from recbench.errors import UsageError, unknown

RESERVED = ("user", "item", "level", "timestamp")
SPLITS = ("global", "user", "given")
READERS_FILES = {"table": 1, "movielens": 3, "kuairand": 3}  # files that a reader needs at least
GIVEN = {"name", "folder"}  # fields of a Spec that are no keys of its table


@dataclass(frozen=True)
class Side:
    """The columns that describe a user or an item; without a key, a distinct row of features is an entity."""

    key: str | None = None
    categorical: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    bag: tuple[str, ...] = ()  # text: values joined by the dataset's bag_separator

    @property
    def features(self) -> tuple[str, ...]:
        """All feature columns, in the order in which they are stored."""
        return self.categorical + self.bag + self.numeric

    @property
    def identity(self) -> tuple[str, ...]:
        """Key and features, each once: what tells two entities apart where there is no entity table."""
        return tuple(dict.fromkeys(((self.key,) if self.key else ()) + self.features))


@dataclass(frozen=True)
class Expect:
    """Counts of the complete log, before any split."""

    rows: int | None = None
    users: int | None = None
    items: int | None = None
    positives: dict[str, int] | None = None


@dataclass(frozen=True)
class Spec:
    """One dataset of the catalogue."""

    name: str
    title: str
    reader: str  # module of recbench.data.readers
    feedback: dict[str, str]  # name -> SQL expression over the log's columns, true where the feedback was given
    user: Side
    item: Side
    licence: str = ""
    citation: str = ""
    page: str = ""  # where to download
    files: tuple[str, ...] = ()
    optional_files: tuple[str, ...] = ()
    given_files: tuple[str, ...] = ()  # needed for `--split given` only
    given: str = ""  # what the shipped split is
    time: str | None = None
    time_unit: str = "s"  # s or ms
    splits: tuple[str, ...] = ("global", "user")  # the first is the default
    filter: str | None = None  # SQL expression: the log rows to keep
    separator: str = ","  # of the fields; reader `table` only
    encoding: str = "utf-8"  # reader `table` only
    bag_separator: str = "|"
    expect: Expect = Expect()
    note: str = ""
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


def find(name: str, extra: Path | None = None) -> Spec:
    """Return one dataset of the catalogue; raises UsageError with the nearest name if there is none."""
    specs = load(extra)
    if name not in specs:
        raise unknown("dataset", name, specs)
    return specs[name]


def _shipped() -> Path:
    package = Path(recbench.__file__).parent
    inside = package / "datasets.toml"
    return inside if inside.exists() else package.parent / "datasets.toml"


def _read(path: Path, folder: Path | None) -> dict[str, Spec]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{path}: no such catalogue file") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path}: not a readable TOML file ({error})") from None
    specs = {}
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise UsageError(f"{path}: `{name}` stands outside a table; put it below a line such as [my-dataset]")
        specs[name] = _check(_build(name, table, folder))
    return specs


def _build(name: str, table: dict[str, Any], folder: Path | None) -> Spec:
    _check_keys(Spec, name, table)
    try:
        spec = msgspec.convert({**table, "name": name}, Spec)
    except msgspec.ValidationError as error:
        raise UsageError(f"{name}: {str(error).replace('$.', '')}") from None
    return replace(spec, folder=folder)


def _check_keys(cls: type, where: str, table: dict[str, Any]) -> None:
    """Raise UsageError that names the nearest key for one that the dataclass does not have."""
    nested = {"user": Side, "item": Side, "expect": Expect} if cls is Spec else {}
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
    modules = [module.name for module in pkgutil.iter_modules(readers.__path__)]
    families = [name for name in modules if name != "delimited"]
    if spec.reader not in families:
        raise refuse(str(unknown("reader", spec.reader, families)))
    needed = READERS_FILES.get(spec.reader, 0)
    if len(spec.files) < needed:
        raise refuse(f"reader `{spec.reader}` needs {needed} or more `files`, here are {len(spec.files)}")
    if not spec.separator or not spec.bag_separator:
        raise refuse("`separator` and `bag_separator` cannot be empty")
    if not spec.feedback:
        raise refuse('no feedback; add one, as in feedback = { like = "rating > 4" }')
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
