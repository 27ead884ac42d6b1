"""The optimiser of a run: which one, on which groups of parameters, at which learning rate."""

from __future__ import annotations

from typing import Any

from torch.nn.utils import clip_grad_norm_
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer

from recbench.backbones.base import Backbone
from recbench.errors import UsageError
from recbench.losses.base import Loss
from recbench.training.schedule import Schedule


def check_optimizer(loss: type[Loss], optimizer: str) -> None:
    """Raise UsageError if a loss cannot be trained with the optimiser of that name."""
    if loss.optimizers and optimizer not in loss.optimizers:
        raise UsageError(
            f"train.optimizer={optimizer}: loss `{loss.name}` can be trained with {', '.join(loss.optimizers)} alone"
        )


def make_optimizer(loss: Loss, backbone: Backbone, schedule: Schedule) -> Optimizer:
    """Return the optimiser of a backbone and the loss that is prepared to train it.

    With `clip`, the gradients of each group of parameters are scaled down to that norm before every update, in
    whatever way the loss makes its steps. Raises UsageError if the loss cannot be trained with it.
    """
    check_optimizer(type(loss), schedule.optimizer)
    groups: Any = loss.parameter_groups(backbone)
    lr, decay = schedule.lr, schedule.weight_decay
    optimizer: Optimizer
    if schedule.optimizer == "adam":
        optimizer = Adam(groups, lr=lr, weight_decay=decay, fused=True)
    elif schedule.optimizer == "adamw":
        optimizer = AdamW(groups, lr=lr, weight_decay=decay, fused=True)
    elif schedule.optimizer == "sgd":
        optimizer = SGD(groups, lr=lr, weight_decay=decay)
    else:
        optimizer = Adagrad(groups, lr=lr, weight_decay=decay)
    if schedule.clip:
        optimizer.register_step_pre_hook(lambda optimizer, *_: clip_gradients(optimizer, schedule.clip))
    return optimizer


def clip_gradients(optimizer: Optimizer, norm: float) -> None:
    """Scale the gradients of each group of parameters down to a Euclidean norm where they have a larger one."""
    for group in optimizer.param_groups:
        clip_grad_norm_(group["params"], norm)


def set_rates(optimizer: Optimizer, factor: float) -> None:
    """Set the learning rate of each group of parameters to `factor` times that which it began with."""
    for group in optimizer.param_groups:
        group.setdefault("initial_lr", group["lr"])
        group["lr"] = group["initial_lr"] * factor
