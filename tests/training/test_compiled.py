"""torch.compile over forward pass and loss: the same objective, and what is said where it cannot be."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from recbench.data.toy import toy
from recbench.errors import TrainingError, UsageError
from recbench.losses import base
from recbench.losses.base import LOSSES
from recbench.training.captured_step import Step, make_step
from recbench.training.model import Model, build
from recbench.training.schedule import Schedule

SCHEDULE = Schedule(compile=True)
DATA = toy()


def model(loss: str) -> Model:
    values = {f"loss.{key}": value for key, value in base.defaults(LOSSES.get(loss)).items()}
    data = DATA if LOSSES.get(loss).multitask else DATA.narrow(["view"])
    made = build(data, loss, "mf", values | {"backbone.dim": 4}, 0, SCHEDULE)
    made.start_epoch(1)
    return made


def losses(step: Step) -> list[float]:
    batches = step.model.loss.sampler.batches(DATA, 300, torch.Generator().manual_seed(0))
    return [float(step(batch)) for batch in batches]


def test_the_objective_is_traced_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a compiler behind the trace, which would take a minute."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, fullgraph=True, backend="eager"))
    assert losses(make_step(model("gnolr"), SCHEDULE)) == pytest.approx(losses(Step(model("gnolr"))))


def test_a_loss_with_steps_of_its_own_is_refused() -> None:
    with pytest.raises(UsageError, match="train.compile=true: loss `til-ui` makes steps of its own; leave it out"):
        make_step(model("til-ui"), SCHEDULE)


def test_without_a_compiler_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(
        UsageError, match=r"no C\+\+ compiler \(g\+\+ or clang\+\+\): install one, or set CXX, or leave"
    ):
        make_step(model("bce"), SCHEDULE)
    monkeypatch.setenv("CXX", "nowhere-c++")
    with pytest.raises(UsageError, match=r"no C\+\+ compiler \(nowhere-c\+\+\)"):
        make_step(model("bce"), SCHEDULE)


def test_what_torch_cannot_compile_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def compiled(function: Any) -> Any:
        def fail(*arguments: Any) -> Any:
            raise torch._dynamo.exc.InternalTorchDynamoError("no such thing\nand more")

        return fail

    monkeypatch.setattr(torch, "compile", compiled)
    with pytest.raises(TrainingError) as told:
        losses(make_step(model("bce"), SCHEDULE))
    assert str(told.value) == "train.compile=true: torch.compile fails (no such thing); leave it out"
