"""From the words of a `train` command to the keys of its runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recbench import settings
from recbench.backbones import base as backbones
from recbench.backbones.base import BACKBONES
from recbench.baselines import base as baselines
from recbench.data.dataset import Dataset
from recbench.errors import UsageError
from recbench.losses import base as losses
from recbench.losses.balance import base as balances
from recbench.losses.base import LOSSES, Loss
from recbench.own_files import counting
from recbench.registry import BASELINE
from recbench.results.record import CHOSEN_SAMPLER, RunKey
from recbench.samplers import base as samplers
from recbench.training.optimizer import check_optimizer
from recbench.training.schedule import Schedule

OWNERS = ("loss", "backbone", "sampler", "train")  # of settings

# Left out of a key where they are as usual, so that runs keep the names they had before there were such settings.
OMITTED_WHEN_DEFAULT = (
    *("train.noise", "train.validate_every", "train.optimizer", "train.weight_decay", "train.warmup", "train.decay"),
    *("train.clip", "train.lazy", "train.capture", "train.compile", "train.shard", "sampler.mask_positives"),
    *("train.row_weights", "loss.rank_by"),
)


def make_keys(
    data: Dataset,
    loss: str,
    backbone: str,
    words: Mapping[str, Mapping[str, str]],
    feedback: Sequence[str],
    seeds: Sequence[int],
    device: str,
    sources: Mapping[str, str],
) -> list[RunKey]:
    """Resolve every setting and name the runs, one per seed.

    `words` are the settings given, by owner (see OWNERS; those of a sampler include its `name`); `feedback` the types
    to train on, none meaning all, or the densest for a loss of a single feedback; `sources` the digests of imported
    files, of which those count that the runs use. Raises UsageError for whatever does not exist or is not of its type,
    and for loss, sampler and backbone that cannot work together; `Training` refuses what cannot work on the data.
    """
    loss_class, backbone_class = LOSSES.get(loss), BACKBONES.get(backbone)
    of_training = settings.resolve(Schedule, "train", words["train"])
    of_loss = losses.resolve(loss_class, words["loss"])
    of_sampler = samplers.resolve(words["sampler"])  # none: the loss's own
    values = (
        settings.prefixed("loss", of_loss)
        | settings.prefixed("backbone", backbones.resolve(backbone_class, words["backbone"]))
        | settings.prefixed("train", of_training)
        | settings.prefixed("sampler", of_sampler)
    )
    usual = _defaults_beside(loss, backbone, values)
    values = {name: value for name, value in values.items() if name not in OMITTED_WHEN_DEFAULT or value != usual[name]}
    chosen = choose_feedback(data, loss_class, feedback)
    reason = losses.why_not(loss_class, backbone_class, of_loss, chosen, samplers.create(of_sampler))
    reason = reason or backbones.why_no_new_users(backbone_class, data)
    if reason is not None:
        raise UsageError(reason)
    check_optimizer(loss_class, Schedule.of(values).optimizer)
    sources = counting(sources, [loss, backbone, *(value for value in values.values() if isinstance(value, str))])
    return [
        RunKey(
            dataset=data.name,
            split=data.split,
            fingerprint=data.fingerprint,
            feedback=chosen,
            loss=loss,
            backbone=backbone,
            seed=seed,
            device=device,
            settings=values,
            sources=sources,
        )
        for seed in seeds
    ]


def defaults(loss: str, backbone: str) -> dict[str, settings.Value]:
    """Return all settings of a run with their defaults; raises UsageError for a loss or backbone nobody registered."""
    if backbone == BASELINE:
        return baselines.defaults(loss)
    return (
        settings.prefixed("loss", losses.defaults(LOSSES.get(loss)))
        | settings.prefixed("backbone", backbones.defaults(BACKBONES.get(backbone)))
        | settings.prefixed("train", settings.defaults(Schedule))
    )


def non_default(key: RunKey) -> dict[str, settings.Value]:
    """Return the settings of a run that differ from the defaults."""
    default = _defaults_beside(key.loss, key.backbone, key.settings)
    return {name: value for name, value in key.settings.items() if value != default[name] or name == CHOSEN_SAMPLER}


def _defaults_beside(loss: str, backbone: str, values: Mapping[str, settings.Value]) -> dict[str, settings.Value]:
    """Return `defaults`, and those of the balance strategy and the sampler that these settings choose."""
    default = defaults(loss, backbone)
    default |= settings.prefixed("loss", balances.defaults(str(values.get("loss.balance", balances.SUM))))
    if CHOSEN_SAMPLER in values:
        default |= settings.prefixed("sampler", samplers.defaults(str(values[CHOSEN_SAMPLER])))
    return default


def choose_feedback(data: Dataset, loss: type[Loss], asked: Sequence[str]) -> tuple[str, ...]:
    """Return the feedback types to train on, from dense to sparse.

    A loss of a single feedback gets the densest unless another is asked for.
    """
    if asked:
        chosen = data.narrow(asked).feedback
        if len(chosen) > 1 and not loss.multitask:
            raise UsageError(f"loss `{loss.name}` trains on one feedback; give --feedback one of {', '.join(chosen)}")
        return chosen
    return data.feedback if loss.multitask else data.feedback[:1]
