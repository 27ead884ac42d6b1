"""How the catalogue is searched, as `--index` says it."""

from __future__ import annotations

from recbench.errors import UsageError, unknown
from recbench.evaluation.mixture import Mixture
from recbench.evaluation.retrieval import IndexKind

Index = IndexKind | Mixture

KINDS: dict[str, IndexKind] = {"flat": "flat", "hnsw": "hnsw", "ivf": "ivf"}
MIXTURE = "mixture"


def parse_index(word: str) -> Index:
    """Read `flat`, the kind of an approximate index or `mixture[:KEY=VALUE,…]`; raises UsageError otherwise."""
    if word in KINDS:
        return KINDS[word]
    name, colon, rest = word.partition(":")
    if name in KINDS:
        raise UsageError(f"--index {word}: {name} has no settings; write --index {name}")
    if name != MIXTURE:
        raise unknown("index", name, (*KINDS, MIXTURE))
    pairs = [pair.partition("=") for pair in rest.split(",")] if colon else []
    if not all(key and value for key, _, value in pairs):
        raise UsageError(f"--index {word}: expected {MIXTURE}[:KEY=VALUE,…], as in {MIXTURE}:clusters=100,queries=5")
    values = {key: value for key, _, value in pairs}
    if len(values) < len(pairs):
        raise UsageError(f"--index {word}: a setting is given twice; leave one out")
    return Mixture.of(values)
