"""What recbench runs on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import faiss
import torch

from recbench.data.manifest_file import read_manifest
from recbench.data.prepared_datasets import prepared_folders
from recbench.errors import DataError
from recbench.home import home, results_home
from recbench.results.code_version import checkout, versions
from recbench.study.launchers.base import require_installed

EXTRAS = {  # of pyproject.toml: the packages of each, and what they are for
    "baselines": (("implicit", "scipy"), "all baselines but popularity"),
    "plot": (("matplotlib", "scipy"), "`recbench plot`, and tests of ranks over datasets"),
    "sweep": (("optuna",), "`recbench sweep --search optuna`"),
    "onnx": (("onnx", "onnxscript"), "`recbench export --format onnx`"),
    "ray": (("ray",), "`--launcher ray`"),
    "slurm": (("submitit",), "`--launcher slurm`"),
    "tensorboard": (("tensorboard",), "`recbench train --track tensorboard`"),
    "mlflow": (("mlflow",), "`recbench train --track mlflow`"),
    "wandb": (("wandb",), "`recbench train --track wandb`"),
}


def examine() -> dict[str, object]:
    """Return versions, devices, threads, folders, optional packages and what is prepared."""
    commit, dirty = checkout()
    return {
        "versions": versions(),
        "commit": commit,
        "uncommitted_changes": dirty,
        "devices": ["cpu", *(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))],
        "threads": {
            "cpus": os.cpu_count(),
            "torch": torch.get_num_threads(),
            "faiss": faiss.omp_get_max_threads(),
        },
        "folders": {
            "RECBENCH_HOME": _folder(home()),
            "RECBENCH_RESULTS": _folder(results_home()),
        },
        "extras": {name: _extra(name, *about) for name, about in EXTRAS.items()},
        "prepared": [_prepared(folder) for folder in prepared_folders()],
    }


def examine_cluster(address: str) -> list[dict[str, object]]:
    """Return what each node of a Ray cluster has; raises UsageError without ray, and if no cluster answers."""
    require_installed("ray", f"--address {address}")
    from recbench.study.launchers.ray_cluster import describe_nodes

    return describe_nodes(address)


def _extra(name: str, packages: Sequence[str], purpose: str) -> str:
    missing = [package for package in packages if find_spec(package) is None]
    state = f"not installed; pip install 'recbench[{name}]'" if missing else "installed"
    return f"{purpose}: {state}"


def _folder(path: Path) -> dict[str, object]:
    existing = next(parent for parent in (path.absolute(), *path.absolute().parents) if parent.is_dir())
    return {
        "path": str(path),
        "exists": path.is_dir(),
        "writable": os.access(existing, os.W_OK),
        "free_gib": round(shutil.disk_usage(existing).free / 2**30, 1),
    }


def _prepared(folder: Path) -> dict[str, object]:
    try:
        manifest = read_manifest(folder)
    except DataError as error:
        return {"folder": str(folder), "error": str(error)}
    return {
        "dataset": manifest.dataset,
        "split": manifest.split,
        "fingerprint": manifest.fingerprint,
        "rows": manifest.rows,
        "feedback": manifest.feedback,
    }
