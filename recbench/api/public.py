"""What every function for Python does with its arguments and with its errors, which the commands may share."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import wraps
from inspect import Parameter, signature
from numbers import Integral, Real
from types import UnionType
from typing import Any, Literal, ParamSpec, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from recbench.errors import RecbenchError, UsageError, require_known, unknown
from recbench.settings import LIMITS, within_limits

P = ParamSpec("P")
R = TypeVar("R")

NUMBERS: dict[object, type] = {int: Integral, float: Real}  # numpy's are such numbers too
SHORT = 60  # characters of a value that is repeated in an error

# options of another name than their argument
ARGUMENTS = {
    **{"metric": "metrics", "format": "formats", "set": "settings", "o": "folder", "import": "rb.import_file"},
    "select": "settings['train.select']",
}
REWORDED = (
    (r"`recbench prepare ([\w-]+)`", r'`rb.prepare("\1")`'),
    (r"`recbench eval --run (\w+)`", r'`rb.runs("\1").evaluate()`'),
    (r"`recbench eval`", "`runs.evaluate()`"),
    (r"`recbench (leaderboard|sweep)`", r"`rb.\1`"),
    (r"`recbench list (losses|backbones|samplers|metrics)`", lambda match: f"`rb.{match[1].upper()}`"),
    (r"add --import ([^\s;,]+)(, or --trust)?", r'call rb.import_file("\1")'),
    (r"--([a-z][a-z-]*) COLUMN", r'\1="COLUMN"'),
    (r"--set ([\w.-]+)=([^\s,;`]+?)(?=[\s,;:`]|$)", r'settings={"\1": "\2"}'),
)
OPTION = re.compile(
    r"`(?!-)[^` ]+ [^`]*`"  # a command, which is typed as it stands
    r"|^--?(?P<first>[a-z][a-z-]*) (?=[^\s=]+: )"  # "--rows -5: expected …"
    r"|--(?P<option>[a-z][a-z-]*)"
)
_names = set(ARGUMENTS)


def public(function: Callable[P, R]) -> Callable[P, R]:
    """Refuse arguments of another type than the function says, and let errors name arguments where they name options.

    Raises UsageError for an argument that does not exist or is of a wrong type.
    """
    _names.update(signature(function).parameters)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            _check(function, args, kwargs)
            return function(*args, **kwargs)
        except RecbenchError as error:
            error.args = (in_python(str(error)),)
            raise error.with_traceback(None)  # noqa: B904 (it is the same error)

    return call


def in_python(message: str) -> str:
    """Return a message that names options as the arguments that they are in Python, and commands as functions."""
    for pattern, words in REWORDED:
        message = re.sub(pattern, words, message)
    return OPTION.sub(_argument, message)


def _argument(match: re.Match[str]) -> str:
    option = (match["first"] or match["option"] or "").replace("-", "_")
    if option not in _names:
        return match[0]
    return ARGUMENTS.get(option, option) + ("=" if match["first"] else "")


def _check(function: Callable[..., object], args: tuple[object, ...], kwargs: Mapping[str, object]) -> None:
    """Raise UsageError for an argument that does not exist or is not of the type that the function says."""
    described, hints = signature(function), get_type_hints(function)
    require_known(f"argument of {function.__name__}", kwargs, described.parameters)
    for name, value in described.bind(*args, **kwargs).arguments.items():
        option = f"--{name.replace('_', '-')}"
        if option in LIMITS and isinstance(value, Integral):
            within_limits(option, int(value))
        hint, parameter = hints.get(name, Any), described.parameters[name]
        if parameter.kind is Parameter.VAR_POSITIONAL or _fits(value, hint):
            continue
        choices = [word for one in (hint, *get_args(hint)) if get_origin(one) is Literal for word in get_args(one)]
        if choices:
            raise unknown(name, str(value), choices)
        expected = str(parameter.annotation)
        for written, plain in (("Sequence[", "list["), ("Mapping[", "dict["), ("Value", "float | str")):
            expected = expected.replace(written, plain)
        shown = f"={value!r}" if len(repr(value)) <= SHORT else ""
        raise UsageError(f"{name}{shown}: expected {expected}, found {type(value).__name__}")


def _fits(value: object, hint: Any) -> bool:
    """Return whether a value is of an annotated type."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in inner)
    if origin is Literal:
        return value in inner
    if origin is type:
        return isinstance(value, type)
    if origin is tuple:
        return isinstance(value, tuple | list) and len(value) == len(inner) and all(map(_fits, value, inner))
    if origin is Mapping:
        return isinstance(value, Mapping)
    if origin is Sequence:  # an array or a set will do
        several = isinstance(value, Collection) and not isinstance(value, str | bytes | Mapping)
        return several and all(_fits(one, inner[0]) for one in cast(Collection[object], value))
    return isinstance(value, NUMBERS.get(hint, hint))
