"""Matrices of methods by datasets, as the JSON block of the page has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recbench.results.leaderboard_rows import Column, Method
from recbench.results.leaderboard_tables import DatasetTables
from recbench.results.matrix.methods_by_datasets import Cell, Matrix
from recbench.results.matrix.pairwise_wins import PairwiseWins, pairwise_wins
from recbench.results.matrix.rank_block import rank_block
from recbench.results.matrix.wins_text import MOST, NOBODY, note_of_left, wins_notes


def matrix_details(
    matrices: Sequence[Matrix], positions: Mapping[tuple[Method, Column], int], datasets: Sequence[DatasetTables]
) -> list[dict[str, Any]]:
    """Return the matrices that compare something: of two methods and two columns or more.

    A cell is the position of its number, its rank, the difference to the best baseline, its interval, the verdict and
    the position of that baseline among those of the column, one or two, as what learned from validation rows too is
    compared with baselines that did.
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
    methods, block, wins = matrix.methods, rank_block(matrix), pairwise_wins(matrix)
    baselines = [
        list(dict.fromkeys(cell.baseline for cell in column.cells.values() if cell.baseline))
        for column in matrix.columns
    ]
    return {
        "metric": matrix.metric,
        "words": block.words if block else "",
        "critical": block.test.critical if block and block.test and block.test.real else None,
        "wins": _wins(wins, methods) if wins else None,
        "wins_words": [*wins_notes(wins), *note_of_left(wins)] if wins else [NOBODY],
        "columns": [
            {
                "title": column.title,
                "feedback": column.column.feedback,
                "section": sections[column.column[:3]],
                "baselines": names,
                "refitted": sorted(map(methods.index, column.refitted)),
            }
            for column, names in zip(matrix.columns, baselines, strict=True)
        ],
        "methods": [
            {
                "name": name,
                "rank": round(block.mean_ranks[name], 3) if block and name in block.mean_ranks else None,
                "cells": [
                    _cell(column.cells.get(name), positions, names)
                    for column, names in zip(matrix.columns, baselines, strict=True)
                ],
            }
            for name in methods
        ],
    }


def _wins(wins: PairwiseWins, methods: Sequence[str]) -> dict[str, Any]:
    """Return the places among all `methods`, and of each pair: wins, comparisons, wins beyond chance, tests."""
    names = wins.methods[:MOST]

    def against(one: str, other: str) -> list[int] | None:
        found = wins.against.get((one, other))
        if found is None:
            return None
        return [found.better, found.of, *([found.sure, found.tested] if found.tested else [])]

    return {
        "methods": [methods.index(name) for name in names],
        "cells": [[against(one, other) for other in names] for one in names],
    }


def _cell(
    cell: Cell | None, positions: Mapping[tuple[Method, Column], int], baselines: Sequence[str]
) -> list[Any] | None:
    if cell is None:
        return None
    if cell.difference is None:
        return [positions[cell.row.method, cell.row.column], cell.rank]
    low, high = (round(end, 4) for end in cell.interval) if cell.interval else (None, None)
    place = baselines.index(cell.baseline)
    return [
        positions[cell.row.method, cell.row.column],
        cell.rank,
        round(cell.difference, 4),
        low,
        high,
        cell.verdict,
        place,
    ]
