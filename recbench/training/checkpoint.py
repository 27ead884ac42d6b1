"""Everything a run needs to continue, in one safetensors file that appears by rename."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from recbench.errors import DataError
from recbench.results.files import temporary_beside


def save(path: Path, state: object) -> None:
    """Write nested dicts, lists, scalars and tensors; the previous file stays until the new one is complete."""
    tensors: dict[str, Tensor] = {}
    skeleton = json.dumps(_flatten(state, "", tensors))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary_beside(path) as temporary:
            temporary.touch()
            mode = temporary.stat().st_mode
            save_file(tensors, temporary, metadata={"state": f"{_digest(skeleton, tensors)} {skeleton}"})
            # safetensors lets the owner alone read its files, where records are read by all who share a folder
            temporary.chmod(mode)
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error  # without the name of the temporary file
        raise DataError(
            f"{path}: cannot be written ({reason}); free space, or set RECBENCH_RESULTS to a writable folder"
        ) from error


def load(path: Path, remedy: str = "delete it and train again") -> Any:
    """Read what `save` wrote, tensors on the CPU.

    Raises DataError, which ends in the `remedy`, if the file is missing, damaged or changed since it was written.
    Files of versions that wrote no digest are read unchecked.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        skeleton = metadata["state"]
        if not skeleton.startswith("{"):
            digest, _, skeleton = skeleton.partition(" ")
            if digest != _digest(skeleton, tensors):
                raise ValueError("its content does not match its digest")
        return _restore(json.loads(skeleton), tensors)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: damaged ({error}); {remedy}") from error


def _digest(skeleton: str, tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of all that a file holds: structure, names, types, shapes and bytes."""
    digest = sha256(skeleton.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


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


def random_state() -> dict[str, Tensor | None]:
    """Return the state of torch's global generators, as a checkpoint has it; None of CUDA's where it is not in use."""
    cuda = torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None
    return {"random": torch.get_rng_state(), "random_cuda": cuda}


def set_random_state(state: Mapping[str, Any]) -> None:
    """Draw on from what `random_state` returned; its part of CUDA is left out on a machine without it."""
    torch.set_rng_state(state["random"])
    if state["random_cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["random_cuda"])


def has_drawn(before: Mapping[str, Tensor | None]) -> bool:
    """Return whether random numbers were drawn since `random_state` returned this."""
    return any(
        state is not None and not torch.equal(state, then)
        for state, then in zip(random_state().values(), before.values(), strict=True)
        if then is not None
    )


def copy_of(state: dict[str, Any]) -> dict[str, Any]:
    """Return a state dict whose tensors no longer change with training."""
    return {name: value.clone() if isinstance(value, torch.Tensor) else value for name, value in state.items()}
