"""What batches compute of themselves."""

from __future__ import annotations

import inspect

import torch

from recbench.batch import Batch


def test_what_is_computed_once_is_documented_on_the_class_and_kept_on_the_object() -> None:
    assert "Ordinal label" in str(dict(inspect.getmembers(Batch))["level"].__doc__)
    batch = Batch(torch.tensor([0]), torch.tensor([[1, 2]]), torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]))
    assert batch.level.tolist() == [[1, 2]]
    assert batch.level is batch.level
