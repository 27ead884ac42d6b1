"""Damaged files of results, for `recbench check`."""

from __future__ import annotations

from recbench.errors import DataError
from recbench.results.integrity import verify_results
from recbench.results.store import Store
from recbench.run import kept_predictions
from recbench.training import checkpoint


def damaged_files(store: Store) -> list[str]:
    """Return a line per damaged file: records, evaluations, sweeps, the last plan, weights, checkpoints, predictions.

    Each names the file, what is wrong and what to do. A file of weights or predictions that is not there is no damage.
    """
    problems = verify_results(store)
    for path in sorted((store.root / "runs").rglob("[!.]*")):
        try:
            if path.name == kept_predictions.SCORES:
                kept_predictions.read_scores(path)
            elif path.name == kept_predictions.VECTORS:
                checkpoint.load(path, kept_predictions.REMEDY)
            elif path.suffix == ".safetensors":
                checkpoint.load(path)
        except DataError as error:
            problems.append(str(error))
    return problems
