"""AITM: published values, its transfer by plain loops, and what is left without its parts."""

from __future__ import annotations

from math import exp, log, sqrt

import pytest
import torch
from torch import Tensor

from recbench.backbones.mf import MF
from recbench.data.toy import toy as make_toy
from recbench.losses.aitm import AITM
from recbench.losses.base import LOSSES, create, defaults
from recbench.losses.building_blocks.transfer import Transfer, mixture
from recbench.training.scorer import Scorer
from tests.backbones.rich_features import loop_linear
from tests.losses.by_hand import TWO, batch, loss, towers


def test_value_of_the_constraint() -> None:
    click, buy = [0.3, 0.2, 0.05], [0.1, 0.25, 0.02]
    logit = towers([[[log(p / (1 - p)) for p in row]] for row in zip(click, buy, strict=True)])
    labels = batch([[[1.0, 0.0]], [[0.0, 0.0]], [[1.0, 1.0]]])
    held, free = loss("aitm", TWO, constraint=0.6), loss("aitm", TWO, constraint=0.0)
    assert (held(logit, labels) - free(logit, labels)).item() == pytest.approx(0.01, abs=1e-12)
    assert (held.terms(logit, labels) - free.terms(logit, labels)).tolist() == pytest.approx([0, 0.01], abs=1e-12)


def test_without_constraint_the_logits_are_those_of_nsb() -> None:
    logit, labels = towers([[[0.3, -0.2]], [[-1.0, 0.4]]]), batch([[[1.0, 1.0]], [[1.0, 0.0]]])
    aitm, nsb = loss("aitm", TWO, constraint=0.0, pos_weight="2,5"), loss("nsb", TWO, pos_weight="2,5")
    assert aitm(logit, labels).item() == pytest.approx(nsb(logit, labels).item(), abs=1e-12)


def test_value_of_the_attention() -> None:
    weights = torch.tensor([[[1.0, 0.0], [0.5, 1.0]], [[0.2, 0.1], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]])
    result = mixture(torch.tensor([[1.0, 0.5], [0.2, 0.8]]), weights)
    assert result.tolist() == pytest.approx([0.5816281587058229, 0.6568894404853165], abs=1e-6)


def test_transfer_by_plain_loops() -> None:
    torch.manual_seed(0)
    transfer = Transfer(towers=3, dim=2).double()
    for weights in transfer.attention:
        torch.nn.init.normal_(weights)
    vectors = torch.randn(3, 2).double()
    expected = [vectors[0].tolist()]
    for k in (1, 2):
        passed = loop_linear(transfer.passed[k - 1].weight, expected[-1], transfer.passed[k - 1].bias)  # type: ignore[arg-type]
        sources = [vectors[k].tolist(), [max(0.0, x) for x in passed]]
        query, key, value = (
            [[sum(x[a] * w[a][b] for a in range(2)) for b in range(2)] for x in sources]
            for w in transfer.attention[k - 1].tolist()
        )
        size = [exp(sum(q * k for q, k in zip(query[r], key[r], strict=True)) / sqrt(2)) for r in range(2)]
        expected.append([sum(size[r] * value[r][d] for r in range(2)) / sum(size) for d in range(2)])
    torch.testing.assert_close(transfer(vectors).detach(), torch.tensor(expected).double())


def made(**settings: bool) -> tuple[AITM, MF, Tensor]:
    """AITM on matrix factorisation, and the logits of the first rows in training."""
    torch.manual_seed(0)
    data = make_toy(rows=100)
    aitm = create(LOSSES.get("aitm"), data.info, defaults(AITM) | settings)
    assert isinstance(aitm, AITM)
    backbone = MF(data, aitm.towers, aitm.head.cosine, dim=4)
    aitm.prepare(backbone)
    rows = next(aitm.sampler.batches(data, 16, torch.Generator().manual_seed(0)))
    scores, _ = Scorer(backbone, aitm).rows(data.train)
    assert rows.row is not None
    return aitm, backbone, scores[rows.row]


def test_scores_are_of_the_vectors_that_are_trained() -> None:
    """A gradient of the terms reaches the transfer, and the scores are those whose cross-entropy is descended."""
    data = make_toy(rows=100)
    for transfer in (True, False):
        aitm, backbone, scores = made(transfer=transfer)
        rows = next(aitm.sampler.batches(data, 16, torch.Generator().manual_seed(0)))
        entropy = torch.nn.functional.binary_cross_entropy_with_logits(scores, rows.label[:, 0], reduction="none")
        excess = torch.nn.functional.pad(scores.sigmoid().diff(dim=-1).clamp(min=0), (1, 0))
        value = aitm(aitm.head(backbone.encode(rows)), rows)
        torch.testing.assert_close(value.detach(), (entropy + 0.6 * excess).sum(-1).mean())
        value.backward()
        own = [name for name, p in aitm.named_parameters() if p.grad is None or not p.grad.any()]
        of_head = {f"head.{name}" for name, _ in aitm.head.named_parameters()}
        assert own == [] and ({name for name, _ in aitm.named_parameters()} > of_head) == transfer
