from __future__ import annotations

import errno
import json
import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from recbench.errors import DataError, UsageError
from recbench.results.record import Plan
from recbench.results.store import Store


def files(store: Store) -> list[str]:
    return sorted(str(path.relative_to(store.root)) for path in store.root.rglob("*") if path.is_file())


def test_what_is_written_is_read_back(store, make_key, make_record, make_evaluation, make_value):
    key = make_key(seed=3)
    record, evaluation = make_record(key), make_evaluation(key, make_value(0.7))
    assert key not in store
    path = store.write_record(record)
    assert path == store.root / f"runs/synthetic-random/gnolr-twintower/s3-{key.digest}/record.json"
    assert path.parent == store.folder(key)
    assert key in store
    assert store.add_evaluation(key, evaluation) == path.parent / "evaluations" / f"{evaluation.digest}.json"
    assert store.record(key) == record
    assert store.evaluations(key) == [evaluation]
    assert list(store.runs()) == [(record, [evaluation])]
    assert store.warnings == []


def test_files_have_the_mode_of_ordinary_files(store, make_key, make_record):
    mask = os.umask(0o022)
    try:
        path = store.write_record(make_record(make_key()))
    finally:
        os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_record_is_never_changed(store, make_key, make_record):
    path = store.write_record(make_record(make_key()))
    before = path.read_bytes()
    with pytest.raises(DataError, match=r"record\.json: exists, and records never change; use another seed"):
        store.write_record(make_record(make_key(), seconds=9.0))
    assert path.read_bytes() == before
    assert files(store) == [str(path.relative_to(store.root))]


def test_the_same_evaluation_twice_is_one_file(store, add, make_evaluation, make_value):
    key = add(make_value(0.7))
    store.add_evaluation(key, make_evaluation(key, make_value(0.7), when="2026-01-01T00:00:00.000000+00:00"))
    assert [evaluation.when[:4] for evaluation in store.evaluations(key)] == ["2025"]
    store.add_evaluation(key, make_evaluation(key, make_value(0.8), when="2024-01-01T00:00:00.000000+00:00"))
    assert [evaluation.when[:4] for evaluation in store.evaluations(key)] == ["2024", "2025"]


def test_a_damaged_evaluation_is_replaced_by_the_same_one(store, add, make_evaluation, make_value):
    key = add(make_value(0.7))
    path = store.add_evaluation(key, make_evaluation(key, make_value(0.7)))
    path.write_text("{")
    store.add_evaluation(key, make_evaluation(key, make_value(0.7)))
    assert [evaluation.values for evaluation in store.evaluations(key)] == [[make_value(0.7)]]


def test_an_evaluation_needs_its_run(store, make_key, make_evaluation, make_value):
    with pytest.raises(DataError, match=r"no record\.json; run `recbench train --resume`"):
        store.add_evaluation(make_key(), make_evaluation(make_key(), make_value(0.7)))
    with pytest.raises(ValueError, match="added to run"):
        store.add_evaluation(make_key(), make_evaluation(make_key(seed=1), make_value(0.7)))


def test_an_empty_store_says_what_to_run(store):
    assert list(store.runs()) == []
    assert store.listing() == frozenset()
    for look in (store.latest, lambda: store.find("ab")):
        with pytest.raises(UsageError, match="no finished runs; run `recbench train`"):
            look()
    with pytest.raises(UsageError, match="nothing trained yet; run `recbench train`"):
        store.read_plan()


def test_find_by_the_first_digits(store, add, make_value):
    keys = [add(make_value(0.7), seed=seed) for seed in range(20)]
    for key in keys:
        assert store.find(key.digest).key == key
        assert store.find(key.digest[:8].upper()).key == key
    first = keys[0].digest[0]
    shared = [key for key in keys if key.digest[0] == first]
    if len(shared) > 1:
        with pytest.raises(UsageError, match=f"{len(shared)} runs start with `{first}`; give more digits") as caught:
            store.find(first)
        assert all(key.digest in str(caught.value) for key in shared[:8])
    unknown = "no run starts with `xyz`, and no method, dataset or tag is called so; there are 20 runs, such as "
    with pytest.raises(UsageError, match=unknown) as caught:
        store.find("xyz")
    assert "(gnolr-twintower on synthetic-random, seed " in str(caught.value)
    with pytest.raises(UsageError, match="no run starts with ``"):
        store.find("")


def test_two_runs_that_start_alike_are_ambiguous(store, add, make_value):
    keys = [add(make_value(0.7), seed=seed) for seed in range(17)]  # more than there are hex digits
    counts = [sum(key.digest.startswith(digit) for key in keys) for digit in "0123456789abcdef"]
    digit = "0123456789abcdef"[counts.index(max(counts))]
    with pytest.raises(UsageError, match=f"{max(counts)} runs start with `{digit}`"):
        store.find(digit)


def test_the_latest_run_is_the_one_that_finished_last(store, make_key, make_record):
    for seed, day in enumerate(("02", "03", "01")):
        store.write_record(make_record(make_key(seed=seed), finished=f"2025-01-{day}T00:00:00.000000+00:00"))
    assert store.latest().key.seed == 1


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "damaged (Input data was truncated"),
        (b"{", "damaged (Input data was truncated"),
        (b"[]", "damaged (Expected `object`, got `array`)"),
        (b"\xff\xfe", "damaged ("),
        (b"[" * 100_000, "damaged ("),
        (b'{"schema": 1}', "damaged (Object missing required field"),
        (b'{"schema": "1"}', "damaged ("),
        (b'{"schema": 3, "new": 1}', "schema 3 is newer than this recbench reads (2); upgrade recbench"),
    ],
    ids=["empty", "truncated", "list", "binary", "deep", "fields", "schema type", "newer"],
)
@pytest.mark.parametrize("kind", ["record", "evaluation"])
def test_damaged_files_are_skipped_and_named_once(store, add, make_value, kind, content, why):
    good, bad = add(make_value(0.7)), add(make_value(0.8), seed=1)
    folder = store.folder(bad)
    path = folder / "record.json" if kind == "record" else next((folder / "evaluations").iterdir())
    path.write_bytes(content)
    for _ in range(2):
        runs = list(store.runs())
        assert [len(evaluations) for record, evaluations in runs if record.key == good] == [1]
        assert len(runs) == (1 if kind == "record" else 2)
        assert len(store.warnings) == 1
        assert store.warnings[0].startswith(f"{path}: {why}")
        assert store.warnings[0].endswith("; skipped")
        assert "\n" not in store.warnings[0]
    if kind == "record":
        with pytest.raises(DataError, match=r"record\.json: (damaged|schema 3)"):
            store.record(bad)


def test_a_changed_digit_is_noticed(store, add, make_value):
    key = add(make_value(0.7))
    path = next((store.folder(key) / "evaluations").iterdir())
    path.write_text(path.read_text().replace("0.7", "0.9"))
    assert store.evaluations(key) == []
    (warning,) = store.warnings
    assert warning.startswith(f"{path}: damaged (its content does not match its digest); ")
    assert f"`recbench eval --run {key.digest}`" in warning
    record = store.folder(key) / "record.json"
    changed = record.read_text().replace('"seed": 0', '"seed": 5')
    record.write_text(changed)
    assert list(store.runs()) == []
    assert "its content does not match its digest" in store.warnings[0]
    record.write_text(re.sub(r',\s*"sha256": "\w+"', "", changed))  # as older versions wrote it
    assert list(store.runs()) == []
    assert "its key belongs in" in store.warnings[0]


def test_a_copied_folder_counts_once(store, add, make_value):
    folder = store.folder(add(make_value(0.7)))
    shutil.copytree(folder, folder.with_name("s9-" + "0" * 12))
    assert len(list(store.runs())) == 1
    assert len(store.warnings) == 1


def test_other_files_and_unfinished_runs_are_not_runs(store, add, make_key, make_value):
    folder = store.folder(add(make_value(0.7)))
    (store.folder(make_key(seed=1)) / "evaluations").mkdir(parents=True)
    (store.folder(make_key(seed=1)) / "progress.json").write_text("{}")
    (store.root / "runs" / "notes.txt").write_text("mine")
    (folder / ".record.json.1-0000.tmp").write_text("{")
    (folder / "evaluations" / ".0123456789ab.json.1-0000.tmp").write_text("{")
    (folder / "evaluations" / "notes.txt").write_text("mine")
    (folder.parent / "old").mkdir()
    assert len(list(store.runs())) == 1
    assert store.warnings == []


def test_plans_come_back_in_order(store, make_key):
    for keys in ([make_key(seed=seed) for seed in (2, 0, 1)], []):
        store.write_plan(keys, ["mine.py"], "recbench train")
        assert store.read_plan() == Plan(keys, ["mine.py"], "recbench train")
    assert files(store) == ["last-train.json"]


@pytest.mark.parametrize("content", ["", "{}", '{"schema": 1, "keys": [{}], "imports": [], "command": ""}'])
def test_a_damaged_plan_is_named(store, content):
    store.root.mkdir()
    (store.root / "last-train.json").write_text(content)
    with pytest.raises(DataError, match=r"last-train\.json: damaged \(.*\); run `recbench train` again$"):
        store.read_plan()


def fail(error: int):
    def refuse(*_: object) -> None:
        raise OSError(error, os.strerror(error))

    return refuse


@pytest.mark.parametrize("call", ["fsync", "link"])
def test_a_full_disk_leaves_no_record(store, make_key, make_record, monkeypatch, call):
    monkeypatch.setattr(os, call, fail(errno.ENOSPC))
    with pytest.raises(DataError, match=r"record\.json: cannot be written \(No space left on device\); free space"):
        store.write_record(make_record(make_key()))
    assert files(store) == []


def test_a_failed_rename_leaves_the_old_plan(store, make_key, monkeypatch):
    store.write_plan([make_key()], [], "first")
    monkeypatch.setattr(os, "replace", fail(errno.EROFS))
    with pytest.raises(DataError, match=r"last-train\.json: cannot be written \(Read-only file system\)"):
        store.write_plan([make_key(seed=1)], [], "second")
    assert store.read_plan().command == "first"
    assert files(store) == ["last-train.json"]


def test_an_interrupt_leaves_nothing(store, make_key, make_record, monkeypatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "link", interrupt)
    with pytest.raises(KeyboardInterrupt):
        store.write_record(make_record(make_key()))
    assert files(store) == []


def test_file_systems_without_hard_links(store, make_key, make_record, monkeypatch):
    monkeypatch.setattr(os, "link", fail(errno.EPERM))
    store.write_record(make_record(make_key()))
    with pytest.raises(DataError, match="records never change"):
        store.write_record(make_record(make_key()))
    assert store.record(make_key()) == make_record(make_key())
    assert len(files(store)) == 1


def test_a_file_in_the_way_is_one_line(tmp_path, make_key, make_record):
    (tmp_path / "results").write_text("a file")
    with pytest.raises(DataError, match="cannot be written"):
        Store(tmp_path / "results").write_record(make_record(make_key()))


def test_records_are_json_that_others_can_read(store, make_key, make_record):
    with pytest.raises(ValueError, match="not JSON compliant"):
        store.write_record(make_record(make_key(), valid=float("nan")))
    path = store.write_record(make_record(make_key()))
    data = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert data["schema"] == 1
    assert data["key"]["settings"]["loss.scale"] == 2.0


def test_tags_that_two_processes_give_at_once_are_both_kept(tmp_path: Path) -> None:
    def give(tag: str) -> None:
        with Store(tmp_path).changing_labels() as labels:
            labels.add_tag(tag, ["0bc13ddb9771"], ())

    with ThreadPoolExecutor(1) as other:
        with Store(tmp_path).changing_labels() as labels:
            labels.add_tag("mine", ["0bc13ddb9771"], ())
            waiting = other.submit(give, "theirs")
            with pytest.raises(TimeoutError):
                waiting.result(0.1)
        waiting.result(30)
    assert Store(tmp_path).labels.tags == {"0bc13ddb9771": ["mine", "theirs"]}
    assert [path.name for path in tmp_path.iterdir()] == ["run-labels.json"]


def test_labels_that_cannot_be_locked_are_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / ".run-labels.lock").mkdir()  # refused as a folder without write permission is, also for root
    told = r"run-labels\.json: cannot be written \(.+\); free space"
    with pytest.raises(DataError, match=told), Store(tmp_path).changing_labels():
        pass
