"""The dialects against what the libraries themselves returned for the same predictions, and against small cases."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import log_loss as sklearn_log_loss
from sklearn.metrics import roc_auc_score
from torch import Tensor

from recbench.evaluation.dialects import DIALECTS
from recbench.evaluation.dialects import rows as of_rows
from recbench.evaluation.metric import Counted, RowMetric, TopKMetric
from recbench.evaluation.ranked_lists import RankedLists, rank_rows
from recbench.evaluation.request import parse
from tests.evaluation.helpers import make_lists

K = 10
USERS = np.arange(60)

# Returned by RecBole 1.2.1, FuxiCTR 2.3.10, Torch-RecHub 0.9.0, LensKit 2025.8.1 and Cornac 3.0.1 (numpy 2.4.6,
# scikit-learn 1.9.1) for the predictions of `rows` and `ranked` below. RecBole and Torch-RecHub round; their rounding
# was set to 12 places. FuxiCTR's and Cornac's MRR come from numpy without vector instructions
# (NPY_DISABLE_CPU_FEATURES), with which equal scores come in an order of their own.
ROWS = {
    ("recbole", "auc"): (0.549328541706, 0.514416451715, 0.511882426517),
    ("recbole", "gauc"): (0.500462236177, 0.500462236177, 0.500462236177),
    ("recbole", "logloss"): (0.825600377209, 0.82131553896, 0.836618607154),
    ("fuxictr", "auc"): (0.5493285417060715, 0.5144164517154871, 0.5118824265165729),
    ("fuxictr", "gauc"): (0.5027212566530073, 0.5027212566530073, 0.5027212566530073),
    ("fuxictr", "avgauc"): (0.5080153642653643, 0.5080153642653643, 0.5080153642653643),
    ("fuxictr", "logloss"): (0.8256003772087371, 0.8213155389595813, 0.8366186071542194),
    ("fuxictr", "mrr"): (0.3117508912930155, 0.29161789174527347, 0.3663917101414974),
    ("torch-rechub", "auc"): (0.5493285417060715, 0.5144164517154871, 0.5118824265165729),
    ("torch-rechub", "gauc"): (math.nan, math.nan, 0.5027212566530073),
    ("torch-rechub", "logloss"): (0.8256003772087371, 0.8213155389595813, 0.8366186071542194),
    ("cornac", "auc"): (math.nan, 0.47663139329805987, 0.47663139329805987),
    ("cornac", "map"): (0.5634116809116808, 0.4402713857842062, 0.4402713857842062),
    ("cornac", "mrr"): (0.6335238095238094, 0.53015873015873, 0.53015873015873),
}
SETS = ("all", "no user of positives only", "both classes")
TOP = {  # at 5 and at 10; the users of torch-rechub are those with full lists
    ("recbole", "recall"): (0.115988984246, 0.207980461688),
    ("recbole", "precision"): (0.276595744681, 0.242553191489),
    ("recbole", "hr"): (0.68085106383, 0.808510638298),
    ("recbole", "mrr"): (0.389361702128, 0.40611279973),
    ("recbole", "ndcg"): (0.278745726887, 0.271725465307),
    ("recbole", "map"): (0.191631205674, 0.158921213876),
    ("cornac", "recall"): (0.11598898424618073, 0.20798046168822132),
    ("cornac", "precision"): (0.276595744680851, 0.24255319148936166),
    ("cornac", "hr"): (0.6808510638297872, 0.8085106382978723),
    ("cornac", "ndcg"): (0.2787457268865133, 0.27172546530728264),
    ("lenskit", "recall"): (0.23, 0.22452380952380951),
    ("lenskit", "precision"): (0.21666666666666667, 0.19131613756613758),
    ("lenskit", "hr"): (0.5333333333333333, 0.6333333333333333),
    ("lenskit", "mrr"): (0.305, 0.31812169312169314),
    ("lenskit", "ndcg"): (0.21346468769228838, 0.2095091155919887),
    ("torch-rechub", "recall"): (0.079925940073, 0.155939436381),
    ("torch-rechub", "precision"): (0.229090909091, 0.201818181818),
    ("torch-rechub", "hr"): (0.124752475248, 0.219801980198),
    ("torch-rechub", "mrr"): (0.310909090909, 0.322626262626),
    ("torch-rechub", "ndcg"): (0.217633528839, 0.210805969227),
}


def rows(which: str = "all") -> dict[str, Tensor]:
    """Rows of 60 users, 3 to 13 each: 10 users have no positive, 11 nothing else, 23 have ties."""
    user = np.repeat(USERS, 3 + USERS * 7 % 11)
    place = np.arange(len(user)) - np.searchsorted(user, user)
    label = ((user * 31 + place * 17 + user * place * 5) % 7 < 2).astype(int)
    label[user % 10 == 9] = 0
    label[user % 15 == 7] = 1
    level = (user * 13 + place * 29 + user * place * 7 + 6 * label) % 23
    positive, count = np.bincount(user, label), np.bincount(user)
    kept = {"all": count > 0, SETS[1]: positive < count, SETS[2]: (positive > 0) & (positive < count)}[which][user]
    arrays = {"score": level / 8, "label": label, "user": user, "item": place, "probability": (1 + level) / 25}
    return {name: torch.from_numpy(array[kept]) for name, array in arrays.items()}


def ranked(full_only: bool = False) -> RankedLists:
    """Lists of 10 of 41 items for 60 users: 13 have no relevant item, 25 more than 10; 5 lists are short."""
    user, item = USERS[:, None], np.arange(41)
    listed = ((user % 40 + 1) * item + 3 * user) % 41
    liked = (item**2 * 3 + item * user + user) % 41 < user * 7 % 19
    liked[USERS % 10 == 9] = False
    length = np.where(USERS % 12 == 5, 3 + USERS % 7, K)
    hit = np.take_along_axis(liked, listed[:, :K], 1) & (np.arange(K) < length[:, None])
    kept = liked.any(1) & ((length == K) | (not full_only))
    others = ~liked.any(1) & ((length == K) | (not full_only))
    hit, relevant, length = (torch.from_numpy(column[kept]) for column in (hit, liked.sum(1), length))
    return make_lists(hit, relevant, length, int(others.sum()))


def of(name: str, word: str, data: dict[str, Tensor]) -> Counted:
    metric = parse(word, name).metric
    assert isinstance(metric, RowMetric)
    score = data["probability"].log() if "probability" in metric.needs else data["score"]
    return metric.value(score, data["label"], data["user"])


def top(name: str, word: str, lists: RankedLists) -> Counted:
    request = parse(word, name)
    metric = request.metric
    assert isinstance(metric, TopKMetric)
    assert request.k is not None
    return metric.value(lists.first(request.k))


def test_the_predictions_hold_every_special_case() -> None:
    data = rows()
    positive = of_rows.positives(data["label"], data["user"])
    count = data["user"].bincount()
    ties = len(torch.stack([data["user"], (data["score"] * 8).long()]).unique(dim=1).T)
    assert (len(count), int((positive == 0).sum()), int((positive == count).sum())) == (60, 10, 11)
    assert ties < len(data["user"]) == 481
    every = ranked()
    assert (len(every.hit), every.others, int((every.relevant > K).sum())) == (47, 13, 25)
    assert int((every.length < K).sum()) == 4


@pytest.mark.parametrize(("name", "word"), ROWS)
def test_row_metrics_are_what_the_library_returned(name: str, word: str) -> None:
    for which, expected in zip(SETS, ROWS[name, word], strict=True):
        assert of(name, word, rows(which)).value == pytest.approx(expected, abs=1e-11, nan_ok=True), which


@pytest.mark.parametrize(("name", "word"), TOP)
@pytest.mark.parametrize("k", [5, K])
def test_top_k_metrics_are_what_the_library_returned(name: str, word: str, k: int) -> None:
    value = top(name, f"{word}@{k}", ranked(full_only=name == "torch-rechub")).value
    assert value == pytest.approx(TOP[name, word][k == K], abs=1e-11)


def test_average_precision_of_lenskit() -> None:
    every = ranked()
    only_with = replace(every, others=0)
    assert top("lenskit", "map@5", only_with).value == pytest.approx(0.19163120567375888, abs=1e-12)
    assert top("lenskit", "map@10", only_with).value == pytest.approx(0.15902759685434456, abs=1e-12)
    assert math.isnan(top("lenskit", "map@10", every).value)  # LensKit divides by zero there


def test_ndcg_of_fuxictr_ranks_rows() -> None:
    for which, expected in zip(SETS, (0.504241462474967, 0.39294872956126636, 0.4937048140641552), strict=True):
        data = rows(which)
        untied = data["score"] * 1e6 + torch.arange(len(data["score"]))
        found = rank_rows(untied, data["label"], data["user"], data["item"], 5)
        assert top("fuxictr", "ndcg@5", found).value == pytest.approx(expected, abs=1e-11)


@pytest.mark.parametrize("name", ["recbole", "fuxictr", "torch-rechub", "gnolr"])
def test_pooled_auc_is_that_of_scikit_learn(name: str) -> None:
    data = rows()
    assert of(name, "auc", data).value == pytest.approx(roc_auc_score(data["label"], data["score"]), abs=1e-12)


def test_log_losses_differ_at_certainty_only() -> None:
    p = torch.tensor([0.0, 1.0, 0.3, 0.8], dtype=torch.double)
    data = {"probability": p, "label": torch.tensor([1, 0, 1, 0]), "user": torch.zeros(4, dtype=torch.long)}
    rest = -math.log(0.3) - math.log(0.2)
    assert of("fuxictr", "logloss", data).value == pytest.approx(sklearn_log_loss(data["label"], p), rel=1e-12)
    assert of("recbole", "logloss", data).value == pytest.approx((2 * 15 * math.log(10) + rest) / 4, rel=1e-3)
    assert of("torch-rechub", "logloss", data).value == math.inf
    data["label"] = torch.tensor([0, 1, 1, 0])
    assert of("fuxictr", "logloss", data).value == pytest.approx(rest / 4, rel=1e-12)
    assert math.isnan(of("torch-rechub", "logloss", data).value)  # 0 * log 0


def test_one_set_of_predictions_has_eight_aucs() -> None:
    data = rows(SETS[1])
    names = [(n, m) for n in DIALECTS for m in DIALECTS[n].metrics if "auc" in m]
    values = {of(*name, data).value for name in names}
    numbers = {round(value, 9) for value in values if not math.isnan(value)}
    assert len(numbers) == 8
    assert max(numbers) - min(numbers) > 0.05


def test_one_ranking_has_several_recalls_ndcgs_and_maps() -> None:
    full = ranked(full_only=True)
    for metric, distinct in {"recall": 3, "ndcg": 4, "map": 3, "hr": 3, "mrr": 2}.items():
        metrics = [dialect.metrics.get(metric) for dialect in DIALECTS.values()]
        values = [metric.value(full).value for metric in metrics if isinstance(metric, TopKMetric)]
        assert len({"nan" if math.isnan(value) else round(value, 9) for value in values}) == distinct, metric


def test_elliot_counts_one_more_negative() -> None:
    # user 0: + - - -, its positive first; user 1: - + tied, the negative earlier; user 2: + only; user 3: - only
    data = {
        "score": torch.tensor([4.0, 3, 2, 1, 5, 5, 1, 2]),
        "label": torch.tensor([1, 0, 0, 0, 0, 1, 1, 0]),
        "user": torch.tensor([0, 0, 0, 0, 1, 1, 2, 3]),
    }
    assert of("elliot", "gauc", data) == Counted(pytest.approx((4 / 4 + 1 / 2 + 1) / 3), 3)
    assert of("elliot", "auc", data).value == pytest.approx((4 / 4 + 1 / 2 + 1) / 3)
    data["label"] = torch.tensor([1, 0, 1, 0, 0, 1, 1, 0])  # user 0: 2 positives at ranks 0 and 2, 2 negatives
    first = [(3 - 0 + 0) / 3, (3 - 2 + 1) / 3]
    assert of("elliot", "gauc", data).value == pytest.approx((sum(first) / 2 + 1 / 2 + 1) / 3)
    assert of("elliot", "auc", data).value == pytest.approx((sum(first) + 1 / 2 + 1) / 4)


def test_elliot_map_is_the_mean_precision() -> None:
    # hits at 1 and 3 of 4: precision 1, 1/2, 2/3, 1/2
    assert top("elliot", "map@4", make_lists([[1, 0, 1, 0]], [3])).value == pytest.approx(
        (1 + 1 / 2 + 2 / 3 + 1 / 2) / 4
    )


def test_users_without_relevant_items_are_dropped_or_count_by_a_library() -> None:
    found = make_lists([[0, 1]], [1], others=3)
    gain = 1 / math.log2(3)
    assert top("elliot", "ndcg@2", found) == Counted(pytest.approx(gain), 1)
    assert top("fuxictr", "ndcg@2", found) == Counted(pytest.approx(gain / 4), 4)
    assert top("gnolr", "ndcg@2", found) == Counted(pytest.approx((gain + 3) / 4), 4)
    assert top("gnolr", "recall@2", found) == Counted(0.25, 4)
    assert top("recbole", "recall@2", found) == Counted(1.0, 1)
    nobody = make_lists(torch.zeros(0, 2), [], [], others=3)
    assert top("lenskit", "recall@2", nobody) == Counted(0.0, 3)
    assert math.isnan(top("recbole", "recall@2", nobody).value)


def test_gnolr_mrr_of_a_list_without_positives_is_1() -> None:
    data = {
        "score": torch.tensor([2.0, 1, 3, 3, 1]),
        "label": torch.tensor([0, 1, 0, 0, 0]),
        "user": torch.tensor([0, 0, 1, 1, 1]),
    }
    assert of("gnolr", "mrr", data) == Counted((0.5 + 1) / 2, 2)
    assert of("gnolr", "gauc", data) == Counted((0 + 0.5) / 2, 2)
    data["label"] = torch.zeros(5, dtype=torch.long)
    assert of("gnolr", "mrr", data) == Counted(0.0, 2)


def test_lenskit_counts_the_first_two_places_alike_and_short_lists_as_short() -> None:
    first, second = make_lists([[1, 0, 0]], [1]), make_lists([[0, 1, 0]], [1])
    assert top("lenskit", "ndcg@3", first) == top("lenskit", "ndcg@3", second) == Counted(1.0, 1)
    assert top("recbole", "ndcg@3", second).value == pytest.approx(1 / math.log2(3))
    assert top("lenskit", "precision@3", make_lists([[1, 0, 0]], [4], [2])).value == 0.5
    assert top("recbole", "precision@3", make_lists([[1, 0, 0]], [4], [2])).value == pytest.approx(1 / 3)
    assert math.isnan(top("torch-rechub", "precision@3", make_lists([[1, 0, 0]], [4], [2])).value)
    assert top("lenskit", "precision@3", make_lists([[0, 0, 0]], [4], [0])).value == 0


@st.composite
def logs(draw: st.DrawFn) -> tuple[Tensor, Tensor, Tensor]:
    row = st.tuples(st.integers(-2, 2), st.integers(0, 1), st.integers(0, 3))
    score, label, user = torch.tensor(draw(st.lists(row, min_size=1, max_size=30))).T
    return score.double(), label, user


@given(logs())
@settings(max_examples=60, deadline=None)
def test_strict_one_more_and_average_precision_against_loops(log: tuple[Tensor, Tensor, Tensor]) -> None:
    strict, one_more, weight, precision, inverse = [], [], [], [], []
    for one in log[2].unique():
        score, label = (part[log[2] == one].tolist() for part in log[:2])
        up = [s for s, y in zip(score, label, strict=True) if y]
        down = [s for s, y in zip(score, label, strict=True) if not y]
        order = sorted(range(len(score)), key=lambda row: -score[row])
        places = [place for place, row in enumerate(order) if label[row]]
        later = sorted(range(len(score) - 1, -1, -1), key=lambda row: -score[row])
        seen = [1 / (place + 1) for place, row in enumerate(later) if label[row]]
        inverse.append(sum(seen) / max(len(seen), 1))
        if not up:
            continue
        strict.append(sum(p > n for p in up for n in down) / len(down) / len(up) if down else math.nan)
        one_more.append(sum((len(down) + 1 - r + i) / (len(down) + 1) for i, r in enumerate(places)) / len(up))
        weight.append(len(up))
        precision.append(sum(sum(q >= p for q in up) / sum(q >= p for q in score) for p in up) / len(up))
    assert of_rows.mean_reciprocal_ranks(*log).value == pytest.approx(np.mean(inverse))
    if not strict:
        assert math.isnan(of_rows.gauc_strict(*log).value)
        assert math.isnan(of_rows.average_precision(*log).value)
        return
    assert of_rows.gauc_strict(*log).value == pytest.approx(np.mean(strict), nan_ok=True)
    assert of_rows.gauc_one_more_negative(*log).value == pytest.approx(np.mean(one_more))
    assert of_rows.auc_one_more_negative(*log).value == pytest.approx(np.average(one_more, weights=weight))
    assert of_rows.average_precision(*log) == Counted(pytest.approx(np.mean(precision)), len(precision))


@pytest.mark.parametrize("name", DIALECTS)
def test_nothing_to_count_is_nan(name: str) -> None:
    none = torch.zeros(0)
    for metric in DIALECTS[name].metrics.values():
        if isinstance(metric, RowMetric):
            assert math.isnan(metric.value(none, none.long(), none.long()).value)
            assert math.isnan(metric.value(torch.tensor([math.nan, 0]), torch.tensor([0, 1]), torch.zeros(2)).value)
        else:
            assert math.isnan(metric.value(make_lists(torch.zeros(0, 3), [])).value)


def test_blocks_of_users_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = {name: top(*name, ranked()).value for name in [("lenskit", "ndcg@10"), ("recbole", "map@10")]}
    monkeypatch.setattr("recbench.evaluation.ranked_lists._USERS", 7)
    assert {name: top(*name, ranked()).value for name in whole} == pytest.approx(whole, rel=1e-14)
