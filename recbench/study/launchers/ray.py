"""`--launcher ray`: runs are tasks of a Ray cluster, which needs no folder in common with this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any

import ray
import torch
from filelock import Timeout
from numpy.typing import NDArray
from ray.exceptions import RayError, RayTaskError
from ray.util.queue import Empty, Queue
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from rich.console import Console

from recbench.data.dataset import Dataset
from recbench.errors import TrainingError
from recbench.results.code_version import versions
from recbench.results.files import write_atomically
from recbench.results.record import Epoch, RunKey, RunRecord
from recbench.results.store import Store
from recbench.study.launchers.base import A, Failed, Finished, Function, Launcher, R, S, Work
from recbench.study.launchers.in_this_process import groups_of
from recbench.study.launchers.ray_cluster import amounts, connect, describe_cluster, one_line, room_for
from recbench.study.launchers.remote_run import (
    Messages,
    RemoteRuns,
    Reply,
    TrackedElsewhere,
    from_arrays,
    keep,
    read_sources,
    to_arrays,
    train_here,
    version_conflict,
)
from recbench.terminal import print_line
from recbench.training.train import PROGRESS, is_complete, locked

MOST_TASKS = 500  # that wait in the cluster at a time
MOST_DEATHS = 5  # of workers of one group of runs without a checkpoint in between
LOOK_EVERY = 1.0  # seconds between looks for messages while no run finishes
CHECKPOINT, EPOCH = "checkpoint", "epoch"  # kinds of messages
SEND_EVERY = 5.0  # seconds at least between two checkpoints of a run that are sent
SENDING_SHARE = 0.1  # of a run's time, at most, in which they are under way
BYTES_PER_SECOND = 100e6  # of a network of 1 Gbit/s


@contextmanager
def launch(work: Work, data: Dataset, console: Console) -> Iterator[Launcher]:
    """Connect to the cluster, or start one on this machine, and put the data into its object store."""
    connect(work.launch.address or "auto")
    try:
        print_line(console, describe_cluster(work.launch.resources))
        yield OnRay(work, data, console, room_for(work.launch.resources)).run
    finally:
        ray.shutdown()


@dataclass
class _InFlight:
    """A group of runs that the cluster has."""

    runs: RemoteRuns
    held: ExitStack  # the locks of their folders, and their trackers
    tracked: Mapping[str, TrackedElsewhere]  # by the digests of the runs
    deaths: int = 0  # of workers since the last checkpoint

    @property
    def title(self) -> str:
        """The runs in words."""
        first, *others = self.runs.keys
        return f"{first.title} and {len(others)} beside it" if others else first.title


class OnRay:
    """Trains runs as tasks of Ray; the records, weights and checkpoints that come back are written here."""

    def __init__(self, work: Work, data: Dataset, console: Console, at_once: int) -> None:
        self.work = work
        self.store = Store(work.results)
        self.console = console
        self.most = work.launch.jobs or MOST_TASKS
        self.at_once = min(self.most, max(1, at_once))
        self.threads = work.launch.resources.threads
        self.sources = read_sources(work)
        self.in_flight: dict[Any, _InFlight] = {}
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        self.messages = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})
        rest, arrays = to_arrays(data)
        self.data = ray.put(rest), ray.put(arrays)
        self.task = ray.remote(_train_on_node).options(**amounts(work.launch.resources), max_retries=0)

    def run(self, keys: Sequence[RunKey]) -> Iterator[Finished]:
        """Yield every run as it finishes, or every group of runs, those that another process is training last.

        Runs whose worker dies go elsewhere and on from their last checkpoints. Raises TrainingError for a node that
        cannot train any run, such as one with another version of torch.
        """
        taken: list[RunKey] = []
        try:
            yield from self._run(groups_of(keys, self.work.lanes, self.at_once), wait=False, taken=taken)
            yield from self._run([[key] for key in taken], wait=True, taken=[])
        finally:
            for task, flight in self.in_flight.items():
                with suppress(RayError):
                    ray.cancel(task, force=True)
                flight.held.close()
            self.in_flight.clear()

    def _run(self, groups: Iterable[list[RunKey]], *, wait: bool, taken: list[RunKey]) -> Iterator[Finished]:
        waiting = iter(groups)
        while True:
            while len(self.in_flight) < self.most and (group := next(waiting, None)) is not None:
                yield from self._start(group, wait, taken)
            if not self.in_flight:
                return
            done, _ = ray.wait(list(self.in_flight), num_returns=1, timeout=LOOK_EVERY)
            self._take_messages()
            for task in done:
                yield from self._finish(task, self.in_flight.pop(task))

    def _start(self, keys: Iterable[RunKey], wait: bool, taken: list[RunKey]) -> Iterator[Finished]:
        """Submit runs under the locks of their folders; yield those that have a record by now.

        Those that another process is training go to `taken`, unless it may `wait` for them.
        """
        with ExitStack() as held:
            own: dict[str, RunKey] = {}
            for key in keys:
                lock = ExitStack()
                try:
                    lock.enter_context(locked(self.store.folder(key), Console(quiet=True), wait))
                except Timeout:
                    taken.append(key)
                    continue
                if is_complete(key, self.store):
                    lock.close()
                    yield self.store.record(key)
                else:
                    held.enter_context(lock)
                    own[key.digest] = key
            if not own:
                return
            paths = {digest: self.store.folder(key) / PROGRESS for digest, key in own.items()}
            progress = {digest: path.read_bytes() for digest, path in paths.items() if path.exists()}
            runs = RemoteRuns(tuple(own.values()), self.work, self.sources, self.threads, progress)
            tracked = {d: TrackedElsewhere(key, self.work.track, self.store.root) for d, key in own.items()}
            for run in tracked.values():
                held.callback(run.close)
            self._submit(_InFlight(runs, held.pop_all(), tracked))

    def _submit(self, flight: _InFlight) -> None:
        self.in_flight[self.task.remote(flight.runs, *self.data, self.messages, SEND_EVERY)] = flight

    def _finish(self, task: Any, flight: _InFlight) -> Iterator[Finished]:
        """Yield how the runs of a task ended; if its worker died, they are submitted again."""
        try:
            reply: Reply = ray.get(task)
        except RayTaskError as error:
            flight.held.close()
            raise TrainingError(f"a node of the cluster cannot train: {one_line(error.cause)}") from None
        except RayError as error:
            flight.deaths += 1
            if flight.deaths < MOST_DEATHS:
                since = "from the last checkpoint" if flight.runs.progress else "from the first epoch"
                words = f"{flight.title} goes on elsewhere {since}"
                print_line(self.console, f"  a worker died ({type(error).__name__}); {words}")
                self._submit(flight)
                return
            flight.held.close()
            reason = f"its worker died {flight.deaths} times, perhaps for want of memory ({type(error).__name__})"
            yield from (Failed(key, reason) for key in flight.runs.keys)
            return
        with flight.held:
            for finished in keep(flight.runs, reply, self.store):
                if isinstance(finished, RunRecord):
                    flight.tracked[finished.key.digest].finish(finished)
                yield finished

    def _take_messages(self) -> None:
        """Write the checkpoints and show the epochs that have come since the last time."""
        flights = {key.digest: flight for flight in self.in_flight.values() for key in flight.runs.keys}
        with suppress(RayError, Empty):
            for kind, digest, *message in self.messages.get_nowait_batch(self.messages.qsize()):
                flight = flights.get(digest)
                if flight is None:  # it has finished
                    continue
                if kind == EPOCH:
                    flight.tracked[digest].epoch(*message)
                else:
                    self._keep_checkpoint(flight, digest, *message)

    def _keep_checkpoint(self, flight: _InFlight, digest: str, progress: bytes) -> None:
        key = next(key for key in flight.runs.keys if key.digest == digest)
        write_atomically(self.store.folder(key) / PROGRESS, progress)
        flight.runs, flight.deaths = replace(flight.runs, progress={**flight.runs.progress, digest: progress}), 0


def call_each(
    function: Function[A, S, R], arguments: Sequence[A], shared: S, work: Work, console: Console
) -> Iterator[tuple[int, R | str]]:
    """Yield the number of each argument with what a function returns for it; see `base.call_each`."""
    options = work.launch
    connect(options.address or "auto")
    tasks: dict[Any, int] = {}
    try:
        print_line(console, describe_cluster(options.resources))
        once = ray.put(shared)
        call = ray.remote(_call_on_node).options(**amounts(options.resources), max_retries=MOST_DEATHS - 1)
        waiting = iter(enumerate(arguments))
        while True:
            for number, argument in islice(waiting, (options.jobs or MOST_TASKS) - len(tasks)):
                tasks[call.remote(function, argument, once, options.resources.threads, versions())] = number
            if not tasks:
                return
            (task,), _ = ray.wait(list(tasks), num_returns=1)
            number = tasks.pop(task)
            try:
                yield number, ray.get(task)
            except RayTaskError as error:
                raise TrainingError(f"a node of the cluster cannot do it: {one_line(error.cause)}") from None
            except RayError as error:
                yield number, f"its worker died {MOST_DEATHS} times ({type(error).__name__})"
    finally:
        for task in tasks:
            with suppress(RayError):
                ray.cancel(task, force=True)
        ray.shutdown()


def _call_on_node(function: Function[A, S, R], argument: A, shared: S, threads: int, wanted: Mapping[str, str]) -> R:
    different = version_conflict(wanted)
    if different:
        raise TrainingError(f"{different}; install the same on all nodes")
    torch.set_num_threads(threads)
    return function(argument, shared)


class Sender:
    """Sends the checkpoints of one of `runs` to the driver, never more often than is worth their time."""

    def __init__(self, send: Callable[[bytes], None], every: float, runs: int = 1) -> None:
        self.send = send
        self.every = every
        self.share = SENDING_SHARE / runs
        self.next = time.monotonic() + every

    def __call__(self, progress: bytes) -> None:
        """Send a checkpoint, unless the last one was sent a moment ago."""
        now = time.monotonic()
        if now >= self.next:
            self.send(progress)
            self.next = now + max(self.every, len(progress) / BYTES_PER_SECOND / self.share)


_loaded: dict[str, Dataset] = {}  # by fingerprint, in a worker of Ray


def _train_on_node(
    runs: RemoteRuns, rest: Dataset, arrays: Mapping[str, NDArray[Any]], messages: Queue, send_every: float
) -> Reply:
    """Train runs. Nothing here waits for Ray, which would take that for an idle processor and start another task."""

    def post(digest: str, progress: bytes) -> None:
        messages.actor.put_nowait.remote((CHECKPOINT, digest, progress))

    count = len(runs.keys)
    senders = {key.digest: Sender(partial(post, key.digest), send_every, count) for key in runs.keys}

    def load(key: RunKey) -> Dataset:
        if key.fingerprint not in _loaded:
            _loaded[key.fingerprint] = from_arrays(rest, arrays, runs.work.device)
        return _loaded[key.fingerprint]

    def send_epoch(digest: str, select: str, epoch: Epoch) -> None:
        messages.actor.put_nowait.remote((EPOCH, digest, select, epoch))

    return train_here(runs, load, Messages(lambda digest, progress: senders[digest](progress), send_epoch))
