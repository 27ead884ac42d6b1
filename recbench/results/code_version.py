"""Which code made a number: versions of the packages and the commit of the checkout."""

from __future__ import annotations

import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import recbench

PACKAGES = ("recbench", "torch", "numpy", "polars", "pyarrow", "faiss-cpu", "safetensors")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that numbers depend on, without importing them."""
    return {"python": platform.python_version(), **_packages()}


@cache  # a process runs what it has imported, whatever is installed later
def _packages() -> dict[str, str]:
    installed = {}
    for package in PACKAGES:
        try:
            installed[package] = version(package)
        except PackageNotFoundError:
            continue
    return installed


@cache  # a process runs what it has imported, whatever is changed later
def checkout() -> tuple[str | None, bool | None]:
    """Return the commit of the git checkout that recbench runs from, and whether its code was changed since.

    (None, None) if it runs from somewhere else.
    """
    return checkout_at(Path(recbench.__file__).parents[1])


def checkout_at(root: Path) -> tuple[str | None, bool | None]:
    """Return the same of a folder, (None, None) if it is not the top of a checkout."""
    root = root.resolve()
    top = _git(root, "rev-parse", "--show-toplevel")
    commit = _git(root, "rev-parse", "--verify", "HEAD")
    if top is None or commit is None or Path(top).resolve() != root:
        return None, None
    return commit, bool(_git(root, "status", "--porcelain", "--", "recbench", "datasets.toml"))


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
