"""The optimiser of a run: which one, on which groups of parameters, at which learning rate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from inspect import signature, unwrap
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer

from recbench.backbones.base import Backbone
from recbench.errors import UsageError
from recbench.losses.base import Loss
from recbench.training.schedule import Schedule

CLASSES: dict[str, type[Optimizer]] = {"adam": Adam, "adamw": AdamW, "sgd": SGD, "adagrad": Adagrad}


def check_optimizer(loss: type[Loss], optimizer: str) -> None:
    """Raise UsageError if a loss cannot be trained with the optimiser of that name."""
    if loss.optimizers and optimizer not in loss.optimizers:
        raise UsageError(
            f"train.optimizer={optimizer}: loss `{loss.name}` can be trained with {', '.join(loss.optimizers)} alone"
        )


def make_optimizer(loss: Loss, backbone: Backbone, schedule: Schedule) -> Optimizer:
    """Return the optimiser of a backbone and the loss that is prepared to train it.

    With `clip`, the gradients of each group of parameters are scaled down to that norm before every update, in
    whatever way the loss makes its steps.
    """
    groups: Any = loss.parameter_groups(backbone)
    lr, decay = schedule.lr, schedule.weight_decay
    fused = {"fused": True} if schedule.optimizer in ("adam", "adamw") else {}
    optimizer: Optimizer = _without_compiler(CLASSES[schedule.optimizer])(groups, lr=lr, weight_decay=decay, **fused)
    if schedule.clip:
        optimizer.register_step_pre_hook(partial(_clip_gradients, optimizer, schedule.clip))
    return optimizer


def joined(optimizers: Sequence[Optimizer], schedules: Sequence[Schedule]) -> Optimizer:
    """Return one optimiser that makes the steps of several of one kind, with the state that they have.

    Their groups of parameters are merged where they are updated alike; a clipped norm and a changing learning rate
    are those of each.
    """
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    if all(schedule.constant_rate and not schedule.clip for schedule in schedules):
        groups = _merged(groups)
    kind = type(optimizers[0])
    taken = signature(kind).parameters  # AdamW has a default that it does not take
    defaults = {name: value for name, value in optimizers[0].defaults.items() if name in taken}
    one: Optimizer = kind(groups, **defaults)
    for own, schedule in zip(optimizers, schedules, strict=True):
        if schedule.clip:
            one.register_step_pre_hook(partial(_clip_gradients, own, schedule.clip))
    share_state(one, optimizers)
    return one


def _merged(groups: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return groups of parameters of which those with equal settings are one."""
    merged: list[dict[str, Any]] = []
    for group in groups:
        settings = {name: value for name, value in group.items() if name != "params"}
        alike = next((one for one in merged if {**one, "params": None} == {**settings, "params": None}), None)
        if alike is None:
            merged.append({**settings, "params": [*group["params"]]})
        else:
            alike["params"].extend(group["params"])
    return merged


def share_state(one: Optimizer, optimizers: Iterable[Optimizer]) -> None:
    """Let a joined optimiser and those that it stands for have the same state of every parameter."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                state = one.state.get(parameter) or optimizer.state.get(parameter)
                if state:
                    one.state[parameter] = optimizer.state[parameter] = state


def _clip_gradients(optimizer: Optimizer, norm: float, *_: object) -> None:
    """Scale the gradients of each group of parameters down to a Euclidean norm where they have a larger one."""
    for group in optimizer.param_groups:
        clip_grad_norm_(group["params"], norm)


def set_rates(optimizer: Optimizer, factor: float) -> None:
    """Set the learning rate of each group of parameters to `factor` times that which it began with."""
    for group in optimizer.param_groups:
        rate = group.setdefault("initial_lr", group["lr"]) * factor
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def hold_rates(optimizer: Optimizer) -> None:
    """Hold the learning rates as tensors beside the parameters, which a recorded step reads anew; in 32 bits."""
    for group in optimizer.param_groups:
        device = group["params"][0].device
        group.setdefault("initial_lr", group["lr"])
        if not isinstance(group["lr"], Tensor) or group["lr"].device != device:
            group["lr"] = torch.tensor(float(group["lr"]), dtype=torch.float32, device=device)


def _without_compiler(optimizer: type[Optimizer]) -> Any:
    """Return the same optimiser whose first call does not import torch's compiler, which takes a second.

    Its methods are torch's own; what is left out are the wrappers that keep the compiler from looking into them.
    """
    names = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
    methods = {name: unwrap(getattr(optimizer, name)) for name in names}
    return type(optimizer.__name__, (optimizer,), {**methods, "step": torch.no_grad()(unwrap(optimizer.step))})
