"""Forward pass and loss by torch.compile."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from importlib.util import find_spec

import torch
from torch import Tensor

from recbench.backbones.base import Backbone
from recbench.batch import Batch
from recbench.errors import TrainingError, UsageError
from recbench.losses.base import Loss


def compile_objective(loss: Loss, device: torch.device) -> None:
    """Let a loss compute its objective by torch.compile, once for each kind of shape.

    Raises UsageError where there is nothing to compile with, or where the loss does not make its steps by an objective.
    """
    if type(loss).step is not Loss.step:
        raise UsageError(f"train.compile=true: loss `{loss.name}` makes steps of its own; leave it out")
    reason = why_not(device)
    if reason is not None:
        raise UsageError(f"train.compile=true: {reason}, or leave it out")
    compiled: Callable[[Backbone, Batch], Tensor] = torch.compile(loss.objective)

    def objective(backbone: Backbone, batch: Batch) -> Tensor:
        try:
            return compiled(backbone, batch)
        except torch._dynamo.exc.TorchDynamoException as error:
            what = str(error).strip().partition("\n")[0]
            raise TrainingError(f"train.compile=true: torch.compile fails ({what}); leave it out") from error

    loss.objective = objective  # type: ignore[method-assign]


def why_not(device: torch.device) -> str | None:
    """Return what is missing on this machine and how to get it, None if there is all that torch.compile needs."""
    if device.type == "cuda" and find_spec("triton") is None:
        return "torch.compile needs triton on a GPU, which is not installed: install it"
    wanted = [os.environ["CXX"]] if os.environ.get("CXX") else ["g++", "clang++"]
    if not any(shutil.which(name) for name in wanted):
        return f"there is no C++ compiler ({' or '.join(wanted)}): install one, or set CXX"
    return None
