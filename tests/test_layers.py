"""The structure of the package: imports point one way and never in a circle, and nothing grows without end."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from recbench.backbones.base import BACKBONES
from recbench.baselines.base import BASELINES
from recbench.evaluation.metric import METRICS
from recbench.losses.balance import BALANCES
from recbench.losses.base import LOSSES

PACKAGE = Path(__file__).parents[1] / "recbench"
FILES = sorted(PACKAGE.rglob("*.py"))
LAYERS = [
    {"disk", "errors", "gpu", "threads", "home", "numerics", "progress", "terminal", "torchrun"},
    {"memory", "own_files", "registry", "settings"},
    {"sources"},
    {"readers"},
    {"data"},
    {"preparation"},
    {"batch", "capabilities"},
    {"samplers"},
    {"backbones"},
    {"losses"},
    {"evaluation"},
    {"baselines"},
    {"results"},
    {"trackers"},
    {"training"},
    {"run"},
    {"study"},
    {"inspect", "plots"},
    {"metrics", "api"},
    {"cli"},
    {"__main__"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
METHODS = {"losses", "backbones", "baselines", "readers", "samplers"}  # folders with one file per method
MOST_LINES_OF_A_FILE = 350
MOST_LINES_OF_A_FUNCTION = 60
MOST_ARGUMENTS = 10  # outside the commands and their functions in Python, where an argument is an option
MOST_MODULES = 24

every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))


def room(module: str) -> str:
    """Return the folder or module right below `recbench` that a dotted name belongs to, "" for other packages."""
    first, *rest = module.split(".")
    return rest[0] if first == "recbench" and rest else ""


def is_module(name: str) -> bool:
    path = PACKAGE.parent.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or path.is_dir()


def imported_modules(path: Path) -> Iterator[str]:
    """Yield what a file imports, dotted, with the names that it takes from packages as if they were modules."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{name.name}" for name in node.names]
            yield from names if all(is_module(name) for name in names) else [node.module, *names]
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@every_file
def test_imports_point_down(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own in ("__init__", "__main__"):
        return
    assert own in LEVEL, f"recbench/{own} has no place in LAYERS"
    for module in imported_modules(path):
        if room(module) in LEVEL:
            assert LEVEL[room(module)] <= LEVEL[own], f"{path.name} imports {module}"


def test_no_module_imports_itself_by_way_of_others() -> None:
    def dotted(path: Path) -> str:
        return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")

    lazy = PACKAGE / "__init__.py"  # it loads its names when they are used
    modules = {dotted(path): path for path in FILES if path != lazy}
    graph = {name: set(imported_modules(path)) & modules.keys() - {name} for name, path in modules.items()}
    while removable := {name for name, others in graph.items() if not others & graph.keys()}:
        graph = {name: others for name, others in graph.items() if name not in removable}
    in_circles = {name: sorted(others & graph.keys()) for name, others in graph.items()}
    assert not in_circles


@every_file
def test_files_are_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MOST_LINES_OF_A_FILE


@every_file
def test_functions_are_short(path: Path) -> None:
    lengths = {node.name: (node.end_lineno or 0) - node.lineno + 1 for node in functions(path)}
    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES_OF_A_FUNCTION} == {}


@every_file
def test_functions_take_few_arguments(path: Path) -> None:
    """Settings of a method, which are keyword-only arguments of a constructor, do not count."""
    if path.relative_to(PACKAGE).parts[0] in ("cli", "api"):
        return
    for node in functions(path):
        keywords = [] if node.name == "__init__" else node.args.kwonlyargs
        arguments = [*node.args.posonlyargs, *node.args.args, *keywords]
        assert len([a for a in arguments if a.arg not in ("self", "cls")]) <= MOST_ARGUMENTS, node.name


@pytest.mark.parametrize("folder", sorted({path.parent for path in FILES}), ids=lambda folder: folder.name)
def test_folders_can_be_read_at_a_glance(folder: Path) -> None:
    modules = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
    assert folder.name in METHODS or len(modules) <= MOST_MODULES


@pytest.mark.parametrize("registry", [LOSSES, BALANCES, BACKBONES, BASELINES], ids=lambda registry: registry.kind)
def test_a_folder_of_methods_lists_its_methods(registry: object) -> None:
    """Every module beside `base` defines what its name says."""
    assert isinstance(registry, type(LOSSES))
    folder = PACKAGE / registry.package.partition(".")[2].replace(".", "/")
    files = {path.stem.replace("_", "-") for path in folder.glob("*.py")} - {"--init--", "base"}
    assert files == {name.replace("_", "-") for name in registry.names()}


def test_metrics_are_registered_by_files_of_their_folder() -> None:
    assert {METRICS.get(name).__module__.rpartition(".")[0] for name in METRICS.names()} == {METRICS.package}


def test_the_command_line_does_not_load_what_is_heavy() -> None:
    code = "import sys, recbench.cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "recbench.cli.train" in loaded
    assert not set(loaded) & {"torch", "polars", "faiss", "numpy", "pyarrow", "httpx"}
