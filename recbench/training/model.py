"""From a run's key to its untrained model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from recbench import settings
from recbench.backbones import base as backbones
from recbench.backbones.base import BACKBONES, Backbone, evaluation_mode
from recbench.backbones.building_blocks.row_table import numbers_in
from recbench.batch import Batch
from recbench.data.dataset import Dataset
from recbench.errors import TrainingError, UsageError
from recbench.losses import base as losses
from recbench.losses.base import LOSSES, Loss
from recbench.samplers import base as samplers
from recbench.training.distributed.tables import Shards
from recbench.training.optimizer import check_optimizer, make_optimizer
from recbench.training.ranks import current
from recbench.training.row_updates import RowUpdates, check_row_updates, row_updates
from recbench.training.schedule import Schedule

ROWS_TO_TRY = 256
OF_NO_SLATE = ("scale", "bias", "penalty")  # tensors of towers that are the same whatever slates there are


@dataclass
class Model:
    """A backbone and the loss that trains it, by a schedule."""

    backbone: Backbone
    loss: Loss
    schedule: Schedule
    row_updates: list[RowUpdates] = field(default_factory=list)  # of the optimiser's large tables
    shards: Shards = field(default_factory=Shards)  # the tables of which other processes hold rows

    @cached_property
    def optimizer(self) -> Optimizer:
        """Their optimiser, made when a step is to be taken: a model that is only evaluated has none."""
        optimizer = make_optimizer(self.loss, self.backbone, self.schedule)
        self.row_updates = row_updates(self.loss, self.backbone, self.schedule, optimizer)
        return optimizer

    def update(self, batch: Batch) -> torch.Tensor:
        """Make a step and return the objective before it, a scalar."""
        return self.loss.step(self.backbone, batch, self.optimizer)

    def state(self) -> dict[str, dict[str, torch.Tensor]]:
        """Return the weights of backbone and loss."""
        return {"backbone": self.backbone.state_dict(), "loss": self.loss.state_dict()}

    def load(self, state: Mapping[str, dict[str, torch.Tensor]]) -> None:
        """Take over weights; they must fit exactly."""
        self.backbone.load_state_dict(state["backbone"])
        self.loss.load_state_dict(state["loss"])

    @property
    def parameters(self) -> int:
        """Number of trained parameters."""
        return sum(numbers_in(p) for m in (self.backbone, self.loss) for p in m.parameters() if p.requires_grad)

    def end_epoch(self) -> None:
        """Do the updates that have waited, before the weights are read as a whole or saved, and what the loss does."""
        for updates in self.row_updates:
            updates.catch_up()
        self.loss.end_epoch(self.backbone)

    def start_epoch(self, number: int) -> None:
        """Get backbone, sampler, views and loss ready to be trained for an epoch, counted from 1."""
        self.backbone.train()
        self.loss.train()
        self.backbone.start_epoch(number)
        self.loss.refresh_sampler(self.backbone)
        self.loss.refresh_views(self.backbone)
        self.loss.start_epoch(self.backbone, number)
        if self.loss.balance is not None:
            self.loss.balance.start_epoch(number)


def build(
    data: Dataset, loss: str, backbone: str, values: Mapping[str, settings.Value], seed: int, schedule: Schedule
) -> Model:
    """Build and initialise a model; equal arguments give equal weights on one kind of device.

    Raises UsageError if data, loss and backbone cannot work together.
    """
    torch.manual_seed(seed)
    device = data.train.user.device
    loss_class, backbone_class = LOSSES.get(loss), BACKBONES.get(backbone)
    check_optimizer(loss_class, schedule.optimizer)
    made = losses.create(loss_class, data.info, settings.owned_by("loss", values))
    sampler = samplers.create(settings.owned_by("sampler", values)) or made.sampler
    reason = losses.incompatibility(made, sampler, backbone_class) or backbones.why_no_new_users(backbone_class, data)
    if reason is not None:
        raise UsageError(reason)
    made.sampler = sampler
    of_backbone = settings.owned_by("backbone", values)
    body = backbones.create(backbone_class, data, made.towers, made.head.cosine, of_backbone)
    body.cosine_ranking = made.head.cosine_ranking
    body, made = body.to(device), made.to(device)
    made.setup(body.sequences(data))
    made.prepare(body)
    made.refresh_sampler(body)
    check_row_updates(made, body, schedule)
    check_pretraining(made, body, schedule)
    return Model(body, made, schedule)


def check_pretraining(loss: Loss, backbone: Backbone, schedule: Schedule) -> None:
    """Raise UsageError if parts of the backbone are to be trained each for itself first, and cannot be."""
    if not backbone.pretraining:
        return
    setting = f"backbone.pretrain={backbone.pretraining}"
    if backbone.pretraining >= schedule.epochs:
        raise UsageError(f"{setting}: expected fewer epochs than train.epochs={schedule.epochs}, which counts them too")
    if type(loss).step is not Loss.step:
        raise UsageError(f"{setting}: loss `{loss.name}` makes steps of its own, of the whole backbone; leave it out")


def why_no_row_weights(model: Model, data: Dataset, batch_size: int) -> str | None:
    """Return why a model cannot be trained by weights of rows, or None if a row of weight 2 is to it as two rows.

    It is tried on the start of a batch, so that no loss need say what it does.
    """
    loss = model.loss
    name = f"loss `{loss.name}`"
    if type(loss).step is not Loss.step:
        return f"{name} makes steps of its own, which know of no weights of rows"
    generator = torch.Generator(data.train.user.device).manual_seed(0)
    batch = next(loss.sampler.batches(data, min(batch_size, ROWS_TO_TRY), generator))
    if batch.row is None:
        return f"the slates {loss.sampler.title} of {name} do not stand for single rows, so that weights have no place"
    times = 1 + torch.arange(len(batch.user), device=batch.user.device) % 2
    twice = torch.repeat_interleave(torch.arange(len(times), device=times.device), times)
    with torch.no_grad(), evaluation_mode(loss, model.backbone):
        towers = loss.encode(model.backbone, batch)
        by_weight = loss(towers, replace(batch, weight=times.to(towers.user.dtype)))
        by_rows = loss(_of_slates(towers, twice), _of_slates(batch, twice))
    if torch.isclose(by_weight, by_rows, rtol=1e-4, atol=1e-6):
        return None
    return f"{name} is no mean over rows that weights could change: a row of weight 2 is not to it what two rows are"


def _of_slates(value: Any, chosen: Tensor) -> Any:
    """Return a batch or towers with the slates `chosen` of theirs; what all slates share stays."""
    slates = len(value.user)
    own = {
        part.name: tensor[chosen]
        for part in fields(value)
        if part.name not in OF_NO_SLATE
        and isinstance(tensor := getattr(value, part.name), Tensor)
        and len(tensor) == slates
    }
    return replace(value, **own)


def pick_device(word: str) -> torch.device:
    """Parse `auto`, `cpu`, `cuda` or `cuda:n`; raises UsageError if there is no such device.

    A GPU of a number becomes the one that torch means where none is named, as by its global random numbers.
    """
    if word == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(word)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda") or word.startswith("cpu:"):
        raise UsageError(f"--device {word}: expected auto, cpu, cuda or cuda:n")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(
            f"--device {word}: this machine has {torch.cuda.device_count()} CUDA devices; see `recbench doctor`"
        )
    if device.index is not None:
        torch.cuda.set_device(device)
    return device


def check_gradient(model: Model, data: Dataset, batch_size: int, generator: torch.Generator) -> None:
    """Raise TrainingError if the loss gives the backbone no gradient on any batch of an epoch.

    One batch is all that it takes where there is something to learn; the model stays as it is.
    """
    loss, backbone = model.loss, model.backbone
    parameters = [parameter for parameter in backbone.parameters() if parameter.requires_grad]
    follows = False  # what the loss returns from the parameters
    for batch in loss.sampler.batches(data, batch_size, generator):
        with evaluation_mode(loss, backbone):
            value = loss(loss.encode(backbone, batch), batch)
        if not isinstance(value, Tensor) or value.numel() != 1:
            found = f"a tensor of shape {list(value.shape)}" if isinstance(value, Tensor) else repr(value)
            raise TrainingError(
                f"loss `{loss.name}` returned {found}; expected a tensor of one number, as batch.mean(values) makes it"
            )
        follows = follows or value.requires_grad
        gradients = torch.autograd.grad(value, parameters, allow_unused=True) if value.requires_grad else ()
        if current().any(any(gradient is not None and bool(gradient.any()) for gradient in gradients)):
            return
    if not follows:
        raise TrainingError(
            f"loss `{loss.name}` returned a number that no parameter has part in; detach(), item(), comparisons and "
            f"numpy cut the way of its gradient"
        )
    raise TrainingError(
        f"{data.name}: the training rows hold nothing that loss `{loss.name}` could learn from: no slate has both a "
        f"positive and a negative; choose a loss of single rows, such as bce or gnolr, or data with more items"
    )
