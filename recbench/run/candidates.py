"""What `--candidates` asks for: the catalogue, the user's own test rows, a sample, or the pairs of a file."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

from recbench.data.dataset import Dataset, Positives
from recbench.errors import DataError, UsageError, suggestion
from recbench.evaluation.candidate_sets import CandidateSet, GivenCandidates, SampledCandidates
from recbench.run.raw_ids import FILES, parse_frame, read_content, rows_of
from recbench.settings import whole_number

BIASED = (
    "metrics of sampled candidates are biased, and may order methods otherwise than the whole catalogue does: "
    "Krichene & Rendle, KDD 2020, https://doi.org/10.1145/3394486.3403226"
)
OTHER_CANDIDATES = "choose --candidates catalogue, test or sampled:N, or "
MOST_SAMPLED = 1_000_000

_SAMPLED = re.compile(r"sampled:([^:]+)(?::([0-9]{1,18}))?")


def require_candidates(word: str) -> str:
    """Return the word if it is one that names candidates; raises UsageError otherwise."""
    is_file = word.endswith(FILES)
    if word not in ("catalogue", "test") and sampled(word) is None and not is_file:
        near = suggestion(word, ["catalogue", "test", "sampled:100"])
        raise UsageError(f"--candidates {word}: {near}expected catalogue, test, sampled:N, FILE.parquet or FILE.csv")
    if is_file and not Path(word).is_file():
        raise UsageError(f"--candidates {word}: no such file")
    return word


def sampled(word: str) -> SampledCandidates | None:
    """Return what `sampled:N` or `sampled:N:SEED` asks for, None for another word.

    Raises UsageError if N is not a whole number in range.
    """
    if not word.startswith("sampled"):
        return None
    match = _SAMPLED.fullmatch(word)
    try:
        count = whole_number(match[1]) if match else 0
    except ValueError:
        count = 0
    if match is None or not 1 <= count <= MOST_SAMPLED:
        raise UsageError(
            f"--candidates {word}: expected sampled:N or sampled:N:SEED with N from 1 to {MOST_SAMPLED:,}, "
            f"as in sampled:100"
        )
    return SampledCandidates(count, int(match[2] or 0))


def candidate_set(word: str, data: Dataset) -> CandidateSet:
    """Return the candidates that the word of `--candidates` names, for this dataset.

    Raises UsageError for another word or a file that does not exist, DataError if it does not hold what it should.
    """
    require_candidates(word)
    if word == "catalogue":
        return "catalogue"
    return "rows" if word == "test" else sampled(word) or _read(Path(word), data)


def _read(path: Path, data: Dataset) -> GivenCandidates:
    """Read the columns `user` and `item`, raw ids, of a Parquet or CSV file."""
    content = read_content(path)
    frame = parse_frame(path, content)
    missing = [name for name in ("user", "item") if name not in frame.columns]
    if missing:
        raise DataError(
            f"{path}: no column {' or '.join(missing)}; expected columns user and item with raw ids, "
            f"found {', '.join(frame.columns) or 'none'}"
        )
    if not len(frame):
        raise DataError(f"{path}: no rows; write the candidates of at least one user")
    user = rows_of(path, frame["user"], "user", data, OTHER_CANDIDATES)
    item = rows_of(path, frame["item"], "item", data, OTHER_CANDIDATES)
    pairs = Positives.from_pairs(user, item, len(data.users), len(data.items))
    return GivenCandidates(sha256(content).hexdigest()[:12], pairs)
