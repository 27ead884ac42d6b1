"""Mult-VAE and Mult-DAE: by hand, against a plain autoencoder, and how the divergence is annealed."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax, normalize

from recbench.backbones.autoencoder import Autoencoder
from recbench.backbones.variational_autoencoder import VariationalAutoencoder
from recbench.batch import Towers
from recbench.data.dataset import Dataset
from recbench.samplers import Catalogue
from tests.losses.by_hand import loss
from tests.losses.catalogue_slates import drawn, log_likelihoods, whole_catalogue
from tests.losses.sampled_slates import model

LOGIT = torch.tensor([[0.5, 0.0, 1.0, -1.0]], dtype=torch.double)


def test_by_hand() -> None:
    """x = (1, 0, 1, 0), mean (.1, -.2), log-variance (-.1, .2); beta .2 is reached at step 40,000."""
    batch = whole_catalogue([[0, 2]], 4)
    towers = Towers(LOGIT[:, None], torch.eye(4, dtype=torch.double)[None, :, None])
    likelihood, divergence = 1.993134538347582, 0.038120088098064775
    assert float(loss("mult-dae")(towers, batch)) == pytest.approx(likelihood, abs=1e-12)
    made = loss("mult-vae")
    assert float(made(towers, batch)) == pytest.approx(likelihood, abs=1e-12)
    towers = replace(towers, divergence=torch.tensor([divergence], dtype=torch.double))
    for step, weight in ((0, 0.0), (20_000, 0.1), (40_000, 0.2), (100_000, 0.2)):
        cast(Tensor, made.step_number).fill_(step)
        assert float(made(towers, batch)) == pytest.approx(likelihood + weight * divergence, abs=1e-12)


def test_the_likelihood_is_summed_over_items_and_averaged_over_users() -> None:
    history = [[0, 4], [3], [], [1, 2, 4]]
    towers = drawn(4, 5)
    expected = -sum(sum(own) for own in log_likelihoods(towers.inner[..., 0], history)) / 4
    for name in ("mult-dae", "mult-vae"):
        assert float(loss(name)(towers, whole_catalogue(history, 5))) == pytest.approx(expected)


def plain_decoding(backbone: Autoencoder, x: Tensor, variational: bool) -> tuple[Tensor, Tensor]:
    """What a dense autoencoder with these weights makes of x [B, I]: logits [B, I] and the divergence [B]."""
    linear = [part for part in backbone.encoder if isinstance(part, nn.Linear)]
    h = normalize(x) @ backbone.first + backbone.first_bias
    for layer in linear:
        h = layer(h.tanh())
    divergence = torch.zeros(len(x))
    if variational:
        mean, log_variance = h[:, : h.shape[1] // 2], h[:, h.shape[1] // 2 :]
        variance = log_variance.exp()
        divergence = 0.5 * (-variance.log() + variance + mean**2 - 1).sum(1)
        h = mean
    else:
        h = h.tanh()
    for layer in (part for part in backbone.decoder if isinstance(part, nn.Linear)):
        h = layer(h).tanh()
    return h @ backbone.item_table.T + backbone.item_bias[:, 0], divergence


@pytest.mark.parametrize("hidden", ["", "7", "7-5"])
@pytest.mark.parametrize("name", ["autoencoder", "variational-autoencoder"])
def test_against_a_dense_autoencoder(name: str, hidden: str, view: Dataset) -> None:
    """The loss of a step without dropout and noise, and its gradients of all weights."""
    torch.manual_seed(0)
    kind = Autoencoder if name == "autoencoder" else VariationalAutoencoder
    backbone = kind(view, 1, False, dim=3, hidden=hidden, dropout=0.0)
    with torch.no_grad():  # biases and variances that matter
        for parameter in backbone.parameters():
            parameter.normal_()
    (batch,) = Catalogue().batches(view, 10**9, torch.Generator().manual_seed(0))
    x = torch.zeros(len(view.users), len(view.items))
    x[view.positives.user, view.positives.item] = 1
    x = x[batch.user]
    made = loss("mult-dae" if name == "autoencoder" else "mult-vae").float()
    backbone.eval()
    found = made(backbone.encode(batch), batch)
    logit, divergence = plain_decoding(backbone, x, name != "autoencoder")
    share = log_softmax(logit[:, : view.items.seen], 1)
    expected = -(x[:, : view.items.seen] * share).sum(1).mean()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)
    gradients = [
        torch.autograd.grad(value, list(backbone.parameters()), allow_unused=True) for value in (found, expected)
    ]
    for own, plain in zip(*gradients, strict=True):
        torch.testing.assert_close(own, plain, rtol=1e-4, atol=1e-4)
    if name != "autoencoder":
        torch.testing.assert_close(backbone.train().encode(batch).divergence, divergence)


def test_codes_are_drawn_around_the_mean_with_the_variance(view: Dataset) -> None:
    torch.manual_seed(0)
    backbone = VariationalAutoencoder(view, 1, False, dim=3)
    encoded = torch.tensor([[1.0, -2.0, 0.5, 0.0, -1.0, 2.0]]).expand(20_000, -1)
    code, _ = backbone.train().code(encoded)
    torch.testing.assert_close(code.mean(0), encoded[0, :3], rtol=0, atol=0.06)
    torch.testing.assert_close(code.var(0), encoded[0, 3:].exp(), rtol=0.05, atol=0)
    code, divergence = backbone.eval().code(encoded)
    assert torch.equal(code, encoded[:, :3]) and divergence is None


def test_training_counts_steps_for_the_annealing_and_a_resumed_run_goes_on(view: Dataset) -> None:
    made = model(view, "mult-vae", backbone="variational-autoencoder")
    for batch in made.loss.sampler.batches(view, 64, torch.Generator().manual_seed(0)):
        made.loss.step(made.backbone, batch, made.optimizer)
    steps = len(list(made.loss.sampler.batches(view, 64, torch.Generator().manual_seed(0))))
    assert steps > 1 and float(made.loss.state_dict()["step_number"]) == steps


def test_dae_penalises_weights_and_no_biases(view: Dataset) -> None:
    made = model(view, "mult-dae", backbone="autoencoder", l2="0.5")
    made.backbone.eval()
    (batch,) = Catalogue().batches(view, 10**9, torch.Generator().manual_seed(0))
    plain = made.loss(made.backbone.encode(batch), batch)
    autoencoder = cast(Autoencoder, made.backbone)
    squares = float(autoencoder.first.detach().square().sum() + autoencoder.item_table.detach().square().sum())
    assert float((made.loss.objective(autoencoder, batch) - plain).detach()) == pytest.approx(0.5 * squares, rel=1e-4)
