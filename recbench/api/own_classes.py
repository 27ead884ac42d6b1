"""Methods given as names or classes, and the source of those that are the user's own."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.metadata import entry_points
from pathlib import Path
from typing import TypeVar

from recbench.backbones.base import BACKBONES
from recbench.errors import UsageError
from recbench.losses.balance.base import BALANCES
from recbench.losses.base import LOSSES
from recbench.registry import Registry, imported_file
from recbench.samplers import SAMPLERS
from recbench.settings import Value
from recbench.study.methods import ALL

T = TypeVar("T")


def all_names(methods: str | type[T] | Sequence[str | type[T]], registry: Registry[T]) -> tuple[str, ...]:
    """Return the names of one method or several, each once."""
    several = methods if isinstance(methods, Sequence) and not isinstance(methods, str) else [methods]
    return tuple(dict.fromkeys(_name(method, registry) for method in several))


def all_sources(losses: Sequence[str], backbones: Sequence[str | None], chosen: Mapping[str, Value]) -> dict[Path, str]:
    """Return the files, or else the modules and names, of all classes of the user's own, with digests."""
    sources: dict[Path, str] = {}
    for loss in losses if losses != (ALL,) else LOSSES.names():
        sources |= _sources(loss, LOSSES)
    for backbone in backbones:
        sources |= _sources(backbone, BACKBONES) if backbone else {}
    if "sampler.name" in chosen:
        sources |= _sources(str(chosen["sampler.name"]), SAMPLERS)
    if "loss.balance" in chosen:
        sources |= _sources(str(chosen["loss.balance"]), BALANCES)
    return sources


def _name(method: str | type[T], registry: Registry[T]) -> str:
    """Return the name of a method; raises UsageError for a class that no decorator has registered under one."""
    if isinstance(method, str):
        return method
    name = str(getattr(method, "name", ""))
    if name not in registry.names() or registry.get(name) is not method:
        words = getattr(method, "__name__", repr(method))
        raise UsageError(f"{words} is not a registered {registry.kind}; decorate it with .add(NAME)")
    return name


def _sources(name: str, registry: Registry[T]) -> dict[Path, str]:
    """Return the file, or else the module and name, of a class of the user's own, with a digest of its source."""
    method = registry.get(name)
    if file := imported_file(method):
        return file
    installed = {point.module for point in entry_points(group=registry.group)}
    if method.__module__ in installed or method.__module__.startswith("recbench."):
        return {}
    try:
        source = inspect.getsource(method)
    except (OSError, TypeError) as error:
        raise UsageError(f"{method.__name__}: its source cannot be read; define it in a file or a notebook") from error
    return {Path(f"{method.__module__}.{method.__name__}"): sha256(source.encode()).hexdigest()[:12]}
