"""The nodes of a Ray cluster: what each has, and whether it has the packages of this machine."""

from __future__ import annotations

from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from recbench.results.code_version import versions
from recbench.study.launchers.ray import connect
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
