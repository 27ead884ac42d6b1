"""Threads sleep soon while they wait, unless the user or an earlier import of torch has decided that."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from recbench.threads import CHOICES, SHORT_SPIN, spin_briefly


def test_a_user_s_choice_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch")
    for name in CHOICES:
        environment = {name: "x"}
        spin_briefly(environment)
        assert environment == {name: "x"}
    environment = {}
    spin_briefly(environment)
    assert environment == SHORT_SPIN


def test_nothing_changes_once_torch_is_loaded() -> None:
    environment: dict[str, str] = {}
    assert "torch" in sys.modules or __import__("torch")
    spin_briefly(environment)
    assert environment == {}


def test_the_command_line_sets_it_before_torch_is_loaded() -> None:
    code = (
        "import os, sys\n"
        "from recbench import threads\n"
        "assert not set(threads.SHORT_SPIN) & set(os.environ)\n"
        "from recbench.cli import entry\n"
        "sys.argv = ['recbench', '--version']\n"
        "try:\n    entry()\nexcept SystemExit:\n    pass\n"
        "print(threads.SHORT_SPIN.items() <= os.environ.items(), 'torch' in sys.modules)\n"
    )
    environment = {name: value for name, value in os.environ.items() if name not in CHOICES}
    printed = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert printed.stdout.split()[-2:] == ["True", "False"]
