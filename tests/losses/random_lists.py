"""Lists of users, and the losses on them by plain loops over the formulas of the papers."""

from __future__ import annotations

from collections.abc import Callable
from math import exp, log, log2

import torch
from torch import Tensor

from recbench.batch import Batch, Towers
from tests.losses.by_hand import SINGLE, loss, sigmoid, softplus

SCORES, LABELS = [[2, 1, 0, -1]], [[1, 0, 1, 0]]
PAIRWISE = ["ranknet", "lambdarank"]
LISTWISE = [*PAIRWISE, "setrank", "s2srank"]
OPTIONS: dict[str, list[dict[str, object]]] = {
    "ranknet": [{}],
    "lambdarank": [{}, {"per": "lists"}],
    "setrank": [{}, {"form": "exp-sigmoid"}, {"form": "exp"}],
    "s2srank": [{}, {"negative": "easiest", "set_weight": 0.3, "clip": 0.2}],
    "jrc": [
        {},
        {"per": "lists", "pos_weight": 3.0},
        {"rivals": "other", "alpha": 0.2},
        {"rivals": "other", "per": "lists", "pos_weight": 0.5},
    ],
}
CASES = [(name, options) for name, several in OPTIONS.items() for options in several]


def slow_ranknet(lists: list[tuple[list[float], list[int]]]) -> float:
    terms = [softplus(s[j] - s[i]) for s, y in lists for i in positives(y) for j in negatives(y)]
    return sum(terms) / max(len(terms), 1)


def positives(label: list[int]) -> list[int]:
    return [i for i, y in enumerate(label) if y]


def negatives(label: list[int]) -> list[int]:
    return [i for i, y in enumerate(label) if not y]


def ndcg(order: list[int], label: list[int]) -> float:
    gains = [1 / log2(2 + place) for place, i in enumerate(order) if label[i]]
    return sum(gains) / sum(1 / log2(2 + place) for place in range(sum(label)))


def slow_lambdarank(lists: list[tuple[list[float], list[int]]], per: str = "pairs") -> float:
    """Swap each pair and measure NDCG again, which is what the weight is to be."""
    total, count = 0.0, 0
    for s, y in lists:
        order = sorted(range(len(s)), key=lambda i: (-s[i], y[i]))
        for i in positives(y):
            for j in negatives(y):
                swapped = [{i: j, j: i}.get(k, k) for k in order]
                change = abs(ndcg(order, y) - ndcg(swapped, y))
                total += change * softplus(s[j] - s[i]) / log(2)
                count += 1
    return total / max(count if per == "pairs" else len(lists), 1)


def slow_setrank(lists: list[tuple[list[float], list[int]]], form: str = "sigmoid") -> float:
    g: Callable[[float], float] = {"sigmoid": sigmoid, "exp": exp, "exp-sigmoid": lambda x: exp(sigmoid(x))}[form]
    total = 0.0
    for s, y in lists:
        below = sum(g(s[j]) for j in negatives(y))
        total += sum(-log(g(s[i]) / (g(s[i]) + below)) for i in positives(y))
    return total / len(lists)


def slow_s2srank(
    lists: list[tuple[list[float], list[int]]], negative: str = "hardest", set_weight: float = 1.0, clip: float = 0.5
) -> float:
    total = 0.0
    for s, y in lists:
        up, down = positives(y), negatives(y)
        if not up or not down:
            continue
        of_negative = [sum(softplus(s[j] - s[i]) for i in up) / len(up) for j in down]
        chosen = max(of_negative) if negative == "hardest" else min(of_negative)
        spread = sum(min(abs(s[i] - s[k]), clip) for i in up for k in up) / len(up) ** 2
        total += sum(of_negative) + set_weight * softplus(chosen - spread)
    return total / len(lists)


def slow_jrc(
    lists: list[tuple[list[list[float]], list[int]]],
    alpha: float = 0.5,
    per: str = "rows",
    rivals: str = "list",
    pos_weight: float = 1.0,
) -> float:
    entropy, weights, of_lists = 0.0, 0.0, []
    for logit, y in lists:
        generative = 0.0
        for i, pair in enumerate(logit):
            weight = pos_weight if y[i] else 1.0
            entropy += weight * softplus(pair[1 - y[i]] - pair[y[i]])
            weights += weight
            others = [k for k in range(len(logit)) if rivals == "list" or k == i or y[k] != y[i]]
            generative -= weight * log(exp(pair[y[i]]) / sum(exp(logit[k][y[i]]) for k in others))
        of_lists.append(generative)
    if per == "lists":
        ranking = sum(g / len(y) for g, (_, y) in zip(of_lists, lists, strict=True)) / len(lists)
    else:
        ranking = sum(of_lists) / sum(len(y) for _, y in lists)
    return alpha * entropy / weights + (1 - alpha) * ranking


SLOW: dict[str, Callable[..., float]] = {
    "ranknet": slow_ranknet,
    "lambdarank": slow_lambdarank,
    "setrank": slow_setrank,
    "s2srank": slow_s2srank,
    "jrc": slow_jrc,
}
LENGTHS = [7, 1, 12, 4, 5, 3]  # of which the fourth has no positive and the last no negative


def random_lists(width: int = 12) -> tuple[Tensor, Batch]:
    """Logits [B, N, 2] and lists of unequal length, whose padding holds values that would show."""
    generator = torch.Generator().manual_seed(3)
    logit = torch.randn(len(LENGTHS), width, 2, generator=generator, dtype=torch.float64)
    label = (torch.rand(len(LENGTHS), width, 1, generator=generator) < 0.4).double()
    label[3], label[5] = 0, 1
    mask = torch.arange(width) < torch.tensor(LENGTHS)[:, None]
    nothing = torch.empty(0)
    return logit, Batch(nothing, nothing, label, mask)


def value(name: str, logit: Tensor, lists: Batch, **settings: object) -> Tensor:
    own = logit if name == "jrc" else logit[..., :1]
    result: Tensor = loss(name, SINGLE, **settings)(Towers(torch.empty(0), torch.empty(0), pair=own), lists)
    return result
