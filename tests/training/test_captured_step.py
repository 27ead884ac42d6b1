"""Recorded steps against steps made one by one: bit for bit, and what cannot be recorded says why.

That every registered loss and backbone gives the same numbers either way is among the checks of `recbench verify`.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from unittest.mock import create_autospec

import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

from recbench.batch import Batch, Towers
from recbench.data.dataset import Dataset, Info
from recbench.data.toy import toy as make_toy
from recbench.home import results_home
from recbench.inspect.step_checks import Tape, Tapes
from recbench.losses import base
from recbench.losses.base import LOSSES, Loss
from recbench.losses.bce import BCE
from recbench.preparation.prepare import prepare
from recbench.results.store import Store
from recbench.run.invocation import Invocation
from recbench.run.train_command import TrainRequest, train_all
from recbench.samplers import InBatch
from recbench.training import captured_step, train
from recbench.training.captured_step import CapturedStep, CudaGraphs, StaticBatch, Step, make_step
from recbench.training.model import Model, build
from recbench.training.optimizer import set_rates
from recbench.training.schedule import Schedule

SIZE = 50  # 12 batches of the toy's rows an epoch


def model(loss: str = "bce", backbone: str = "mf", schedule: Schedule | None = None) -> Model:
    values = {f"loss.{key}": value for key, value in base.defaults(LOSSES.get(loss)).items()}
    return build(toy(), loss, backbone, values | {"backbone.dim": 4}, 0, schedule or Schedule())


def toy() -> Dataset:
    return make_toy(rows=610).narrow(["view"])


def losses(step: Step, epochs: int = 2, moving: bool = False) -> Tensor:
    """Train and return the losses of all steps."""
    values, made = [], step.model
    for epoch in range(1, epochs + 1):
        torch.manual_seed(epoch)
        made.backbone.train()
        made.loss.train()
        made.start_epoch(epoch)
        step.start_epoch()
        for batch in made.loss.sampler.batches(toy(), SIZE, torch.Generator().manual_seed(epoch)):
            if moving:
                set_rates(made.optimizer, 1 / (1 + len(values)))
            values.append(step(batch))
    return torch.stack(values)


def weights(step: Step) -> list[Tensor]:
    return [tensor for part in step.model.state().values() for tensor in part.values()]


def require_equal(one: Step, other: Step, **how: Any) -> None:
    assert losses(one, **how).tolist() == losses(other, **how).tolist()
    assert all(torch.equal(a, b) for a, b in zip(weights(one), weights(other), strict=True))


def test_recorded_steps_and_the_last_of_an_epoch() -> None:
    captured = CapturedStep(model(), Tapes())
    require_equal(Step(model()), captured)
    assert len(captured.recorded) == 1
    assert not captured.notes


def test_random_numbers_of_a_step_are_drawn_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    class Noisy(BCE):
        """Logistic loss on noisy logits, Cox 1958."""

        def forward(self, towers: Towers, batch: Batch) -> Tensor:
            return super().forward(towers.affine(1.0, torch.randn(())), batch)

    LOSSES.add("noisy")(Noisy)
    captured = CapturedStep(model("noisy"), Tapes())
    require_equal(Step(model("noisy")), captured)
    assert captured.recorded


def test_a_batch_that_was_made_before_the_recording_would_go_stale() -> None:
    """As `Batch.level` did: the stand-in for a CUDA graph has to tell."""
    made = model()
    batches = iter(made.loss.sampler.batches(toy(), SIZE, torch.Generator().manual_seed(0)))
    static = StaticBatch(next(batches))
    for outside in (True, False):
        batch = static.batch()
        assert int(batch.level.sum()) >= 0
        with Tape() as tape:
            total = batch.level.sum() if outside else static.batch().level.sum()
        following = next(batches)
        static.fill(following)
        tape.replay()
        assert (int(total) == int(following.level.sum())) is not outside


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ("counts", "a step changes `loss.count`, which is neither parameter nor buffer"),
        ("keeps", "a step changes `loss.kept.2`, which is neither parameter nor buffer"),
        ("replaces", "a step changes `loss.total`, which is neither parameter nor buffer"),
        ("reads", "`_local_scalar_dense` reads a number from the device"),
        ("selects", "`index` by a mask makes a tensor whose shape depends on values"),
        ("makes", "`lift_fresh` copies numbers of Python to the device; make the tensor once, as a buffer"),
        ("draws", "`randn` draws from a generator of its own; use torch's global one"),
    ],
)
def test_what_cannot_be_recorded_is_made_one_by_one_and_says_why(step: str, reason: str) -> None:
    @LOSSES.add("own")
    class Own(BCE):
        """Logistic loss and something that a recording would not repeat, Cox 1958."""

        def __init__(self, info: Info) -> None:
            super().__init__(info)
            self.count, self.kept = 0, cast("list[Tensor]", [])
            self.register_buffer("total", torch.zeros(()))
            self.generator = torch.Generator().manual_seed(0)

        def forward(self, towers: Towers, batch: Batch) -> Tensor:
            value = super().forward(towers, batch)
            if step == "counts":
                self.count += 1
                return value * self.count
            if step == "keeps":
                self.kept.append(value.detach())
                return value + sum(self.kept)
            if step == "replaces":
                self.total = self.total + value.detach()
                return value + self.total
            if step == "reads":
                return value + float(value.detach())
            if step == "selects":
                logit = towers.logit[..., 0]
                return value + logit[batch.label[..., 0] > 0].sum()
            if step == "makes":
                return value * torch.tensor(2.0)
            return value + torch.randn((), generator=self.generator)

    captured = CapturedStep(model("own"), Tapes())
    require_equal(Step(model("own")), captured)
    assert captured.notes == [f"steps of own × mf are made one by one, not as a CUDA graph: {reason}"]


def test_what_an_epoch_starts_with_is_recorded_anew() -> None:
    @LOSSES.add("stages")
    class Stages(BCE):
        """Logistic loss whose form depends on the epoch, Cox 1958."""

        stage = 0

        def start_epoch(self, backbone: nn.Module, epoch: int) -> None:
            self.stage = epoch // 2  # 0, 1, 1

        def forward(self, towers: Towers, batch: Batch) -> Tensor:
            return super().forward(towers, batch) * (1 + self.stage)

    recorded = []

    class Counted(Tapes):
        def record(self, step: Any) -> Any:
            recorded.append("record")
            return super().record(step)

        def forget(self) -> None:
            recorded.append("forget")

    require_equal(Step(model("stages")), CapturedStep(model("stages"), Counted()), epochs=3)
    assert recorded == ["record", "forget", "record"]


def test_what_cannot_be_recorded_after_all_is_made_one_by_one() -> None:
    """The reason is what was wrong in the step, not what torch says when it ends the recording after that."""

    class Failing(Tapes):
        def record(self, step: Any) -> Any:
            try:
                raise RuntimeError("operation not permitted when stream is capturing\nand more")
            finally:
                raise RuntimeError("operation failed due to a previous error during capture")

    captured = CapturedStep(model(), Failing())
    require_equal(Step(model()), captured)
    assert captured.notes[0].endswith("CUDA graph: operation not permitted when stream is capturing")


def test_a_learning_rate_that_changes_at_every_step() -> None:
    held, captured = Step(model(), hold_rates=True), CapturedStep(model(), Tapes(), hold_rates=True)
    require_equal(held, captured, moving=True)
    assert captured.recorded
    torch.testing.assert_close(losses(Step(model()), moving=True), losses(Step(model(), hold_rates=True), moving=True))


def test_few_shapes_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captured_step, "MOST_GRAPHS", 1)
    captured = CapturedStep(model(), Tapes())
    drawn = list(captured.model.loss.sampler.batches(toy(), SIZE, torch.Generator().manual_seed(0)))[:-1]
    narrow = [replace(b, user=b.user[:9], item=b.item[:9], label=b.label[:9], row=None) for b in drawn]
    for batch in (*drawn, *narrow):
        captured(batch)
    assert len(captured.recorded) == 1


def test_the_memory_of_a_batch_has_its_layout() -> None:
    """A slate that all users share has probabilities that are expanded along the users."""
    first, second, *_ = InBatch().batches(toy(), SIZE, torch.Generator().manual_seed(0))
    static = StaticBatch(first)
    static.fill(second)
    batch = static.batch()
    assert batch.log_q is not None and batch.log_q.stride()[0] == 0
    for name in ("user", "item", "label", "mask", "log_q", "row"):
        assert torch.equal(getattr(batch, name), getattr(second, name))
    assert not torch.equal(first.user, second.user)


def test_a_run_with_recorded_steps_has_the_same_record(
    own_folders: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare("synthetic", rows=1500)
    words = ("train.epochs=3", "train.batch_size=64", "backbone.dim=4")
    request = TrainRequest("gnolr", "mf", "synthetic/global", (), (0,), words, ())

    def trained() -> tuple[list[Any], bytes]:
        (record,) = train_all(request, Invocation(Store(results_home()), Console(quiet=True), "recbench train"), "cpu")
        curve = [(epoch["loss"], epoch["metric"], epoch["slots"]) for epoch in record.curve]
        (path,) = results_home().rglob("weights.safetensors")
        return curve, path.read_bytes()

    expected = trained()
    monkeypatch.setenv("RECBENCH_RESULTS", str(tmp_path / "others"))
    steps = []

    def captured(model: Model, schedule: Schedule) -> Step:
        steps.append(CapturedStep(model, Tapes()))
        return steps[-1]

    monkeypatch.setattr(train, "make_step", captured)
    monkeypatch.setattr(captured_step, "EAGER", 2)
    assert trained() == expected
    assert steps[0].recorded


def test_on_a_cpu_and_where_it_is_turned_off_nothing_is_recorded() -> None:
    assert type(make_step(model(), Schedule())) is Step


def test_the_steps_before_a_recording() -> None:
    """Three as ever, then as many aside as the recorder wants, of another shape one."""
    made = []

    class Noting(Tapes):
        asides = 3

        def aside(self, step: Any) -> Tensor:
            made.append("aside")
            return super().aside(step)

        def record(self, step: Any) -> Any:
            made.append("record")
            return super().record(step)

    captured = CapturedStep(model(), Noting())
    drawn = list(captured.model.loss.sampler.batches(toy(), SIZE, torch.Generator().manual_seed(0)))[:-1]
    for batch in drawn:
        captured(batch)
    assert made == ["aside"] * 3 + ["record"]
    for batch in drawn:
        captured(replace(batch, user=batch.user[:9], item=batch.item[:9], label=batch.label[:9], row=None))
    assert made[4:] == ["aside", "record"]


def test_a_cuda_graph_is_asked_for_as_torch_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a GPU no more can be said than that the calls exist, and that a step is launched once it is recorded."""
    calls = []

    class Graph:
        def replay(self) -> None:
            calls.append("replay")

    class Stream:
        def wait_stream(self, other: object) -> None:
            calls.append("wait")

    def of(name: str, result: Any) -> None:
        spec = create_autospec(getattr(torch.cuda, name), return_value=result)
        monkeypatch.setattr(torch.cuda, name, spec)

    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    of("Stream", Stream())
    of("current_stream", Stream())
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", iter([(0, 1), (0, 2)]).__next__)
    of("stream", cast("AbstractContextManager[None]", nullcontext()))
    of("graph", nullcontext())
    graphs = CudaGraphs(torch.device("cuda:0"))
    assert graphs.aside(lambda: torch.ones(())) == 1
    replay, objective = graphs.record(lambda: torch.ones(()))
    assert objective == 1 and calls == ["wait", "wait", "replay"]
    replay()
    assert calls[3:] == ["replay"]
    graphs.forget()
    assert graphs.pool == (0, 2)  # torch refuses memory that recordings have given up


def test_random_numbers_go_on_from_a_copy_of_their_state_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before torch 2.13 a generator stays in the capture that failed, and raises wherever it is drawn from."""
    here, generator = nullcontext(), create_autospec(torch.Generator, instance=True)
    stream = create_autospec(torch.cuda.Stream, instance=True, device_index=1)
    for name, result in {"Stream": stream, "current_stream": stream, "stream": here, "graph": here}.items():
        monkeypatch.setattr(torch.cuda, name, lambda *_, result=result, **__: result)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: (0, 1))
    monkeypatch.setattr(torch.cuda, "CUDAGraph", object)
    monkeypatch.setattr(torch.cuda, "default_generators", (None, generator))

    def fail() -> Tensor:
        raise RuntimeError("operation not permitted when stream is capturing")

    with pytest.raises(RuntimeError, match="not permitted"):
        CudaGraphs(torch.device("cuda:1")).record(fail)
    generator.graphsafe_set_state.assert_called_once_with(generator.clone_state())


def test_a_loss_keeps_no_note_of_its_own_out(toy: Dataset) -> None:
    """Remarks may change from step to step: they are for people."""

    @LOSSES.add("remarks")
    class Remarks(BCE):
        """Logistic loss with remarks, Cox 1958."""

        def step(self, *arguments: Any) -> Tensor:
            self.notes[:] = [*self.notes, "another step"]
            return Loss.step(self, *arguments)

    captured = CapturedStep(model("remarks"), Tapes())
    losses(captured)
    assert captured.recorded
