"""Raw files: where they are and whether they changed."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import file_digest
from pathlib import Path
from typing import Any

from recbench.data.catalog import Spec
from recbench.errors import DataError
from recbench.home import raw_home

DEPTH = 3


def locate(spec: Spec, split: str, raw: Path | None) -> dict[str, Path]:
    """Return the path of every raw file by its name in the catalogue; optional ones may be absent.

    They are looked for in `raw` and up to three folders below, the shallowest winning; without `raw` beside the
    user's own TOML, then in the raw folder of recbench. Raises DataError that says how to get what is missing.
    """
    folder = raw if raw is not None else raw_home(spec.name)
    if raw is not None and not raw.is_dir():
        raise DataError(f"--raw {raw}: {'not a folder' if raw.exists() else 'no such folder'}")
    needed = spec.files + (spec.given_files if split == "given" else ())
    files = {}
    for name in needed + spec.optional_files:
        beside = spec.folder / name if spec.folder is not None and raw is None else None
        path = beside if beside is not None and beside.exists() else _find(folder, name, spec.name)
        if path is not None:
            files[name] = path
    missing = [name for name in needed if name not in files]
    if missing:
        beside_toml = f"beside the catalogue in {spec.folder} or " if spec.folder and raw is None else ""
        download = f"download {spec.page}, unpack it" if spec.page else "put the files there"
        raise DataError(
            f"{spec.name}: {', '.join(missing)} not found {beside_toml}in {folder} (or {DEPTH} folders below); "
            f"{download} and run `recbench prepare {spec.name} --raw DIR`"
        )
    return files


def describe(files: Mapping[str, Path]) -> list[dict[str, Any]]:
    """Return name, bytes, time of modification (ns) and SHA-256 of every file; raises DataError if unreadable."""
    sources = []
    for name, path in files.items():
        try:
            stat = path.stat()
            digest = _sha256(path)
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror})") from None
        sources.append({"file": name, "bytes": stat.st_size, "modified": stat.st_mtime_ns, "sha256": digest})
    return sources


def unchanged(recorded: list[dict[str, Any]], files: Mapping[str, Path]) -> bool:
    """Return whether the files are those recorded: by size and time of modification, else by SHA-256."""
    if [source["file"] for source in recorded] != list(files):
        return False
    for source, path in zip(recorded, files.values(), strict=True):
        try:
            stat = path.stat()
            if stat.st_size != source["bytes"]:
                return False
            if stat.st_mtime_ns != source["modified"] and _sha256(path) != source["sha256"]:
                return False
        except OSError:
            return False
    return True


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _find(folder: Path, name: str, dataset: str) -> Path | None:
    if Path(name).is_absolute():
        return Path(name) if Path(name).exists() else None
    for depth in range(DEPTH + 1):
        found = sorted(folder.glob("*/" * depth + name))
        own = [path for path in found if dataset in path.relative_to(folder).parts]
        if len(found) > 1 and len(own) != 1:
            raise DataError(
                f"{dataset}: {name} lies in {found[0].parent} and in {found[1].parent}; name one with --raw DIR"
            )
        if found:
            return own[0] if own else found[0]
    return None
