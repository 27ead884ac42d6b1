from __future__ import annotations

import platform
import shutil
import subprocess

import pytest

from recbench import __version__
from recbench.results.code_version import checkout_at, versions


def test_versions_name_python_and_recbench():
    found = versions()
    assert found["python"] == platform.python_version()
    assert found["recbench"] == __version__
    assert "torch" in found


def test_a_folder_that_is_no_checkout_has_no_commit(tmp_path):
    assert checkout_at(tmp_path) == (None, None)


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_commit_and_changes_of_a_checkout(tmp_path):
    def git(*arguments: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
        command = ["git", "-C", str(tmp_path), *who, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    (tmp_path / "recbench").mkdir()
    (tmp_path / "recbench" / "a.py").write_text("a = 1\n")
    git("init", "--quiet")
    assert checkout_at(tmp_path) == (None, None)
    git("add", ".")
    git("commit", "--quiet", "--no-verify", "--message", "first")
    commit = git("rev-parse", "HEAD")
    assert checkout_at(tmp_path) == (commit, False)
    assert checkout_at(tmp_path / "recbench") == (None, None)
    (tmp_path / "results.json").write_text("{}")
    assert checkout_at(tmp_path) == (commit, False)
    (tmp_path / "recbench" / "new.py").write_text("b = 1\n")
    assert checkout_at(tmp_path) == (commit, True)
