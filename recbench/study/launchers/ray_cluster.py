"""A Ray cluster: how to reach it, what its nodes have, and whether they have the packages of this machine."""

from __future__ import annotations

import logging
import signal
import socket
from collections.abc import Mapping
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from recbench.errors import UsageError, counted
from recbench.results.code_version import versions
from recbench.study.launchers.base import PerRun
from recbench.study.launchers.remote_run import version_conflict

ANSWER_WITHIN = 60.0  # seconds: a node starts a process of Python to answer
SHOWN = ("python", "recbench", "torch")


def describe_nodes(address: str) -> list[dict[str, object]]:
    """Return for each node its processors, GPUs, memory in GiB and versions, and how it differs from this machine.

    Raises UsageError if no cluster answers.
    """
    connect(address)
    try:
        nodes = [node for node in ray.nodes() if node["Alive"]]
        asked = {node["NodeID"]: _ask(node["NodeID"]) for node in nodes}
        ray.wait(list(asked.values()), num_returns=len(asked), timeout=ANSWER_WITHIN)
        return [_description(node, asked[node["NodeID"]]) for node in nodes]
    finally:
        ray.shutdown()


def _ask(node: str) -> Any:
    """Ask a node for its versions."""

    def installed(packages: tuple[str, ...]) -> dict[str, str]:  # sent as code: recbench may not be there
        import platform
        from importlib.metadata import PackageNotFoundError, version

        found = {"python": platform.python_version()}
        for package in packages:
            try:
                found[package] = version(package)
            except PackageNotFoundError:
                continue
        return found

    there = NodeAffinitySchedulingStrategy(node, soft=False)
    task = ray.remote(installed).options(num_cpus=0, max_retries=0, scheduling_strategy=there)
    return task.remote(tuple(name for name in versions() if name != "python"))


def _description(node: dict[str, Any], answer: Any) -> dict[str, object]:
    amounts = node["Resources"]
    described: dict[str, object] = {
        "node": node["NodeManagerHostname"],
        "address": node["NodeManagerAddress"],
        "cpus": int(amounts.get("CPU", 0)),
        "gpus": int(amounts.get("GPU", 0)),
        "memory_gib": round(amounts.get("memory", 0) / 2**30, 1),
        "object_store_gib": round(amounts.get("object_store_memory", 0) / 2**30, 1),
    }
    try:
        found: dict[str, str] = ray.get(answer, timeout=0)
    except (RayError, TimeoutError) as error:
        return described | {"problem": f"does not answer ({type(error).__name__})"}
    shown = {name: found.get(name, "none") for name in SHOWN}
    different = version_conflict(versions(), found)
    return described | shown | {"problem": f"{different}; install the same on all nodes" if different else "none"}


def connect(address: str) -> None:
    """Connect to a cluster; `local` starts one of this machine. Raises UsageError if there is none."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    quiet: Mapping[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    try:
        _require_reachable(address)
        ray.init(address=address, **quiet, **({"include_dashboard": False} if address == "local" else {}))
    except (RayError, ValueError, RuntimeError, OSError) as error:
        hint = "start one with `ray start --head`, or use --address local"
        raise UsageError(f"--address {address}: no Ray cluster answers ({one_line(error)}); {hint}") from None
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _require_reachable(address: str) -> None:
    """Raise OSError if nothing listens at HOST:PORT or ray://HOST:PORT; Ray itself would wait for minutes."""
    host, _, port = address.rpartition("//")[2].rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=10).close()


def room_for(per_run: PerRun) -> int:
    """Return how many runs fit into the cluster at a time."""
    wanted = {"CPU": per_run.cpus, "GPU": per_run.gpus, "memory": per_run.memory or 0}
    wanted = {name: amount for name, amount in wanted.items() if amount}
    nodes = _resources_of_nodes()
    return sum(int(min(node.get(name, 0) / amount for name, amount in wanted.items()) + 1e-9) for node in nodes)


def _resources_of_nodes() -> list[dict[str, float]]:
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def describe_cluster(per_run: PerRun) -> str:
    """Return what the cluster has, and how many runs fit."""
    nodes, fit = _resources_of_nodes(), room_for(per_run)
    cpus, gpus = (sum(node.get(name, 0) for node in nodes) for name in ("CPU", "GPU"))
    found = f"Ray: {counted(len(nodes), 'node')}, {cpus:g} CPUs, {gpus:g} GPUs; "
    if not fit:
        return f"{found}none has {per_run} for a run now, so that runs wait for one that does"
    return f"{found}{counted(fit, 'run')} at a time with {per_run}"


def amounts(per_run: PerRun) -> dict[str, Any]:
    """Return what Ray is asked for a task: what it takes, and that tasks are spread over the nodes."""
    memory = {} if per_run.memory is None else {"memory": per_run.memory}
    return {"num_cpus": per_run.cpus, "num_gpus": per_run.gpus, **memory, "scheduling_strategy": "SPREAD"}


def one_line(error: BaseException) -> str:
    """Return an error in words, in one line that is not too long."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
