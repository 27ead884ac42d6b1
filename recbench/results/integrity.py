"""Whether the files of results are what was written."""

from __future__ import annotations

from recbench.errors import DataError
from recbench.results import sweeps
from recbench.results.store import Store
from recbench.results.user_contributions import read_contributions


def verify_results(store: Store) -> list[str]:
    """Return a line per damaged file of runs, evaluations, users' contributions, sweeps and the last plan.

    Each names the file, what is wrong and what to do. Files of versions that wrote no digest are checked as far as
    their fields and ranges tell.
    """
    for record, _ in store.runs():
        read_contributions(store.folder(record.key), store.warnings)
    problems = [line.removesuffix("; skipped") for line in store.warnings]
    for path in sorted((store.root / "sweeps").glob("*.json")):
        try:
            sweeps.find(store, path.stem)
        except DataError as error:
            problems.append(str(error))
    try:
        if (store.root / "last-train.json").exists():
            store.read_plan()
    except DataError as error:
        problems.append(str(error))
    return problems
