"""The manifest of a prepared folder on disk: written with a digest of its own, and strictly read."""

from __future__ import annotations

import json
import os
import stat
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from recbench.data.content import digest_files, fingerprint, how_to_repair
from recbench.data.manifest import FORMAT, PARTS, SIDES, Manifest
from recbench.errors import DataError

MAX_BYTES = 64 << 20
WITHOUT_DIGESTS = 3  # the former format
UPGRADED = ".manifest-{}.json"  # what a process writes, by its id, before it takes the place of the former manifest


def manifest_path(folder: Path) -> Path:
    """Return where the manifest of a prepared folder lies."""
    return folder / "manifest.json"


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of a prepared folder."""
    _write(manifest_path(folder), manifest)


def _write(path: Path, manifest: Manifest) -> None:
    fields = msgspec.to_builtins(manifest)
    text = json.dumps(fields | {"digest": _digest(fields)}, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    path.write_text(text, encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a prepared folder.

    One of the former format, without digests, is brought up to date where the content has the recorded fingerprint.
    Raises DataError that says what to do if the manifest is missing or damaged.
    """
    path = manifest_path(folder)
    try:
        fields = _fields(path)
        if fields.get("format") == WITHOUT_DIGESTS:
            return _upgraded(folder, fields)
        if fields.get("format") != FORMAT:
            raise ValueError(f"format {fields.get('format')!r:.20}, not {FORMAT}")
        if fields.pop("digest", None) != _digest(fields):
            raise ValueError("its content has changed since it was written")
        return _decoded(folder, fields)
    except FileNotFoundError:
        raise DataError(f"{folder}: not a prepared dataset; {how_to_repair(folder)}") from None
    except (OSError, ValueError, RecursionError, msgspec.ValidationError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{path}: damaged manifest ({reason}); {how_to_repair(folder)}") from None


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


def _decoded(folder: Path, fields: dict[str, Any]) -> Manifest:
    manifest = msgspec.convert(fields, Manifest)
    if (manifest.dataset, manifest.split) != (folder.parent.name, folder.name):
        own = f"{manifest.dataset}/{manifest.split}"
        raise DataError(f"{folder}: a copy of {own}, which results would name; remove it, or call it {own} again")
    return manifest


def _upgraded(folder: Path, fields: dict[str, Any]) -> Manifest:
    """Return the manifest with what the former format lacks, and write it where the folder may be written."""
    path = manifest_path(folder)
    try:
        certificate = [
            {("message" if key == "told" else key): value for key, value in finding.items()}
            for finding in fields["certificate"]
        ]
    except (AttributeError, KeyError, TypeError):
        raise ValueError("no leak certificate") from None
    new_test_users = str(fields.get("split")).partition("+")[0] == "users"
    added = {"format": FORMAT, "new_test_users": new_test_users, "certificate": certificate}
    manifest = _decoded(folder, fields | added)
    if fingerprint(schema(manifest), folder, (*SIDES, *PARTS)) != manifest.fingerprint:
        raise ValueError("the files have another fingerprint")
    manifest = msgspec.structs.replace(manifest, files=digest_files(folder))
    modified = path.stat().st_mtime_ns  # which tells the most recently prepared dataset
    with suppress(OSError):
        for left in folder.glob(UPGRADED.format("*")):  # of a process that was killed; one that lives does without
            left.unlink()
        temporary = folder / UPGRADED.format(os.getpid())
        _write(temporary, manifest)
        os.utime(temporary, ns=(modified, modified))
        temporary.replace(path)
    return manifest


def schema(manifest: Manifest) -> list[Any]:
    """Return what the fingerprint holds beside the content of the tables: feedback and columns."""
    return [list(manifest.feedback), *(msgspec.to_builtins(manifest.entities(side).columns) for side in SIDES)]
