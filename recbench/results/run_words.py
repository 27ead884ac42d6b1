"""What a word says of runs: LOSS or LOSS/BACKBONE, either with settings after it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from recbench.results.record import RunRecord, short_name
from recbench.settings import Value, typed

NOTHING = ("false", "off", "none", "0", "0.0")  # how settings that are left out where they do nothing are typed


@dataclass(frozen=True)
class MethodWord:
    """LOSS or LOSS/BACKBONE, and settings: `bce/mf+logit=learned+train.lr=0.05`."""

    method: str
    settings: tuple[str, ...]  # "logit=learned", with or without the owner
    unknown: bool = False  # whether no run has a setting so called, so that the word fits none

    @classmethod
    def of(cls, word: str) -> MethodWord:
        """Take a word apart; a plus before what is no setting, as in 1e+3, belongs to what is before it."""
        method, *settings = re.split(r"\+(?=[A-Za-z][\w.-]*=)", word)
        return cls(method, tuple(settings))

    def known_to(self, records: Iterable[RunRecord]) -> MethodWord:
        """Return the same word, or one that fits nothing if it has a setting that none of these runs has."""
        names = {name for record in records for full in _settings(record) for name in (full, short_name(full))}
        known = all(setting.partition("=")[0] in names for setting in self.settings)
        return self if known else replace(self, unknown=True)

    def fits(self, record: RunRecord) -> bool:
        """Whether a run is of this method with these settings."""
        has_method = record.key.is_method(self.method) and not self.unknown
        return has_method and all(_has(record, setting) for setting in self.settings)


def _has(record: RunRecord, setting: str) -> bool:
    name, _, wanted = setting.partition("=")
    found = [typed(value) for full, value in _settings(record).items() if name in (full, short_name(full))]
    # A run before there was such a setting, or without it, lacks it.
    return any(_is_same(value, wanted) for value in found) if found else wanted in NOTHING


def _settings(record: RunRecord) -> dict[str, Value]:
    return {**record.key.settings, **record.non_default}


def _is_same(value: str, wanted: str) -> bool:
    try:
        return value == wanted or float(value) == float(wanted)
    except ValueError:
        return False
