"""Which launcher is chosen, and what its options mean."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch

from recbench.errors import UsageError
from recbench.study.launchers import base
from recbench.study.launchers.base import LaunchOptions, PerRun
from tests.conftest import Run


def test_amounts_of_a_run() -> None:
    assert PerRun.parse("cpus=2,gpus=0.25,memory=4GiB") == PerRun(2, 0.25, 4 * 2**30)
    assert PerRun.parse("memory=500M") == PerRun(1, 0, 500_000_000)
    assert PerRun.parse(None) == PerRun(1, 0, None)
    assert str(PerRun(0.5, 1, 2**30)) == "cpus=0.5,gpus=1,memory=1024MiB"
    assert [PerRun(cpus).threads for cpus in (0.5, 1, 2.5)] == [1, 1, 2]


@pytest.mark.parametrize(
    "words", ["cpus", "cpus=", "cpus=two", "cpus=-1", "cpus=2,cpus=3", "cpus=2k", "cores=2", "cpus=0"]
)
def test_amounts_that_cannot_be_meant(words: str) -> None:
    with pytest.raises(UsageError, match="--per-run"):
        PerRun.parse(words)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"address": "auto"}, "--address auto: an option of --launcher ray"),
        ({"per_run": "cpus=1"}, "--per-run cpus=1: an option of --launcher ray and --launcher slurm"),
        ({"partition": "long"}, "--partition long: an option of --launcher slurm"),
        ({"time_limit": "4h", "launcher": "ray"}, "--time-limit 4h: an option of --launcher slurm"),
    ],
)
def test_options_of_another_launcher_are_refused(
    options: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "find_spec", lambda name: name)
    with pytest.raises(UsageError, match=message):
        LaunchOptions(**options)


@pytest.mark.parametrize(("launcher", "package"), [("ray", "ray"), ("slurm", "submitit")])
def test_a_missing_package_names_its_extra(
    run: Run, launcher: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "find_spec", lambda name: None)
    result = run("sweep", "--losses", "bce", "--grid", "lr=0.1", "--launcher", launcher)
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert f"needs {package}, which is not installed: pip install 'recbench[{launcher}]'" in result.err
    cluster = run("doctor", "--address", "auto")
    assert (cluster.code, cluster.out) == (2, "")
    assert cluster.err == "error: --address auto needs ray, which is not installed: pip install 'recbench[ray]'\n"


def test_times_of_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "find_spec", lambda name: name)
    assert [base.minutes(word) for word in ("30m", "4h", "2d")] == [30, 240, 2880]
    for word in ("4", "h", "0h", "4:00"):
        with pytest.raises(UsageError, match=f"--time-limit {word}: expected a time"):
            LaunchOptions("slurm", time_limit=word)
    with pytest.raises(UsageError, match="--time-limit 4m: at least 5m"):
        LaunchOptions("slurm", time_limit="4m")


def test_devices_of_a_cluster_are_what_a_run_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "find_spec", lambda name: name)
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert LaunchOptions("ray").devices() == (cpu, cpu)
    assert LaunchOptions("ray", per_run="gpus=0.5").devices() == (cpu, cuda)
    assert LaunchOptions("ray", per_run="gpus=1", device="cuda").devices() == (cpu, cuda)
    for word, per_run in (("cuda", None), ("cpu", "gpus=1"), ("cuda:0", "gpus=1")):
        with pytest.raises(UsageError, match="--device"):
            LaunchOptions("ray", per_run=per_run, device=word).devices()


def test_neither_ray_nor_submitit_is_imported_where_it_is_not_asked_for() -> None:
    code = "import sys, recbench.study.sweep, recbench.study.launchers.local as local; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "recbench.study.launchers.local" in loaded
    assert not set(loaded) & {"ray", "submitit"}
