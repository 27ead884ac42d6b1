"""GNOLR without subtasks: the first of its subtasks is what it lacks."""

from __future__ import annotations

import torch

from recbench.batch import Batch
from tests.losses.by_hand import loss
from tests.losses.ordinal_rows import info, of, random_rows


def test_with_two_feedback_types_gnolr_adds_the_first_subtask_to_its_variant() -> None:
    inner, labels = random_rows(2)
    both = loss("gnolr", info(2))(of(inner, 1.5), labels)
    variant = loss("gnolr-v1", info(2))
    first = Batch(labels.user, labels.item, labels.label[..., :1])
    bce = loss("bce", info(1))(of(inner[..., :1]).affine(1.5, -variant.threshold[0].item()), first)
    torch.testing.assert_close(both - variant(of(inner, 1.5), labels), bce, rtol=1e-6, atol=0)
