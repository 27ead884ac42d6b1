"""Losses: one file each, and here what writing one takes."""

from recbench.batch import Batch, Towers
from recbench.data.dataset import Info
from recbench.losses.base import LOSSES, Loss
from recbench.losses.building_blocks.head import Logit

__all__ = ["LOSSES", "Batch", "Info", "Logit", "Loss", "Towers"]
