"""Nearest neighbours by weighted co-occurrence, all at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from recbench.baselines.base import sparse_matrix
from recbench.data.dataset import Positives

PER_NEIGHBOUR = 3 * 16  # bytes: a column and a number, three times, in and between two formats


def degree_weighted(pairs: Positives, items: int, user: float, item: float, shrink: float = 0.0) -> Any:
    """Return the pairs as a CSR matrix [users, items] whose product with itself holds weighted co-occurrences.

    The product of columns i and j is the sum, over the users of both, of degree^-user, divided by
    ((n_i + shrink)(n_j + shrink))^item, where n counts the users of an item: the cosine where user = 0, item = 1/2.
    """
    count = torch.bincount(pairs.item, minlength=items).double()
    weight = (count + shrink).pow(-item)[pairs.item]
    if user:
        weight *= pairs.start.diff().double().pow(-user / 2)[pairs.user]
    return sparse_matrix(pairs, items, weight)


def nearest_columns(weighted: Any, k: int) -> Any:
    """Return the `k` largest products of each column with another, as a CSR matrix [columns, columns].

    `weighted` is a CSR matrix [rows, columns] of numbers above 0. The library implicit does the work.
    """
    from implicit.nearest_neighbours import ItemItemRecommender

    sought = min(k, weighted.shape[1]) + 1  # one more: a column is its own neighbour
    model = ItemItemRecommender(sought, torch.get_num_threads())  # which has room for that many, if they exist or not
    model.fit(weighted, show_progress=False)
    products = model.similarity
    products.setdiag(0)
    products.eliminate_zeros()
    too_long = np.flatnonzero(np.diff(products.indptr) > k)  # k + 1 others were above the column itself
    if len(too_long):
        position = products.indptr[too_long, None] + np.arange(k + 1)
        smallest = products.data[position].argmin(1)
        products.data[position[np.arange(len(too_long)), smallest]] = 0
        products.eliminate_zeros()
    return products


def scale_rows(matrix: Any, factor: Tensor) -> None:
    """Multiply each row of a CSR matrix by its factor [rows], in place."""
    matrix.data *= factor.repeat_interleave(torch.from_numpy(np.diff(matrix.indptr)).long()).numpy()


def normalise_rows(matrix: Any) -> None:
    """Divide each row of a CSR matrix by the sum of its numbers, in place; leave empty rows as they are."""
    total = torch.from_numpy(np.asarray(matrix.sum(1)).ravel())
    scale_rows(matrix, torch.where(total > 0, total.reciprocal(), 0))
