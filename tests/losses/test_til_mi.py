"""TIL with several interests: its clusters."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch

from recbench.losses.building_blocks.clusters import Clusters, log_membership, sharpened
from tests.losses.til_models import (
    clusters,
    model,
    run_epoch,
    til,
)


@pytest.mark.parametrize("clustering", ["learned", "kmeans"])
def test_a_run_resumed_between_two_refreshes_goes_on_as_it_was(clustering: str) -> None:
    words = {"pretrain": "1", "refresh": "3", "clusters": "5", "clustering": clustering}
    of = model("til-mi", **words)
    for epoch in (1, 2):
        run_epoch(of, epoch)
    again = model("til-mi", **words)
    again.load(deepcopy(of.state()))
    again.optimizer.load_state_dict(deepcopy(of.optimizer.state_dict()))
    for epoch in (3, 4, 5):
        assert torch.equal(run_epoch(again, epoch), run_epoch(of, epoch))
    assert again.loss.notes == of.loss.notes
    for name, value in of.loss.state_dict().items():
        assert torch.equal(again.loss.state_dict()[name], value), name


def test_without_alpha_and_gamma_several_interests_are_one() -> None:
    one, several = model("til-ui"), model("til-mi", pretrain="0", alpha="0", gamma="0")
    assert torch.equal(run_epoch(one, 1), run_epoch(several, 1))


def test_until_the_clusters_start_there_is_one_interest() -> None:
    one, several = model("til-ui"), model("til-mi", pretrain="1", clusters="5", gamma="1")
    assert torch.equal(run_epoch(one, 1), run_epoch(several, 1))
    assert several.loss.notes[1:] == ["no clusters: training ended within loss.pretrain=1 epochs"]
    assert not torch.equal(run_epoch(one, 2), run_epoch(several, 2))
    assert not any(note.startswith("no clusters") for note in several.loss.notes)


def test_states_take_the_centre_of_an_item_s_cluster() -> None:
    of = model("til-mi", pretrain="0", alpha="0.5", clusters="5")
    of.loss.start_epoch(of.backbone, 1)
    groups = clusters(of)
    vectors, item = torch.randn(3, 2, 8), torch.tensor([[0, 1], [2, 3], [4, 4]])
    found = til(of).item_states(vectors, item)
    table = of.backbone.tables()[1][:, 0]
    nearest = torch.cdist(table, groups.centres.detach()).argmin(1)
    torch.testing.assert_close(found, vectors + 0.5 * groups.centres.detach()[nearest[item]])


def test_the_centres_are_learned_and_membership_waits_for_its_refresh() -> None:
    of = model("til-mi", pretrain="0", refresh="2", clusters="5", gamma="1")
    of.loss.start_epoch(of.backbone, 1)
    groups = clusters(of)
    centres, target = groups.centres.detach().clone(), groups.target.clone()
    run_epoch(of, 1)
    after = groups.centres.detach().clone()
    assert (after != centres).any()
    torch.testing.assert_close(groups.target, target)
    of.loss.start_epoch(of.backbone, 2)
    assert torch.equal(groups.target, target)
    of.loss.start_epoch(of.backbone, 3)
    assert torch.equal(groups.centres.detach(), after)
    share = log_membership(of.backbone.tables()[1][:, 0], after).exp()
    torch.testing.assert_close(groups.target, sharpened(share))


def test_with_k_means_the_centres_are_placed_anew_and_not_learned() -> None:
    of = model("til-mi", pretrain="0", refresh="2", clusters="5", clustering="kmeans")
    groups = clusters(of)
    assert not any(name.startswith("groups") for name, _ in of.loss.named_parameters())
    run_epoch(of, 1)
    centres = groups.centres.clone()
    run_epoch(of, 2)
    assert torch.equal(groups.centres, centres)
    run_epoch(of, 3)
    assert not torch.equal(groups.centres, centres)


def test_centres_of_k_means_are_the_means_of_what_is_nearest() -> None:
    generator = torch.Generator().manual_seed(3)
    corner = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])[torch.arange(60) % 3]
    item = corner + 0.1 * torch.randn(60, 2, generator=generator)
    groups = Clusters(3, 60, 2, learned=True)
    groups.renew(item, restart=True)
    assert torch.equal(groups.cluster, torch.cdist(item, groups.centres).argmin(1))
    assert sorted(groups.cluster.unique().tolist()) == [0, 1, 2]
    for number, centre in enumerate(groups.centres):
        torch.testing.assert_close(centre.detach(), item[groups.cluster == number].mean(0))


def test_clusters_are_no_more_than_items() -> None:
    assert len(clusters(model("til-mi", clusters="1000")).centres) == 40


def test_weights_do_not_vanish_in_training() -> None:
    of = model("til-mi", pretrain="2", weight_lr="0.01")
    for epoch in range(1, 9):
        run_epoch(of, epoch)
    assert len(of.loss.notes) == 1
    assert 0.3 < float(til(of).importance[0, 0]) < 1
    assert float(til(of).importance[0, 1]) > 1e-3
