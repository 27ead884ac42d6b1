from __future__ import annotations

from pathlib import Path

import pytest

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
