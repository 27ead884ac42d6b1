"""How long the threads of OpenMP wait for each other before they sleep; torch starts them."""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping

CHOICES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")  # what a user may have set
SHORT_SPIN = {"GOMP_SPINCOUNT": "1000", "KMP_BLOCKTIME": "1"}  # turns of a loop (libgomp), milliseconds (libomp)


def spin_briefly(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let threads spin only briefly, in this process and in those it starts, unless the user has chosen otherwise.

    By default they spin for milliseconds. On a machine whose cores are busy, a thread that spins keeps away the one
    it waits for: a step of training takes 20 times as long. The libraries read the environment when they are loaded,
    so that nothing is changed once torch is there.
    """
    if "torch" not in sys.modules and not any(name in environment for name in CHOICES):
        environment.update(SHORT_SPIN)
