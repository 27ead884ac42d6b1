"""What other libraries print for the same predictions.

"AUC", "GAUC" and "Recall@50" are different numbers in every library. Each dialect is a table of metrics that are
computed as one library does, with its name, definition and source in their signatures.

What is followed is the definition: denominators, weights, ties, users of one class or without a relevant item. Numbers
are not rounded, and where a library breaks ties by an unstable sort the order that the words state is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from recbench.errors import require_known
from recbench.evaluation.dialects.cornac import CORNAC
from recbench.evaluation.dialects.definition import Dialect, LibraryRowMetric, LibraryTopKMetric
from recbench.evaluation.dialects.elliot import ELLIOT
from recbench.evaluation.dialects.fuxictr import FUXICTR
from recbench.evaluation.dialects.gnolr import GNOLR
from recbench.evaluation.dialects.lenskit import LENSKIT
from recbench.evaluation.dialects.recbole import RECBOLE
from recbench.evaluation.dialects.torch_rechub import TORCH_RECHUB

__all__ = ["DIALECTS", "Dialect", "LibraryRowMetric", "LibraryTopKMetric", "find_dialect"]

DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {dialect.name: dialect for dialect in (CORNAC, ELLIOT, FUXICTR, GNOLR, LENSKIT, RECBOLE, TORCH_RECHUB)}
)


def find_dialect(name: str) -> Dialect:
    """Return the dialect of that name; raises UsageError with the nearest name if there is none."""
    require_known("dialect", [name], DIALECTS)
    return DIALECTS[name]
