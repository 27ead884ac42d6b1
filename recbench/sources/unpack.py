"""Files out of zip and tar archives, flat into one folder: whole or not at all, whatever an archive claims."""

from __future__ import annotations

import gzip
import shutil
import stat
import tarfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from recbench.disk import hold_lock, sync
from recbench.errors import DataError
from recbench.sources.decompress import MAX_RATIO, MOST_UNCHECKED

BLOCK = 1 << 20  # bytes in memory at once
SPARE_BYTES = 64 << 20  # bytes of the disk that stay free
MAX_TAR_MEMBERS = 100_000  # members of a tar archive; they are listed in memory
ZIP = (b"PK\x03\x04", b"PK\x05\x06")  # the second is an empty one
DAMAGE_ERRORS = (
    BadZipFile,
    tarfile.TarError,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,
    OverflowError,
    LookupError,
)


@dataclass(frozen=True)
class _Member:
    """A regular file in an archive, or in an archive inside it."""

    path: str  # of folders and archives, joined by `/`
    size: int  # bytes, declared, and not believed
    open: Callable[[], IO[bytes]]
    fault: str | None = None  # why it cannot be unpacked

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def depth(self) -> int:
        return self.path.count("/")


def is_archive(path: Path) -> bool:
    """Return whether a file is a zip, tar or tar.gz archive, by its content."""
    try:
        with path.open("rb") as file:
            return _kind(file) is not None
    except OSError:
        return False


def unpack(archive: Path, wanted: Collection[str], folder: Path) -> dict[str, Path]:
    """Unpack the files of these names, wherever they lie in the archive, and return the path of each that it holds.

    The archive is a zip, tar or tar.gz; zips inside it are looked into for what is not beside them. Of several files
    of one name the shallowest is taken. One that lies in the folder with the right size already is kept. Links and
    devices are no files. Raises DataError if two of one name lie equally deep, what is wanted is damaged, encrypted,
    packed in another way than usual, or larger than the room on the disk.
    """
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(hold_lock(folder / ".unpack.lock", lambda: None))
            outer = _members(archive, stack)
            names = set(wanted) - {"", ".", ".."}  # which would be folders
            chosen = _shallowest(archive, outer, names)
            if missing := names - chosen.keys():
                inner = _inner_members(archive, outer, folder, stack)
                chosen |= _shallowest(archive, inner, missing)
            new = [member for member in chosen.values() if not _is_there(folder / member.name, member)]
            _check(archive, new, folder)
            for member in new:
                _write(archive, member, folder / member.name)
        except OSError as error:
            raise disk_refused(folder, error) from None
    return {name: folder / name for name in chosen}


def disk_refused(path: Path, error: OSError) -> DataError:
    """Return the error for a file below the data folder that the disk refuses."""
    return DataError(
        f"{path}: the disk refuses it ({error.strerror or error}); free some space, mend its permissions, or set "
        "RECBENCH_HOME to another folder"
    )


def require_space(folder: Path, needed: int, what: str) -> None:
    """Raise DataError unless `needed` bytes fit on the disk of a folder, with some to spare."""
    free, needed = shutil.disk_usage(folder).free, max(0, needed)
    if needed + SPARE_BYTES > free:
        raise DataError(
            f"{folder}: {what} needs {needed:,} bytes and {SPARE_BYTES:,} to spare, but {free:,} are free; "
            "free some space, or set RECBENCH_HOME to a folder on a larger disk"
        )


def publish(temporary: Path, path: Path) -> None:
    """Give a complete file its final name, so that not even a power cut leaves a part of it there."""
    sync(temporary)
    temporary.replace(path)
    sync(path.parent)


def _kind(file: IO[bytes]) -> str | None:
    start = file.read(tarfile.BLOCKSIZE)
    file.seek(0)
    if start[:4] in ZIP:
        return "zip"
    if _is_tar(start):
        return "tar"
    with suppress(EOFError, OSError, zlib.error), gzip.GzipFile(fileobj=file) as unpacked:
        if _is_tar(unpacked.read(tarfile.BLOCKSIZE)):
            return "tar.gz"
    return None


def _is_tar(start: bytes) -> bool:
    if start[257:262] != b"ustar":  # the checksum alone fits some files that are mostly zeros
        return False
    try:
        tarfile.TarInfo.frombuf(start, "utf-8", "surrogateescape")
    except tarfile.TarError:
        return False
    return True


def _members(archive: Path, stack: ExitStack) -> list[_Member]:
    """List an archive; its files can be read until the stack ends."""
    with _report_damage(str(archive)):
        file: IO[bytes] = stack.enter_context(archive.open("rb"))
        kind = _kind(file)
        file.seek(0)
        if kind == "zip":
            return _zip_members(file)
        if kind == "tar":
            return _tar_members(file, archive.stat().st_size)
        if kind == "tar.gz":
            unpacked = stack.enter_context(gzip.GzipFile(fileobj=file))
            return _tar_members(unpacked, archive.stat().st_size)
    raise DataError(f"{archive}: neither a zip nor a tar archive; download it again")


def _inner_members(archive: Path, outer: Iterable[_Member], folder: Path, stack: ExitStack) -> list[_Member]:
    """List the zips in an archive, each copied out of it, since a packed one can only be read from its start on."""
    zips = [member for member in outer if member.name.lower().endswith(".zip")]
    _check(archive, zips, folder)
    members = []
    for member in zips:
        file = stack.enter_context(TemporaryFile(dir=folder))  # noqa: SIM115
        for block in _blocks(archive, member):
            file.write(block)
        file.seek(0)
        if _kind(file) == "zip":
            with _report_damage(f"{archive}: {member.path}"):
                members += _zip_members(file, member.path + "/")
    return members


def _zip_members(file: IO[bytes], prefix: str = "") -> list[_Member]:
    archive = ZipFile(file)
    listed = archive.infolist()
    if listed and min(info.header_offset for info in listed) > 0:
        raise BadZipFile("ends within a zip inside it")  # whose list of files is the last one that is left
    return [
        _Member(
            prefix + info.filename.replace("\\", "/"), info.file_size, partial(archive.open, info), _zip_fault(info)
        )
        for info in listed
        if not info.filename.endswith("/") and stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG)
    ]


def _zip_fault(info: ZipInfo) -> str | None:
    if info.flag_bits & 1:
        return "is encrypted; unpack it by hand"
    if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):  # the others can fill the memory from a few bytes
        return f"is packed by method {info.compress_type}, not deflated; unpack it by hand"
    return _bomb_reason(info.file_size, info.compress_size)


def _bomb_reason(size: int, packed: int) -> str | None:
    grows = size > MOST_UNCHECKED and size > MAX_RATIO * packed
    return f"would grow from {packed:,} to {size:,} bytes, which no data does; download it again" if grows else None


class _Headers:
    """What tarfile reads from: it takes a header of any size into memory, and a damaged one for the end."""

    def __init__(self, file: IO[bytes] | gzip.GzipFile) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable
        self.last = b""

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= BLOCK:
            raise tarfile.ReadError("header without end")
        self.last = self._file.read(size)
        return self.last


def _tar_members(file: IO[bytes] | gzip.GzipFile, packed: int) -> list[_Member]:
    headers = _Headers(file)
    archive = tarfile.TarFile(fileobj=headers)  # type: ignore[arg-type]  # which is not to write
    members = []
    for count, info in enumerate(archive):
        if info.size < 0 or archive.offset <= info.offset:
            raise tarfile.ReadError("headers in a circle")
        if count >= MAX_TAR_MEMBERS:
            raise tarfile.ReadError(f"more than {MAX_TAR_MEMBERS:,} members")
        if fault := _bomb_reason(archive.offset, packed):  # before the content, which has to be unpacked to be passed
            raise tarfile.ReadError(f"{info.name} {fault}")
        if info.isreg():
            fault = "is sparse; unpack it by hand" if info.issparse() else None
            opener = partial(archive.extractfile, info)  # of a regular file, which has a content
            members.append(_Member(info.name.replace("\\", "/"), info.size, opener, fault))  # type: ignore[arg-type]
    if headers.last != tarfile.NUL * tarfile.BLOCKSIZE:
        raise tarfile.ReadError("ends without its end mark")
    while file.read(BLOCK):  # a gzip file is checked where it ends
        if fault := _bomb_reason(file.tell(), packed):
            raise tarfile.ReadError(f"what follows its end mark {fault}")
    return members


def _shallowest(archive: Path, members: Iterable[_Member], names: Collection[str]) -> dict[str, _Member]:
    # As in any archive, a later file replaces an earlier one of the same path.
    same_path = {member.path: member for member in members if member.name in names}
    chosen: dict[str, _Member] = {}
    for member in sorted(same_path.values(), key=lambda member: member.depth):
        other = chosen.setdefault(member.name, member)
        if other is not member and other.depth == member.depth:
            raise DataError(
                f"{archive}: holds both {other.path} and {member.path}; unpack by hand the one that is meant"
            )
    return {member.name: member for member in same_path.values() if chosen[member.name] is member}


def _check(archive: Path, members: Collection[_Member], folder: Path) -> None:
    """Raise DataError if files cannot be unpacked, before any of them is."""
    for member in members:
        if member.fault is not None:
            raise DataError(f"{archive}: {member.path} {member.fault}")
    total = sum(member.size for member in members)
    require_space(folder, total, f"unpacking {archive.name}")


def _is_there(path: Path, member: _Member) -> bool:
    return path.is_file() and path.stat().st_size == member.size


def _write(archive: Path, member: _Member, path: Path) -> None:
    temporary = path.with_name(f".{path.name}.part")
    try:
        with temporary.open("wb") as file:
            for block in _blocks(archive, member):
                file.write(block)
        publish(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _blocks(archive: Path, member: _Member) -> Iterator[bytes]:
    """Yield a file in pieces; raises DataError if it is not as long as declared, or damaged."""
    left = member.size
    with _report_damage(f"{archive}: {member.path}"):
        with member.open() as file:
            while block := file.read(BLOCK):
                left -= len(block)
                if left < 0:
                    break
                yield block
        if left:
            raise EOFError("not as long as declared")


@contextmanager
def _report_damage(what: str) -> Iterator[None]:
    """Raise DataError for whatever the readers of archives raise at damaged ones."""
    try:
        yield
    except DAMAGE_ERRORS as error:
        reason = " ".join(str(getattr(error, "strerror", None) or error or type(error).__name__).split())[:200]
        raise DataError(f"{what}: damaged, or cannot be read ({reason}); download it again") from None
