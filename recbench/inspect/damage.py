"""Damaged files of results, for `recbench check`."""

from __future__ import annotations

from collections.abc import Callable

from recbench.errors import DataError
from recbench.results import sweeps
from recbench.results.store import Store
from recbench.results.user_contributions import read_contributions
from recbench.run import kept_predictions
from recbench.training import checkpoint


def damaged_files(store: Store) -> list[str]:
    """Return a line per damaged file: of runs, of what they evaluated to, of sweeps and of the last plan.

    Each names the file, what is wrong and what to do. A file of weights or predictions that is not there is no damage;
    those of versions that wrote no digest are checked as far as their fields and ranges tell.
    """
    for record, _ in store.runs():
        read_contributions(store.folder(record.key), store.warnings)
    problems = [line.removesuffix("; skipped") for line in store.warnings]

    def look(read: Callable[..., object], *arguments: object) -> None:
        try:
            read(*arguments)
        except DataError as error:
            problems.append(str(error))

    for path in sorted((store.root / "sweeps").glob("*.json")):
        look(sweeps.find, store, path.stem)
    if (store.root / "last-train.json").exists():
        look(store.read_plan)
    for path in sorted((store.root / "runs").rglob("[!.]*")):
        if path.name == kept_predictions.SCORES:
            look(kept_predictions.read_scores, path)
        elif path.name == kept_predictions.VECTORS:
            look(checkpoint.load, path, kept_predictions.REMEDY)
        elif path.suffix == ".safetensors":
            look(checkpoint.load, path)
    return problems
