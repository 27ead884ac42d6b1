"""A recording of a training step on any device, for checks where there is no GPU: what a CUDA graph is on one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from recbench.training.captured_step import Recorder, Replay


class Tapes(Recorder):
    """Records steps on tapes."""

    def record(self, step: Callable[[], Tensor]) -> tuple[Replay, Tensor]:
        """Make a step and record it."""
        tape = Tape()
        with tape:
            return tape.replay, step()

    def forget(self) -> None:
        """Do nothing: tapes share no memory."""


class Tape(TorchDispatchMode):
    """The operators that were called inside, with the memory that each read and wrote; `replay` runs them again.

    As with a CUDA graph, what Python did in between does not happen again, and all memory is where it was.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[tuple[Any, tuple[Any, ...], Mapping[str, Any], list[Tensor]]] = []

    @torch.no_grad()
    def replay(self) -> None:
        """Run the operators again, on the same memory."""
        for func, args, kwargs, results in self.calls:
            for recorded, value in zip(results, _new(func, func(*args, **kwargs)), strict=True):
                recorded.copy_(value)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run an operator and keep it, unless it only gives another name to memory that is there."""
        kwargs = dict(kwargs or {})
        result = func(*args, **kwargs)
        new = _new(func, result)
        if new or any(argument.alias_info and argument.alias_info.is_write for argument in func._schema.arguments):
            self.calls.append((func, args, kwargs, new))
        return result


def _new(func: Any, result: Any) -> list[Tensor]:
    """Return those of the results of an operator that are neither its arguments nor views of them."""
    returns = func._schema.returns
    results = [result] if len(returns) == 1 else list(result or ())
    own = [value for value, about in zip(results, returns, strict=True) if about.alias_info is None]
    flat = [part for value in own for part in (value if isinstance(value, list | tuple) else [value])]
    return [part for part in flat if isinstance(part, Tensor) and not part._is_zerotensor()]  # which has no memory
