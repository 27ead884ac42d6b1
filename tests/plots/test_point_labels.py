from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.path import Path as Line
from matplotlib.text import Text

from recbench.plots.figure import figure
from recbench.plots.point_labels import label_points


@pytest.mark.parametrize("count", [5, 40])
def test_labels_hide_neither_each_other_nor_points(tmp_path: Path, count: int) -> None:
    points = [(float(x), float(y)) for x, y in np.random.default_rng(0).normal(0, 1, (count, 2))]
    with figure(tmp_path / "a.png", "title", width=6, height=4) as (drawing, (ax,)):
        ax.plot(*zip(*points, strict=True), "o")
        ax.margins(0.2)
        drawing.draw_without_rendering()
        left_out = label_points(ax, points, [f"method {n}" for n in range(count)])
        drawing.draw_without_rendering()
        boxes = [Text.get_window_extent(text) for text in ax.texts]  # without the lines to their points
        assert len(boxes) == count - left_out and len(boxes) >= min(count, 10)
        assert not any(a.padded(-0.5).overlaps(b) for a, b in combinations(boxes, 2))
        centres = ax.transData.transform(points)
        assert not any(box.contains(x, y) for box in boxes for x, y in centres)
        for text in ax.texts:
            if text.arrow_patch is not None:  # a line from the middle of the label to its point
                line = Line([ax.transData.transform(text.xy), text.get_window_extent().get_points().mean(0)])
                own = Text.get_window_extent(text)
                assert not any(line.intersects_bbox(box) for box in boxes if box.bounds != own.bounds)
        assert all(ax.bbox.x0 <= box.x0 and box.x1 <= ax.bbox.x1 for box in boxes)


def test_what_has_no_room_is_counted(tmp_path: Path) -> None:
    with figure(tmp_path / "a.png", "title", width=6, height=4) as (_, (ax,)):
        ax.set(xlim=(0, 1), ylim=(0, 1))
        assert label_points(ax, [(0.5, 0.5), (0.5, 0.5)], ["near", "wide " * 60]) == 1
        assert [text.get_text() for text in ax.texts] == ["near"]
        assert label_points(ax, [], []) == 0
