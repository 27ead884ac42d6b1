"""Logarithms that neither overflow nor cancel."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def log1mexp(x: Tensor) -> Tensor:
    """Return log(1 - exp(-x)) for x >= 0, accurate at both ends.

    An x that underflowed to 0 counts as the smallest float.

    Mächler 2012, "Accurately computing log(1 - exp(-|a|))",
    https://cran.r-project.org/package=Rmpfr/vignettes/log1mexp-note.pdf
    """
    x = x.clamp(min=torch.finfo(x.dtype).tiny)
    small = x < math.log(2)
    near = torch.log(-torch.expm1(-torch.where(small, x, torch.ones_like(x))))
    far = torch.log1p(-torch.exp(-torch.where(small, torch.ones_like(x), x)))
    return torch.where(small, near, far)
