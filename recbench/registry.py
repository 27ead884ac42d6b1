"""Names to classes: a new method is one new file with a decorator."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from hashlib import sha256
from importlib.metadata import entry_points
from inspect import isabstract
from pathlib import Path
from traceback import walk_tb
from typing import Generic, TypeVar

from recbench.errors import DataError, UsageError, unknown

T = TypeVar("T")

BASELINE = "baseline"  # stands for the backbone in the keys of baseline runs, which have none

# what --import is for, by the names of their entry points
IMPORTABLE = tuple(f"recbench.{name}" for name in ("losses", "backbones", "samplers", "baselines", "metrics"))
_IMPORTED = "recbench_import_"  # how the modules of users' files are called


class Registry(Generic[T]):
    """The classes known under one kind of name (losses, backbones, metrics).

    Modules of `package` and entry points of `group` (by default of the same name) are imported at the first
    look-up. Names that are `reserved` mean something else where a name of this kind stands.
    """

    def __init__(self, kind: str, package: str, group: str | None = None, reserved: Collection[str] = ()) -> None:
        self.kind = kind
        self.package = package
        self.group = group or package
        self.reserved = reserved
        self._classes: dict[str, type[T]] = {}
        self._loaded = False

    def add(self, name: str) -> Callable[[type[T]], type[T]]:
        """Register a class under `name`; raises UsageError if the name is reserved or taken by another class."""
        if name in self.reserved:
            raise UsageError(f"{self.kind} `{name}`: recbench has another use for that name; choose another")

        def register(cls: type[T]) -> type[T]:
            taken = self._classes.get(name)
            if taken is not None and not _is_newer(cls, taken):
                raise UsageError(f"{self.kind} `{name}` is already defined in {place_of(taken)}; choose another name")
            cls.name = name  # type: ignore[attr-defined]
            self._classes[name] = cls
            return cls

        return register

    def names(self) -> list[str]:
        """Return all registered names, sorted."""
        self._load()
        return sorted(self._classes)

    def items(self) -> Iterator[tuple[str, type[T]]]:
        """Yield every name with its class, in the order of the names."""
        return ((name, self.get(name)) for name in self.names())

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __repr__(self) -> str:
        return ", ".join(self)

    def get(self, name: str) -> type[T]:
        """Return the class of that name; raises UsageError with the nearest name if there is none."""
        self._load()
        if name not in self._classes:
            own, listed_by = "", ""
            if self.group in IMPORTABLE:
                own, listed_by = "for one of your own add --import FILE.py; ", self.group.replace(".", " list ")
            raise unknown(self.kind, str(name), self._classes, own, listed_by)
        cls = self._classes[name]
        if isabstract(cls):
            absent = ", ".join(f"`{method}`" for method in sorted(cls.__abstractmethods__))  # type: ignore[attr-defined]
            raise UsageError(f"{self.kind} `{name}` ({place_of(cls)}) lacks {absent}; write it")
        return cls

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True  # for modules that look up names while they are imported
        try:
            for module in pkgutil.iter_modules(importlib.import_module(self.package).__path__):
                importlib.import_module(f"{self.package}.{module.name}")
            for point in entry_points(group=self.group):
                point.load()
        except BaseException:  # Ctrl-C in a notebook, which goes on
            self._loaded = False
            raise


def source_digest(path: Path, named_by: str = "--import") -> str:
    """Return the first 12 hex digits of a file's SHA-256; raises UsageError if there is no such file."""
    if not path.is_file():
        raise UsageError(f"{named_by} {path}: {'a folder; name a file' if path.is_dir() else 'no such file'}")
    return sha256(path.read_bytes()).hexdigest()[:12]


def missing_imports(files: Iterable[str], sources: Mapping[str, str]) -> list[Path]:
    """Return those of a run's files of `--import` that this process has not imported, in the version of the run."""
    return [path for path in map(Path, files) if module_name(path, sources.get(path.name, "")) not in sys.modules]


def require_imported(files: Iterable[str], sources: Mapping[str, str], run: str = "") -> None:
    """Raise UsageError unless the user's files that a run was trained with are imported.

    They are never imported merely because a record names them: a record may be someone else's. Raises DataError if
    they are imported in another version; it says how to leave out `run`, the digest of one that is stored.
    """
    leave_out = f", then `recbench runs {run} --hide` leaves the old run out" if run else ""
    for path in missing_imports(files, sources):
        if any(module.startswith(module_name(path, "")) for module in sys.modules):
            raise DataError(f"{path.name} has changed since the run began; restore it, or train again{leave_out}")
        raise UsageError(
            f"the run was trained with {path.name}, whose code is run only if you say so: "
            f"add --import {path}, or --trust"
        )


def import_recorded(files: Iterable[str], sources: Mapping[str, str]) -> None:
    """Import the files that a run was trained with, which the user trusts.

    Raises UsageError or DataError if one is missing or has changed.
    """
    for path in missing_imports(files, sources):
        digest = sources.get(path.name)
        if not path.is_file():
            raise DataError(f"{path}: missing, and the run was trained with it; say where it is with --import")
        if source_digest(path) != digest:
            raise DataError(f"{path} has changed since the run began; restore it, or train again")
        import_file(path)


def import_file(path: Path, named_by: str = "--import") -> str:
    """Import a user's own file, so that its decorators register; return its `source_digest`.

    Raises UsageError, with the words that the user `named_by` it, if it is not there or cannot be imported.
    """
    path = path.resolve()
    digest = source_digest(path, named_by)
    name = module_name(path, digest)
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise UsageError(f"{named_by} {path}: not a Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException as error:  # SystemExit too: a file of a user's does not end recbench
            del sys.modules[name]
            if isinstance(error, UsageError | KeyboardInterrupt):
                raise
            raise UsageError(f"{named_by} {path}: {type(error).__name__}: {error}{line_of(error)}") from error
    return digest


def line_of(error: BaseException) -> str:
    """Return the line of a user's file that an error came from, as " (own.py, line 3)"; "" if it did not pass one."""
    frames = [(frame, line) for frame, line in walk_tb(error.__traceback__) if _is_imported(frame.f_globals)]
    return f" ({Path(frames[-1][0].f_code.co_filename).name}, line {frames[-1][1]})" if frames else ""


def _is_imported(module: Mapping[str, object]) -> bool:
    return str(module.get("__name__")).startswith(_IMPORTED)


def _is_newer(cls: type, taken: type) -> bool:
    """Return whether a class may replace one of its name: it is of the same module, or of the same file, edited."""
    files = [getattr(sys.modules.get(one.__module__), "__file__", None) for one in (cls, taken)]
    return cls.__module__ == taken.__module__ or (files[0] is not None and files[0] == files[1])


def imported_source(cls: type) -> str | None:
    """Return the `source_digest` of the user's file that defines a class, or None if a package does."""
    module = cls.__module__
    return module.rpartition("_")[2] if module.startswith(_IMPORTED) else None


def place_of(cls: type) -> str:
    """Return where a class is defined, for people to read: the name of the user's file, or the module of a package."""
    module = cls.__module__
    return module if imported_source(cls) is None else Path(str(sys.modules[module].__file__)).name


def imported_file(cls: type) -> dict[Path, str]:
    """Return the user's file that defines a class, with its `source_digest`; nothing if a package defines it.

    Its path is relative to the working directory if it lies below.
    """
    digest = imported_source(cls)
    if digest is None:
        return {}
    path = Path(str(sys.modules[cls.__module__].__file__))
    return {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path: digest}


def module_name(path: Path, digest: str) -> str:
    """Return how the module of a user's file is called."""
    return f"{_IMPORTED}{path.stem}_{digest}"
