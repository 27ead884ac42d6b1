"""Losses on a user's list: hand-checked values, slow loops over the same formulas, and what must not matter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import exp, log, log2

import pytest
import torch
from torch import Tensor

from recbench.batch import Batch, Towers
from recbench.data.dataset import Info
from recbench.errors import UsageError
from recbench.losses.base import LOSSES
from recbench.losses.building_blocks.lists import against, log_share, pairs
from recbench.samplers import Lists
from tests.losses.by_hand import SINGLE, batch, loss, sigmoid, softplus, tensor, towers

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


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("ranknet", {}, 0.4970931035321026),
        ("setrank", {"form": "exp-sigmoid"}, 1.9931628030527389),
        ("setrank", {"form": "sigmoid"}, 1.8572359643476233),
        ("setrank", {"form": "exp"}, 1.7566181812125665),
        ("s2srank", {"negative": "easiest"}, 1.6533919566094868),
        ("s2srank", {"negative": "easiest", "set_weight": 0.0}, 0.9941862070642052),
    ],
)
def test_hand_checked_values(name: str, settings: dict[str, object], expected: float) -> None:
    assert float(loss(name, SINGLE, **settings)(towers(SCORES), batch(LABELS))) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("per", "expected"), [("pairs", 0.0745127), ("lists", 0.2980509)])
def test_lambdarank_hand_checked(per: str, expected: float) -> None:
    value = loss("lambdarank", SINGLE, per=per)(towers(SCORES), batch(LABELS))
    assert float(value) == pytest.approx(expected, abs=5e-8)


def test_ranknet_of_one_pair() -> None:
    """The constant that allRank's own tests use."""
    value = loss("ranknet", SINGLE)(towers([[0.5, 0.2]]), batch([[1, 0]]))
    assert float(value) == pytest.approx(0.5543552444685271, abs=1e-12)


def test_s2srank_with_the_hardest_negative() -> None:
    """The two positives and two negatives of a check against the authors' code, here with means over positives."""
    of_negative = [(softplus(k - 1) + softplus(k - 0.2)) / 2 for k in (0.5, -0.5)]
    assert 2 * sum(of_negative) == pytest.approx(1.9330316, abs=1e-7)
    assert 2 * of_negative[0] == pytest.approx(1.3284322, abs=1e-7)
    spread = 2 * 0.5 / 4  # |1 - .2| clipped at .5, twice among four ordered pairs
    value = loss("s2srank", SINGLE)(towers([[1, 0.2, 0.5, -0.5]]), batch([[1, 1, 0, 0]]))
    assert float(value) == pytest.approx(sum(of_negative) + softplus(of_negative[0] - spread), abs=1e-12)


# Two lists, of three rows and of one; the padding must not count.
JRC_LOGITS = [[[0.0, 2.0], [0.5, 1.0], [1.0, 0.0]], [[0.0, -1.0], [9.0, 9.0], [9.0, -9.0]]]
JRC_LABELS = [[[1.0], [0.0], [1.0]], [[0.0], [0.0], [1.0]]]
JRC_MASK = [[True, True, True], [True, False, False]]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"alpha": 1.0}, 0.6818820925648813),
        ({"alpha": 0.0, "per": "lists"}, 0.6659135999217493),
        ({"alpha": 0.0}, 0.9988703998826239),
        ({"per": "lists"}, 0.6738978462433153),
        ({}, 0.8403762462237526),
    ],
)
def test_jrc(settings: dict[str, object], expected: float) -> None:
    value = loss("jrc", SINGLE, **settings)(towers(JRC_LOGITS), batch(JRC_LABELS, JRC_MASK))
    assert float(value) == pytest.approx(expected, abs=1e-12)


def test_jrc_with_rivals_of_the_other_label() -> None:
    value = loss("jrc", SINGLE, alpha=0.0, rivals="other")(towers(JRC_LOGITS), batch(JRC_LABELS, JRC_MASK))
    assert float(value) == pytest.approx(0.7016983, abs=5e-8)


def test_jrc_probability_is_the_sigmoid_of_the_difference() -> None:
    logit = torch.tensor([[0.0, 2.0], [0.5, 1.0], [1.0, 0.0]], dtype=torch.float64)
    made = loss("jrc", SINGLE)
    log_probability = made.log_probability(logit)
    assert log_probability is not None
    expected = [0.8807970779778823, 0.6224593312018546, 0.2689414213699951]
    assert log_probability.exp()[:, 0].tolist() == pytest.approx(expected, abs=1e-12)


def test_jrc_generative_term_vanishes_on_lists_of_one_row() -> None:
    logit = torch.randn(9, 1, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    label = (torch.arange(9) % 3 == 0).double().view(9, 1, 1)
    nothing = torch.empty(0)
    rows = Batch(nothing, nothing, label)
    for rivals in ("list", "other"):
        for per in ("rows", "lists"):
            made = loss("jrc", SINGLE, alpha=0.0, rivals=rivals, per=per, pos_weight=7.0)
            assert float(made(Towers(nothing, nothing, pair=logit), rows)) == 0.0
    half = loss("jrc", SINGLE, longest=1)
    difference = logit[..., 1:] - logit[..., :1]
    entropy = loss("bce", SINGLE)(Towers(nothing, nothing, pair=difference), rows)
    assert float(half(Towers(nothing, nothing, pair=logit), rows)) == pytest.approx(float(entropy) / 2, abs=1e-12)


def test_jrc_trains_on_rows_when_asked() -> None:
    assert loss("jrc", SINGLE, longest=1).sampler == Lists(1)


def test_jrc_starts_from_the_log_odds_of_the_feedback() -> None:
    rates = LOSSES.get("jrc")(SINGLE).base_rates()
    assert rates is not None
    bias = torch.logit(rates)
    assert float(bias[1] - bias[0]) == pytest.approx(log(0.25 / 0.75), abs=1e-6)


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


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_equals_a_slow_loop(name: str, settings: dict[str, object]) -> None:
    logit, lists = random_lists()
    plain = [
        ((logit[b, :n] if name == "jrc" else logit[b, :n, 0]).tolist(), lists.label[b, :n, 0].int().tolist())
        for b, n in enumerate(LENGTHS)
    ]
    assert float(value(name, logit, lists, **settings)) == pytest.approx(SLOW[name](plain, **settings), abs=1e-10)


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_order_and_width_of_lists_do_not_matter(name: str, settings: dict[str, object]) -> None:
    logit, lists = random_lists()
    expected = value(name, logit, lists, **settings)
    order = torch.randperm(logit.shape[1], generator=torch.Generator().manual_seed(1))
    assert lists.mask is not None
    moved = Batch(lists.user, lists.item, lists.label[:, order], lists.mask[:, order])
    torch.testing.assert_close(value(name, logit[:, order], moved, **settings), expected, rtol=1e-12, atol=0)
    wider, padded = random_lists(width=12)
    far = torch.full_like(wider[:, :5], 77.0)
    padded = Batch(
        lists.user,
        lists.item,
        torch.cat([padded.label, torch.ones_like(far[..., :1])], 1),
        torch.cat([lists.mask, torch.zeros_like(lists.mask[:, :5])], 1),
    )
    torch.testing.assert_close(value(name, torch.cat([wider, far], 1), padded, **settings), expected)


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_gradients_are_those_of_finite_differences(name: str, settings: dict[str, object]) -> None:
    logit, lists = random_lists()
    own = logit if name == "jrc" else logit[..., :1]
    made = loss(name, SINGLE, **settings)
    nothing = torch.empty(0)

    def of(inner: Tensor) -> Tensor:
        result: Tensor = made(Towers(nothing, nothing, pair=inner), lists)
        return result

    assert torch.autograd.gradcheck(of, (own.clone().requires_grad_(),), atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("label", [0.0, 1.0])
@pytest.mark.parametrize("name", LISTWISE)
def test_lists_of_one_class_give_zero_and_no_gradient(name: str, label: float, dtype: torch.dtype) -> None:
    logit, lists = random_lists()
    inner = logit[..., :1].to(dtype).requires_grad_()
    one_class = replace(lists, label=torch.full_like(lists.label, label).float())
    for settings in OPTIONS[name]:
        result = loss(name, SINGLE, **settings)(Towers(torch.empty(0), torch.empty(0), pair=inner), one_class)
        assert result.item() == 0.0
        result.backward()
        assert inner.grad is not None
        assert not inner.grad.any()


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_a_list_of_padding_alone_changes_nothing(name: str, settings: dict[str, object]) -> None:
    logit, lists = random_lists()
    assert lists.mask is not None
    more = Batch(
        lists.user,
        lists.item,
        torch.cat([lists.label, lists.label[:1]]),
        torch.cat([lists.mask, torch.zeros_like(lists.mask[:1])]),
    )
    result = value(name, torch.cat([logit, logit[:1]]), more, **settings)
    torch.testing.assert_close(result, value(name, logit, lists, **settings))


def test_lambdarank_ranks_negatives_first_among_ties() -> None:
    label = [1, 0, 0]
    gains = [1 / log2(2 + place) for place in range(3)]  # the positive stands at place 2
    expected = sum((gains[place] - gains[2]) * softplus(0.0) / log(2) for place in (0, 1)) / 2
    for order in ([0, 1, 2], [1, 0, 2], [1, 2, 0]):
        labels = [[float(label[i]) for i in order]]
        result = loss("lambdarank", SINGLE)(towers([[0.3, 0.3, 0.3]]), batch(labels))
        assert float(result) == pytest.approx(expected, abs=1e-6)


def test_lambdarank_weights_pass_no_gradient() -> None:
    inner = tensor(SCORES).requires_grad_()
    loss("lambdarank", SINGLE, per="lists")(
        Towers(torch.empty(0), torch.empty(0), pair=inner), batch(LABELS)
    ).backward()
    gains = [1 / log2(2 + place) / (1 + 1 / log2(3)) for place in range(4)]  # scores fall, so place = slot
    lowest = -sum((gains[i] - gains[3]) * -sigmoid(-1.0 - s) / log(2) for i, s in ((0, 2.0), (2, 0.0)))
    assert inner.grad is not None
    assert float(inner.grad[0, 3, 0]) == pytest.approx(lowest, abs=1e-6)


@pytest.mark.parametrize("name", [*LISTWISE, "jrc"])
def test_two_threads_give_equal_bits_each_time(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(8, 400, 2 if name == "jrc" else 1, generator=generator)
    nothing = torch.empty(0)
    lists = Batch(nothing, nothing, (torch.rand(8, 400, 1, generator=generator) < 0.3).float())
    made = loss(name, SINGLE)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        gradients = []
        for _ in range(5):
            inner = start.clone().requires_grad_()
            made(Towers(nothing, nothing, pair=inner), lists).backward()
            gradients.append(inner.grad)
    finally:
        torch.set_num_threads(threads)
    assert gradients[0] is not None
    assert all(torch.equal(gradients[0], gradient) for gradient in gradients[1:] if gradient is not None)


def test_pairs_are_those_of_two_loops() -> None:
    generator = torch.Generator().manual_seed(5)
    first, second = torch.rand(2, 6, 9, generator=generator) < 0.4
    first[2], second[4] = False, False
    expected = [
        (row * 9 + i, row * 9 + j)
        for row in range(6)
        for i in first[row].nonzero()[:, 0].tolist()
        for j in second[row].nonzero()[:, 0].tolist()
    ]
    left, right = pairs(first, second)
    assert list(zip(left.tolist(), right.tolist(), strict=True)) == expected


def test_shares_of_a_list() -> None:
    values = torch.tensor([[0.5, -1.0, 2.0, 60.0]], dtype=torch.float64)
    among = torch.tensor([[True, True, True, False]])
    total = exp(0.5) + exp(-1.0) + exp(2.0)
    assert log_share(values, among)[0].tolist() == pytest.approx(
        [0.5 - log(total), -1 - log(total), 2 - log(total), 0.0], abs=1e-12
    )
    chosen, rivals = torch.tensor([[True, False, False, False]]), torch.tensor([[False, True, True, False]])
    assert against(values, chosen, rivals)[0].tolist() == pytest.approx([log(total) - 0.5, 0, 0, 0], abs=1e-12)


def test_setrank_of_exponentials_is_the_listwise_term_against_negatives() -> None:
    logit, lists = random_lists()
    one = Info(10, 10, rates=(0.4,))
    inner = Towers(torch.empty(0), torch.empty(0), pair=logit[..., :1])
    both = loss("gnolr-l", one, rivals="negatives")(inner, lists)
    pointwise = loss("gnolr-l", one, rivals="negatives", list_weight=0.0)(inner, lists)
    torch.testing.assert_close(both - pointwise, loss("setrank", SINGLE, form="exp")(inner, lists))


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("jrc", {"alpha": 1.5}, "loss.alpha=1.5: expected a number in [0, 1]"),
        ("jrc", {"pos_weight": 0.0}, "loss.pos_weight=0.0: expected a number above 0"),
        ("jrc", {"longest": 0}, "loss.longest=0: expected at least 1"),
        ("ranknet", {"longest": 1}, "loss.longest=1: expected at least 2"),
        ("lambdarank", {"longest": 1}, "loss.longest=1: expected at least 2"),
        ("setrank", {"longest": 1}, "loss.longest=1: expected at least 2"),
        ("s2srank", {"clip": -1.0}, "loss.clip=-1.0: expected at least 0"),
        ("gnolr-l", {"list_weight": -1.0}, "loss.list_weight=-1.0: expected at least 0"),
    ],
)
def test_settings_out_of_range(name: str, settings: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        loss(name, SINGLE, **settings)
    assert str(caught.value).startswith(message)
