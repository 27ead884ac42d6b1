"""`key=value` words checked against the keyword-only arguments of a class."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from recbench.errors import UsageError, require_known

Value = bool | int | float | str

LIMITS = {  # least and largest of the whole numbers that options ask for, and arguments of the same names in Python
    "--seed": (0, 2**62),
    "--seeds": (1, 10_000),
    "--trials": (1, 10**6),
    "--jobs": (1, 1000),
    "--lanes": (1, 1000),
    "--epochs": (1, 10**9),
    "--batch-size": (1, 10**9),
    "--rows": (1, 10**9),
    "--split-days": (1, 10**6),
    "--items": (2, 10**9),
    "--k": (1, 10**6),
    "--last": (1, 10**9),
    "--port": (0, 65535),
}


@dataclass(frozen=True)
class Range:
    """What a number must be, as the annotation of a setting says it: `Annotated[int, Range(...)]`."""

    words: str  # what follows "expected" in an error
    contains: Callable[[float], bool]


@dataclass(frozen=True)
class OnlyWith:
    """What others must be for a setting to do anything, as its annotation says it: `Annotated[float, OnlyWith(...)]`.

    Where they are not so, it must be left at its default.
    """

    words: str  # the settings that it needs, as in "kernel=hinge"
    holds: Callable[[Mapping[str, Value]], bool]  # of all settings of the class


Count = Annotated[int, Range("at least 1", lambda number: number >= 1)]
CountOrZero = Annotated[int, Range("at least 0", lambda number: number >= 0)]
NonNegative = Annotated[float, Range("at least 0", lambda number: number >= 0)]
Positive = Annotated[float, Range("a number above 0", lambda number: number > 0)]
Share = Annotated[float, Range("a number in [0, 1)", lambda number: 0 <= number < 1)]
Fraction = Annotated[float, Range("a number in [0, 1]", lambda number: 0 <= number <= 1)]


def defaults(cls: type) -> dict[str, Value]:
    """Return the settings of a class with their defaults: the keyword-only arguments of its constructor."""
    parameters = inspect.signature(cls.__init__).parameters.values()  # type: ignore[misc]
    keywords = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
    for p in keywords:
        if p.default is p.empty:
            raise UsageError(f"{cls.__name__}: setting `{p.name}` needs a default; write `{p.name}: float = 1.0`")
    return {p.name: p.default for p in keywords}


def setting_types(cls: type) -> dict[str, Any]:
    """Return the annotated types of a class's settings, with their Range.

    The fields of a dataclass are read where they are written, for a base class may lie in another module.
    """
    return get_type_hints(cls if "__dataclass_fields__" in vars(cls) else cls.__init__, include_extras=True)  # type: ignore[misc]


def resolve(cls: type, owner: str, words: Mapping[str, str]) -> dict[str, Value]:
    """Return every setting of `cls`, defaults overridden by the words given.

    Raises UsageError for an unknown key (naming the nearest), or a word that is not of the annotated type or range.
    """
    settings = defaults(cls)
    hints = setting_types(cls)
    require_known(f"setting of {owner}", words, settings)
    for key, word in words.items():
        settings[key] = _parse(f"{owner}.{key}", _without_notes(hints.get(key, type(settings[key]))), word)
    check_ranges(cls, owner, settings)
    return settings


def check_ranges(cls: type, owner: str, values: Mapping[str, Value]) -> None:
    """Raise UsageError if one of all the values of a class is not finite, out of range, or does nothing as others are.

    A setting's annotation has its Range, and with OnlyWith when it does something.
    """
    hints, usual = setting_types(cls), defaults(cls)
    for key, value in values.items():
        for note in getattr(hints.get(key), "__metadata__", ()):
            if isinstance(note, Range) and not (isinstance(value, int | float) and note.contains(value)):
                raise UsageError(f"{owner}.{key}={value}: expected {note.words}")
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"{owner}.{key}={value}: expected a finite number")
        if value != usual.get(key, value) and (missing := idle_without(cls, key, values)):
            raise UsageError(f"{owner}.{key}={typed(value)} does nothing without {owner}.{missing}; leave it out")


def idle_without(cls: type, key: str, values: Mapping[str, Value]) -> str:
    """Return what a setting does nothing without beside these values of all settings, or nothing if it does."""
    notes = getattr(setting_types(cls).get(key), "__metadata__", ())
    return next((note.words for note in notes if isinstance(note, OnlyWith) and not note.holds(values)), "")


def split_words(words: list[str], owners: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Sort `loss.scale=2`-like words by owner: {"loss": {"scale": "2"}, …}."""
    sorted_words: dict[str, dict[str, str]] = {owner: {} for owner in owners}
    for word in words:
        name, equals, value = word.partition("=")
        owner, dot, key = name.partition(".")
        if not (equals and dot and key):
            raise UsageError(
                f"--set {word}: expected OWNER.KEY=VALUE with OWNER one of {', '.join(owners)}, as in {owners[0]}.KEY=2"
            )
        require_known("owner of a setting", [owner], owners)
        sorted_words[owner][key] = value
    return sorted_words


def owned_by(owner: str, values: Mapping[str, Value]) -> dict[str, Value]:
    """Return the settings of one owner ("loss", "backbone", "train") without its prefix."""
    prefix = f"{owner}."
    return {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}


def prefixed(owner: str, values: Mapping[str, Value]) -> dict[str, Value]:
    """Return settings as a key has them: {"scale": 2} of "loss" becomes {"loss.scale": 2}."""
    return {f"{owner}.{key}": value for key, value in values.items()}


def typed(value: object) -> str:
    """Return the word by which a value is typed: `true`, not `True`."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def typed_words(values: Mapping[str, object]) -> list[str]:
    """Return `name=value` for each setting, as it is typed."""
    return [f"{name}={typed(value)}" for name, value in values.items()]


def whole_number(word: str) -> int:
    """Read a whole number as people write it: 1000, 1_000 or 1e3; raises ValueError for anything else."""
    try:
        return int(word)
    except ValueError:
        number = float(word)
        if not number.is_integer():
            raise
        return int(number)


def within_limits(option: str, word: str | int) -> int:
    """Return the whole number that a word stands for; raises UsageError for one beyond the LIMITS of the option."""
    least, most = LIMITS[option]
    try:
        number = whole_number(str(word))
    except ValueError:
        number = None
    if number is None or not least <= number <= most:
        raise UsageError(f"{option} {word}: expected a whole number from {least:,} to {most:,}")
    return number


def at_least(name: str, value: float, least: float) -> None:
    """Raise UsageError unless `value` is at least `least`."""
    if not value >= least:
        raise UsageError(f"{name}={value}: expected at least {least}")


def _without_notes(kind: object) -> object:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _parse(name: str, kind: object, word: str) -> Value:
    origin = get_origin(kind)
    if origin is Literal:
        choices = [str(choice) for choice in get_args(kind)]
        if word not in choices:
            raise UsageError(f"{name}={word}: expected one of {', '.join(choices)}")
        return word
    if origin is Union or type(kind).__name__ == "UnionType":
        for member in get_args(kind):
            if member is not NoneType:
                return _parse(name, member, word)
    if kind is bool:
        if word.lower() not in ("true", "false"):
            raise UsageError(f"{name}={word}: expected true or false")
        return word.lower() == "true"
    if kind is int or kind is float:
        expected = "a whole number" if kind is int else "a number"
        try:
            number = whole_number(word) if kind is int else float(word)
        except ValueError:
            raise UsageError(f"{name}={word}: expected {expected}") from None
        if not math.isfinite(number):
            raise UsageError(f"{name}={word}: expected a finite number")
        if kind is int and abs(number) >= 2**63:
            raise UsageError(f"{name}={word}: expected a whole number below 2^63")
        return number
    return word
