"""Imports point one way: what is lower never knows what is higher."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "recbench"
LAYERS = [
    {"errors", "threads", "home", "numerics", "progress", "terminal"},
    {"memory", "registry", "settings"},
    {"sources"},
    {"readers"},
    {"data"},
    {"prepare"},
    {"batch"},
    {"samplers"},
    {"backbones"},
    {"losses"},
    {"evaluation"},
    {"baselines"},
    {"results"},
    {"run"},
    {"study"},
    {"inspect", "plots"},
    {"cli"},
    {"__main__"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def part(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own == "__init__":
        return
    for node in ast.walk(ast.parse(path.read_text())):
        modules = []
        if isinstance(node, ast.ImportFrom) and node.module:
            modules = [
                f"{node.module}.{name.name}" if node.module == "recbench" else node.module for name in node.names
            ]
        elif isinstance(node, ast.Import):
            modules = [name.name for name in node.names]
        for module in modules:
            other = part(module) if module.startswith("recbench.") else ""
            if other in LEVEL:
                assert LEVEL[other] <= LEVEL[own], f"{path.name} imports {module}"


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_are_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 350


def test_the_command_line_does_not_load_what_is_heavy() -> None:
    code = "import sys, recbench.cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "recbench.cli.train" in loaded
    assert not set(loaded) & {"torch", "polars", "faiss", "numpy", "pyarrow", "httpx"}
