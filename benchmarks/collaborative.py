"""Training on triplets and over graphs at the shape of Gowalla, against bare loops in the same run.

29,858 users, 40,981 items, 810,000 positives with the popularity of both skewed; dimension 64, batch 5000 as in TIL
(CIKM 2022, section 5.4). The real log is taken where `recbench prepare gowalla` has been run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.steps import Step, recbench_step, untrained
from recbench.backbones.building_blocks.graph import normalised_graph
from recbench.data.dataset import Dataset, Log, Table
from recbench.data.manifest import Column
from recbench.data.prepared_datasets import find_prepared
from recbench.errors import UsageError
from recbench.evaluation.evaluate import ScoredLog, evaluate
from recbench.evaluation.request import parse
from recbench.evaluation.signature import Protocol
from recbench.memory import peak
from recbench.training.allocator import keep_freed_memory
from recbench.training.model import Model
from recbench.training.scorer import Scorer

USERS, ITEMS, POSITIVES, TEST = 29_858, 40_981, 810_000, 217_000
DIM, BATCH = 64, 5000
PROTOCOL = Protocol("shape of gowalla", "valid")


def gowalla(name: str = "gowalla") -> Dataset:
    """The log prepared under this name, or a random one of its shape."""
    try:
        return Dataset.load(find_prepared(name))
    except UsageError:
        return shape_of_gowalla()


def shape_of_gowalla() -> Dataset:
    """Distinct pairs of log-normal users and items, about as skewed as Gowalla's."""
    generator = torch.Generator().manual_seed(0)

    def drawn(count: int, spread: float, size: int) -> Tensor:
        weight = (spread * torch.randn(count, generator=generator)).exp()
        return torch.searchsorted(weight.cumsum(0) / weight.sum(), torch.rand(size, generator=generator))

    size = POSITIVES * 3 // 2
    pair = drawn(USERS, 0.9, size).clamp(max=USERS - 1) * ITEMS + drawn(ITEMS, 0.9, size).clamp(max=ITEMS - 1)
    pair = torch.unique(pair)
    pair = pair[torch.randperm(len(pair), generator=generator)]

    def log(chosen: Tensor) -> Log:
        label = torch.ones(len(chosen), 1, dtype=torch.uint8)
        return Log((chosen // ITEMS).int(), (chosen % ITEMS).int(), label)

    def table(count: int) -> Table:
        return Table((Column("id", "categorical", count + 1, 1),), torch.arange(1, count + 1).int()[:, None], count)

    train, test = log(pair[:POSITIVES]), log(pair[POSITIVES : POSITIVES + TEST])
    return Dataset("shape of gowalla", "random", "0" * 64, Path(), ("visit",), table(USERS), table(ITEMS), train, test)


def first_epoch(data: Dataset, backbone: str, loss: str = "bpr", words: Sequence[str] = ()) -> Model:
    """An untrained model of recbench; the loss as it is in its first epoch, TIL-MI with its clusters."""
    model = untrained(data, loss, backbone, [*words, *(["loss.pretrain=0"] if loss == "til-mi" else [])])
    model.start_epoch(1)
    return model


def bare_step(data: Dataset, smooth: Callable[[Tensor], Tensor], l2: float) -> Step:
    """A loop without a harness and without sampling: ready-made triplets, dense fused Adam.

    `smooth` maps the free vectors of all users and items to the final ones.
    """
    table = nn.Parameter(torch.randn(len(data.users) + len(data.items), DIM) * 0.1)
    optimizer = torch.optim.Adam([table], lr=1e-3, fused=True)
    order = torch.randperm(len(data.train))
    other = torch.randint(len(data.items), order.shape)
    triplets = torch.stack(
        [data.train.user[order].long(), data.train.item[order] + len(data.users), other + len(data.users)]
    )
    batches: Iterator[Tensor] = cycle(triplets.split(BATCH, 1))

    def step() -> int:
        index = next(batches)
        of_user, of_item, of_other = F.embedding(index, smooth(table))
        loss = F.softplus((of_user * of_other).sum(1) - (of_user * of_item).sum(1)).mean()
        if l2:
            loss = loss + l2 * 0.5 * F.embedding(index, table).square().sum() / index.shape[1]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return index.shape[1]

    return step


def layers_of(graph: Tensor, layers: int) -> Callable[[Tensor], Tensor]:
    """LightGCN's propagation by torch.sparse."""

    def smooth(layer: Tensor) -> Tensor:
        total = layer
        for _ in range(layers):
            layer = torch.sparse.mm(graph, layer)
            total = total + layer
        return total / (layers + 1)

    return smooth


@dataclass(frozen=True)
class Rate:
    """Triplets per second, by the clock and by the time that the process had the processor."""

    clock: float
    processor: float


def side_by_side(steps: dict[str, Step], each: int, rounds: int) -> dict[str, Rate]:
    """Return the rate of each, run in turn so that neighbours on the machine slow all alike."""
    rows, clock, processor = (dict.fromkeys(steps, 0.0) for _ in range(3))
    for number in range(rounds + 1):
        for name, step in steps.items():
            started, busy = time.perf_counter(), time.process_time()
            done = sum(step() for _ in range(each))
            if number:  # the first round is a warm-up
                rows[name] += done
                clock[name] += time.perf_counter() - started
                processor[name] += time.process_time() - busy
    return {name: Rate(rows[name] / clock[name], rows[name] / processor[name]) for name in steps}


def shown(title: str, rates: dict[str, Rate], bound: str, rows: int) -> None:
    """Print rates and times of an epoch by the clock, ratios to one of them by the clock and by processor time."""
    print(f"\n{title}")
    for name, rate in rates.items():
        ratios = f"{rate.clock / rates[bound].clock:>8.2f}{rate.processor / rates[bound].processor:>8.2f}"
        print(f"{name:34}{rate.clock:>12,.0f} triplets/s{rows / rate.clock:>9.1f} s an epoch{ratios}")


def recbole_rate(data: Dataset) -> Rate:
    """Return RecBole's rate in one epoch of its BPR trainer."""
    from recbole.config import Config
    from recbole.data import create_dataset, data_preparation
    from recbole.model.general_recommender import BPR
    from recbole.trainer import Trainer

    with TemporaryDirectory() as folder:
        path = Path(folder, "log", "log.inter")
        path.parent.mkdir()
        pairs = torch.stack([data.train.user, data.train.item], 1).tolist()
        path.write_text("user_id:token\titem_id:token\n" + "".join(f"{u}\t{i}\n" for u, i in pairs))
        config = Config(
            model="BPR",
            dataset="log",
            config_dict={
                "data_path": folder,
                "load_col": {"inter": ["user_id", "item_id"]},
                "embedding_size": DIM,
                "train_batch_size": BATCH,
                "eval_args": {"split": {"RS": [1, 0, 0]}, "order": "RO", "mode": "full", "group_by": None},
                "use_gpu": False,
                "show_progress": False,
                "checkpoint_dir": folder,
            },
        )
        rows = create_dataset(config)
        train, _, _ = data_preparation(config, rows)
        trainer = Trainer(config, BPR(config, train.dataset))
        started, busy = time.perf_counter(), time.process_time()
        trainer._train_epoch(train, 0)
        return Rate(len(data.train) / (time.perf_counter() - started), len(data.train) / (time.process_time() - busy))


def scoring(data: Dataset, model: Model) -> None:
    """Print the time of a full-catalogue recall@20 of an inner product."""
    predictions = Scorer(model.backbone, model.loss).predictions(data.valid)
    seen = data.positives_of(data.train, 0)
    users = len(data.valid.user.unique())
    started = time.perf_counter()
    scored = ScoredLog(data.valid, data.feedback, predictions, lambda column: seen, len(data.items))
    evaluate([parse("recall@20")], scored, PROTOCOL)
    print(f"\nrecall@20 of {len(data.items):,} items for {users:,} users: {time.perf_counter() - started:.1f} s")


def exhaustive(model: Model, users: int = 510) -> None:
    """Print what it takes to score the catalogue with a perceptron for some users, and for all at that rate."""
    scorer = Scorer(model.backbone, model.loss)
    before = peak()
    started = time.perf_counter()
    for block in torch.arange(users).split(51):
        scorer.block(block, 0)
    seconds = time.perf_counter() - started
    print(f"\nneumf, all items for {users} users: {seconds:.1f} s, so {seconds / users * USERS / 60:.1f} min for all")
    print(f"peak memory grew by {(peak() - before) / 2**30:.2f} GiB meanwhile")


def main() -> None:
    """Print triplets per second beside bare loops, of TIL beside BPR, and the time of evaluations."""
    keep_freed_memory()  # as training does; the bare loops gain by it too
    data = gowalla()
    rows = len(data.train)
    print(f"{data.name}: {rows:,} positives, batch {BATCH}, dimension {DIM}, {torch.get_num_threads()} threads")

    neural = first_epoch(data, "neumf")
    exhaustive(neural)  # first, while the peak of memory is still its own

    model = first_epoch(data, "mf")
    steps = {
        "bare loop, no sampling": bare_step(data, lambda table: table, 0.0),
        "recbench": recbench_step(data, model, BATCH),
    }
    rates = side_by_side(steps, each=4, rounds=30)
    if find_spec("recbole") is not None:  # not among the dependencies
        rates["RecBole"] = recbole_rate(data)
    shown("mf, bpr", rates, "bare loop, no sampling", rows)

    graph = normalised_graph(data)
    for layers in (1, 3):
        ours = first_epoch(data, "lightgcn", words=[f"backbone.layers={layers}"])
        steps = {"torch.sparse loop, no sampling": bare_step(data, layers_of(graph, layers), 1e-4)}
        steps["recbench"] = recbench_step(data, ours, BATCH)
        rates = side_by_side(steps, each=2, rounds=3)
        shown(f"lightgcn, {layers} layers, bpr", rates, "torch.sparse loop, no sampling", rows)

    started = time.perf_counter()
    mgccf = first_epoch(data, "mgccf")
    print(f"\nmgccf: built in {time.perf_counter() - started:.1f} s")
    for backbone, ours in (("mgccf", mgccf), ("neumf", neural)):
        steps = {"recbench": recbench_step(data, ours, BATCH)}
        shown(f"{backbone}, bpr", side_by_side(steps, each=2, rounds=3), "recbench", rows)
    for backbone in ("mf", "neumf", "mgccf", "lightgcn", "ytdnn"):
        models = {loss: first_epoch(data, backbone, loss) for loss in ("bpr", "til-ui", "til-mi")}
        steps = {loss: recbench_step(data, ours, BATCH) for loss, ours in models.items()}
        shown(f"{backbone}, triplet importance", side_by_side(steps, each=2, rounds=3), "bpr", rows)
    scoring(data, model)
    print(f"peak memory {peak() / 2**30:.2f} GiB")


if __name__ == "__main__":
    main()
