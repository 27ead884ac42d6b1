"""Labels beside the points of a picture, placed so that they hide neither each other nor points."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

DISTANCES = (6, 12, 20, 30, 42)  # of a label from its point, in points; the nearest with room is taken
DIRECTIONS = 16
NEAR = 12  # from farther on, a line joins label and point
MARKER = 3.5  # half the width of a marker, in points


def label_points(ax: Axes, points: Sequence[tuple[float, float]], words: Sequence[str], size: float = 6.5) -> int:
    """Write words beside the points of axes whose limits are final; return how many found no room and are left out.

    Earlier points choose first.
    """
    drawing = ax.get_figure(root=True)
    if drawing is None or not points:
        return 0
    drawing.draw_without_rendering()  # the layout is settled only now
    pixels = drawing.dpi / 72
    centres = [(float(x), float(y)) for x, y in ax.transData.transform(list(points))]
    taken = [_box(centre, 2 * MARKER * pixels, 2 * MARKER * pixels) for centre in centres]
    left_out = 0
    for centre, point, text in zip(centres, points, words, strict=True):
        width, height = _size(ax, text, size)
        for distance, dx, dy in _offsets(width / pixels, height / pixels):
            box = _box((centre[0] + dx * pixels, centre[1] + dy * pixels), width, height)
            if _inside(box, ax.bbox) and not any(box.overlaps(other) for other in taken):
                _write(ax, text, point, (dx, dy), size, joined=distance > NEAR)
                taken.append(box)
                break
        else:
            left_out += 1
    return left_out


def _size(ax: Axes, text: str, size: float) -> tuple[float, float]:
    """Return width and height in pixels."""
    label = ax.text(0, 0, text, fontsize=size)
    box = label.get_window_extent()
    label.remove()
    return box.width, box.height


def _write(
    ax: Axes, text: str, point: tuple[float, float], offset: tuple[float, float], size: float, joined: bool
) -> None:
    line = {"arrowstyle": "-", "color": "0.6", "linewidth": 0.5, "shrinkA": 0, "shrinkB": 2} if joined else None
    label = ax.annotate(
        text, point, offset, textcoords="offset points", fontsize=size, va="center", ha="center", arrowprops=line
    )
    label.set_in_layout(False)


def _box(centre: tuple[float, float], width: float, height: float) -> Bbox:
    from matplotlib.transforms import Bbox

    return Bbox.from_bounds(centre[0] - width / 2, centre[1] - height / 2, width, height)


def _offsets(width: float, height: float) -> Iterator[tuple[float, float, float]]:
    """Yield distances and the offsets of a label's middle, in points: to the right first, then all around."""
    for distance in DISTANCES:
        for step in range(DIRECTIONS):
            angle = 2 * math.pi / DIRECTIONS * ((step + 1) // 2) * (-1) ** step
            dx, dy = math.cos(angle), math.sin(angle)
            yield distance, dx * (distance + width / 2), dy * (distance + height / 2)


def _inside(box: Bbox, around: Bbox) -> bool:
    return bool(box.x0 >= around.x0 and box.x1 <= around.x1 and box.y0 >= around.y0 and box.y1 <= around.y1)
