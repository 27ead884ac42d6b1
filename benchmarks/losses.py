"""How long an epoch of every loss takes beside one of BPR on the same backbone.

On the rows of `recbench prepare synthetic`, batch 1024, one thread, by processor time, so that what else the machine
does matters little: steps of at least SECONDS, after a few to warm up, scaled to all rows of the epoch; the two take
turns, and the smallest time of each counts. A loss stands with the first backbone of BACKBONES that it trains, at its
defaults. An epoch of BPR has the rows with a positive alone, that of others may have more: hence the time of a row too.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from benchmarks.steps import Step, epoch_seconds, on_one_thread, recbench_step, untrained
from recbench.backbones.base import BACKBONES as ALL
from recbench.data.dataset import Dataset
from recbench.losses.base import LOSSES, why_not
from recbench.training.plan import choose_feedback

BATCH = 1024
SECONDS = 0.3
TURNS = 2
WARM_UP = 2  # steps
BACKBONES = ("mf", "twintower", "lightgcn", "autoencoder", "variational-autoencoder")


class Timed:
    """The steps of a loss on a backbone."""

    def __init__(self, data: Dataset, loss: str, backbone: str) -> None:
        data = data.narrow(choose_feedback(data, LOSSES.get(loss), ()))
        model = untrained(data, loss, backbone)
        model.start_epoch(1)
        self.step: Step = recbench_step(data, model, BATCH)
        self.rows = model.loss.sampler.rows(data)
        self.seconds = float("inf")  # of an epoch
        for _ in range(WARM_UP):
            self.step()

    def take_turn(self) -> None:
        """Time some steps."""
        self.seconds = min(self.seconds, epoch_seconds(self.step, self.rows, SECONDS))


def backbone_of(loss: str) -> str:
    """The first backbone that a loss trains."""
    return next(name for name in BACKBONES if why_not(LOSSES.get(loss), ALL.get(name)) is None)


def lines(data: Dataset) -> Iterator[str]:
    """Yield a line for each loss, by backbone."""
    trained = {name: why_not(LOSSES.get("bpr"), ALL.get(name)) is None for name in BACKBONES}
    of_bpr = cache(lambda backbone: Timed(data, "bpr", backbone))
    for name, backbone in sorted(((n, backbone_of(n)) for n in LOSSES.names()), key=lambda p: BACKBONES.index(p[1])):
        own, bpr = Timed(data, name, backbone), of_bpr(backbone if trained[backbone] else BACKBONES[0])
        bpr.seconds = float("inf")
        for _ in range(TURNS):
            bpr.take_turn()
            own.take_turn()
        beside = "" if trained[backbone] else f"   beside bpr × {BACKBONES[0]}, as bpr does not train this backbone"
        times = own.seconds / bpr.seconds
        of_row = times * bpr.rows / own.rows
        yield f"{f'{name} × {backbone}':36} {own.seconds:7.2f} s {times:7.1f} {of_row:7.1f}{beside}"


def main() -> None:
    """Print a line for each loss."""
    data = on_one_thread("synthetic")
    print(f"{'':36} {'epoch':>9} {'BPR 1':>7} {'by row':>7}")
    for line in lines(data):
        print(line, flush=True)


if __name__ == "__main__":
    main()
