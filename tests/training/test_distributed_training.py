"""Training on several ranks against one process: processes of their own, over gloo, on data in memory."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from rich.console import Console
from torch import Tensor, multiprocessing, nn

from recbench.backbones.base import BACKBONES
from recbench.backbones.base import defaults as backbone_defaults
from recbench.batch import Batch
from recbench.cli.app import app
from recbench.data.toy import toy
from recbench.errors import TrainingError
from recbench.evaluation.evaluate import ScoredLog
from recbench.evaluation.evaluate import evaluate as evaluate_log
from recbench.evaluation.metric import METRICS, TopKMetric, VectorMetric
from recbench.evaluation.predictions import BlockScores, InnerProductScores, Predictions
from recbench.evaluation.ranked_lists import rank_catalogue
from recbench.evaluation.request import Request, parse
from recbench.evaluation.signature import Protocol
from recbench.home import prepared_home, results_home
from recbench.losses.base import LOSSES, defaults
from recbench.results.record import RunKey, RunRecord
from recbench.results.store import Store
from recbench.run.eval_command import EvalRequest, evaluate_all
from recbench.run.invocation import Invocation
from recbench.run.train_command import TrainRequest, train_all
from recbench.training import checkpoint
from recbench.training import train as training
from recbench.training.distributed.evaluation import SharedEvaluation, validate
from recbench.training.distributed.training import check_agreement, share_out, tables_by_all, why_not
from recbench.training.model import Model, build
from recbench.training.ranks import Ranks, current, leave
from recbench.training.schedule import Schedule
from recbench.training.scorer import Scorer
from recbench.training.validate import Validation

needs_gloo = pytest.mark.skipif(not dist.is_gloo_available(), reason="torch was built without gloo")

# Rows, triplets with a penalty, lists with masks, slates that all share, uniformity over the batch, pairs that are no
# inner product, windows of histories, features, a graph, views of it, and strategies over several kinds of feedback.
SCHEDULE = Schedule()
METHODS: list[tuple[str, str, dict[str, Any]]] = [
    ("gnolr", "twintower", {}),
    ("bpr", "mf", {"backbone.l2": 0.1, "backbone.l2_form": "norms"}),
    ("jrc", "mf", {"loss.pos_weight": 3.0}),
    ("softmax", "ytdnn", {"loss.source": "batch"}),
    ("bsl", "mf", {"backbone.l2": 0.1, "backbone.l2_of": "tables"}),
    ("directau", "mf", {}),
    ("bce", "neumf", {}),
    ("bce", "neumf", {"backbone.pretrain": 1}),
    ("bpr", "sasrec", {"backbone.dropout": 0.0}),
    ("bpr", "lightgcn", {}),
    ("simgcl", "lightgcn", {}),
    ("ssl", "twintower", {}),
    ("ultragcn", "mf", {}),
    ("nsb", "mf", {"loss.balance": "gradnorm", "loss.balance.alpha": 1.5, "loss.balance.at": "vectors"}),
]
SHARDED: list[tuple[str, str, dict[str, Any]]] = [
    ("bpr", "mf", {"backbone.l2": 0.1}),
    ("gnolr", "twintower", {}),
]


def model(loss: str, backbone: str, given: dict[str, Any], schedule: Schedule = SCHEDULE) -> Model:
    values: dict[str, Any] = {f"loss.{key}": value for key, value in defaults(LOSSES.get(loss)).items()}
    values |= {f"backbone.{key}": value for key, value in backbone_defaults(BACKBONES.get(backbone)).items()}
    values |= given
    if values.get("loss.balance") == "sum":
        del values["loss.balance"]
    return build(data(loss), loss, backbone, values, seed=0, schedule=schedule)


def data(loss: str) -> Any:
    return toy(tasks=2 if LOSSES.get(loss).multitask else 1)


def batches(made: Model, loss: str) -> list[Batch]:
    rows = made.backbone.sequences(data(loss))
    found = made.loss.sampler.batches(rows, 7, torch.Generator().manual_seed(1))
    return [batch for batch, _ in zip(found, range(3), strict=False)]


def gradients(made: Model, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the objective of a batch and its gradients, the same random numbers drawn whenever it is called."""
    torch.manual_seed(5)
    made.optimizer.zero_grad()
    value = made.loss.objective(made.backbone, batch)
    value.backward()  # type: ignore[no-untyped-call]
    named = nn.ModuleDict({"backbone": made.backbone, "loss": made.loss}).named_parameters()
    return value.detach(), {name: p.grad.clone() for name, p in named if p.grad is not None}


def spawn(work: Callable[..., None], size: int, folder: Path, *arguments: object) -> None:
    """Let processes of their own do the work, each with its ranks and the arguments."""
    multiprocessing.spawn(started, args=(work, size, str(folder / "store"), arguments), nprocs=size)


def started(rank: int, work: Callable[..., None], size: int, store: str, arguments: tuple[object, ...]) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=size)
    work(current(), *arguments)
    leave()


def compare_with_one_process(ranks: Ranks) -> None:
    compare_every_metric(ranks)
    for loss, backbone, given in METHODS:
        alone, together = (model(loss, backbone, given) for _ in range(2))
        assert why_not(together, data(loss), ranks) is None
        share_out(together, ranks)
        for made in (alone, together):
            torch.manual_seed(3)
            made.start_epoch(1)
        for batch in batches(alone, loss):
            expected, each = gradients(alone, batch)
            value, found = gradients(together, batch)
            torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-6, msg=f"{loss} × {backbone}")
            assert found.keys() == each.keys()
            for name, gradient in each.items():
                largest = float(gradient.abs().max())
                torch.testing.assert_close(found[name], gradient, rtol=0, atol=1e-4 * largest + 1e-7, msg=name)
        for select in ("auc", "recall@5"):
            validation = Validation(data(loss), select)
            assert validate(validation, together, ranks) == validation(alone), f"{loss} × {backbone} {select}"


def test_lists_of_more_ranks_than_users_are_those_of_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    made = data("bpr")
    vectors = torch.randn(len(made.users), 4), torch.randn(len(made.items), 4)
    arguments = InnerProductScores(*vectors), made.valid, 0, made.positives_of(made.train, 0), 3
    whole = rank_catalogue(*arguments)
    count = len(whole.user) + 2
    parts: list[Tensor] = []

    def gathered(self: Ranks, part: Tensor, users: int) -> Tensor:
        parts.append(part)
        return torch.cat([*parts, part.new_full((users, 3), -1)])[:users]

    monkeypatch.setattr(Ranks, "gathered", gathered)
    for rank in range(count):  # of which the last knows what all have found
        found = rank_catalogue(*arguments, lists_by=SharedEvaluation(Ranks(rank, count)))
    assert [len(part) for part in parts] == [1] * count
    for name in ("hit", "relevant", "length", "user", "item"):
        assert torch.equal(getattr(found, name), getattr(whole, name))
    assert found.others == whole.others


def test_ranks_without_any_user_to_search_for_find_nothing() -> None:
    made = data("bpr")
    scores = InnerProductScores(torch.randn(len(made.users), 4), torch.randn(len(made.items), 4))
    log = replace(made.valid, label=torch.zeros_like(made.valid.label))
    lists = rank_catalogue(scores, log, 0, made.positives_of(made.train, 0), 3, lists_by=SharedEvaluation(Ranks(1, 2)))
    assert lists.item.shape == (0, 3)
    assert lists.others == len(made.valid.user.unique())


def compare_every_metric(ranks: Ranks) -> None:
    """Of an odd number of users, some without a positive, by inner products and by blocks of scores."""
    made = data("bpr")
    users, items, generator = len(made.users), len(made.items), torch.Generator().manual_seed(2)
    log = made.valid[made.valid.user != int(made.valid.user[0])]
    log = replace(log, label=log.label * (log.user % 5 != 0)[:, None].to(log.label.dtype))
    of_user, of_item = (torch.randn(count, 4, generator=generator) for count in (users, items))
    inner = InnerProductScores(of_user, of_item)
    blocks = BlockScores(lambda user: of_user[user] @ of_item.T, items)
    score = (of_user[log.user.long()] * of_item[log.item.long()]).sum(1, keepdim=True).double()
    protocol = Protocol("toy", "valid")
    assert len(log.user.unique()) % 2
    for catalogue in (inner, blocks):
        scored = ScoredLog(
            log,
            made.feedback,
            Predictions(score, lambda _, catalogue=catalogue: catalogue, score.sigmoid().log()),
            lambda column: made.positives_of(made.train, column),
            items,
            train=lambda column: made.positives_of(made.train, column),
            item_vectors=torch.randn(items, 3, generator=generator),
        )
        vectors = isinstance(catalogue, InnerProductScores)
        requests = [request for request in every_request() if vectors or not isinstance(request.metric, VectorMetric)]
        expected = evaluate_log(requests, scored, protocol)
        found = evaluate_log(requests, replace(scored, lists_by=SharedEvaluation(ranks)), protocol)
        assert any("dpfr" in value.metric for value in found)
        for one, other in zip(expected, found, strict=True):
            assert repr(one) == repr(other)


def every_request() -> list[Request]:
    """Every metric in every variant, the lists cut at 5 items."""
    words = [
        f"{name}{'@5' if issubclass(metric, TopKMetric) else ''}{f'({variant})' if variant else ''}"
        for name in METRICS.names()
        for metric in [METRICS.get(name)]
        for variant in metric.variants or ("",)
    ]
    return [parse(word) for word in words]


@needs_gloo
def test_three_ranks_have_the_losses_the_gradients_and_the_metrics_of_one_process(tmp_path: Path) -> None:
    """Of seven rows a rank has three, three and one; metrics are equal to the last digit."""
    spawn(compare_with_one_process, 3, tmp_path)


@pytest.mark.parametrize(
    ("loss", "backbone", "given", "reason"),
    [
        ("til-ui", "mf", {}, "loss `til-ui` makes steps of its own"),
        ("bce", "sasrec", {"backbone.dropout": 0.2}, "backbone `sasrec` draws numbers.*set backbone.dropout=0"),
        ("nsb", "mf", {"loss.balance": "gradnorm", "loss.balance.alpha": 1.5, "loss.balance.at": "parameters"}, "at="),
    ],
)
def test_what_cannot_be_shared_out_is_refused(loss: str, backbone: str, given: dict[str, Any], reason: str) -> None:
    random = torch.get_rng_state()
    made = model(loss, backbone, given)
    state = torch.get_rng_state()
    why = why_not(made, data(loss), Ranks(1, 2))
    assert why is not None
    assert re.search(reason, why)
    assert torch.equal(torch.get_rng_state(), state)
    torch.set_rng_state(random)


def train(ranks: Ranks, *settings: str) -> RunRecord:
    words = ("train.epochs=4", "train.batch_size=500", "train.optimizer=sgd", *settings)
    request = TrainRequest("gnolr", "twintower", "synthetic/global", (), (0,), words, ())
    return train_all(request, Invocation(Store(results_home()), Console(quiet=True), "recbench train"), "cpu")[0]


def evaluate(record: RunRecord) -> dict[tuple[str, str], float]:
    request = EvalRequest(metrics=("auc", "gauc", "recall@20", "ndcg@5"))
    (outcome,) = evaluate_all([record], request, Store(results_home()), Console(quiet=True), "cpu")
    return {(value.metric, value.feedback): value.value for value in outcome.values}


def train_twice(ranks: Ranks, folder: Path) -> None:
    """Train two runs, tables by shards and not, and in another folder interrupted once in their third epochs."""
    os.environ["RECBENCH_RESULTS"] = str(folder / "undisturbed")
    evaluate(train(ranks))
    train(ranks, "train.shard=tables")
    os.environ["RECBENCH_RESULTS"] = str(folder / "disturbed")
    usual = training.train_epoch

    def train_epoch(*arguments: Any) -> Any:
        if arguments[4] == 3:
            raise KeyboardInterrupt
        return usual(*arguments)

    training.train_epoch = train_epoch
    for settings in ((), ("train.shard=tables",)):
        training.train_epoch = train_epoch
        with pytest.raises(KeyboardInterrupt):
            train(ranks, *settings)
        training.train_epoch = usual
        torch.manual_seed(9)  # which the checkpoint replaces
        train(ranks, *settings)
    os.environ |= {"TORCHELASTIC_RUN_ID": "1", "RANK": str(ranks.rank), "WORLD_SIZE": "2", "LOCAL_RANK": "0"}
    app(["eval", "--metric", "auc"], standalone_mode=False)


@needs_gloo
def test_two_ranks_train_the_run_of_one_process_and_resume_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, medium_home: Path
) -> None:
    shutil.copytree(medium_home / "prepared", prepared_home())
    monkeypatch.setenv("RECBENCH_RESULTS", str(tmp_path / "alone"))
    alone = train(Ranks())
    spawn(train_twice, 2, tmp_path, tmp_path)
    expected = weights_of(tmp_path / "alone", alone.key)
    for name in ("undisturbed", "disturbed"):
        store = Store(tmp_path / name)
        found_runs = [record for record, _ in store.runs()]
        beside = {record.key.loss for record in found_runs if record.key.is_baseline}
        assert beside == ({"popularity", "item-knn"} if name == "disturbed" else set())  # fitted by the first process
        trained = [record for record in found_runs if not record.key.is_baseline]
        records = {str(record.key.settings.get("train.shard", "off")): record for record in trained}
        assert records["off"].key == alone.key
        assert records["off"].notes[:-1] == alone.notes
        assert "sharded by row" in records["tables"].notes[-1]
        if name == "undisturbed":
            (shared,) = store.evaluations(alone.key)
            monkeypatch.setenv("RECBENCH_RESULTS", str(tmp_path / name))
            for kept in (store.folder(alone.key) / file for file in ("scores.parquet", "vectors.safetensors")):
                kept.unlink()
            again = evaluate(records["off"])
            assert {(value.metric, value.feedback): value.value for value in shared.values} == again
        for record in records.values():
            assert record.best_epoch == alone.best_epoch
            assert record.parameters == alone.parameters
            assert record.notes[len(alone.notes)].startswith("trained by 2 processes together")
            for one, two in zip(alone.curve, record.curve, strict=True):
                assert one["loss"] == pytest.approx(two["loss"], abs=1e-5)
                assert one["slots"] == two["slots"]
            found = weights_of(tmp_path / name, record.key)
            undisturbed = weights_of(tmp_path / "undisturbed", record.key)
            for weight, value in expected.items():
                torch.testing.assert_close(found[weight], value, rtol=0, atol=1e-4)
                assert torch.equal(found[weight], undisturbed[weight])


def weights_of(root: Path, key: RunKey) -> dict[str, Tensor]:
    weights: dict[str, Tensor] = checkpoint.load(Store(root).folder(key) / "weights.safetensors")["backbone"]
    return weights


def compare_shards_with_tables(ranks: Ranks) -> None:
    ways = (("sgd", "on"), ("adagrad", "on"), ("adamw", "off"))
    for (loss, backbone, given), (optimizer, lazy) in product(SHARDED, ways):
        schedule = Schedule(optimizer=optimizer, lazy=lazy, lr=0.05)  # type: ignore[arg-type]
        alone, together = model(loss, backbone, given, schedule), model(loss, backbone, given, schedule)
        together.schedule = replace(schedule, shard="tables")
        assert why_not(together, data(loss), ranks) is None
        share_out(together, ranks)
        rows = {name: len(table.table) for name, table in together.shards.tables.items()}
        assert len(rows) == 2
        for batch in batches(alone, loss) * 4:
            for made in (alone, together):
                made.loss.step(made.backbone, batch, made.optimizer)
        for made in (alone, together):
            made.end_epoch()
        expected = Scorer(alone.backbone, alone.loss).rows(data(loss).valid)[0]
        vectors = tables_by_all(together, ranks, None)
        whole = together.shards.whole_weights(together.state())["backbone"]
        moments = together.shards.whole_optimizer(together.optimizer)["state"]
        if not ranks.first:
            continue
        for name, weight in alone.state()["backbone"].items():
            assert name not in rows or rows[name] < len(weight)
            torch.testing.assert_close(whole[name], weight, rtol=0, atol=2e-4, msg=f"{name} {optimizer} {lazy}")
        for number, state in alone.optimizer.state_dict()["state"].items():
            for name, value in state.items():
                torch.testing.assert_close(moments[number][name], value, rtol=0, atol=2e-4)
        found = Scorer(together.backbone, together.loss, None, vectors).rows(data(loss).valid)[0]
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-3)


@needs_gloo
def test_sharded_tables_are_updated_as_whole_ones(tmp_path: Path) -> None:
    spawn(compare_shards_with_tables, 3, tmp_path)


@pytest.mark.parametrize(
    ("loss", "backbone", "given", "reason"),
    [
        ("bpr", "ytdnn", {}, "backbone `ytdnn` has no tables"),
        ("bce", "neumf", {}, "scores pairs"),
        ("buir", "mf", {}, "loss `buir` keeps a copy"),
        ("bpr", "mf", {"backbone.l2": 0.1, "backbone.l2_of": "tables"}, "l2_of=tables reads whole tables"),
    ],
)
def test_what_cannot_be_sharded_is_refused(loss: str, backbone: str, given: dict[str, Any], reason: str) -> None:
    made = model(loss, backbone, given, Schedule(shard="tables"))
    why = why_not(made, data(loss), Ranks(1, 2))
    assert why is not None
    assert reason in why
    assert "torchrun --nproc-per-node N" in str(why_not(made, data(loss), Ranks()))


@pytest.mark.parametrize("rows", [1, 2, 5, 6, 7, 8])
def test_the_shares_of_all_ranks_are_the_whole(rows: int) -> None:
    whole = torch.arange(2 * rows).view(rows, 2)
    shares = [Ranks(rank, 3).own(whole) for rank in range(3)]
    assert len({len(share) for share in shares}) == 1
    assert torch.equal(torch.cat(shares)[:rows], whole)


def test_ranks_that_drift_apart_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ranks, "all_of", lambda self, value: [value, 0.7])
    check_agreement(Ranks(0, 2), 0.70000001, 4)
    with pytest.raises(TrainingError, match="different losses in epoch 4, from 0.6 to 0.7"):
        check_agreement(Ranks(0, 2), 0.6, 4)
