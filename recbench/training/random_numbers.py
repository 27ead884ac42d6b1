"""Random numbers of each of several runs, so that a step side by side draws for each what it would draw alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

DRAWING = {  # of torch's functions; in a step side by side, torch refuses the others that draw
    *(F.dropout, F.scaled_dot_product_attention, torch.bernoulli),
    *(torch.rand, torch.rand_like, torch.randn, torch.randn_like, torch.randint, torch.randperm),
}


class RandomNumbers:
    """The random numbers of one run, which go on from where torch's global generators are."""

    def __init__(self) -> None:
        self._cpu = torch.get_rng_state()
        self.cuda: torch.Generator | None = None
        if torch.cuda.is_initialized():
            self.cuda = torch.cuda.default_generators[torch.cuda.current_device()].clone_state()

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Draw them from torch's global generators; that of a GPU has its own ones again afterwards."""
        torch.set_rng_state(self._cpu)
        try:
            if self.cuda is None:
                yield
            else:
                with _global_on_gpu(self.cuda):
                    yield
        finally:
            self._cpu = torch.get_rng_state()


@contextmanager
def _global_on_gpu(generator: torch.Generator) -> Iterator[None]:
    """Let the global generator of a GPU have the state of another, as torch allows in a CUDA graph that knows both."""
    usual = torch.cuda.default_generators[generator.device.index]
    before = usual.graphsafe_get_state()
    usual.graphsafe_set_state(generator)
    try:
        yield
    finally:
        usual.graphsafe_set_state(before)


class DrawnByEach(TorchFunctionMode):
    """Within `vmap` over runs, has functions that draw done for one run after another, with its own random numbers.

    `run` is the number of the run, as vmap hands it in.
    """

    def __init__(self, run: Tensor, random: Sequence[RandomNumbers]) -> None:
        super().__init__()
        self.run, self.random = run, random

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call a function of torch, or if it draws have each run call it."""
        kwargs = kwargs or {}
        if func not in DRAWING:
            return func(*args, **kwargs)
        return _by_each(self.run, self.random, func, tuple(kwargs), *args, *kwargs.values())


class _ByEach(torch.autograd.Function):
    """A function whose value for several runs is that of each; gradients go through what it does."""

    @staticmethod
    def forward(*_: Any) -> Any:
        """Is never called: `run` is always one of several."""
        raise AssertionError

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Keep nothing."""

    @staticmethod
    def vmap(
        info: Any,
        dims: tuple[Any, ...],
        run: Tensor,
        random: Sequence[RandomNumbers],
        func: Callable[..., Tensor],
        names: tuple[str, ...],
        *values: Any,
    ) -> tuple[Tensor, int]:
        """Return the values of all runs, [L, ...]."""
        of_each = []
        for number, own_random in enumerate(random):
            own = [_of_run(x, dim, number) for x, dim in zip(values, dims[4:], strict=True)]
            unnamed = len(own) - len(names)
            with own_random.in_use():
                of_each.append(func(*own[:unnamed], **dict(zip(names, own[unnamed:], strict=True))))
        return torch.stack(of_each), 0


def _of_run(value: Any, dim: Any, number: int) -> Any:
    """Return what a run has of a value, laid out without gaps, as alone: by that a GPU decides how it draws."""
    if not isinstance(dim, int):
        return value  # that all share
    own = value.select(dim, number)
    return own if own.is_contiguous() else own.clone()


_by_each: Callable[..., Tensor] = _ByEach.apply
