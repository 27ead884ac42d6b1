"""What a word says of runs: LOSS, LOSS/BACKBONE, either with settings after it, DATASET or DATASET/SPLIT."""

from __future__ import annotations

import re
from dataclasses import dataclass

from recbench.results.record import RunRecord, short_name
from recbench.settings import typed


@dataclass(frozen=True)
class MethodWord:
    """LOSS or LOSS/BACKBONE, and settings: `bce/mf+logit=learned+train.lr=0.05`."""

    method: str
    settings: tuple[str, ...]  # "logit=learned", with or without the owner

    @classmethod
    def of(cls, word: str) -> MethodWord:
        """Take a word apart; a plus before what is no setting, as in 1e+3, belongs to what is before it."""
        method, *settings = re.split(r"\+(?=[A-Za-z][\w.-]*=)", word)
        return cls(method, tuple(settings))

    def fits(self, record: RunRecord) -> bool:
        """Whether a run is of this method with these settings."""
        return record.key.is_method(self.method) and all(_has(record, setting) for setting in self.settings)


def is_on(record: RunRecord, word: str) -> bool:
    """Whether a trained run, no baseline, is on DATASET or DATASET/SPLIT."""
    return word in (record.key.dataset, record.key.data) and not record.key.is_baseline


def _has(record: RunRecord, setting: str) -> bool:
    name, _, wanted = setting.partition("=")
    values = {**record.key.settings, **record.non_default}
    return any(_is_same(typed(value), wanted) for full, value in values.items() if name in (full, short_name(full)))


def _is_same(value: str, wanted: str) -> bool:
    try:
        return value == wanted or float(value) == float(wanted)
    except ValueError:
        return False
