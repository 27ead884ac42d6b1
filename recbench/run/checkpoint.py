"""Everything a run needs to go on, in one safetensors file that appears by rename."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from recbench.errors import DataError


def save(path: Path, state: object) -> None:
    """Write nested dicts, lists, scalars and tensors; the previous file stays until the new one is complete."""
    tensors: dict[str, Tensor] = {}
    skeleton = json.dumps(_flatten(state, "", tensors))
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, temporary, metadata={"state": skeleton})
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        temporary.unlink(missing_ok=True)
        raise DataError(f"{path}: cannot write ({error}); free some space or choose RECBENCH_RESULTS") from error


def load(path: Path) -> Any:
    """Read what `save` wrote, tensors on the CPU; raises DataError if the file is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            skeleton = json.loads(file.metadata()["state"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: damaged ({error}); delete it and train again") from error
    return _restore(skeleton, tensors)


def _flatten(value: object, name: str, tensors: dict[str, Tensor]) -> object:
    if isinstance(value, Tensor):
        # Two names may share memory (tied weights), which safetensors refuses.
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
        return {"tensor": name}
    if isinstance(value, dict):
        return {"dict": [[key, _flatten(item, f"{name}/{key}", tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return {"list": [_flatten(item, f"{name}/{i}", tensors) for i, item in enumerate(value)]}
    return {"value": value}


def _restore(node: dict[str, Any], tensors: dict[str, Tensor]) -> object:
    if "tensor" in node:
        return tensors[node["tensor"]]
    if "dict" in node:
        return {key: _restore(item, tensors) for key, item in node["dict"]}
    if "list" in node:
        return [_restore(item, tensors) for item in node["list"]]
    return node["value"]


def copy_of(state: dict[str, Any]) -> dict[str, Any]:
    """Return a state dict whose tensors no longer change with training."""
    return {name: value.clone() if isinstance(value, torch.Tensor) else value for name, value in state.items()}
