"""Models that are trained by triplet importance learning."""

from __future__ import annotations

import torch
from torch import Tensor

from recbench.backbones.base import BACKBONES
from recbench.batch import Batch
from recbench.data.dataset import Dataset
from recbench.data.toy import toy as make_toy
from recbench.losses import base
from recbench.losses.base import LOSSES
from recbench.losses.building_blocks.clusters import Clusters
from recbench.losses.building_blocks.triplet_importance import TIL
from recbench.losses.til_mi import TILMI
from recbench.settings import defaults
from recbench.training.model import Model, build
from recbench.training.schedule import Schedule

NAMES = ["til-ui", "til-mi"]
LEARNED = {"pretrain": "0", "gamma": "0.1"}
OF_THE_PAPER = ["mf", "neumf", "mgccf", "lightgcn"]
SMALL: dict[str, dict[str, int | str | float]] = {"neumf": {"embedding": 3, "hidden": "5-4", "std": 0.2}}


def data() -> Dataset:
    return make_toy().narrow(["view"])


def model(name: str, backbone: str = "mf", dim: int = 8, **words: str) -> Model:
    values = {f"loss.{key}": value for key, value in base.resolve(LOSSES.get(name), words).items()}
    values |= {f"backbone.{key}": value for key, value in defaults(BACKBONES.get(backbone)).items()}
    values |= {f"backbone.{key}": value for key, value in SMALL.get(backbone, {}).items()}
    if "backbone.dim" in values:
        values["backbone.dim"] = dim
    return build(data(), name, backbone, values, seed=0, schedule=Schedule(lr=0.01))


def til(of: Model) -> TIL:
    assert isinstance(of.loss, TIL)
    return of.loss


def batches(of: Model, epoch: int = 1, size: int = 64) -> list[Batch]:
    return list(of.loss.sampler.batches(data(), size, torch.Generator().manual_seed(epoch)))


def run_epoch(of: Model, epoch: int) -> Tensor:
    of.backbone.train()
    of.loss.train()
    of.loss.start_epoch(of.backbone, epoch)
    losses = torch.stack([of.loss.step(of.backbone, batch, of.optimizer) for batch in batches(of, epoch)])
    of.end_epoch()
    return losses


def weights_before_a_step(of: Model, batch: Batch) -> Tensor:
    with torch.no_grad():
        return til(of).weights(of.loss.head(of.backbone.encode(batch)), batch)


def always_one(of: Model) -> None:
    network = til(of).network
    with torch.no_grad():
        network.last.weight.zero_()
        network.last.bias.fill_(50)


def clusters(of: Model) -> Clusters:
    assert isinstance(of.loss, TILMI)
    return of.loss.groups
