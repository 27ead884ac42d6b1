"""Equal conditions for methods: what `--fair` means in `train`, `sweep` and `reproduce`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from recbench.backbones import base as backbones
from recbench.backbones.base import BACKBONES
from recbench.errors import UsageError
from recbench.losses.base import LOSSES, Loss, default_logit
from recbench.run.train_command import TrainRequest
from recbench.settings import defaults, idle_without, resolve, split_words, typed_words
from recbench.study import search_space
from recbench.study.search_space import Dimension
from recbench.training.plan import OWNERS

BUDGET = ("train.lr=0.001,0.005,0.02,0.05,0.1",)  # searched on validation for every method, with one seed

# Searched instead, with a number of trials.
RATE = "train.lr=3e-4..0.1"  # 0.001 suits inner products of vectors that begin small, 0.01 to 0.03 towers of cosines
PENALTY = "backbone.l2=1e-6..0.1"
DECAY = "train.weight_decay=1e-8..1e-5"  # of backbones without an L2 penalty of their own
SCALE = (1.0, 10.0)  # to start from
AROUND = (0.5, 5.0)  # the same of a loss that is defined with a temperature, as multiples of its scale


def space(losses: Iterable[str], backbone: str) -> tuple[str, ...]:
    """Return what a number of trials searches, as words of `--grid`.

    Every method has a learning rate and an L2 penalty; a loss of cosines has the scale that it starts from, where
    vectors of inner products find a length by themselves; and a loss has what it says of itself (`Loss.searched`).
    """
    penalty = PENALTY if "l2" in backbones.defaults(BACKBONES.get(backbone)) else DECAY
    return (RATE, penalty, *(f"{loss}:loss.{word}" for loss in losses for word in _of_loss(LOSSES.get(loss))))


def without_own(loss: str, point: Mapping[str, str]) -> dict[str, str]:
    """Return a point that leaves what is the loss's own, as its weights, as the request has it.

    Every other trial is such a one, so that a method with more settings does not pay for them with fewer tries of what
    all have: a random weight may be worse than none.
    """
    own = {f"loss.{_setting(word)}" for word in LOSSES.get(loss).searched}
    return {setting: word for setting, word in point.items() if setting not in own}


def dimensions(
    requests: Sequence[TrainRequest],
    backbone: str,
    trials: int | None,
    grid: Sequence[str],
    given: Sequence[str] = (),
) -> list[Dimension]:
    """Return what is searched of every method: the settings of `grid`, and what else there is to search.

    The latter is the learning rate, or with a number of trials all that `space` says but for what does nothing beside a
    request's settings. Raises UsageError for a word of `--grid` that cannot be meant, or is for one loss alone, and for
    a setting that `given`, the words of `--set`, give.
    """
    losses = [request.loss for request in requests]
    for word in grid:
        loss, colon, _ = word.partition("=")[0].partition(":")
        if colon:
            raise UsageError(f"--grid {word}: --fair searches the same for every loss; leave out `{loss}:`, or --fair")
    of_grid = search_space.parse(grid, losses, backbone, given) if grid else []
    settings = {dimension.setting for dimension in of_grid}
    usual = search_space.parse(BUDGET if trials is None else space(losses, backbone), losses, backbone)
    for dimension in usual:
        if dimension.setting in map(_setting, given):
            raise UsageError(f"--fair searches {dimension.setting} on validation; leave it out")
    idle = {(request.loss, setting) for request in requests for setting in _idle(request)}
    return [*of_grid, *(one for one in usual if one.setting not in settings and (one.loss, one.setting) not in idle)]


def _idle(request: TrainRequest) -> list[str]:
    """Return the settings of a request's loss that do nothing beside its other settings."""
    loss = LOSSES.get(request.loss)
    usual, words = defaults(loss), split_words(list(request.settings), OWNERS)["loss"]
    values = resolve(loss, "loss", {key: word for key, word in words.items() if key in usual})
    return [f"loss.{key}" for key in usual if idle_without(loss, key, values)]


def corner_trials(
    request: TrainRequest, trials: int | None, grid: Sequence[str], given: Sequence[str] = ()
) -> list[TrainRequest]:
    """Return a request with every listed value and both ends of every range, for a look at whether they can be trained.

    The first has the first value of all that is searched. Raises UsageError as `dimensions` does.
    """
    searched = dimensions([request], str(request.backbone), trials, grid, given)
    points = [search_space.point(searched, row, request.loss) for row in search_space.corners(searched)]
    return [with_point(request, typed_words(point)) for point in points]


def trials_of(request: TrainRequest, trials: int | None, grid: Sequence[str]) -> int:
    """Return how many points of a method are tried."""
    return trials or len(search_space.grid(dimensions([request], str(request.backbone), None, grid)))


def _of_loss(loss: type[Loss]) -> tuple[str, ...]:
    if not (loss.reads_logits and loss.cosine):
        return loss.searched
    usual = default_logit(loss)
    first, last = (multiple * usual.scale for multiple in AROUND) if usual.logit == "fixed" else SCALE
    return (f"scale={first:g}..{last:g}", *loss.searched)


def equal_terms(request: TrainRequest) -> TrainRequest:
    """Return the request with a learned scale and bias, where the loss reads logits, and no learning rate of its own.

    That is what a search starts from.
    """
    words = _without(request.settings, ["train.lr"])
    if LOSSES.get(request.loss).reads_logits:
        words = (*_without(words, ["loss.scale"]), "loss.logit=learned")
    return replace(request, settings=words)


def with_point(request: TrainRequest, point: Sequence[str]) -> TrainRequest:
    """Return the request of `equal_terms` with the settings of the point that was best in a search."""
    return replace(request, settings=(*_without(request.settings, map(_setting, point)), *point))


def require_fair(fair: bool, trials: int | None, grid: Sequence[str]) -> None:
    """Raise UsageError for a number of trials, or what to search, without `--fair`, and for a range without trials."""
    if fair:
        for word in filter(search_space.is_range, grid if trials is None else ()):
            raise UsageError(f"--grid {word}: a range needs --trials; else list its values")
        return
    if trials is not None:
        raise UsageError(f"--trials {trials}: of what `--fair` searches; add --fair, or use `recbench sweep`")
    if grid:
        raise UsageError(f"--grid {grid[0]}: only `--fair` searches; add --fair, or use `recbench sweep`")


def require_no_rate(words: Sequence[str]) -> None:
    """Raise UsageError for a learning rate that the user gives beside `--fair`."""
    if len(_without(words, ["train.lr"])) < len(words):
        raise UsageError("--fair searches the learning rate of every method on validation; leave out --lr and train.lr")


def _without(words: Sequence[str], settings: Iterable[str]) -> tuple[str, ...]:
    left_out = set(settings)
    return tuple(word for word in words if _setting(word) not in left_out)


def _setting(word: str) -> str:
    return word.partition("=")[0]
