"""What is typed, from start to end: seconds of whole processes, on a random shop of MovieLens-1M's size."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.gpu_sections.case import Case, Measured, Setting

ROOT = Path(__file__).parents[2]
ENTRY = "from recbench.cli import entry; entry()"
ROWS, TOY_ROWS = "1e6", "2000"  # 6,667 users and 2,500 items; feedback view, cart and buy
EPOCHS = 6


def commands(setting: Setting) -> list[tuple[str, list[str], float | None]]:
    """Return what is run, in order: a title, the words, and seconds that something like it took before on one H200."""
    on = ["--device", str(setting.device)]
    bce = ["train", "--loss", "bce", "--backbone", "twintower", "--feedback", "view", *on]
    epochs = ["--epochs", "1" if setting.toy else str(EPOCHS)]
    return [
        ("prepare synthetic", ["prepare", "synthetic", "--rows", TOY_ROWS if setting.toy else ROWS], None),
        (f"train, bce x twintower, {EPOCHS} epochs", [*bce, *epochs], 28.6),
        ("the first eval, with baselines", _evaluate(on), 12.0),
        ("train, one epoch", [*bce, "--epochs", "1", "--seed", "1"], None),
        ("eval of the next run", _evaluate(on), 8.0),
        ("eval again, from kept scores", _evaluate(on), None),
        ("train --seeds 10", [*bce, *epochs, "--lr", "0.002", "--seeds", "2" if setting.toy else "10"], None),
        ("train, bpr x mf by recall@20", ["train", "--loss", "bpr", "--backbone", "mf", *epochs, *on], None),
    ]


def _evaluate(on: list[str]) -> list[str]:
    return ["eval", *(word for metric in ("auc", "gauc", "recall@50") for word in ("--metric", metric)), *on]


def cases(setting: Setting) -> Iterator[Case]:
    """Yield the commands, which share a home of their own."""
    with TemporaryDirectory() as home:
        for title, words, before in commands(setting):
            yield Case(title, "whole process", partial(_measure, words, home, before))


def _measure(words: list[str], home: str, before: float | None) -> Measured:
    environment = os.environ | {"RECBENCH_HOME": home, "RECBENCH_RESULTS": f"{home}/results"}
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", ENTRY, *words], cwd=ROOT, env=environment, capture_output=True)
    seconds = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(done.stderr.decode(errors="replace").strip().splitlines()[-1])
    return Measured(milliseconds=1000 * seconds, note="" if before is None else f"something like it took {before} s")
