"""What a bakeoff says in short."""

from __future__ import annotations

from dataclasses import replace

from recbench.evaluation.statistics import Difference
from recbench.study.bakeoff.answer_in_words import answer_lines, in_short
from recbench.study.bakeoff.contestants import Question
from recbench.study.bakeoff.program import Program
from recbench.study.bakeoff.verdicts import Entry, Verdict


def verdict(question: Question, feedback: str, **values: float) -> Verdict:
    """A verdict on methods of these values, each with an interval of 0.02."""
    names = {"popularity": "popularity (baseline)", "ials": "ials (baseline)"}
    entries = [
        Entry(names.get(name, f"{name} × mf"), name in names, "0" * 12, (), value, value - 0.01, value + 0.01, 1.0)
        for name, value in sorted(values.items(), key=lambda pair: -pair[1])
    ]
    return Verdict(question, "recall@50", feedback, 100, tuple(entries), ())


def test_what_to_take_for_each_question() -> None:
    found = [
        verdict("retrieval", "view", bpr=0.4, popularity=0.3),
        verdict("retrieval", "cart", bpr=0.2, popularity=0.3),
        verdict("retrieval", "buy", bpr=0.4, popularity=0.3),
        verdict("ranking", "view", gnolr=0.8, ials=0.7),
    ]
    assert in_short(found) == [
        "To retrieve items take bpr × mf for view and buy; popularity (baseline) for cart.",
        "To rank given items take gnolr × mf for view.",
    ]


def test_why_losses_of_logged_rows_lose_to_popularity_is_said_where_they_do() -> None:
    found = [
        verdict("retrieval", "view", bpr=0.4, popularity=0.3, gnolr=0.2, bce=0.29),  # the intervals of bce overlap
        verdict("retrieval", "buy", bpr=0.2, popularity=0.3, gnolr=0.1),  # bpr draws negatives
        verdict("retrieval", "cart", bpr=0.4, popularity=0.3, gnolr=0.31, bce=0.27),
        verdict("ranking", "view", bce=0.1, popularity=0.7),
    ]
    (why,) = in_short(found)[2:]
    assert why.startswith("Trained on logged rows, gnolr and bce learned what users do with what they are shown")
    assert "so retrieved worse than popularity: gnolr (items for view and buy); bce (items for cart). Losses" in why
    assert in_short(found[:0]) == []


def test_where_a_loss_of_ones_own_is() -> None:
    behind = [
        Difference("bpr × mf", "focal × mf", 0.1, 0.05, 0.15, 0.001, 0.002, 0.07, "users and runs"),
        Difference("bpr × mf", "popularity (baseline)", 0.2, 0.15, 0.25, 0.001, 0.002, 0.07, "users and runs"),
    ]
    found = replace(verdict("retrieval", "view", bpr=0.4, focal=0.3, popularity=0.2), differences=tuple(behind))
    program = Program(20, ("0.02",), 1, 600.0)

    def said(*own: str) -> str:
        return next(answer_lines([found], program, own))

    sentence = "Your focal × mf has 0.3000, place 2 of 3: 0.1000 [0.0500, 0.1500] less than the best."
    assert said("focal").endswith(sentence)
    assert "Your" not in said() + said("bpr")  # the best is named already


def test_losses_that_were_still_rising_are_called_provisional() -> None:
    found = verdict("retrieval", "view", bpr=0.4, ssm=0.3, ials=0.2)
    rising = replace(found, entries=(replace(found.entries[0], still_rising=True), *found.entries[1:]))

    def said(one: Verdict, epochs: int) -> str:
        return " ".join(answer_lines([one], Program(epochs, ("0.02",), 1, 600.0)))

    assert "Provisional, as still rising when their 12 epochs ended: bpr × mf; `recbench train` with" in said(
        rising, 12
    )
    assert "rovisional" not in said(found, 12)
    assert said(rising, 2).count("rovisional") == 1  # of few epochs all that is said of losses


def test_methods_that_were_best_at_the_smallest_or_largest_rate_are_named() -> None:
    found = verdict("retrieval", "view", bpr=0.4, ssm=0.3, bce=0.2, ials=0.1)
    entries = [replace(one, rate=rate) for one, rate in zip(found.entries, (0.005, 0.02, 0.05, None), strict=True)]

    def said(*rates: str) -> str:
        return " ".join(answer_lines([replace(found, entries=tuple(entries))], Program(12, rates, 1, 600.0)))

    told = "0.005, 0.02 and 0.05 the smallest was best for bpr × mf and the largest was best for bce × mf: better ones"
    assert f"Of the learning rates {told}" in said("0.02", "0.005", "0.05")
    assert "learning rates" not in said("0.02", "0.005")  # of two one is the best in any case


def test_that_one_seed_says_little_is_told_of_losses_alone() -> None:
    """A baseline is fitted once, however many seeds of the losses were trained."""
    behind = Difference("bpr × mf", "ials (baseline)", 0.2, 0.15, 0.25, 0.001, 0.002, 0.07, "users")

    def said(seeds: int) -> str:
        found = verdict("retrieval", "view", bpr=0.4, ials=0.2)
        entries = [replace(one, runs=("0",) * (1 if one.baseline else seeds)) for one in found.entries]
        found = replace(found, entries=tuple(entries), differences=(behind,))
        return " ".join(answer_lines([found], Program(20, ("0.02",), seeds, 600.0)))

    assert "One seed of each loss was trained" in said(1)
    assert "One seed" not in said(3)
