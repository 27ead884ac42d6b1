"""Triplet importance learning with one interest per user."""

from recbench.losses import LOSSES
from recbench.losses.building_blocks.triplet_importance import TIL


@LOSSES.add("til-ui")
class TILUI(TIL):
    """Bayesian personalised ranking with learned weights of triplets, from one interest per user (Uni-Interest).

    Wu et al., CIKM 2022, equations 2-5 and 12-15, https://arxiv.org/abs/2208.01709. A network of `hidden` units reads
    the products of both items with the user's vector and with the mean of the vectors of the user's training items.
    It learns, at `weight_lr`, to lower plain BPR after one step of size `lookahead` down the weighted mean over the
    batch. That plain loss is of the same positives with fresh negatives. The released code takes the same triplets
    (`outer=same`), a softplus for MF (`output=softplus`), and a step of 1e-3 down the sum over 1024 of them.
    """
