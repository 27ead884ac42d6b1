"""`--launcher ray`: runs are tasks of a Ray cluster, which needs no folder in common with this machine."""

from __future__ import annotations

import logging
import signal
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import ray
from filelock import Timeout
from numpy.typing import NDArray
from ray.exceptions import RayError, RayTaskError
from ray.util.queue import Empty, Queue
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from rich.console import Console

from recbench.data.dataset import Dataset
from recbench.errors import TrainingError, UsageError
from recbench.results.files import write_atomically
from recbench.results.record import RunKey
from recbench.results.store import Store
from recbench.study.launchers.base import Failed, Finished, Launcher, LaunchOptions, PerRun, Work
from recbench.study.launchers.remote_run import (
    RemoteRun,
    Reply,
    from_arrays,
    keep,
    read_sources,
    to_arrays,
    train_here,
)
from recbench.training.console import print_line
from recbench.training.train import PROGRESS, is_complete, locked

MOST_TASKS = 500  # that wait in the cluster at a time
MOST_DEATHS = 5  # of workers of one run without a checkpoint in between
LOOK_EVERY = 1.0  # seconds between looks for checkpoints while no run finishes
SEND_EVERY = 5.0  # seconds at least between two checkpoints of a run that are sent
SENDING_SHARE = 0.1  # of a run's time, at most, in which they are under way
BYTES_PER_SECOND = 100e6  # of a network of 1 Gbit/s


@contextmanager
def launch(work: Work, data: Dataset, options: LaunchOptions, console: Console) -> Iterator[Launcher]:
    """Connect to the cluster, or start one on this machine, and put the data into its object store."""
    connect(options.address or "auto")
    try:
        print_line(console, _describe_cluster(options.resources))
        yield OnRay(work, data, options, console)
    finally:
        ray.shutdown()


@dataclass
class _InFlight:
    """A run that the cluster has."""

    run: RemoteRun
    lock: ExitStack  # of its folder
    deaths: int = 0  # of workers since the last checkpoint


class OnRay:
    """Trains runs as tasks of Ray; the records, weights and checkpoints that come back are written here."""

    def __init__(self, work: Work, data: Dataset, options: LaunchOptions, console: Console) -> None:
        self.work = work
        self.store = Store(work.results)
        self.console = console
        self.most = options.jobs or MOST_TASKS
        self.threads = options.resources.threads
        self.sources = read_sources(work)
        self.in_flight: dict[Any, _InFlight] = {}
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        self.checkpoints = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})
        rest, arrays = to_arrays(data)
        self.data = ray.put(rest), ray.put(arrays)
        per_run = options.resources
        amounts = {"num_cpus": per_run.cpus, "num_gpus": per_run.gpus}
        amounts |= {} if per_run.memory is None else {"memory": per_run.memory}
        self.task = ray.remote(_train_on_node).options(**amounts, max_retries=0, scheduling_strategy="SPREAD")

    def run(self, keys: Iterable[RunKey]) -> Iterator[Finished]:
        """Yield every run as it finishes, those that another process is training last.

        A run whose worker dies goes elsewhere and on from its last checkpoint. Raises TrainingError for a node that
        cannot train any run, such as one with another version of torch.
        """
        taken: list[RunKey] = []
        try:
            yield from self._run(keys, wait=False, taken=taken)
            yield from self._run(taken, wait=True, taken=[])
        finally:
            for task, flight in self.in_flight.items():
                with suppress(RayError):
                    ray.cancel(task, force=True)
                flight.lock.close()
            self.in_flight.clear()

    def _run(self, keys: Iterable[RunKey], *, wait: bool, taken: list[RunKey]) -> Iterator[Finished]:
        waiting = iter(keys)
        while True:
            while len(self.in_flight) < self.most and (key := next(waiting, None)) is not None:
                try:
                    finished = self._start(key, wait)
                except Timeout:
                    taken.append(key)
                    continue
                if finished is not None:
                    yield finished
            if not self.in_flight:
                return
            done, _ = ray.wait(list(self.in_flight), num_returns=1, timeout=LOOK_EVERY)
            self._keep_checkpoints()
            for task in done:
                finished = self._finish(task, self.in_flight.pop(task))
                if finished is not None:
                    yield finished

    def _start(self, key: RunKey, wait: bool) -> Finished | None:
        """Submit a run under the lock of its folder; return its record if there is one by now."""
        lock = ExitStack()
        folder = self.store.folder(key)
        try:
            lock.enter_context(locked(folder, Console(quiet=True), wait))
            if is_complete(key, self.store):
                record = self.store.record(key)
                lock.close()
                return record
            progress = (folder / PROGRESS).read_bytes() if (folder / PROGRESS).exists() else None
            self._submit(_InFlight(RemoteRun(key, self.work, self.sources, self.threads, progress), lock))
        except BaseException:
            lock.close()
            raise
        return None

    def _submit(self, flight: _InFlight) -> None:
        self.in_flight[self.task.remote(flight.run, *self.data, self.checkpoints, SEND_EVERY)] = flight

    def _finish(self, task: Any, flight: _InFlight) -> Finished | None:
        """Return how a run ended, or None if its worker died and it is submitted again."""
        try:
            reply: Reply = ray.get(task)
        except RayTaskError as error:
            flight.lock.close()
            raise TrainingError(f"a node of the cluster cannot train: {_one_line(error.cause)}") from None
        except RayError as error:
            flight.deaths += 1
            if flight.deaths < MOST_DEATHS:
                since = "from its first epoch" if flight.run.progress is None else "from its last checkpoint"
                words = f"{flight.run.key.title} goes on elsewhere {since}"
                print_line(self.console, f"  a worker died ({type(error).__name__}); {words}")
                self._submit(flight)
                return None
            flight.lock.close()
            reason = f"its worker died {flight.deaths} times, perhaps for want of memory ({type(error).__name__})"
            return Failed(flight.run.key, reason)
        with flight.lock:
            return keep(flight.run, reply, self.store)

    def _keep_checkpoints(self) -> None:
        """Write the checkpoints that have come since the last time."""
        flights = {flight.run.key.digest: flight for flight in self.in_flight.values()}
        with suppress(RayError, Empty):
            while self.checkpoints.qsize():
                digest, progress = self.checkpoints.get_nowait()
                flight = flights.get(digest)
                if flight is not None:  # else it has finished
                    write_atomically(self.store.folder(flight.run.key) / PROGRESS, progress)
                    flight.run, flight.deaths = replace(flight.run, progress=progress), 0


class Sender:
    """Sends checkpoints to the driver, never more often than is worth their time."""

    def __init__(self, send: Callable[[bytes], None], every: float) -> None:
        self.send = send
        self.every = every
        self.next = time.monotonic() + every

    def __call__(self, progress: bytes) -> None:
        """Send a checkpoint, unless the last one was sent a moment ago."""
        now = time.monotonic()
        if now >= self.next:
            self.send(progress)
            self.next = now + max(self.every, len(progress) / BYTES_PER_SECOND / SENDING_SHARE)


_loaded: dict[str, Dataset] = {}  # by fingerprint, in a worker of Ray


def _train_on_node(
    run: RemoteRun, rest: Dataset, arrays: Mapping[str, NDArray[Any]], checkpoints: Queue, send_every: float
) -> Reply:
    """Train a run. Nothing here waits for Ray, which would take that for an idle processor and start another run."""

    def load(key: RunKey) -> Dataset:
        if key.fingerprint not in _loaded:
            _loaded[key.fingerprint] = from_arrays(rest, arrays, run.work.device)
        return _loaded[key.fingerprint]

    def send(progress: bytes) -> None:
        checkpoints.actor.put_nowait.remote((run.key.digest, progress))

    return train_here(run, load, Sender(send, send_every))


def connect(address: str) -> None:
    """Connect to a cluster; `local` starts one of this machine. Raises UsageError if there is none."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    quiet: Mapping[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    try:
        _require_reachable(address)
        ray.init(address=address, **quiet, **({"include_dashboard": False} if address == "local" else {}))
    except (RayError, ValueError, RuntimeError, OSError) as error:
        hint = "start one with `ray start --head`, or use --address local"
        raise UsageError(f"--address {address}: no Ray cluster answers ({_one_line(error)}); {hint}") from None
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _require_reachable(address: str) -> None:
    """Raise OSError if nothing listens at HOST:PORT or ray://HOST:PORT; Ray itself would wait for minutes."""
    host, _, port = address.rpartition("//")[2].rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=10).close()


def _describe_cluster(per_run: PerRun) -> str:
    """Return what the cluster has, and how many runs fit."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    wanted = {"CPU": per_run.cpus, "GPU": per_run.gpus, "memory": per_run.memory or 0}
    wanted = {name: amount for name, amount in wanted.items() if amount}
    fit = sum(int(min(node.get(name, 0) / amount for name, amount in wanted.items()) + 1e-9) for node in nodes)
    cpus, gpus = (sum(node.get(name, 0) for node in nodes) for name in ("CPU", "GPU"))
    found = f"Ray: {len(nodes)} nodes, {cpus:g} CPUs, {gpus:g} GPUs; "
    if not fit:
        return f"{found}none has {per_run} for a run now, so that runs wait for one that does"
    return f"{found}{fit} runs at a time with {per_run}"


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
