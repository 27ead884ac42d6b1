"""Two towers: what the conformance of all backbones leaves open."""

from __future__ import annotations

from recbench.backbones.twintower import TwinTower
from recbench.settings import resolve


def test_the_gate_is_a_setting_that_is_off_by_default() -> None:
    assert resolve(TwinTower, "backbone", {"senet": "true"})["senet"] is True
    assert resolve(TwinTower, "backbone", {})["senet"] is False
