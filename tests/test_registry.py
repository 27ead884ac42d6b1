"""Names, suggestions, a user's own files and other packages' entry points."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest

from recbench import registry
from recbench.backbones.base import BACKBONES
from recbench.cli.main import explain
from recbench.errors import UsageError
from recbench.losses.base import LOSSES, Loss
from recbench.registry import Registry, import_file


def test_unknown_names_get_a_suggestion() -> None:
    with pytest.raises(UsageError, match="unknown loss `listnett`; did you mean `listnet`"):
        LOSSES.get("listnett")


def test_a_taken_name() -> None:
    with pytest.raises(UsageError, match="loss `bce` is already defined in recbench.losses.bce"):
        LOSSES.add("bce")(type("Other", (Loss,), {"__module__": "elsewhere"}))


def test_a_name_that_another_file_has_taken(tmp_path: Path) -> None:
    text = (
        'from recbench.losses import LOSSES, Loss\n@LOSSES.add("taken-of-registry-test")\nclass Own(Loss):\n    pass\n'
    )
    for name in ("first.py", "second.py"):
        (tmp_path / name).write_text(f"{text}# {name}\n")
    import_file(tmp_path / "first.py")
    with pytest.raises(
        UsageError, match="loss `taken-of-registry-test` is already defined in first.py; choose another"
    ):
        import_file(tmp_path / "second.py")


def test_an_error_names_the_line_of_the_user_s_file_that_it_came_from(tmp_path: Path) -> None:
    file = tmp_path / "raising.py"
    file.write_text("import json\n\n\ndef read():\n    return json.loads('{')\n")
    function = vars(sys.modules[registry.module_name(file, import_file(file))])["read"]
    with pytest.raises(ValueError, match="Expecting") as caught:
        function()
    assert registry.line_of(caught.value) == " (raising.py, line 5)"
    assert explain(caught.value) == (
        f"JSONDecodeError: {caught.value} (raising.py, line 5); --debug shows the way there",
        1,
    )
    assert registry.line_of(ValueError("elsewhere")) == ""


def test_a_name_with_another_use() -> None:
    with pytest.raises(UsageError, match="backbone `baseline`: recbench has another use for that name"):
        BACKBONES.add("baseline")


def test_importing_twice_registers_once(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text(
        "from recbench.losses.base import LOSSES\nfrom recbench.losses.bce import BCE\n"
        '@LOSSES.add("own-of-registry-test")\nclass Own(BCE):\n    pass\n'
    )
    assert import_file(file) == import_file(file)
    assert "own-of-registry-test" in LOSSES.names()


def test_names_are_there_after_an_import_that_was_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "interrupted_methods"
    package.mkdir()
    (package / "__init__.py").write_text("from recbench.registry import Registry\nOWN = Registry('own', __name__)\n")
    add = "from interrupted_methods import OWN\n@OWN.add('{0}')\nclass Own:\n    pass\n"
    (package / "first.py").write_text(add.format("first") + "ask()\n")
    (package / "second.py").write_text(add.format("second"))
    monkeypatch.setattr("builtins.ask", Mock(side_effect=[KeyboardInterrupt, None]), raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    own = importlib.import_module("interrupted_methods").OWN
    with pytest.raises(KeyboardInterrupt):
        own.names()
    assert own.names() == ["first", "second"]


def test_entry_points_of_other_packages_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []

    class Point:
        def load(self) -> None:
            loaded.append(True)

    monkeypatch.setattr(registry, "entry_points", lambda group: [Point()] if group == "recbench.losses" else [])
    fresh: Registry[Loss] = Registry("loss", "recbench.losses")
    fresh.names()
    assert loaded == [True]


@pytest.mark.parametrize("end", ["raise SystemExit(0)", "import os, sys\nsys.exit(3)", "1 / 0"])
def test_a_file_that_fails_or_leaves_ends_in_one_line(tmp_path: Path, end: str) -> None:
    file = tmp_path / "leaves.py"
    file.write_text(end)
    with pytest.raises(UsageError, match="leaves.py: (SystemExit|ZeroDivisionError)"):
        import_file(file)
    with pytest.raises(UsageError):  # and the second time as well
        import_file(file)
