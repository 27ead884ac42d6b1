"""Where recbench keeps things: `RECBENCH_HOME` for data, `RECBENCH_RESULTS` for records."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """Folder of raw and prepared data: `$RECBENCH_HOME`, else `~/.cache/recbench`."""
    return Path(os.environ.get("RECBENCH_HOME") or Path.home() / ".cache" / "recbench")


def prepared_home() -> Path:
    """Folder that holds `<dataset>/<split>/` of every prepared dataset."""
    return home() / "prepared"


def raw_home(dataset: str) -> Path:
    """Folder where `prepare` looks for a dataset's raw files unless `--raw` names another."""
    return home() / "raw" / dataset


def results_home() -> Path:
    """Folder of records: `$RECBENCH_RESULTS`, else `./results`."""
    return Path(os.environ.get("RECBENCH_RESULTS") or "results")
