"""Matrices of methods by datasets, as the JSON block of the page has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recbench.results.leaderboard_rows import Column, Method
from recbench.results.leaderboard_tables import DatasetTables
from recbench.results.matrix.methods_by_datasets import Cell, Matrix
from recbench.results.matrix.rank_block import rank_block


def matrix_details(
    matrices: Sequence[Matrix], positions: Mapping[tuple[Method, Column], int], datasets: Sequence[DatasetTables]
) -> list[dict[str, Any]]:
    """Return the matrices that compare something: of two methods and two columns or more.

    A cell is the position of its number, its rank, the difference to the best baseline, its interval and the verdict.
    """
    sections = {dataset.place: number for number, dataset in enumerate(datasets)}
    return [
        _matrix(matrix, positions, sections)
        for matrix in matrices
        if len(matrix.columns) > 1 and len(matrix.methods) > 1
    ]


def _matrix(
    matrix: Matrix, positions: Mapping[tuple[Method, Column], int], sections: Mapping[tuple[str, str, str], int]
) -> dict[str, Any]:
    block = rank_block(matrix)
    return {
        "metric": matrix.metric,
        "words": block.words if block else "",
        "critical": block.test.critical if block and block.test and block.test.real else None,
        "tested": matrix.tested,
        "columns": [
            {
                "title": column.title,
                "feedback": column.column.feedback,
                "section": sections[column.column[:3]],
                "baseline": column.baseline,
            }
            for column in matrix.columns
        ],
        "methods": [
            {
                "name": name,
                "rank": round(block.mean_ranks[name], 3) if block and name in block.mean_ranks else None,
                "cells": [_cell(column.cells.get(name), positions) for column in matrix.columns],
            }
            for name in matrix.methods
        ],
    }


def _cell(cell: Cell | None, positions: Mapping[tuple[Method, Column], int]) -> list[Any] | None:
    if cell is None:
        return None
    low, high = (round(end, 4) for end in cell.interval) if cell.interval else (None, None)
    difference = None if cell.difference is None else round(cell.difference, 4)
    return [positions[cell.row.method, cell.row.column], cell.rank, difference, low, high, cell.verdict]
