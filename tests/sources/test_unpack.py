from __future__ import annotations

import gzip
import io
import os
import random
import re
import resource
import shutil
import stat
import struct
import subprocess
import sys
import tarfile
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st

from recbench.errors import DataError
from recbench.sources import unpack as unpacking
from recbench.sources.unpack import is_archive, unpack

LOG = b"".join(b"%d,%d\n" % (row, row * row) for row in range(30_000))
ITEMS = random.Random(0).randbytes(5_000)
Files = dict[str, bytes]


def zipped(files: Files, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def stored(files: Files) -> bytes:
    return zipped(files, zipfile.ZIP_STORED)


def tarred(files: Files, form: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def special(kind: bytes, name: str, target: str) -> bytes:
    """A tar of a link, device or FIFO of this name, and of a file after it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, target
        archive.addfile(info)
        info = tarfile.TarInfo("items.csv")
        info.size = len(ITEMS)
        archive.addfile(info, io.BytesIO(ITEMS))
    return buffer.getvalue()


def gz_tarred(files: Files) -> bytes:
    return gzip.compress(tarred(files))


PACKERS: list[Callable[[Files], bytes]] = [zipped, stored, tarred, gz_tarred]


def write(folder: Path, content: bytes, name: str = "data.archive") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def visible(folder: Path) -> Files:
    """Content of every file in a folder and below but the lock."""
    paths = [path for path in folder.rglob("*") if path.name != ".unpack.lock" and not path.is_dir()]
    assert all(path.is_file() and not path.is_symlink() for path in paths)
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def leave_room(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """Let the disk have room for so many bytes, beside those that stay free."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=room + unpacking.SPARE_BYTES))


def failure(archive: Path, wanted: set[str], folder: Path) -> str:
    """What is said when nothing can be unpacked: one line that names the archive, and no file anywhere."""
    with pytest.raises(DataError) as caught:
        unpack(archive, wanted, folder)
    assert visible(folder) == {} and "\n" not in str(caught.value)
    assert str(archive) in str(caught.value) or archive.name in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("pack", PACKERS)
def test_wanted_files_flat_and_nothing_else(tmp_path: Path, pack: Callable[[Files], bytes]) -> None:
    content = {"ml/log.csv": LOG, "ml/deep/items.csv": ITEMS, "ml/README": b"hello", "ml/empty.csv": b""}
    archive = write(tmp_path, pack(content), "ml.bin")  # the name does not tell what it is
    assert is_archive(archive)
    folder = tmp_path / "a" / "b"
    found = unpack(archive, ["log.csv", "items.csv", "empty.csv", "users.csv"], folder)
    assert found == {name: folder / name for name in ("log.csv", "items.csv", "empty.csv")}
    assert visible(folder) == {"log.csv": LOG, "items.csv": ITEMS, "empty.csv": b""}


@pytest.mark.parametrize("pack", PACKERS)
def test_zips_inside(tmp_path: Path, pack: Callable[[Files], bytes]) -> None:
    top = "aliexpress_NL_datasets/"
    archive = write(
        tmp_path,
        pack(
            {
                top + "nl_item_train.zip": zipped({"nl_item_train.csv": LOG}),
                top + "nl_item_test.ZIP": stored({"x/nl_item_test.csv": ITEMS}),
                top + "more.zip": zipped({"even.zip": zipped({"deeper.csv": ITEMS})}),
                "__MACOSX/._nl_item_train.zip": b"no zip at all",
            }
        ),
    )
    folder = tmp_path / "out"
    found = unpack(archive, ["nl_item_train.csv", "nl_item_test.csv", "deeper.csv"], folder)
    assert sorted(found) == ["nl_item_test.csv", "nl_item_train.csv"]  # one level of zips, no more
    assert visible(folder) == {"nl_item_train.csv": LOG, "nl_item_test.csv": ITEMS}


def test_zips_inside_are_left_alone_where_they_are_not_needed(tmp_path: Path) -> None:
    archive = write(tmp_path, zipped({"log.csv": LOG, "old.zip": b"PK\x03\x04 broken"}))
    assert list(unpack(archive, ["log.csv"], tmp_path / "out")) == ["log.csv"]
    told = failure(archive, {"items.csv"}, tmp_path / "other")
    assert f"{archive}: old.zip: damaged" in told


def test_the_shallowest_wins(tmp_path: Path) -> None:
    inner = zipped({"log.csv": b"inner"})
    archive = write(tmp_path, zipped({"a/b/log.csv": b"deep", "z/log.csv": LOG, "inner.zip": inner}))
    assert unpack(archive, ["log.csv"], tmp_path / "out")["log.csv"].read_bytes() == LOG


def test_two_equally_deep(tmp_path: Path) -> None:
    archive = write(tmp_path, zipped({"a/log.csv": b"1", "b/log.csv": b"2", "items.csv": ITEMS}))
    told = failure(archive, {"log.csv", "items.csv"}, tmp_path / "out")
    assert told == f"{archive}: holds both a/log.csv and b/log.csv; unpack by hand the one that is meant"
    nested = write(tmp_path, zipped({"a.zip": zipped({"log.csv": b"1"}), "b.zip": zipped({"log.csv": b"2"})}))
    assert "holds both a.zip/log.csv and b.zip/log.csv" in failure(nested, {"log.csv"}, tmp_path / "out")


def test_a_later_file_replaces_one_of_the_same_path(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for content in (b"old", LOG):
            info = tarfile.TarInfo("log.csv")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    path = write(tmp_path, buffer.getvalue())
    assert unpack(path, ["log.csv"], tmp_path / "out")["log.csv"].read_bytes() == LOG


def test_what_is_there_is_kept_if_its_size_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = write(tmp_path, zipped({"log.csv": LOG, "items.csv": ITEMS}))
    folder = tmp_path / "out"
    folder.mkdir()
    mine = bytes(len(LOG))
    (folder / "log.csv").write_bytes(mine)
    (folder / "items.csv").write_bytes(b"half of it")
    (folder / ".items.csv.part").write_bytes(b"left by a killed process")
    leave_room(monkeypatch, len(ITEMS))
    assert sorted(unpack(archive, ["log.csv", "items.csv"], folder)) == ["items.csv", "log.csv"]
    assert visible(folder) == {"log.csv": mine, "items.csv": ITEMS}


@pytest.mark.parametrize("pack", PACKERS)
@pytest.mark.parametrize("name", ["../log.csv", "/log.csv", "a/../../log.csv", "..\\log.csv", "//x/log.csv"])
def test_no_path_leads_out_of_the_folder(tmp_path: Path, pack: Callable[[Files], bytes], name: str) -> None:
    archive = write(tmp_path, pack({name: LOG}))
    folder = tmp_path / "a" / "b" / "c"
    unpack(archive, ["log.csv", "..", name], folder)
    assert visible(tmp_path / "a") == {"b/c/log.csv": LOG}


part = st.sampled_from(["..", ".", "", "a", "log.csv", "log.csv ", "/", "\\", "x.zip", "\u00e9\U0001f600"])


@settings(max_examples=60, deadline=None)
@given(
    names=st.lists(
        st.lists(part, min_size=1, max_size=4).map("/".join).filter(bool), min_size=1, max_size=3, unique=True
    )
)
def test_no_name_leads_out_of_the_folder(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    home = tmp_path_factory.mktemp("names")
    for pack in (stored, tarred):
        archive = write(home, pack({name: b"%d" % place for place, name in enumerate(names)}))
        try:
            unpack(archive, {"log.csv", "a", "..", ".", "", *names}, home / "a" / "b")
        except DataError as error:
            assert "\n" not in str(error)  # noqa: PT017
        assert {path.parent for path in (home / "a").rglob("*")} <= {home / "a", home / "a" / "b"}
        assert sorted(path.name for path in home.iterdir()) == ["a", "data.archive"]


KINDS = {
    "symlink": tarfile.SYMTYPE,
    "hard link": tarfile.LNKTYPE,
    "character device": tarfile.CHRTYPE,
    "block device": tarfile.BLKTYPE,
    "fifo": tarfile.FIFOTYPE,
    "folder": tarfile.DIRTYPE,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("target", ["items.csv", "/etc/passwd", "../../secret"])
def test_links_and_devices_are_no_files(tmp_path: Path, kind: str, target: str) -> None:
    write(tmp_path, b"secret", "secret")
    archive = write(tmp_path, special(KINDS[kind], "log.csv", target))
    assert list(unpack(archive, ["log.csv", "items.csv"], tmp_path / "out")) == ["items.csv"]
    assert visible(tmp_path / "out") == {"items.csv": ITEMS}


def test_a_link_in_a_zip(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo("log.csv")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
        archive.mkdir("items.csv")
    assert unpack(write(tmp_path, buffer.getvalue()), ["log.csv", "items.csv"], tmp_path / "out") == {}


def test_a_link_in_the_folder_is_not_followed(tmp_path: Path) -> None:
    secret = write(tmp_path, b"secret", "secret")
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "log.csv").symlink_to(secret)
    unpack(write(tmp_path, zipped({"log.csv": LOG})), ["log.csv"], folder)
    assert secret.read_bytes() == b"secret" and visible(folder) == {"log.csv": LOG}


def test_what_the_disk_has_no_room_for_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = write(tmp_path, zipped({"log.csv": LOG, "items.csv": ITEMS}))
    total = len(LOG) + len(ITEMS)
    leave_room(monkeypatch, total)
    assert len(unpack(archive, ["log.csv", "items.csv"], tmp_path / "all")) == 2
    leave_room(monkeypatch, total - 1)
    told = failure(archive, {"log.csv", "items.csv"}, tmp_path / "out")
    assert f"needs {total:,} bytes" in told and "RECBENCH_HOME" in told
    nested = write(tmp_path, zipped({"in.zip": stored({"log.csv": LOG})}), "nested")
    leave_room(monkeypatch, len(LOG))
    assert "unpacking nested needs" in failure(nested, {"log.csv"}, tmp_path / "out")  # the zip is larger


def test_a_bomb_is_refused_before_it_grows(tmp_path: Path) -> None:
    nothing = bytes(20 << 20)  # deflate cannot pack much better than 1000:1
    archive = write(tmp_path, zipped({"log.csv": nothing}))
    assert archive.stat().st_size < 21_000
    assert "log.csv would grow from" in failure(archive, {"log.csv"}, tmp_path / "out")
    archive = write(tmp_path, gz_tarred({"log.csv": nothing}))
    assert "log.csv would grow from" in failure(archive, {"log.csv"}, tmp_path / "out")
    nested = write(tmp_path, zipped({"in.zip": zipped({"log.csv": nothing})}))
    assert "in.zip/log.csv would grow from" in failure(nested, {"log.csv"}, tmp_path / "out")
    assert unpack(write(tmp_path, zipped({"log.csv": bytes(1 << 20)})), ["log.csv"], tmp_path / "small")


def test_what_is_passed_over_does_not_grow_either(tmp_path: Path) -> None:
    archive = write(tmp_path, gz_tarred({"other.csv": bytes(20 << 20), "log.csv": b"1,2"}))
    assert "other.csv would grow from" in failure(archive, {"log.csv"}, tmp_path / "out")
    packed = zlib.compressobj(9, zlib.DEFLATED, 31)
    tail = packed.compress(tarred({"log.csv": b"1,2"}))
    tail += b"".join(packed.compress(bytes(1 << 20)) for _ in range(400)) + packed.flush()
    archive = write(tmp_path, tail)
    started = time.perf_counter()
    assert "what follows its end mark would grow" in failure(archive, {"log.csv"}, tmp_path / "out")
    assert time.perf_counter() - started < 5


def test_a_time_stamp_does_not_make_a_gzip_file_a_tar() -> None:
    packed = bytearray(gz_tarred({"log.csv": bytes(20 << 20)}))  # packed, it is mostly zeros
    for seconds in range(3000):
        packed[4:8] = struct.pack("<I", seconds)
        assert unpacking._kind(io.BytesIO(packed)) == "tar.gz"


def patched(archive: bytes, size: int) -> bytes:
    """A zip of one member that declares another size, in both of its headers."""
    local, central = archive.index(b"PK\x03\x04"), archive.index(b"PK\x01\x02")
    changed = bytearray(archive)
    changed[local + 22 : local + 26] = changed[central + 24 : central + 28] = struct.pack("<I", size)
    return bytes(changed)


@pytest.mark.parametrize("size", [0, 1, len(LOG) - 1, len(LOG) + 1, len(LOG) * 50])
@pytest.mark.parametrize("pack", [zipped, stored])
def test_declared_sizes_are_not_believed(tmp_path: Path, pack: Callable[[Files], bytes], size: int) -> None:
    archive = write(tmp_path, patched(pack({"log.csv": LOG}), size))
    assert "log.csv: damaged" in failure(archive, {"log.csv"}, tmp_path / "out")


def test_a_member_that_outgrows_its_declared_size_stays_small(tmp_path: Path) -> None:
    archive = write(tmp_path, patched(zipped({"log.csv": bytes(200 << 20)}), 1 << 20))
    tracemalloc.start()
    failure(archive, {"log.csv"}, tmp_path / "out")
    assert tracemalloc.get_traced_memory()[1] < 20 << 20
    tracemalloc.stop()


def test_memory_is_blocks_and_not_members(tmp_path: Path) -> None:
    big = random.Random(0).randbytes(1 << 20) * 30
    for pack in PACKERS:
        archive = write(tmp_path, pack({"in.zip": stored({"log.csv": big})}))
        tracemalloc.start()
        assert unpack(archive, ["log.csv"], tmp_path / pack.__name__)["log.csv"].stat().st_size == len(big)
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
        tracemalloc.stop()


def test_damage_in_the_data_is_noticed(tmp_path: Path) -> None:
    for pack in (zipped, stored, gz_tarred):
        content = bytearray(pack({"log.csv": ITEMS * 20}))
        content[len(content) // 2] ^= 1
        failure(write(tmp_path, bytes(content)), {"log.csv"}, tmp_path / "out")


@pytest.mark.parametrize("pack", PACKERS)
def test_truncated_anywhere(tmp_path: Path, pack: Callable[[Files], bytes]) -> None:
    whole = pack({"a/log.csv": LOG[:9000], "in.zip": zipped({"items.csv": ITEMS}), "b/users.csv": ITEMS})
    generator = random.Random(0)
    needed = len(whole.rstrip(b"\0"))  # a tar is filled up with zeros
    blocks = range(0, needed, 512)  # where only the end mark of a tar is missing
    for cut in [*generator.sample(range(needed), 40), *generator.sample(blocks, min(20, len(blocks)))]:
        archive = write(tmp_path, whole[:cut])
        told = failure(archive, {"log.csv", "items.csv", "users.csv"}, tmp_path / "out")
        assert "damaged" in told or "neither a zip nor a tar" in told


@pytest.mark.parametrize("pack", PACKERS)
def test_garbled_anywhere(tmp_path: Path, pack: Callable[[Files], bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    leave_room(monkeypatch, 1 << 20)
    content = {"a/log.csv": LOG[:3000], "in.zip": zipped({"items.csv": ITEMS[:2000]})}
    whole = pack(content)
    generator = random.Random(0)
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(generator.choice([1, 1, 3])):
            damaged[generator.randrange(len(whole))] = generator.randrange(256)
        folder = tmp_path / "out"
        archive = write(tmp_path, bytes(damaged))
        try:
            unpack(archive, {"log.csv", "items.csv"}, folder)
        except DataError as error:
            assert "\n" not in str(error)  # noqa: PT017
        there = visible(folder)
        assert set(there) <= {"log.csv", "items.csv"}
        if pack is not tarred:  # whose data carry no checksum
            assert there.get("log.csv", LOG[:3000]) == LOG[:3000]
        assert there.get("items.csv", ITEMS[:2000]) == ITEMS[:2000]
        for path in there:
            (folder / path).unlink()


def header(kind: bytes, size: int, name: str = "log.csv") -> bytes:
    """A tar header of any size, also of a negative one."""
    info = tarfile.TarInfo(name)
    info.type = kind
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[124:136] = b"\xff" * 4 + size.to_bytes(8, "big", signed=True) if size < 0 else b"%011o\0" % size
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def pax(size: int) -> bytes:
    """A tar header that tells the size of the file in another header before it."""
    record = b"%d size=%d\n" % (len(str(size)) + 9, size)
    return header(tarfile.XHDTYPE, len(record), "x") + record.ljust(512, b"\0") + header(tarfile.REGTYPE, 0)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (zipped({"log.csv": LOG}).replace(b"PK\x01\x02\x14\x03\x14", b"PK\x01\x02\x14\x03\x63"), "version 9.9"),
        (zipped({"\u00e9.csv": LOG}).replace("\u00e9".encode(), b"\xff\xfe"), "'utf-8' codec"),
        ((header(tarfile.GNUTYPE_LONGNAME, 1, "x") + bytes(512)) * 2000, "recursion"),
        (pax(2**80) + bytes(10240), "would grow from 11,776"),
        (pax(-512) + bytes(10240), "in a circle|invalid"),
        (header(tarfile.REGTYPE, -512) + bytes(10240), "in a circle|invalid"),
    ],
    ids=["version", "name", "headers of headers", "huge", "negative in pax", "negative"],
)
def test_whatever_the_readers_stumble_over(tmp_path: Path, content: bytes, said: str) -> None:
    assert re.search(said, failure(write(tmp_path, content), {"log.csv"}, tmp_path / "out"))


def test_a_reader_that_never_ends(tmp_path: Path) -> None:
    class Endless(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return bytes(1000)

    endless = unpacking._Member("log.csv", 2500, Endless)
    with pytest.raises(DataError, match=r"log\.csv: damaged, or cannot be read \(not as long as declared\)"):
        unpacking._write(tmp_path / "a", endless, tmp_path / "log.csv")
    assert visible(tmp_path) == {}


def test_one_process_at_a_time(tmp_path: Path) -> None:
    archive, folder = write(tmp_path, zipped({"log.csv": LOG})), tmp_path / "out"
    folder.mkdir()
    code = "import sys; from pathlib import Path; from recbench.sources.unpack import unpack\n"
    code += "print(flush=True); unpack(Path(sys.argv[1]), ['log.csv'], Path(sys.argv[2]))"
    command = [sys.executable, "-c", code, str(archive), str(folder)]
    with FileLock(folder / ".unpack.lock"):
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()  # it has loaded all that it needs
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        assert visible(folder) == {}
    assert process.wait(10) == 0 and visible(folder) == {"log.csv": LOG}
    process.stdout.close()


def test_encrypted(tmp_path: Path) -> None:
    content = bytearray(zipped({"log.csv": LOG}))
    for place in (content.index(b"PK\x03\x04") + 6, content.index(b"PK\x01\x02") + 8):
        content[place] |= 1
    told = failure(write(tmp_path, bytes(content)), {"log.csv"}, tmp_path / "out")
    assert "log.csv is encrypted; unpack it by hand" in told


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_can_fill_the_memory(tmp_path: Path, method: int) -> None:
    archive = write(tmp_path, zipped({"log.csv": LOG}, method))
    assert f"log.csv is packed by method {method}" in failure(archive, {"log.csv"}, tmp_path / "out")


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, b"?"])
@pytest.mark.parametrize("size", [-512, -1024, -(2**40), 2**32])
def test_headers_that_lie(tmp_path: Path, kind: bytes, size: int) -> None:
    content = header(tarfile.REGTYPE, 0, "first") + header(kind, size) + bytes(4096)
    for archive in (content, gzip.compress(content)):
        assert "damaged" in failure(write(tmp_path, archive), {"log.csv"}, tmp_path / "out")


def test_a_header_of_any_size_is_not_read(tmp_path: Path) -> None:
    content = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = content.compress(header(tarfile.GNUTYPE_LONGNAME, 100 << 20))
    packed += b"".join(content.compress(bytes(1 << 20)) for _ in range(100)) + content.flush()
    archive = write(tmp_path, packed)
    tracemalloc.start()
    assert "header without end" in failure(archive, {"log.csv"}, tmp_path / "out")
    assert tracemalloc.get_traced_memory()[1] < 10 << 20
    tracemalloc.stop()


def test_members_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MAX_TAR_MEMBERS", 3)
    archive = write(tmp_path, tarred({str(name): b"" for name in range(4)}))
    assert "more than 3 members" in failure(archive, {"0"}, tmp_path / "out")
    archive = write(tmp_path, tarred({str(name): b"" for name in range(3)}))
    assert list(unpack(archive, ["0"], tmp_path / "out")) == ["0"]


def sparse(more: bool) -> bytes:
    """A sparse file of 4 GiB in a tar of a few blocks, and whether a block about its holes is to follow."""
    block = bytearray(header(tarfile.GNUTYPE_SPARSE, 512))
    block[257:265] = b"ustar  \0"
    block[386:410] = b"%011o\0%011o\0" % (0, 512)
    block[482] = more
    block[483:495] = b"%011o\0" % 2**32
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def test_sparse(tmp_path: Path) -> None:
    archive = write(tmp_path, sparse(more=False) + bytes(512) + bytes(10240))
    assert "log.csv is sparse" in failure(archive, {"log.csv"}, tmp_path / "out")
    assert "damaged" in failure(write(tmp_path, sparse(more=True)), {"log.csv"}, tmp_path / "out")


def test_a_file_without_a_name(tmp_path: Path) -> None:
    archive = write(tmp_path, zipped({"@@@@": b"1", "log.csv": LOG}).replace(b"@@@@", bytes(4)))
    assert list(unpack(archive, ["log.csv", ""], tmp_path / "out")) == ["log.csv"]


@pytest.mark.parametrize(
    "content",
    [b"", b"PK", b"user,item\n1,2\n", gzip.compress(b"user,item\n1,2\n" * 99), gzip.compress(LOG)[:50], bytes(10240)],
    ids=["empty", "two bytes", "text", "gzip of text", "half a gzip", "zeros"],
)
def test_what_is_no_archive(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path, content, "log.zip")
    assert not is_archive(path)
    assert "neither a zip nor a tar archive" in failure(path, {"log.csv"}, tmp_path / "out")


def test_what_cannot_be_read(tmp_path: Path) -> None:
    assert not is_archive(tmp_path / "none.zip") and not is_archive(tmp_path)
    assert "No such file" in failure(tmp_path / "none.zip", {"log.csv"}, tmp_path / "out")
    (tmp_path / "file").write_text("")
    archive = write(tmp_path, zipped({"log.csv": LOG}))
    with pytest.raises(DataError, match=r"the disk refuses it \(File exists\)"):
        unpack(archive, ["log.csv"], tmp_path / "file")


@pytest.mark.parametrize("nested", [False, True])
def test_disk_full_in_mid_write(tmp_path: Path, nested: bool) -> None:
    archive = write(tmp_path, stored({"in.zip": stored({"log.csv": LOG})}) if nested else zipped({"log.csv": LOG}))
    code = (
        "import sys\nfrom pathlib import Path\nfrom recbench.sources.unpack import unpack\n"
        "from recbench.errors import DataError\n"
        "try:\n    unpack(Path(sys.argv[1]), ['log.csv'], Path(sys.argv[2]))\n"
        "except DataError as error:\n    sys.exit(f'error: {error}')"
    )
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))  # noqa: E731
    command = [sys.executable, "-c", code, str(archive), str(tmp_path / "out")]
    done = subprocess.run(command, preexec_fn=limit, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"error: {tmp_path / 'out'}: the disk refuses it (File too large); free some space")
    assert visible(tmp_path / "out") == {}


def test_interrupted_leaves_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = write(tmp_path, zipped({"log.csv": LOG, "items.csv": ITEMS}))

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            unpack(archive, ["log.csv", "items.csv"], tmp_path / "out")
    assert visible(tmp_path / "out") == {}
    assert len(unpack(archive, ["log.csv", "items.csv"], tmp_path / "out")) == 2
