"""Whether a training step can be recorded once and repeated: what it asks of the device and keeps in Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from recbench.training.model import Model

# Of torch's operators, those that wait until the device has come to them, for their result is a number in Python or has
# a shape that depends on values.
WAITING = {
    "_local_scalar_dense": "reads a number from the device",
    "nonzero": "makes a tensor whose shape depends on values",
    "masked_select": "makes a tensor whose shape depends on values",
    "_unique2": "makes a tensor whose shape depends on values",
    "unique_dim": "makes a tensor whose shape depends on values",
    "unique_consecutive": "makes a tensor whose shape depends on values",
    "unique_dim_consecutive": "makes a tensor whose shape depends on values",
    "bincount": "makes a tensor whose shape depends on values",
    "_coalesce": "makes a tensor whose shape depends on values",
    "equal": "reads a number from the device",
    "_linalg_check_errors": "reads a number from the device",
}
OF_MODULES = ("_parameters", "_buffers", "_modules")  # where torch keeps what are attributes for everybody else
INDEXED = {"index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index", "_unsafe_index_put"}


class Waits(TorchDispatchMode):
    """Notes what would make a recorded step wait, fail or go stale, in the operators of the steps made inside.

    On a CPU, where all is on one device, tensors made of Python's numbers count as copies to it.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.reason: str | None = None  # the first that was found, in words; None: nothing

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run the operator and look at it."""
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if self.reason is None:
            reason = _reason_against(func, args, kwargs, result)
            self.reason = None if reason is None else f"`{_name(func)}` {reason}"
        return result


def _name(func: Any) -> str:
    name: str = func._schema.name.partition("::")[2]
    return name


def _reason_against(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> str | None:
    name = _name(func)
    if name in WAITING:
        return WAITING[name]
    if name == "repeat_interleave" and func._overloadname == "Tensor" and kwargs.get("output_size") is None:
        return "without `output_size` makes a tensor whose shape depends on values"
    if name in INDEXED and any(isinstance(i, Tensor) and i.dtype in (torch.bool, torch.uint8) for i in args[1]):
        return "by a mask makes a tensor whose shape depends on values"
    if name == "lift_fresh" and isinstance(result, Tensor):
        return "copies numbers of Python to the device; make the tensor once, as a buffer"
    if isinstance(kwargs.get("generator"), torch.Generator):
        return "draws from a generator of its own; use torch's global one"
    if name in ("_to_copy", "copy_"):
        devices = {value.device for value in (*args, result) if isinstance(value, Tensor)}
        return "copies between devices" if len(devices) > 1 else None
    return None


def held_by(model: Model) -> dict[str, object]:
    """Return what a model and its optimiser hold, by where: numbers, words and tensors, of which only these memories.

    A step that has been recorded knows nothing of what changes here afterwards.
    """
    held: dict[str, object] = {}
    optimizer = model.optimizer
    state = {str(number): of_parameter for number, of_parameter in enumerate(optimizer.state.values())}
    _collect("backbone", vars(model.backbone), held, set())
    _collect("loss", {**vars(model.loss), "notes": None}, held, set())
    _collect("optimizer", {"groups": optimizer.param_groups, "state": state}, held, set())
    return held


def _collect(name: str, value: object, held: dict[str, object], visited: set[int]) -> None:
    if isinstance(value, Tensor | FunctionType | ModuleType | type | int | float | str | bytes) or value is None:
        held[name] = value
    elif id(value) not in visited:
        visited.add(id(value))
        for key, part in _parts(value):
            _collect(name if key in OF_MODULES else f"{name}.{key}", part, held, visited)


def _parts(value: object) -> Iterator[tuple[object, object]]:
    if isinstance(value, Mapping):
        yield from (
            (key if isinstance(key, str | int) else place, part) for place, (key, part) in enumerate(value.items())
        )
    elif isinstance(value, list | tuple):
        yield from enumerate(value)
    else:
        yield from getattr(value, "__dict__", {}).items()


def changed(before: Mapping[str, object], after: Mapping[str, object]) -> str | None:
    """Return the name of something that is held otherwise than before, None if all is as it was."""
    names = [*before, *(name for name in after if name not in before)]
    return next((name for name in names if not _same(before.get(name, names), after.get(name, names))), None)


def _same(one: object, other: object) -> bool:
    if isinstance(one, int | float | str | bytes) and type(one) is type(other):
        return one == other or (one != one and other != other)
    return one is other
