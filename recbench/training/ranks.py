"""The processes that train one run together, numbered by rank, and what they exchange.

Every rank runs the same code on the same data. What is called here by one must be called by all, in the same order.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.rendezvous import rendezvous

from recbench import torchrun
from recbench.errors import TrainingError, UsageError

T = TypeVar("T")

BROKEN = ("gloo", "NCCL", "Connection")  # in what torch says of an exchange that failed
PATIENCE = timedelta(days=1)  # that a rank waits for another: one that dies is noticed at once


@dataclass(frozen=True)
class Ranks:
    """The place of this process among `size` of them; a process that trains alone is the first of one."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the one that prints, writes and decides."""
        return self.rank == 0

    def from_first(self, make: Callable[[], T]) -> T:
        """Return what the first rank makes; the others wait for it."""
        if self.size == 1:
            return make()
        value = [make() if self.first else None]
        dist.broadcast_object_list(value, src=0)
        return cast(T, value[0])

    def from_first_to_each(self, make: Callable[[int], T]) -> T:
        """Return what the first rank makes for this one, by its number."""
        if self.first:
            for rank in range(1, self.size):
                dist.send_object_list([make(rank)], dst=rank)
            return make(0)
        value = [None]
        dist.recv_object_list(value, src=0)
        return cast(T, value[0])

    def any(self, flag: bool) -> bool:  # noqa: FBT001 (it is the only argument)
        """Return whether the flag is set on some rank."""
        return any(self.all_of(flag))

    def all_of(self, value: T) -> list[T]:
        """Return the values of all ranks, by rank."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    def own(self, whole: Tensor) -> Tensor:
        """Return this rank's rows of a tensor [n, ...], ceil(n / size) of them on every rank.

        They lie one after the other; where they are too few, the last rows of all are repeated, so that no rank is
        without any.
        """
        count = -(-len(whole) // self.size)
        first = min(self.rank * count, len(whole))
        part = whole[first : first + count]
        if len(part) == count:
            return part
        return torch.cat([part, whole[-1:].expand(count - len(part), *whole.shape[1:])])

    def gathered(self, part: Tensor, count: int) -> Tensor:
        """Return the tensor [count, ...] of which `own` has made the part of each rank.

        A rank gets back the gradient of its own part `size` times, for `average` to make the sum of all parts of it.
        """
        return _gathered(part, self, count)

    def average(self, gradient: Tensor) -> None:
        """Replace a gradient by its mean over all ranks."""
        dist.all_reduce(gradient)
        gradient.div_(self.size)


class _Gathered(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, part: Tensor, ranks: Ranks, count: int) -> Tensor:  # noqa: D102
        ctx.ranks, ctx.rows = ranks, len(part)
        whole = part.new_empty(ranks.size * len(part), *part.shape[1:])
        dist.all_gather(list(whole.split(len(part))), part.contiguous())
        return whole[:count]

    @staticmethod
    def backward(ctx: Any, *gradient: Tensor) -> tuple[Tensor, None, None]:  # noqa: D102
        first = ctx.ranks.rank * ctx.rows
        own = gradient[0][first : first + ctx.rows] * ctx.ranks.size
        missing = own.new_zeros(ctx.rows - len(own), *own.shape[1:])
        return (torch.cat([own, missing]) if len(missing) else own), None, None


_gathered: Callable[[Tensor, Ranks, int], Tensor] = _Gathered.apply

ALONE = Ranks()


def current() -> Ranks:
    """Return the ranks that `join` has joined; `ALONE` without it."""
    return Ranks(dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else ALONE


def join() -> Ranks:
    """Join the processes that torchrun has started beside this one; one that it has not started stays alone."""
    if torchrun.place() is None or dist.is_initialized():
        return current()
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    atexit.register(leave)
    try:
        store, rank, size = next(rendezvous("env://", timeout=PATIENCE))
        # After a restart torchrun may give the same store, where the addresses of those that have ended still stand.
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        store = dist.PrefixStore(attempt, store)  # type: ignore[attr-defined]
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise TrainingError(f"torchrun: the processes do not find each other ({str(error).splitlines()[0]})") from error
    return current()


def leave() -> None:
    """Part from the other processes, if any: what this one does afterwards it does alone.

    It ends the threads of the exchange, which must not outlive the interpreter.
    """
    if dist.is_initialized():
        dist.destroy_process_group()


def own_device(device: torch.device) -> torch.device:
    """Return the device of this rank: with torchrun, a GPU of its own; raises UsageError if there are too few."""
    place, count = torchrun.place(), torch.cuda.device_count()
    if place is None or device.type != "cuda":
        return device
    if device.index is not None:
        raise UsageError(f"--device {device}: torchrun gives each process a GPU of its own; use --device cuda")
    if place.local_rank >= count:
        raise UsageError(
            f"torchrun: more processes than the {count} CUDA devices of this machine; start fewer, or use --device cpu"
        )
    torch.cuda.set_device(place.local_rank)
    return torch.device("cuda", place.local_rank)


@contextmanager
def noticing_loss() -> Iterator[None]:
    """Raise TrainingError where an exchange fails because another process has ended."""
    try:
        yield
    except RuntimeError as error:  # torch has no narrower type for what gloo says
        if not dist.is_initialized() or not any(word in str(error) for word in BROKEN):
            raise
        raise TrainingError(
            "another process of this run has ended; its own message says why, and `--max-restarts` of torchrun goes on "
            "after the last finished epoch"
        ) from error
