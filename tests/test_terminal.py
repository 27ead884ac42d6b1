from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbench.terminal import IN_ASCII, TerminalConsole, as_json_text, clean, clean_line

STEERING = [
    *("\x1b", "\a", "\b", "\r", "\0", "\x7f", "\x9b", "\x9d", "\x90"),  # C0, DEL, C1: CSI, OSC, DCS in one byte
    *("\u202a", "\u202e", "\u2066", "\u2069", "\u200e", "\u200f", "\u061c"),  # bidirectional controls
    *("\u2028", "\u2029", "\ud83d", "\ufeff", "\U000e0041"),
]


@pytest.mark.parametrize("character", STEERING, ids=ascii)
def test_what_steers_a_terminal_is_replaced(character: str) -> None:
    assert clean(f"a{character}b") == clean_line(f"a{character}b") == "a\ufffdb"
    assert character not in as_json_text([f"a{character}b"])
    assert json.loads(as_json_text([f"a{character}b"])) == [f"a{character}b"]


@pytest.mark.parametrize(
    "text", ["", "a\tb\n", "naïve 東京 ±×↓", "ש\u200cל\u200dם", "👩\u200d🚀", "5\u00a0%", "co\u00adop"]
)
def test_words_of_all_scripts_stay(text: str) -> None:
    assert clean(text) == text
    assert json.loads(as_json_text(text)) == text


@pytest.mark.parametrize(
    ("encoding", "written"),
    [
        ("ascii", b"bce x mf 0.5 +/- 0.1 >= 0.4 - ??"),
        ("latin-1", b"bce \xd7 mf 0.5 \xb1 0.1 >= 0.4 - ??"),
        ("utf-8", "bce × mf 0.5 ± 0.1 ≥ 0.4 – 東京".encode()),
    ],
)
def test_a_stream_writes_signs_that_its_encoding_lacks_in_ascii(encoding: str, written: bytes) -> None:
    assert "bce × mf 0.5 ± 0.1 ≥ 0.4 – 東京".encode(encoding, IN_ASCII) == written


def test_one_line() -> None:
    assert clean_line("a\nb\tc") == "a\ufffdb\ufffdc"


@given(st.text())
def test_cleaning_twice_changes_nothing(text: str) -> None:
    assert clean(clean(text)) == clean(text) and len(clean(text)) == len(text)
    assert json.loads(as_json_text({"a": text})) == {"a": text}


def test_a_console_shows_text_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    TerminalConsole().print("[bold]a[/] :smile: \x1b[31m 12", style="bold")
    assert capsys.readouterr().out == "[bold]a[/] :smile: \ufffd[31m 12\n"
    TerminalConsole(stderr=True).print("note\x9b")
    assert capsys.readouterr().err == "note\ufffd\n"
