"""Methods given as names or classes, and the source of those that are the user's own."""

from __future__ import annotations

import ast
import inspect
import linecache
import sys
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, TypeVar

from recbench import registry as registries
from recbench.api.public import public
from recbench.backbones.base import BACKBONES
from recbench.errors import DataError, UsageError
from recbench.losses.balance.base import BALANCES
from recbench.losses.base import LOSSES
from recbench.registry import Registry, imported_file
from recbench.results.record import RunRecord
from recbench.samplers import SAMPLERS
from recbench.settings import Value
from recbench.study.methods import ALL

T = TypeVar("T")


@public
def import_file(path: str | Path) -> None:
    """Load a Python file with a loss, or other methods, of one's own, which can then be named; `--import`.

    Its runs can be trained by several processes and again elsewhere. An edited file is loaded anew. Raises UsageError
    if it is not there or fails.

        rb.import_file("focal.py")
        rb.train(data, loss="focal")
    """
    registries.import_file(Path(path).expanduser(), "import_file")


def all_names(methods: str | type[T] | Sequence[str | type[T]], registry: Registry[T]) -> tuple[str, ...]:
    """Return the names of one method or several, each once; raises UsageError for none."""
    several = [methods] if isinstance(methods, str | type) else methods
    if not len(several):
        raise UsageError(f"{registry.kind}: expected at least one, found none")
    return tuple(dict.fromkeys(_name(method, registry) for method in several))


def own_code(
    losses: Sequence[str], backbones: Sequence[str | None], chosen: Mapping[str, Value], jobs: int | None = None
) -> tuple[tuple[Path, ...], dict[str, str]]:
    """Return the user's own files, and their classes of no such file: module and name, with the digest of the source.

    Raises UsageError for a class whose source cannot be read, and for one of no file where several `jobs` need it.
    What does not exist is refused where it is used.
    """
    named: tuple[tuple[Registry[Any], Iterable[object]], ...] = (
        (LOSSES, LOSSES if losses == (ALL,) else losses),
        (BACKBONES, backbones),
        (SAMPLERS, [chosen.get("sampler.name")]),
        (BALANCES, [chosen.get("loss.balance")]),
    )
    files: dict[Path, str] = {}
    classes: dict[str, str] = {}
    for registry, names in named:
        installed = {point.module for point in entry_points(group=registry.group)}
        for method in (registry.get(name) for name in map(str, names) if name in registry.names()):
            module = method.__module__
            if file := imported_file(method):
                files |= file
            elif not module.startswith("recbench.") and module not in installed:
                classes[f"{module}.{method.__name__}"] = sha256(_source(method).encode()).hexdigest()[:12]
    _require_files(classes, jobs)
    return tuple(files), classes


def _require_files(classes: Mapping[str, str], jobs: int | None) -> None:
    """Raise UsageError for classes of no file to import, where other processes need them."""
    for name in classes if (jobs or 1) > 1 else ():
        module, _, own = name.rpartition(".")
        file = getattr(sys.modules.get(module), "__file__", None)
        place = "a notebook or at the prompt" if file is None else Path(file).name
        raise UsageError(
            f"jobs={jobs}: other processes do not have {own}, defined in {place}; leave jobs out, or move it to a file "
            f'of its own, call rb.import_file("FILE.py") and give its name'
        )


def require_unchanged(records: Iterable[RunRecord]) -> None:
    """Raise DataError for a run whose class of no file has been edited since, as is done for files."""
    for record in records:
        key = record.key
        for name, digest in own_code([key.loss], [key.backbone], key.settings)[1].items():
            if key.sources.get(name, digest) != digest:
                raise DataError(f"{name} has changed since run {key.digest} began; restore it, or train again")


def _name(method: str | type[T], registry: Registry[T]) -> str:
    """Return the name of a method; raises UsageError for a class that no decorator has registered under one."""
    if isinstance(method, str):
        return method
    name = str(getattr(method, "name", ""))
    if name not in registry.names() or registry.get(name) is not method:
        plural = {"loss": "LOSSES", "backbone": "BACKBONES"}[registry.kind]
        raise UsageError(
            f'{method.__name__} is not a registered {registry.kind}; write @rb.{plural}.add("name") above its class'
        )
    return name


def _source(method: type) -> str:
    """Return the source of a class; raises UsageError if it cannot be read.

    Of a notebook `inspect` finds that of functions alone: the class is where they are.
    """
    try:
        return inspect.getsource(method)
    except (OSError, TypeError) as error:
        files = {value.__code__.co_filename for value in vars(method).values() if inspect.isfunction(value)}
        for node in (node for file in files for node in ast.walk(ast.parse("".join(linecache.getlines(file))))):
            if isinstance(node, ast.ClassDef) and node.name == method.__name__:
                return ast.unparse(node)
        place = "a file or a plain cell of a notebook"
        raise UsageError(f"{method.__name__}: its source cannot be read; define it in {place}") from error
