"""Every registered loss holds to what `recbench verify loss` asks; the checks themselves can fail."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus

from recbench.backbones.base import BACKBONES, Backbone
from recbench.backbones.building_blocks.views import Propagation
from recbench.backbones.mf import MF
from recbench.batch import Batch, Encoding, Towers
from recbench.data.dataset import Dataset, Info, Log
from recbench.inspect.conformance import CHECKS, InapplicableError, Trial, verify
from recbench.losses.base import LOSSES, Loss
from recbench.losses.bce import BCE
from recbench.samplers import Lists, Rows, Sampler, Triplets

NAMES = LOSSES.names()


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", NAMES)
def test_registered_losses_conform(name: str, check: str) -> None:
    try:
        CHECKS[check](Trial(name))
    except InapplicableError as reason:
        assert check != "captured", reason
        pytest.skip(str(reason))


@pytest.mark.parametrize("name", NAMES)
def test_file_is_short(name: str) -> None:
    source = inspect.getsource(inspect.getmodule(LOSSES.get(name)) or LOSSES.get(name))
    code = [line for line in source.splitlines() if line.strip()]
    assert len(code) <= 70


def failed(name: str) -> set[str]:
    return {outcome.check for outcome in verify(name) if outcome.outcome == "fails"}


def test_a_loss_that_does_everything_wrong_fails_each_check() -> None:
    @LOSSES.add("wrong")
    class Wrong(Loss):
        """Says nothing of where it is from."""

        sampler = Triplets()
        searched = ("gama=1..4",)

        def __init__(self, info, *, gamma=2.0) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
            super().__init__(info)
            self.steps = 0

        def forward(self, towers: Towers, batch: Batch) -> Tensor:
            self.steps += 1  # not a buffer: lost when a run is resumed
            place = torch.arange(len(batch.user))[:, None]
            value = -torch.sigmoid(towers.logit[..., 0]).log() * place * batch.label[..., 0]
            return value.sum() / batch.label.sum() + towers.logit.exp().mean() + self.steps

        def score(self, logit: Tensor) -> Tensor:
            return -logit[..., :1]

        def log_probability(self, logit: Tensor) -> Tensor:
            return logit

    expected = {
        "documented",
        "searched",
        "stable",
        "constant-labels",
        "masks",
        "padding",
        "masked-slates",
        "order-of-users",
    }
    assert expected | {"scores", "resumes", "learns"} <= failed("wrong")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("number", "scoring changes backbone.number.0"),
        ("mode", "scoring changes the mode"),
        ("random", "scoring draws random numbers"),
    ],
)
def test_scoring_that_changes_something_is_found(change: str, message: str) -> None:
    """As an autoencoder would that took what it is scored by for all that it ever learns of the users."""

    @BACKBONES.add("forgetful")
    class Forgetful(MF):
        """It changes when it is scored, 2026."""

        def __init__(self, data: Dataset, towers: int, cosine: bool, *, dim: int = 8) -> None:
            super().__init__(data, towers, cosine, dim=dim)
            self.number = (torch.zeros(1),)

        def histories(self, log: Log) -> None:
            if change == "number":
                self.number[0].add_(len(log))
            elif change == "mode":
                self.eval()
            else:
                torch.rand(1)

    (outcome,) = (outcome for outcome in verify("bce") if outcome.check == "scoring")
    assert outcome.outcome == "fails"
    assert outcome.message.startswith(f"with forgetful: {message}")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("counting", "differs between two draws from one seed"),
        ("own generator", "is `random` and does not depend on torch's global generator"),
        ("silent", "is drawn at random, so set `random = True`"),
        ("half", "is not [users + items, K, D]"),
    ],
)
def test_views_that_are_not_drawn_from_the_seed_are_found(kind: str, message: str) -> None:
    class Own(Propagation):
        drawn = 0
        random = kind != "silent"

        def encode(self, backbone: Backbone, first: Encoding | None) -> Encoding:
            encoding = super().encode(backbone, first)
            self.drawn += kind == "counting"
            own = None if kind == "silent" else torch.Generator().manual_seed(self.drawn)
            noise = torch.randn(encoding.vectors.shape, generator=own)
            vectors = encoding.vectors + noise
            return replace(encoding, vectors=vectors[::2] if kind == "half" else vectors)

    @LOSSES.add("viewed")
    class Viewed(BCE):
        """Logistic loss, Cox 1958, with a view that it does not read."""

        needs = frozenset({"graph views"})

        def __init__(self, info: Info) -> None:
            super().__init__(info)
            self.ask_for(Propagation(), Own())

    (outcome,) = (outcome for outcome in verify("viewed") if outcome.check == "views")
    assert outcome.outcome == "fails"
    assert message in outcome.message and "with lightgcn" in outcome.message


def test_a_step_that_scoring_changes_is_found() -> None:
    @BACKBONES.add("distracted")
    class Distracted(MF):
        """It trains another way once it has been scored, 2026."""

        scored = False

        def histories(self, log: Log) -> None:
            self.scored = True

        def encode(self, batch: Batch) -> Towers:
            towers = super().encode(batch)
            return replace(towers, user=2 * towers.user) if self.scored else towers

    (outcome,) = (outcome for outcome in verify("bce") if outcome.check == "scoring")
    assert outcome.message.startswith("with distracted: the step after scoring differs")


def test_slates_that_are_not_what_the_sampler_says_are_found() -> None:
    @dataclass(frozen=True)
    class Boasting(Sampler):
        """Slates of another sampler that claim to be something else."""

        own: Sampler
        claim: str

        @property
        def gives(self) -> frozenset[str]:
            return frozenset({self.claim})

        def batches(self, data: Dataset, size: int, generator: torch.Generator) -> Iterator[Batch]:
            return self.own.batches(data, size, generator)

    for own, claim, words in (
        (Lists(), "row", "`Batch.row` is not"),
        (Rows(), "positive first", "the first slot of a slate is no positive"),
        (Rows(), "negatives", "a slate has none"),
        (Triplets(0), "lists", "every slate is of one row"),
    ):

        @LOSSES.add("boasting")
        class Boast(BCE):
            """Logistic loss, Cox 1958."""

            sampler = Boasting(own, claim)

        (outcome,) = (outcome for outcome in verify("boasting") if outcome.check == "slates")
        assert outcome.outcome == "fails"
        assert words in outcome.message


def test_what_a_loss_raises_is_reported() -> None:
    @LOSSES.add("broken")
    class Broken(Loss):
        """Broken, 2026."""

        def forward(self, towers: Towers, batch: Batch) -> Tensor:
            raise ValueError("no such thing\nsecond line")

    outcomes = {outcome.check: outcome for outcome in verify("broken")}
    assert outcomes["documented"].outcome == "holds"
    assert outcomes["learns"].outcome == "fails"
    assert outcomes["learns"].message == "ValueError: no such thing"


def test_the_readme_s_kind_of_loss_conforms(tmp_path: Path) -> None:
    @LOSSES.add("plain")
    class Plain(Loss):
        """Logistic loss, Cox 1958."""

        def forward(self, towers: Towers, batch: Batch) -> Tensor:
            sign = 1 - 2 * batch.label[..., 0]
            return batch.mean(softplus(sign * towers.logit[..., 0]))

    outcomes = list(verify("plain"))
    assert [outcome.check for outcome in outcomes] == list(CHECKS)
    assert {outcome.outcome for outcome in outcomes} == {"holds", "skipped"}
