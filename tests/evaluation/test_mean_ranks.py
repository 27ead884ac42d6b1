from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbench.evaluation.mean_ranks import cliques, rank_test, ranks

# Demšar, JMLR 2006, Table 6: AUC on 14 datasets of C4.5 as it is, with m, with cf, and with both tuned
AUC = np.array(
    [
        [0.763, 0.599, 0.954, 0.628, 0.882, 0.936, 0.661, 0.583, 0.775, 1.000, 0.940, 0.619, 0.972, 0.957],
        [0.768, 0.591, 0.971, 0.661, 0.888, 0.931, 0.668, 0.583, 0.838, 1.000, 0.962, 0.666, 0.981, 0.978],
        [0.771, 0.590, 0.968, 0.654, 0.886, 0.916, 0.609, 0.563, 0.866, 1.000, 0.965, 0.614, 0.9751, 0.946],
        [0.798, 0.569, 0.967, 0.657, 0.898, 0.931, 0.685, 0.625, 0.875, 1.000, 0.962, 0.669, 0.975, 0.970],
    ]
).T


def test_the_published_example() -> None:
    """The mean ranks, statistics and critical difference of section 3.2.2 and Table 6."""
    pytest.importorskip("scipy")
    ranked = ranks(-AUC)
    assert ranked.mean(0).round(3).tolist() == [3.143, 2.0, 2.893, 1.964]
    test = rank_test(ranked)
    assert test is not None
    assert (round(test.chi_square, 2), round(test.f, 2), round(test.critical, 2)) == (9.28, 3.69, 1.25)
    assert test.real and test.f > 2.85  # the paper's critical value of F(3, 39) at 5 %
    # C4.5 and C4.5+cf against C4.5+m+cf: 3.143 - 1.964 and 2.893 - 1.964 lie within 1.25
    assert cliques(sorted(ranked.mean(0)), test.critical) == [(0, 3)]


@pytest.mark.parametrize(
    ("methods", "q"),  # Demšar, Table 5a, for 5 %
    [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (7, 2.949), (8, 3.031), (9, 3.102), (10, 3.164)],
)
def test_published_critical_values(methods: int, q: float) -> None:
    pytest.importorskip("scipy")
    test = rank_test(np.tile(np.arange(1.0, methods + 1), (24, 1)))
    assert test is not None and test.f == np.inf and test.p == 0
    assert test.critical == pytest.approx(q * (methods * (methods + 1) / (6 * 24)) ** 0.5, rel=5e-4)


@given(st.lists(st.lists(st.integers(0, 4), min_size=5, max_size=5), min_size=1, max_size=4))
def test_ranks_as_scipy_has_them(losses: list[list[int]]) -> None:
    rankdata = pytest.importorskip("scipy.stats").rankdata
    values = np.array(losses, dtype=float)
    assert ranks(values).tolist() == rankdata(values, axis=1).tolist()


def test_too_few_datasets_and_no_scipy_are_no_test(monkeypatch: pytest.MonkeyPatch) -> None:
    ranked = np.tile([1.0, 2.0, 3.0], (6, 1))
    assert rank_test(ranked[:5]) is None
    assert rank_test(ranked[:, :1]) is None
    monkeypatch.setitem(sys.modules, "scipy", None)
    assert rank_test(ranked) is None


def test_cliques_by_hand() -> None:
    assert cliques([1.0, 1.5, 2.4, 2.6, 5.0], 1.2) == [(0, 1), (1, 3)]
    assert cliques([1.0, 3.0], 1.2) == []
