from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from recbench.data import prepared_folder
from recbench.data.exchange import exchange
from recbench.data.prepared_datasets import prepared_folders
from recbench.data.prepared_folder import replacing
from recbench.errors import UsageError
from recbench.home import prepared_home


@pytest.mark.parametrize("path", ["shop/global+x/../../victim", "shop/../../victim", "shop", "shop/a/b", "/etc/shop"])
def test_only_folders_below_the_home_are_replaced(path: str) -> None:
    with pytest.raises(UsageError, match="not a folder `<dataset>/<variant>` of"), replacing(prepared_home() / path):
        raise AssertionError("nothing may be written")


def test_a_link_out_of_the_home_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    (victim / "global").mkdir(parents=True)
    (victim / "global" / "thesis.txt").write_text("mine")
    prepared_home().mkdir(parents=True)
    (prepared_home() / "shop").symlink_to(victim)
    with pytest.raises(UsageError, match="not a folder"), replacing(prepared_home() / "shop" / "global"):
        raise AssertionError("nothing may be written")
    assert (victim / "global" / "thesis.txt").read_text() == "mine"


def test_the_home_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    prepared_home().parent.mkdir(parents=True, exist_ok=True)
    prepared_home().symlink_to(tmp_path / "disk")
    with replacing(prepared_home() / "shop" / "global") as folder:
        (folder / "manifest.json").write_text("{}")
    assert (tmp_path / "disk" / "shop" / "global" / "manifest.json").read_text() == "{}"


VARIANTS = ("global", "global+8-1-1", "global+all", "user+rule+click-buy+8-1-1")
CALLS = ("rename", "mkdir", "unlink", "rmdir", "fsync", "utime", "open")


def write(folder: Path, content: str) -> None:
    with replacing(folder) as new:
        (new / "vocabulary").mkdir()
        (new / "vocabulary" / "user.parquet").write_text(content)
        (new / "manifest.json").write_text(content)


def content_of(folder: Path) -> str:
    """Return the content of a folder after a check that all its files are of one version."""
    contents = {path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert len(contents) == 1 and len(list(folder.rglob("*"))) == 3
    return contents.pop()


def killed_at(call: int, folder: Path, content: str) -> bool:
    """Replace the folder in a process that is killed before its n-th call of the file system; whether it was."""
    process = os.fork()
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == -signal.SIGKILL
    left = itertools.count(call, -1)

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **options: Any) -> Any:
            if next(left) == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **options)

        return wrapper

    for name in CALLS:
        setattr(os, name, counted(getattr(os, name)))
    prepared_folder.exchange = counted(prepared_folder.exchange)
    write(folder, content)
    os._exit(0)


@pytest.mark.parametrize("can_exchange", [True, False])
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_kill_at_any_call_leaves_one_whole_version(
    variant: str, can_exchange: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not can_exchange:
        monkeypatch.setattr(prepared_folder, "exchange", lambda one, other: False)
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # it protects from a fall of the machine, not from kills
    folder = prepared_home() / "shop" / variant
    write(folder, "0")
    other = prepared_home() / "shop" / "random"
    write(other, "other")
    kills = 0
    while killed_at(kills, folder, f"{kills + 1}"):
        assert set(prepared_folders()) == {folder, other}
        assert int(content_of(folder)) in (kills, kills + 1)
        write(folder, f"{kills + 1}")
        assert content_of(folder) == f"{kills + 1}" and content_of(other) == "other"
        kills += 1
    assert kills >= 20 and content_of(folder) == f"{kills + 1}"
    assert [path.name for path in (prepared_home() / ".work" / "shop" / variant).iterdir()] == ["lock"]


def test_another_process_is_waited_for() -> None:
    folder = prepared_home() / "shop" / "global"
    waited = []
    write(folder, "first")
    with FileLock(prepared_home() / ".work" / "shop" / "global" / "lock") as lock:

        def on_wait() -> None:
            waited.append(content_of(folder))
            lock.release()

        with replacing(folder, on_wait) as new:
            (new / "manifest.json").write_text("second")
    assert waited == ["first"] and (folder / "manifest.json").read_text() == "second"


def test_exchange(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    with pytest.raises(FileNotFoundError):
        exchange(one, other)
    other.mkdir()
    (other / "file").write_text("content")
    assert exchange(one, other) == (one / "file").exists() != (other / "file").exists()
