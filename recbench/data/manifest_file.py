"""The manifest of a prepared folder on disk: written with a digest of its own, and strictly read."""

from __future__ import annotations

import json
import stat
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from recbench.data.content import how_to_repair
from recbench.data.manifest import FORMAT, SIDES, Manifest
from recbench.errors import DataError

MAX_BYTES = 64 << 20


def manifest_path(folder: Path) -> Path:
    """Return where the manifest of a prepared folder lies."""
    return folder / "manifest.json"


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of a prepared folder."""
    fields = msgspec.to_builtins(manifest)
    text = json.dumps(fields | {"digest": _digest(fields)}, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    manifest_path(folder).write_text(text, encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a prepared folder; raises DataError that says what to do if it is missing or damaged."""
    path = manifest_path(folder)
    try:
        fields = _fields(path)
        if fields.get("format") != FORMAT:
            raise ValueError(f"format {fields.get('format')!r:.20}, not {FORMAT}")
        if fields.pop("digest", None) != _digest(fields):
            raise ValueError("its content has changed since it was written")
        manifest = msgspec.convert(fields, Manifest)
    except FileNotFoundError:
        raise DataError(f"{folder}: not a prepared dataset; {how_to_repair(folder)}") from None
    except (OSError, ValueError, RecursionError, msgspec.ValidationError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{path}: damaged manifest ({reason}); {how_to_repair(folder)}") from None
    if (manifest.dataset, manifest.split) != (folder.parent.name, folder.name):
        own = f"{manifest.dataset}/{manifest.split}"
        raise DataError(f"{folder}: a copy of {own}, which results would name; remove it, or call it {own} again")
    return manifest


def _fields(path: Path) -> dict[str, Any]:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
        raise ValueError(f"not a file of at most {MAX_BYTES >> 20} MiB")
    fields = json.loads(path.read_bytes())
    if not isinstance(fields, dict):
        raise ValueError("not a JSON object")
    return fields


def _digest(fields: dict[str, Any]) -> str:
    return sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def schema(manifest: Manifest) -> list[Any]:
    """Return what the fingerprint holds beside the content of the tables: feedback and columns."""
    return [list(manifest.feedback), *(msgspec.to_builtins(manifest.entities(side).columns) for side in SIDES)]
