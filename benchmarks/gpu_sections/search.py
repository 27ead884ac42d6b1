"""Exact search of the catalogue, and the validation that uses it, beside the epoch that it follows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import lru_cache, partial

import torch
from torch import Tensor

from benchmarks.gpu_sections import shapes
from benchmarks.gpu_sections.case import Case, Measured, Setting, best_of, of_steps, peak, start_peak
from benchmarks.steps import recbench_step, untrained
from recbench.data.dataset import Positives
from recbench.evaluation.exact_search import search_exactly
from recbench.training.validate import Validation

GOWALLA = 29_858, 40_981, 64  # users, items, dimensions
LARGE = 20_000, 470_000, 64
SEEN = 27  # items of a user, about
COMPARED = 1000  # users whose lists are compared with those of the CPU
ON_CPU = 2000  # users whose search on the CPU is timed

Vectors = Callable[[], tuple[Tensor, Tensor, Positives]]  # of users, of items, and the pairs that are left out


def cases(setting: Setting) -> Iterator[Case]:
    """Yield the search of two catalogues, what bounds it, and validation."""
    for name, size, k, target, before, bare_before in (
        ("top 20, gowalla", GOWALLA, 20, GOWALLA[0] / 0.1, GOWALLA[0] / 2.5, GOWALLA[0] / 0.027),
        ("top 100 of 470,000", LARGE, 100, None, 2.1e3, 144e3),
    ):
        users, items, dim = (max(50, size[0] // 100), size[1] // 100, size[2]) if setting.toy else size
        vectors = partial(_vectors, users, items, dim)
        of = partial(Case, name, unit="users/s")
        yield of("recbench", measure=partial(_search, setting, vectors, k), target=target, before=before)
        yield of("bare product and top k", measure=partial(_bare, setting, vectors, k), before=bare_before)
        yield of("recbench, on the CPU", measure=partial(_on_cpu, vectors, k))
        yield Case(name, "as on the CPU", partial(_as_on_cpu, setting, vectors, k), "")
    for backbone in ("mf", "lightgcn"):
        yield Case(
            f"bpr x {backbone}, gowalla", "validation by recall@20", partial(_validation, setting, backbone), "users/s"
        )


@lru_cache(maxsize=1)
def _vectors(users: int, items: int, dim: int) -> tuple[Tensor, Tensor, Positives]:
    """Return vectors of users and items, some of these alike, and the pairs that are left out, on the CPU."""
    generator = torch.Generator().manual_seed(0)
    query, item = torch.randn(users, dim, generator=generator), torch.randn(items, dim, generator=generator)
    item[-(items // 50) :] = item[: items // 50]
    user = torch.arange(users).repeat_interleave(SEEN)
    return query, item, Positives.from_pairs(user, torch.randint(items, user.shape, generator=generator), users, items)


def _on(device: torch.device, vectors: Vectors, users: int | None = None) -> tuple[Tensor, Tensor, Positives]:
    query, item, seen = vectors()
    query = query[:users]
    start = seen.start[: len(query) + 1]
    return query.to(device), item.to(device), Positives(start.to(device), seen.item[: start[-1]].to(device))


def _search(setting: Setting, vectors: Vectors, k: int) -> Measured:
    start_peak(setting.device)
    query, item, seen = _on(setting.device, vectors)
    seconds = best_of(setting, lambda: search_exactly(query, item, k, seen))
    return Measured(len(query) / seconds, 1000 * seconds, peak(setting.device))


def _bare(setting: Setting, vectors: Vectors, k: int) -> Measured:
    start_peak(setting.device)
    query, item, _ = _on(setting.device, vectors)
    block = max(1, (1 << 28) // len(item))
    seconds = best_of(setting, lambda: [(rows @ item.T).topk(k) for rows in query.split(block)])
    return Measured(len(query) / seconds, 1000 * seconds, peak(setting.device))


def _on_cpu(vectors: Vectors, k: int) -> Measured:
    query, item, seen = _on(torch.device("cpu"), vectors, ON_CPU)
    started = time.perf_counter()
    search_exactly(query, item, k, seen)
    seconds = time.perf_counter() - started
    return Measured(
        len(query) / seconds, 1000 * seconds, note=f"{len(query):,} users, {torch.get_num_threads()} threads"
    )


def _as_on_cpu(setting: Setting, vectors: Vectors, k: int) -> Measured:
    def lists(device: torch.device) -> Tensor:
        query, item, seen = _on(device, vectors, COMPARED)
        return search_exactly(query, item, k, seen).item.cpu()

    ours, theirs = lists(setting.device), lists(torch.device("cpu"))
    unlike = int((ours != theirs).any(1).sum())
    return Measured(agrees=unlike == 0, note=f"{unlike} of {len(theirs):,} lists differ")


def _validation(setting: Setting, backbone: str) -> Measured:
    """Return how long a validation takes; the note has the epoch that it follows, by its steps."""
    start_peak(setting.device)
    data = shapes.gowalla(setting)
    model = untrained(data, "bpr", backbone)
    validation = Validation(data, "recall@20")
    seconds = best_of(setting, lambda: validation(model))
    step = of_steps(setting, recbench_step(data, model, 5000), 3)
    assert step.rate is not None
    epoch = len(data.train) / step.rate
    users = len(data.valid.user.unique())
    note = f"an epoch of eager steps takes {epoch:.2f} s"
    return Measured(users / seconds, 1000 * seconds, peak(setting.device), agrees=seconds <= epoch, note=note)
