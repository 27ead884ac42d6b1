"""Text for a terminal: what came from records, data or names of files must not steer it.

Characters that a terminal obeys or that turn the direction of reading (ESC, BEL, C0, C1, bidirectional controls; see
Unicode Standard Annex 9 and "Trojan Source", https://arxiv.org/abs/2111.00169) are shown as U+FFFD.
"""

from __future__ import annotations

import codecs
import json
import sys
from collections.abc import Iterable, Mapping
from typing import IO, TYPE_CHECKING, TypeVar
from unicodedata import category

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

if TYPE_CHECKING:
    from rich.table import Table

STEERING = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))  # controls, formats, halves of pairs, separators of lines
JOINERS = frozenset("\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}\N{SOFT HYPHEN}")  # part of words and of emoji
GAP = 2  # cells between columns of a table

Column = TypeVar("Column")

LAYOUT = frozenset("\n\t")
ASCII = str.maketrans(
    {"±": "+/-", "×": "x", "–": "-", "…": "...", "→": "->", "≥": ">="}
    | {"↓": "v", "▲": "^", "▼": "v", "△": "^", "▽": "v"}
)
IN_ASCII = "signs in ASCII"  # how a stream writes what its encoding lacks


class TerminalConsole(Console):
    """A rich console that shows all text as it is: cleaned, without markup, emoji codes or highlighting."""

    def __init__(
        self, *, stderr: bool = False, quiet: bool = False, file: IO[str] | None = None, width: int | None = None
    ) -> None:
        super().__init__(
            stderr=stderr,
            quiet=quiet,
            file=file,
            width=width,
            markup=False,
            emoji=False,
            highlight=False,
            force_jupyter=None if file is None else False,  # a notebook shows what else would go to the file
            force_terminal=None if file is None else False,  # and asks for colours
        )

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments of a renderable; rich's own control segments stay."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else clean(text), style, control)


def clean(text: str) -> str:
    """Return text that steers no terminal; line breaks and tabs stay."""
    if text.isprintable():
        return text
    return "".join("\N{REPLACEMENT CHARACTER}" if _steers(character) else character for character in text)


def clean_line(text: str) -> str:
    """Return the same as one line: line breaks and tabs are shown as U+FFFD, too."""
    return clean(text).translate(dict.fromkeys(map(ord, LAYOUT), "\N{REPLACEMENT CHARACTER}"))


def columns_that_fit(widths: Mapping[Column, int], free: int) -> list[list[Column]]:
    """Split columns of these widths over tables that fit so many cells each, with at least one column in each."""
    tables: list[list[Column]] = []
    room = 0
    for column, width in widths.items():
        needed = GAP + width
        if not tables or needed > room:
            tables.append([])
            room = free
        tables[-1].append(column)
        room -= needed
    return tables


def empty_table(*columns: str) -> Table:
    """Return a table to add columns and rows to, with these columns first, which fold what is too long."""
    from rich import box
    from rich.table import Table  # slow to load
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="")
    for column in columns:
        table.add_column(Text(column), overflow="fold")
    return table


def encodable(text: str, ascii_only: bool) -> str:
    """Return text, its signs in ASCII where a console writes nothing else."""
    return text.translate(ASCII) if ascii_only else text


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(str(ASCII.get(ord(sign), "?")) for sign in error.object[error.start : error.end]), error.end


codecs.register_error(IN_ASCII, _in_ascii)


def print_line(console: Console, line: str, style: str | None = None) -> None:
    """Print a line on a rich console as it is, whatever its length and the brackets in it."""
    console.print(line, style=style, highlight=False, markup=False, soft_wrap=True)


def print_text(text: str, *, end: str = "\n", stderr: bool = False) -> None:
    """Print cleaned text, at once."""
    print(clean(text), end=end, file=sys.stderr if stderr else sys.stdout, flush=True)


def as_json_text(document: object) -> str:
    """Return a document as JSON, with escapes for what would steer a terminal: it loses nothing."""
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    if text.replace("\n", "").isprintable():
        return text
    return "".join(json.dumps(character)[1:-1] if _steers(character) else character for character in text)


def _steers(character: str) -> bool:
    return category(character) in STEERING and character not in JOINERS and character not in LAYOUT
