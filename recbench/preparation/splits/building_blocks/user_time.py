"""Whether the parts of a user follow each other in time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from recbench.data.manifest import PARTS, Finding, Part
from recbench.preparation.recount import PartCounts
from recbench.preparation.words import count_of


def check_users_in_time(parts: Mapping[Part, PartCounts]) -> Finding:
    """No row of a user may be later than one of its rows in the next part."""
    train, valid, test = (parts[part] for part in PARTS)
    users = len(train.users)
    early = int((train.last > np.minimum(valid.first, test.first)).sum())
    mixed = int((valid.last > test.first).sum())
    numbers: dict[str, int | float] = {"users": users, "users_train_late": early, "users_valid_late": mixed}
    if early or mixed:
        message = (
            f"{count_of(early, users, 'users')} have a train row later than their first valid or test row, "
            f"and {mixed:,} a valid row later than their first test row"
        )
        return Finding("time order", "broken", message, numbers)
    message = f"no row of train is later than a valid or test row of its user ({users:,} users)"
    return Finding("time order", "ok", message, numbers)
