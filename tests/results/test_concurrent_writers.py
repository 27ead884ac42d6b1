from __future__ import annotations

import subprocess
import sys

from recbench.results.board import board
from recbench.results.leaderboard import markdown

WRITERS, RUNS = 16, 4

WRITER = """
import sys
from pathlib import Path
from recbench.errors import DataError
from recbench.results.leaderboard import write_markdown
from recbench.results.record import Evaluation, MetricValue, RunKey, RunRecord, now
from recbench.results.store import Store

store, writer, runs = Store(Path(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3])
won = 0
for seed in [*range(writer * runs, (writer + 1) * runs), 1000]:
    key = RunKey("synthetic", "random", "f", ("click",), "bce", "mf", seed, "cpu", {}, {})
    record = RunRecord(
        key, [], "auc", 1, 0.5, 1.0, 1, 1.0, 1.0, 1, "cpu", f"writer {writer}", {}, now()
    )
    try:
        store.write_record(record)
        won += seed == 1000
    except DataError:
        assert seed == 1000
    value = MetricValue("auc", "click", seed / 2000, "auc", 10)
    store.add_evaluation(key, Evaluation(key.digest, [value], now(), 1.0, {}, []))
write_markdown(store)
print(won)
"""


def test_sixteen_writers_lose_nothing(store):
    command = [sys.executable, "-c", WRITER, str(store.root)]
    writers = [
        subprocess.Popen([*command, str(writer), str(RUNS)], stdout=subprocess.PIPE, text=True)
        for writer in range(WRITERS)
    ]
    outputs = [writer.communicate(timeout=120)[0] for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * WRITERS
    assert sum(map(int, outputs)) == 1  # exactly one of them wrote the run that all tried to write

    runs = list(store.runs())
    assert store.warnings == []
    assert sorted(record.key.seed for record, _ in runs) == [*range(WRITERS * RUNS), 1000]
    assert all(len(evaluations) == 1 for _, evaluations in runs)
    rows = board(store)
    assert [row["seeds"] for row in rows] == [WRITERS * RUNS + 1]
    assert (store.root / "leaderboard.md").read_text().endswith(markdown(rows))
    assert not list(store.root.rglob("*.tmp"))


def test_reading_results_does_not_import_torch():
    program = "import sys, recbench.results.leaderboard, recbench.results.provenance; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"torch", "polars", "numpy", "faiss"} & set(modules.stdout.split())
