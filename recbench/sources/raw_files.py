"""Raw files: where they are and whether they changed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from glob import escape
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from recbench.disk import sha256_of
from recbench.errors import DataError, UsageError
from recbench.home import raw_home
from recbench.progress import Progress
from recbench.sources.dataset_spec import DatasetSpec
from recbench.sources.download import fetch
from recbench.sources.regular_file import require_regular
from recbench.sources.unpack import is_archive, unpack

DEPTH = 3
UNPACKED = "unpacked"  # folder below the raw folder of a dataset

Found = dict[str, Path]  # name -> path of the files that one name or pattern of the catalogue stands for
Accept = Callable[[str], bool]  # asked with the licence and where it stands


def locate(
    spec: DatasetSpec, needed: Sequence[str], raw: Path | None, progress: Progress, accept: Accept
) -> dict[str, Found]:
    """Return the raw files that each name of the catalogue stands for: those `needed`, and optional ones that exist.

    They are looked for in `raw` and up to three folders below, the shallowest winning; without `raw` beside the
    user's own TOML, then in the raw folder of recbench. For reader `table`, a pattern such as "events-*.csv.gz" stands
    for all files that match it and, in a user's own catalogue, a folder for all below it, in the order of their names.
    What is missing is unpacked from the archives that lie there, and without `raw` downloaded, if `accept` agrees to a
    licence that asks for it. Raises DataError that says how to get what is missing still, and for what is not a file;
    UsageError if `raw` is not a folder.
    """
    folder = raw if raw is not None else raw_home(spec.name)
    if raw is not None and not raw.is_dir():
        raise UsageError(f"--raw {raw}: {'not a folder' if raw.exists() else 'no such folder'}")
    wanted = (*needed, *spec.optional_files)

    def missing(names: Sequence[str]) -> list[str]:
        return [name for name in names if name not in files]

    files = _files_present(spec, wanted, folder, raw)
    if missing(needed):
        files |= _unpack_missing(spec, missing(wanted), _find_archives(spec, folder), progress)
    if missing(needed) and spec.download and raw is None:
        archives = _download_all(spec, folder, progress, accept)
        files |= _files_present(spec, wanted, folder, raw)
        files |= _unpack_missing(spec, missing(wanted), archives, progress)
    if missing(needed):
        if spec.by_hand:
            progress.show_message(_download_instructions(spec, raw or folder))
        raise DataError(_missing_message(spec, missing(needed), raw, folder))
    found = {word: files[word] for word in wanted if word in files}
    for path in (path for of_word in found.values() for path in of_word.values()):
        require_regular(path)
    return found


def _files_present(spec: DatasetSpec, wanted: Sequence[str], folder: Path, raw: Path | None) -> dict[str, Found]:
    """Return the files that are there, by their names or patterns in the catalogue."""
    files = {}
    for name in wanted:
        beside = spec.folder if raw is None else None
        if beside is not None and (beside / name).exists():
            files[name] = _stands_for(spec, name, beside / name)
        elif (path := _find_file(folder, name, spec.name)) is not None:
            files[name] = _stands_for(spec, name, path)
        elif spec.reader == "table" and any(character in name for character in "*?["):
            found = (beside is not None and _matching(beside, name, 0)) or _matching(folder, name, DEPTH)
            files |= {name: found} if found else {}
    return files


def _stands_for(spec: DatasetSpec, name: str, path: Path) -> Found:
    """Return the file at a path or, for a user's own dataset, all files of a folder and those below it.

    Hidden files, and those that programs put beside data, such as `_SUCCESS`, are none. Raises DataError if it has no
    file.
    """
    if spec.reader != "table" or spec.folder is None or not path.is_dir():
        return {name: path}
    below = {path_below.relative_to(path): path_below for path_below in sorted(path.rglob("*")) if path_below.is_file()}
    found = {
        f"{name.rstrip('/')}/{own.as_posix()}": path_below
        for own, path_below in below.items()
        if not any(part.startswith((".", "_")) for part in own.parts)
    }
    if not found:
        raise DataError(f"{path}: a folder without files; name a file, or put some there")
    return found


def _matching(folder: Path, pattern: str, depth: int) -> Found:
    """Return the files that match a pattern in a folder or, where there are none, in those below it."""
    if Path(pattern).is_absolute():
        folder, pattern, depth = Path(Path(pattern).anchor), pattern.lstrip("/"), 0
    for level in range(depth + 1):
        try:
            paths = sorted(path for path in folder.glob("*/" * level + pattern) if not path.name.startswith("."))
        except ValueError as error:
            raise UsageError(f"`files`: {pattern} is not a pattern ({error})") from None
        if paths:
            return {str(path.relative_to(folder)): path for path in paths}
    return {}


def _find_archives(spec: DatasetSpec, folder: Path) -> list[Path]:
    """Return the archives of the catalogue that lie in the folder, and any other file there that may be one."""
    named = [
        _find_file(folder, name, spec.name) for name in (*(remote.file for remote in spec.download), *spec.by_hand)
    ]
    other = [path for pattern in ("*.zip", "*.tar.gz", "*.tgz", "*.tar") for path in sorted(folder.glob(pattern))]
    return list(dict.fromkeys(path for path in (*named, *other) if path is not None and path.is_file()))


def _unpack_missing(
    spec: DatasetSpec, wanted: Sequence[str], archives: Sequence[Path], progress: Progress
) -> dict[str, Found]:
    files: dict[str, Found] = {}
    for archive in archives:
        left = [name for name in wanted if name not in files]
        if left and is_archive(archive):
            progress.step(f"unpacking {archive.name}")
            unpacked = unpack(archive, left, raw_home(spec.name) / UNPACKED / _archive_id(archive))
            files |= {name: {name: path} for name, path in unpacked.items()}
    return files


def _archive_id(archive: Path) -> str:
    """Return digits that differ for another archive, or another version of it, so that no stale member is taken."""
    stat = archive.stat()
    return sha256(f"{archive.resolve()} {stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()[:12]


def _download_all(spec: DatasetSpec, folder: Path, progress: Progress, accept: Accept) -> list[Path]:
    if spec.licence_page:
        agreed = folder / ".licence-accepted"
        if not agreed.exists():
            if not accept(f"{spec.title}: {spec.licence}; {spec.licence_page}"):
                raise DataError(
                    f"{spec.name}: its licence ({spec.licence_page}) was not accepted; "
                    "add --accept-licence if you accept it, or --raw DIR if you have the files"
                )
            folder.mkdir(parents=True, exist_ok=True)
            agreed.write_text(f"{datetime.now(UTC).isoformat(timespec='seconds')} {spec.licence_page}\n")
    return [fetch(remote, folder, progress) for remote in spec.download]


def _download_instructions(spec: DatasetSpec, folder: Path) -> str:
    """Return one screen: what to get by hand, where, and what to type then."""
    lines = [f"{spec.title} has to be downloaded by hand, after a login:", f"  1. open {spec.page}"]
    lines += ["  2. accept its terms" + (f" ({spec.licence})" if spec.licence else "") + " and download"]
    lines += [f"       {name}   {size}" for name, size in spec.by_hand.items()]
    lines += [f"  3. put the files, packed or unpacked, into {folder}"]
    raw = "" if folder == raw_home(spec.name) else f" --raw {folder}"
    lines += [f"  4. run `{_prepare_command(spec)}{raw}` again"]
    return "\n".join(lines)


def _missing_message(spec: DatasetSpec, missing: Sequence[str], raw: Path | None, folder: Path) -> str:
    beside_toml = f"beside the catalogue in {spec.folder} or " if spec.folder and raw is None else ""
    download = f"download {spec.page}" if spec.page else "put the files there"
    if raw is not None and spec.download:
        download = f"leave out --raw to download them, or get {spec.download[0].urls[0]} by hand"
    return (
        f"{spec.name}: {', '.join(missing)} not found {beside_toml}in {folder} (or {DEPTH} folders below, or in an "
        f"archive there); {download} and run `{_prepare_command(spec)}{' --raw DIR' if raw is not None else ''}`"
    )


def _prepare_command(spec: DatasetSpec) -> str:
    """Return the command that prepares the dataset; one of the user's own is known only with their catalogue."""
    return f"recbench prepare {spec.name}{' --catalog FILE.toml' if spec.folder else ''}"


class RawFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What tells whether a raw file is the one that was prepared."""

    file: str  # its name in the catalogue
    bytes: Annotated[int, Meta(ge=0)]
    modified: int  # ns since 1970
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class FileDigests:
    """A `RawFile` for every file, found out beside other work."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = files
        self._files_done: list[RawFile] = []
        self._failed: OSError | None = None
        self._thread = threading.Thread(target=self._describe, daemon=True)  # so that a failure elsewhere ends at once
        self._thread.start()

    def result(self) -> list[RawFile]:
        """Wait for the last file; raises DataError if one is unreadable."""
        self._thread.join()
        if self._failed is not None:
            raise DataError(f"{self._failed.filename}: cannot be read ({self._failed.strerror})")
        return self._files_done

    def _describe(self) -> None:
        try:
            for name, path in self._files.items():
                stat = path.stat()
                self._files_done.append(RawFile(name, stat.st_size, stat.st_mtime_ns, sha256_of(path)))
        except OSError as error:
            self._failed = error


def unchanged(recorded: Sequence[RawFile], files: Mapping[str, Path]) -> bool:
    """Return whether the files are those recorded: by size and time of modification, else by SHA-256."""
    if [source.file for source in recorded] != list(files):
        return False
    for source, path in zip(recorded, files.values(), strict=True):
        try:
            stat = path.stat()
            if stat.st_size != source.bytes:
                return False
            if stat.st_mtime_ns != source.modified and sha256_of(path) != source.sha256:
                return False
        except OSError:
            return False
    return True


def _find_file(folder: Path, name: str, dataset: str) -> Path | None:
    if Path(name).is_absolute():
        return Path(name) if Path(name).exists() else None
    for depth in range(DEPTH + 1):
        matches = sorted(folder.glob("*/" * depth + escape(name)))
        own = [path for path in matches if dataset in path.relative_to(folder).parts]
        if len(matches) > 1 and len(own) != 1:
            raise DataError(
                f"{dataset}: {name} lies in {matches[0].parent} and in {matches[1].parent}; name one with --raw DIR"
            )
        if matches:
            return own[0] if own else matches[0]
    return None
