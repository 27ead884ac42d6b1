"""What a user can get wrong, told in one line that says what to do."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

MOST_NAMES = 100  # in one message


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


def unknown(kind: str, name: str, known: Iterable[str], advice: str = "") -> UsageError:
    """Return the error for a name that does not exist, with the nearest one that does.

    `kind` says what is named, and where it matters of what: "metric", "setting of loss `bce`"; `advice` what else may
    be done.
    """
    known = sorted(known)
    words = ", ".join(known[:MOST_NAMES]) + (f" and {len(known) - MOST_NAMES} more" if len(known) > MOST_NAMES else "")
    noun, of, owner = kind.partition(" of ")
    return UsageError(f"unknown {noun} `{name}`{of}{owner}; {suggestion(name, known)}{advice}known: {words or 'none'}")


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return the question whether the nearest of the known names was meant; "" if none is near."""
    near = get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    return f"did you mean `{near[0]}`? " if near else ""
