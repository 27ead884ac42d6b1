from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recbench.preparation import buckets
from recbench.preparation.leak_certificate import fits

FLOATS = st.lists(st.floats(-1e6, 1e6) | st.just(math.nan) | st.integers(0, 3).map(float), max_size=200)


@given(FLOATS, st.integers(0, 99))
def test_edges_of_values_that_stand_on_several_rows(values: list[float], seed: int) -> None:
    value = np.array(values, np.float64)
    weight = np.random.default_rng(seed).integers(0, 4, len(value))
    assert buckets.edges(value, weight).tolist() == buckets.edges(np.repeat(value, weight)).tolist()


@given(FLOATS, FLOATS)
def test_buckets_match_numpy(train: list[float], other: list[float]) -> None:
    value = np.array(train, np.float64)
    edge = buckets.edges(value)
    finite = value[~np.isnan(value)]
    expected = np.unique([np.percentile(finite, p) for p in range(2, 100, 2)]) if len(finite) else np.empty(0)
    assert edge.tolist() == expected.tolist()
    ids = buckets.bucket(np.array(other + [math.inf, -math.inf]), edge)
    assert ids[-1] == ids[-2] == buckets.ABSENT
    for number, bucket in zip(other, ids, strict=False):
        assert bucket == (1 if math.isnan(number) else 2 + sum(e < number for e in edge))


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=60), st.integers(0, 99))
def test_edges_and_buckets_of_any_floats(values: list[float], seed: int) -> None:
    value = np.array(values, np.float64)
    weight = np.random.default_rng(seed).integers(1, 4, len(value))
    edge = buckets.edges(value, weight)
    assert np.isfinite(edge).all() and (np.diff(edge) > 0).all()
    ids = buckets.bucket(value, edge)
    assert ((ids == buckets.ABSENT) == ~np.isfinite(value)).all()
    assert fits(np.bincount(ids, weight, buckets.size(edge)).astype(np.int64), len(edge))


def test_edges_of_numbers_whose_difference_is_infinite() -> None:
    edge = buckets.edges(np.array([-1.7e308, 1.7e308]))
    assert np.isfinite(edge).all() and len(edge) == 49 and edge[24] == 0


def test_buckets_are_closed_on_the_right() -> None:
    value = np.repeat([1.0, 2.0, 3.0], 100)
    assert buckets.edges(value).tolist() == [1.0, 2.0, 3.0]
    assert buckets.bucket(np.array([0.5, 1.0, 1.1, 3.0, 3.1, math.nan]), buckets.edges(value)).tolist() == [
        *(2, 2, 3, 4, 5, 1)
    ]
