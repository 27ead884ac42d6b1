from __future__ import annotations

import subprocess
import sys
from random import Random
from signal import SIGKILL

from recbench.results.leaderboard import markdown
from recbench.results.leaderboard_rows import collect_rows

WRITERS, RUNS = 16, 4

WRITER = """
import sys
from pathlib import Path
from time import sleep
from recbench.errors import DataError
from recbench.results.leaderboard import write_markdown
from recbench.results.record import Epoch, Evaluation, MetricValue, RunKey, RunRecord, now
from recbench.results.store import Store

store, writer, runs = Store(Path(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3])
stuck = int(sys.argv[4]) if sys.argv[4:] else None  # hangs after so many runs, with the next one's record written
won = done = 0
for seed in [*range(writer * runs, (writer + 1) * runs), 1000]:
    key = RunKey("synthetic", "random", "f", ("click",), "bce", "mf", seed, "cpu", {}, {})
    epoch = Epoch(epoch=1, loss=0.7, metric=0.5, seconds=1.0, slots=1)
    record = RunRecord(
        key, [epoch], "auc", 1, 0.5, 1.0, 1, 1.0, 1.0, 1, "cpu", f"writer {writer}", {}, now()
    )
    try:
        store.write_record(record)
        won += seed == 1000
    except DataError:
        assert key in store
    if done == stuck:
        sleep(600)
    done += 1
    value = MetricValue("auc", "click", seed / 2000, "auc", 10)
    store.add_evaluation(key, Evaluation(key.digest, [value], now(), 1.0, {}, []))
    print(seed, file=sys.stderr, flush=True)
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
    rows = collect_rows(store)
    assert [row.seeds for row in rows] == [WRITERS * RUNS + 1]
    assert (store.root / "leaderboard.md").read_text().endswith(markdown(rows))
    assert not list(store.root.rglob("*.tmp"))


def test_what_was_recorded_survives_kills(store):
    chance, runs = Random(0), 13
    command = [sys.executable, "-c", WRITER, str(store.root)]

    def start(writer: int, *stuck: int) -> subprocess.Popen[str]:
        words = [*command, *map(str, (writer, runs, *stuck))]
        return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    killed = {number: chance.randrange(1, runs) for number in chance.sample(range(WRITERS), WRITERS // 2)}
    writers = [start(writer, *([killed[writer]] if writer in killed else [])) for writer in range(WRITERS)]
    told: set[int] = set()
    for number, done in killed.items():
        told.update(int(writers[number].stderr.readline()) for _ in range(done))
        writers[number].kill()
    for writer in writers:
        told.update(int(line) for line in writer.communicate(timeout=120)[1].splitlines() if line.isdigit())
    assert [writers[number].returncode for number in killed] == [-SIGKILL] * len(killed)

    found = {record.key.seed: evaluations for record, evaluations in store.runs()}
    assert store.warnings == []  # nothing is half there
    assert told <= found.keys() and all(len(found[seed]) == 1 for seed in told)
    assert len(told) >= runs * WRITERS // 2

    again = [start(number) for number in killed]  # the same command once more
    for writer in again:
        writer.communicate(timeout=120)
    missing = set(range(WRITERS * runs)) - {record.key.seed for record, _ in store.runs()}
    assert not missing and store.warnings == []


def test_reading_results_does_not_import_torch():
    program = "import sys, recbench.results.leaderboard, recbench.results.code_version; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"torch", "polars", "numpy", "faiss"} & set(modules.stdout.split())
