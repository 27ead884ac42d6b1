"""Contrastive losses in plain Python: loops over users and items, and Python's own floats."""

from __future__ import annotations

from math import exp, log, log1p, sqrt

from torch import Tensor

from recbench.batch import Batch, Encoding, Towers


def dot(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def cosine(a: list[float], b: list[float]) -> float:
    return dot(a, b) / sqrt(dot(a, a) * dot(b, b))


def info_nce(first: Tensor, second: Tensor, rows: list[int], against: list[int], temperature: float) -> float:
    """The sum over `rows` of -log softmax at the row itself of its cosines with `against` over the temperature."""
    one, other = first.tolist(), second.tolist()
    total = 0.0
    for row in rows:
        among = sum(exp(cosine(one[row], other[each]) / temperature) for each in against)
        total -= cosine(one[row], other[row]) / temperature - log(among)
    return total


def contrast(first: Encoding, second: Encoding, batch: Batch, temperature: float) -> float:
    """The mean over the distinct users plus that over the distinct positive items of a batch, each among the others."""
    users, items = sorted(set(batch.user.tolist())), sorted(set(batch.item[:, 0].tolist()))
    of_users = info_nce(first.user[:, 0], second.user[:, 0], users, users, temperature) / len(users)
    return of_users + info_nce(first.item[:, 0], second.item[:, 0], items, items, temperature) / len(items)


def contrast_with_all(first: Encoding, second: Encoding, batch: Batch, temperature: float) -> float:
    """The mean over slates for users among all users, plus that for positive items among all items."""
    users, items = batch.user.tolist(), batch.item[:, 0].tolist()
    everyone, everything = list(range(len(first.user))), list(range(len(first.item)))
    of_users = info_nce(first.user[:, 0], second.user[:, 0], users, everyone, temperature)
    return (of_users + info_nce(first.item[:, 0], second.item[:, 0], items, everything, temperature)) / len(users)


def bpr(towers: Towers) -> float:
    """The mean over slates of one negative, all of which count."""
    logits = towers.logit[..., 0].tolist()
    return sum(log1p(exp(negative - positive)) for positive, negative in logits) / len(logits)
