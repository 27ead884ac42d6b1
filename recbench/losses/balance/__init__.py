"""Strategies that balance the terms of several kinds of feedback: one file each, and here what writing one takes."""

from recbench.data.dataset import Info
from recbench.losses.balance.base import BALANCES, Balance, Points

__all__ = ["BALANCES", "Balance", "Info", "Points"]
