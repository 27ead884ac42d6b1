"""Every registered loss holds to what `recbench verify loss` asks; the checks themselves can fail."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus

from recbench.batch import Batch, Towers
from recbench.inspect.conformance import CHECKS, InapplicableError, Trial, verify
from recbench.losses.base import LOSSES, Loss
from recbench.samplers import Triplets

NAMES = LOSSES.names()


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", NAMES)
def test_registered_losses_conform(name: str, check: str) -> None:
    try:
        CHECKS[check](Trial(name))
    except InapplicableError as reason:
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

    expected = {"documented", "stable", "constant-labels", "masks", "padding", "masked-slates", "order-of-users"}
    assert expected | {"scores", "resumes", "learns"} <= failed("wrong")


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
