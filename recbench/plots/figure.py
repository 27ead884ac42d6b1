"""How all pictures look: told apart by the colour-blind and in grey, and the same file each time."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recbench.errors import DataError, UsageError
from recbench.terminal import clean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#000000")  # Okabe and Ito, 2008
MARKERS = ("o", "s", "D", "^", "v", "P", "X")
DASHES = ("-", "--", "-.", ":")
WIDTH, HEIGHT = 3.4, 2.5  # of a panel, in inches
LINE = 0.19  # of a legend, in inches
ACROSS = 4  # panels side by side
STYLE: Any = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 9,
    "errorbar.capsize": 2.5,
    "figure.titlesize": 10,
    "font.size": 9,
    "grid.color": "0.92",
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.5,
    "savefig.dpi": 200,
    "svg.hashsalt": "recbench",
}


def target(path: Path | None, kind: str) -> Path:
    """Return where to write a picture, by default `KIND.png`.

    Raises UsageError for another format and where matplotlib is not installed.
    """
    chosen = path or Path(f"{kind}.png")
    if chosen.suffix.lower() not in (".png", ".svg"):
        raise UsageError(f"-o {chosen}: expected a name that ends in .png or .svg")
    if find_spec("matplotlib") is None:
        raise UsageError("matplotlib is not installed; run `pip install recbench[plot]`")
    return chosen


@contextmanager
def figure(
    path: Path,
    title: str,
    panels: int = 1,
    across: int = ACROSS,
    width: float = WIDTH,
    height: float = HEIGHT,
    share: bool = False,
) -> Iterator[tuple[Figure, list[Axes]]]:
    """Yield a figure of as many panels, at most `across` side by side, and write it when the block ends.

    With `share`, all have the same x axis, and those of a column the same y axis. Raises DataError if the file cannot
    be written.
    """
    import matplotlib
    from matplotlib.figure import Figure

    across = min(panels, across)
    down = math.ceil(panels / across)
    with matplotlib.rc_context(STYLE):
        drawing = Figure(figsize=(max(4.6, across * width), down * height + 0.9), layout="constrained")
        drawing.suptitle(title)
        axes = list(drawing.subplots(down, across, squeeze=False, sharex=share, sharey="col" if share else False).flat)
        for spare in axes[panels:]:
            spare.remove()
        yield drawing, axes[:panels]
        _show_as_it_is(drawing)
        unstamped: dict[str, Any] = {"Date": None} if path.suffix.lower() == ".svg" else {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Glyph", UserWarning)  # a box stands where the font has no letter
                drawing.savefig(path, metadata=unstamped)
        except OSError as error:
            raise DataError(f"{path}: cannot be written ({error.strerror}); choose another -o") from error


def _show_as_it_is(drawing: Figure) -> None:
    """See to it that no text is read as a formula, and that none holds what fonts and terminals cannot show."""
    from matplotlib.text import Text

    for text in drawing.findobj(Text):
        words = text.get_text()
        if words and r"\mathdefault" not in words:  # powers of ten on axes
            text.set_text(clean(words))
            text.set_parse_math(False)


def look(number: int) -> dict[str, Any]:
    """Return colour, marker and dashes of the line of that number.

    Colour and marker together repeat after 49, marker and dashes after 28.
    """
    shift = number // len(COLOURS)
    marker = (number + shift) % len(MARKERS)
    return {
        "color": COLOURS[number % len(COLOURS)],
        "marker": MARKERS[marker],
        "linestyle": DASHES[(marker + shift) % len(DASHES)],
    }


def legend(drawing: Figure, handles: Sequence[Any], labels: Sequence[str], title: str = "") -> None:
    """Put a legend below all panels, in as many columns as its words leave room for."""
    if len(labels):
        room = drawing.get_figwidth() * 13  # letters
        columns = int(max(1, min(len(labels), room // (max(map(len, labels)) + 7))))
        rows = math.ceil(len(labels) / columns)
        drawing.set_figheight(drawing.get_figheight() + LINE * (rows - 1))
        drawing.legend(handles, labels, loc="outside lower center", ncols=columns, title=title, title_fontsize="medium")
