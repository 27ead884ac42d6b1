"""What fits into a budget, and who competes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from recbench.data.dataset import Dataset
from recbench.errors import UsageError
from recbench.study.bakeoff.contestants import contestants, listed, told_apart
from recbench.study.bakeoff.program import FOR_TRAINING, FULL_EPOCHS, MOST_EPOCHS, PROGRAMS, fit_program

COSTS = {"a": 1.0, "b": 2.0, "c": 5.0}  # seconds of an epoch


@pytest.mark.parametrize("budget", [20, 60, 150, 400, 1000, 5000])
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_program_fits_the_budget_and_is_the_longest_that_does(budget: float, jobs: int) -> None:
    program = fit_program(COSTS, budget, jobs)
    passes = len(program.rates) + program.seeds - 1
    available = budget * FOR_TRAINING * jobs
    assert passes * program.epochs * sum(COSTS.values()) <= available
    if program.epochs < MOST_EPOCHS:
        assert passes * (program.epochs + 1) * sum(COSTS.values()) > available
    longer = [rates + seeds - 1 for rates, seeds in PROGRAMS if rates + seeds - 1 > passes]
    assert all(FULL_EPOCHS * more * sum(COSTS.values()) > available for more in longer)


def test_the_ample_budget_is_ample() -> None:
    program = fit_program(COSTS, fit_program(COSTS, 10, 1).ample, 1)
    assert program.epochs >= FULL_EPOCHS
    assert (len(program.rates), program.seeds) == (2, 3)


def test_the_dearest_are_left_out_where_not_even_an_epoch_fits() -> None:
    program = fit_program(COSTS, 6, 1)
    assert program.left_out == ("c",)
    assert (program.epochs, program.seeds) == (1, 1)


def test_a_dozen_for_several_kinds_of_feedback(toy: Dataset) -> None:
    chosen = contestants(toy, "twintower")
    assert len(chosen) == 12
    assert {one.question for one in chosen} == {"ranking", "retrieval"}
    assert all(len(one.feedback) == 1 or one.feedback == told_apart(toy) for one in chosen)


def test_one_feedback_on_every_row_is_retrieved_alone(toy: Dataset) -> None:
    one = toy.narrow(toy.feedback[:1])
    constant = replace(one, train=replace(one.train, label=one.train.label.clamp(min=1)))
    assert told_apart(constant) == ()
    chosen = contestants(constant, "twintower")
    assert {entrant.question for entrant in chosen} == {"retrieval"}
    assert "bce" not in {entrant.loss for entrant in chosen}
    assert len(chosen) >= 7


def test_losses_of_ones_own_compete_in_both_questions_beside_the_dozen(toy: Dataset) -> None:
    usual, chosen = contestants(toy, "mf"), contestants(toy, "mf", own=("ccl", "cml"))
    added = {(one.question, one.loss) for one in chosen if one not in usual}
    assert added == {(question, loss) for question in ("ranking", "retrieval") for loss in ("ccl", "cml")}
    beside = contestants(toy, "mf", ("bce", "ccl"), own=("ccl", "cml"))  # also where the others are named
    assert listed(beside) == "for retrieval bce, ccl, cml; for ranking bce, ccl, cml"
    with pytest.raises(UsageError, match="`buir`"):
        contestants(toy, "neumf", own=("buir",))


def test_losses_that_are_named(toy: Dataset) -> None:
    chosen = contestants(toy, "mf", ("bce", "bpr"))
    assert [(one.question, one.loss) for one in chosen] == [
        ("ranking", "bce"),
        ("ranking", "bpr"),
        ("retrieval", "bce"),
        ("retrieval", "bpr"),
    ]
    with pytest.raises(UsageError, match="unknown loss `bbr`"):
        contestants(toy, "mf", ("bbr",))
    with pytest.raises(UsageError, match="needs"):
        contestants(toy, "neumf", ("buir",))
