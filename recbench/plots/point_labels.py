"""Labels beside the points of a picture, placed so that they hide neither each other nor points.

A library was tried: textalloc 1.2.4, told that lines cross nothing, leaves more labels out on crowded pictures.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

DISTANCES = (6, 12, 20, 30, 42, 56, 72)  # of a label from its point, in points; the nearest with room is taken
DIRECTIONS = 16
NEAR = 12  # from farther on, a line joins label and point
MARKER = 3.5  # half the width of a marker, in points
LETTERS = 6.5  # size of a label's letters, in points


def label_points(
    ax: Axes, points: Sequence[tuple[float, float]], words: Sequence[str], others: Sequence[tuple[float, float]] = ()
) -> int:
    """Write words beside the points of axes whose limits and place are final; return how many found no room.

    `others` are points without words, which are not hidden either. Earlier points choose first. A line that joins a
    label to its point crosses no label and no other point.
    """
    from matplotlib.path import Path

    drawing = ax.get_figure(root=True)
    if drawing is None or not points:
        return 0
    pixels = drawing.dpi / 72
    centres = [(float(x), float(y)) for x, y in ax.transData.transform([*points, *others])]
    markers = [_box(centre, 2 * MARKER * pixels, 2 * MARKER * pixels) for centre in centres]
    labels: list[Bbox] = []
    lines: list[Path] = []
    left_out = 0
    for number, (point, text) in enumerate(zip(points, words, strict=True)):
        centre = centres[number]
        elsewhere = [
            box for box, other in zip(markers, centres, strict=True) if math.dist(centre, other) > MARKER * pixels
        ]
        width, height = _size(ax, text)
        for distance, dx, dy in _offsets(width / pixels, height / pixels):
            box = _box((centre[0] + dx * pixels, centre[1] + dy * pixels), width, height)
            if not _inside(box, ax.bbox) or box.count_overlaps(labels) or box.count_overlaps(markers):
                continue
            line = [Path([centre, _nearest(box, centre)])] if distance > NEAR else []
            crossed = any(line[0].intersects_bbox(other) for other in [*labels, *elsewhere]) if line else False
            if crossed or any(other.intersects_bbox(box) for other in lines):
                continue
            _write(ax, text, point, (dx, dy), joined=distance > NEAR)
            labels.append(box)
            lines += line
            break
        else:
            left_out += 1
    return left_out


def _nearest(box: Bbox, to: tuple[float, float]) -> tuple[float, float]:
    """Return the place in a box that is nearest to a point."""
    return min(max(to[0], box.x0), box.x1), min(max(to[1], box.y0), box.y1)


def _size(ax: Axes, text: str) -> tuple[float, float]:
    """Return width and height in pixels."""
    label = ax.text(0, 0, text, fontsize=LETTERS)
    box = label.get_window_extent()
    label.remove()
    return box.width, box.height


def _write(ax: Axes, text: str, point: tuple[float, float], offset: tuple[float, float], joined: bool) -> None:
    line = {"arrowstyle": "-", "color": "0.6", "linewidth": 0.5, "shrinkA": 0, "shrinkB": 2} if joined else None
    label = ax.annotate(
        text, point, offset, textcoords="offset points", fontsize=LETTERS, va="center", ha="center", arrowprops=line
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
