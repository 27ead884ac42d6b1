"""What a user can get wrong, told in one line that says what to do."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from difflib import get_close_matches

LONGEST_LIST = 160  # characters of names in one message; of more, a few, the nearest first
NEAREST = 5


class RecbenchError(Exception):
    """A failure that is not a bug; shown as `error: …` without a traceback."""

    exit_code = 1

    def _render_traceback_(self) -> list[str]:
        """Return the lines that a notebook shows of it."""
        return [f"{type(self).__name__}: {self}"]


class UsageError(RecbenchError):
    """A command, name or setting that cannot be what the user meant."""

    exit_code = 2


class DataError(RecbenchError):
    """A raw file, prepared folder or record that is missing or damaged."""


class TrainingError(RecbenchError):
    """Training that cannot start or go on."""


class InterruptionError(RecbenchError):
    """Ctrl-C, where there is something to say about it."""

    exit_code = 130


def unknown(kind: str, name: str, known: Iterable[str], advice: str = "", listed_by: str = "") -> UsageError:
    """Return the error for a name that does not exist, with the nearest one that does.

    `kind` says what is named, and where it matters of what: "metric", "setting of loss `bce`"; `advice` what else may
    be done; `listed_by` the command that lists all names, where there may be many.
    """
    known = sorted(known)
    noun, of, owner = kind.partition(" of ")
    if "," in name and set(name.split(",")) <= set(known):
        return UsageError(f"`{name}`: one {noun}{of}{owner} at a time here, not several joined by commas")
    words = f"known: {', '.join(known) or 'none'}"
    if len(words) > LONGEST_LIST:
        near = [*get_close_matches(name, known, n=NEAREST, cutoff=0.5), *known]
        listed = f"; `{listed_by}` lists them" if listed_by else ""
        words = f"known: {first_few(list(dict.fromkeys(near)), NEAREST)}{listed}"
    return UsageError(f"unknown {noun} `{name}`{of}{owner}; {suggestion(name, known)}{advice}{words}")


def require_known(
    kind: str, names: Iterable[str | None], known: Collection[str], advice: str = "", listed_by: str = ""
) -> None:
    """Raise the error of `unknown` for the first of these names that does not exist; None is no name."""
    for name in names:
        if name is not None and name not in known:
            raise unknown(kind, name, known, advice, listed_by)


def first_few(names: Sequence[str], count: int = 3) -> str:
    """Return the first names, and how many more there are."""
    return ", ".join(names[:count]) + (f" and {len(names) - count:,} more" if len(names) > count else "")


def counted(count: int, noun: str) -> str:
    """Return "1 run", "3 runs" or "1,200 runs"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def in_a_row(names: Sequence[str], conjunction: str = "and") -> str:
    """Return names as a sentence has them: "a", "a and b", or "a, b and c"."""
    *first, last = names
    return f"{', '.join(first)} {conjunction} {last}" if first else last


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return the question whether the nearest of the known names was meant; "" if none is near."""
    near = get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    return f"did you mean `{near[0]}`? " if near else ""


def count_of(count: int, whole: int, what: str) -> str:
    """Return "3 of 1,000 rows (0.30%)", or "none of 1,000 rows"."""
    return f"{count:,} of {whole:,} {what} ({count / whole:.2%})" if count else f"none of {whole:,} {what}"
