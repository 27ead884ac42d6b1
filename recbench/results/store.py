"""The folder of results: one record per run and one file per evaluation, written once and never changed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from hashlib import sha256
from pathlib import Path
from shutil import rmtree

from recbench.errors import DataError, UsageError, first_few
from recbench.results.files import DamagedFileError, load, save
from recbench.results.record import Evaluation, Pack, Plan, RunKey, RunRecord
from recbench.results.run_labels import RunLabels
from recbench.results.run_words import MethodWord

RECORD = "record.json"  # in the folder of a run
RUN_FOLDER = re.compile(r"s-?\d+-([0-9a-f]{12})")
EVALUATION_FILE = re.compile(r"([0-9a-f]{12})\.json")


class Store:
    """The runs under `root`: `runs/<dataset>-<split>/<loss>-<backbone>/s<seed>-<digest>/record.json`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.warnings: list[str] = []  # one line per file that the last reading of all runs skipped
        self.notes: dict[str, None] = {}  # one line per word whose runs on other data were left out

    def folder(self, key: RunKey) -> Path:
        """Return the folder of a run, where its weights and progress go as well; it need not exist."""
        place = self.root / "runs" / f"{key.dataset}-{key.split}" / f"{key.loss}-{key.backbone}"
        return place / f"s{key.seed}-{key.digest}"

    def __contains__(self, key: RunKey) -> bool:
        """Whether the run has a record; a damaged one, which `write_record` replaces, does not count."""
        try:
            return _finished(self.folder(key)) and self.record(key) is not None
        except DamagedFileError:
            return False
        except DataError:  # of a newer recbench
            return True

    def write_record(self, record: RunRecord) -> Path:
        """Write the record of a finished run, in place of a damaged one.

        Raises DataError if there is one already or if it cannot be written.
        """
        path = self.folder(record.key) / RECORD
        if not save(path, record, once=True):
            if record.key in self:
                raise DataError(f"{path}: exists, and records never change; use another seed, or delete its folder")
            save(path, record)
        return path

    def add_evaluation(self, key: RunKey, evaluation: Evaluation) -> Path:
        """Write an evaluation of a recorded run; one that is there already with the same content stays.

        Raises DataError if the run has no record, or if the file cannot be written.
        """
        if evaluation.run != key.digest:
            raise ValueError(f"evaluation of run {evaluation.run} added to run {key.digest}")
        if key not in self:
            raise DataError(f"{self.folder(key)}: no {RECORD}; run `recbench train --resume` to finish the run")
        path = self.folder(key) / "evaluations" / f"{evaluation.digest}.json"
        if not save(path, evaluation, once=True):
            try:
                _read_evaluation(path, key)
            except DataError:
                save(path, evaluation)
        return path

    def record(self, key: RunKey) -> RunRecord:
        """Read the record of a run; raises DataError if it is missing, damaged or of a newer recbench."""
        return self._read(self.folder(key))

    def evaluations(self, key: RunKey) -> list[Evaluation]:
        """Read the evaluations of a run, oldest first; damaged ones are skipped and added to `warnings`."""
        return self._read_evaluations(self.folder(key), key)

    def find(self, prefix: str) -> RunRecord:
        """Read the record whose digest starts with `prefix`; raises UsageError unless one does."""
        folders = self.folders()
        matches = [digest for digest in folders if prefix and digest.startswith(prefix.lower())]
        if len(matches) == 1:
            return self._read(folders[matches[0]])
        if not folders:
            raise self.no_runs()
        listed = first_few([_describe(folders[digest]) for digest in (matches or folders)])
        if matches:
            raise UsageError(f"{len(matches)} runs start with `{prefix}`; give more digits: {listed}")
        count = "there is one run" if len(folders) == 1 else f"there are {len(folders)} runs"
        skipped = f"; {self.warnings[0]}" if self.warnings else ""
        raise UsageError(
            f"no run starts with `{prefix}`, and no method, dataset or tag is called so; {count}, such as {listed} "
            f"(`recbench runs`){skipped}"
        )

    def folders(self) -> dict[str, Path]:
        """Return the digests and folders of all finished runs, without reading them."""
        return {folder.name.rpartition("-")[2]: folder for folder in self._folders() if _finished(folder)}

    def named(
        self,
        word: str,
        *,
        with_hidden: bool = False,
        dataset: str | None = None,
        evaluated: bool = False,
        on_all_data: bool = False,
    ) -> list[RunRecord]:
        """Return the runs that a word means, the same in every command.

        - LOSS or LOSS/BACKBONE, with settings as in bce+logit=learned, DATASET, DATASET/SPLIT or "all": the runs on the
          data of the most recent of them; with `on_all_data` on all data, and of a DATASET the baselines too
        - "latest": the run that finished last; "best": the highest validation metric among those comparable with it
        - a tag: all runs that have it; else the first digits of a run

        Hidden runs count only `with_hidden`, or where all are hidden. All words but tags and digits may be limited to a
        `dataset` (DATASET or DATASET/SPLIT), and methods to runs that were `evaluated`. Raises UsageError as `find`
        does, and where no run of a method has the settings.
        """
        if word in ("latest", "best"):
            return [self.latest(dataset) if word == "latest" else self._best(dataset)]
        runs = [record for record, done in self.runs() if done or not evaluated]
        chosen = [record for record in runs if record.key.is_on(dataset)]
        method = MethodWord.of(word).known_to(runs)
        every = [r for r in chosen if (word == "all" and not r.key.is_baseline) or method.fits(r)]
        every = every or [r for r in chosen if r.key.is_on(word) and (on_all_data or not r.key.is_baseline)]
        hidden = frozenset(() if with_hidden else self.labels.hidden)
        records = [record for record in every if record.key.digest not in hidden] or every
        if not records:
            if any(method.fits(record) for record in runs):
                raise UsageError(f"no run of {word} is on {dataset}; `recbench runs {word}` shows where they are")
            if method.settings and any(record.key.is_method(method.method) for record in runs):
                raise UsageError(
                    f"no run of {method.method} has {' and '.join(method.settings)}; `recbench runs {method.method}` "
                    "shows what they have"
                )
            tagged = self.labels.tagged(word)
            found = [record for record in runs if record.key.digest in tagged] if tagged else []
            return found or [self.find(word)]
        if on_all_data:
            return records
        newest = max(records, key=lambda record: record.finished).key
        elsewhere = sorted({record.key.data for record in records} - {newest.data})
        if elsewhere:
            self.notes[
                f"{word}: its runs on {newest.data}, the latest; `recbench runs {word}` lists those on "
                f"{first_few(elsewhere)}"
            ] = None
        return [record for record in records if record.key.place == newest.place]

    def one(self, word: str | None) -> tuple[RunRecord, str]:
        """Return the run that a word means, None meaning "latest", and a note where it was chosen among several.

        Of several, as of a method, it is the one that finished last. Raises UsageError as `named` does.
        """
        records = self.named(word or "latest")
        chosen = max(records, key=lambda record: (record.finished, record.key.digest))
        if len(records) == 1:
            return chosen, ""
        return chosen, f"{word}: the latest of {len(records)} runs, {chosen.key.digest} (seed {chosen.key.seed})"

    @property
    def labels(self) -> RunLabels:
        """Tags, and which runs are hidden, as they are now; raises DataError if their file is damaged."""
        return RunLabels.read(self.root)

    def changing_labels(self) -> AbstractContextManager[RunLabels]:
        """Yield the labels to change them, see `RunLabels.changing`."""
        return RunLabels.changing(self.root)

    def delete(self, record: RunRecord) -> None:
        """Delete a run with all that lies in its folder; raises DataError if that cannot be done."""
        folder = self.folder(record.key)
        try:
            (folder / RECORD).unlink()  # so that it is no run from now on, whatever comes in between
            rmtree(folder)
        except OSError as error:
            raise DataError(f"{folder}: cannot be deleted ({error.strerror or error})") from error

    def latest(self, dataset: str | None = None) -> RunRecord:
        """Return the record that finished last, a baseline's only if no other did, on one `dataset` if that is given.

        Raises UsageError if there is none.
        """

        def place(record: RunRecord) -> tuple[bool, str, str]:
            return not record.key.is_baseline, record.finished, record.key.digest

        visible = list(self._visible())
        latest = max((r for r in visible if r.key.is_on(dataset)), key=place, default=None)
        if latest is None:
            names = ", ".join(sorted({record.key.data for record in visible}))
            raise UsageError(f"no run is on {dataset}; there are runs on {names}") if names else self.no_runs()
        return latest

    def _best(self, dataset: str | None) -> RunRecord:
        """Return the best on validation of the runs that compare with the latest: same data, feedback and metric."""
        latest = self.latest(dataset)
        aim = latest.key.place, latest.key.feedback, latest.select
        alike = [
            record
            for record in self._visible()
            if (record.key.place, record.key.feedback, record.select) == aim and not record.key.is_baseline
        ]
        return max(alike or [latest], key=lambda record: (record.valid, record.finished))

    def _visible(self) -> Iterator[RunRecord]:
        hidden = frozenset(self.labels.hidden)
        return (record for record, _ in self.runs() if record.key.digest not in hidden)

    def runs(self) -> Iterator[tuple[RunRecord, list[Evaluation]]]:
        """Read all runs by folder name, their evaluations oldest first; `warnings` lists what was skipped."""
        self.warnings.clear()
        for folder in self._folders():
            if not _finished(folder):
                continue
            try:
                record = self._read(folder)
            except DataError as error:
                self.warnings.append(f"{error}; skipped")
            else:
                yield record, self._read_evaluations(folder, record.key)

    def listing(self) -> frozenset[str]:
        """Return the paths of all records and evaluations there are now."""
        folders = [folder for folder in self._folders() if _finished(folder)]
        return frozenset(str(folder) for folder in folders).union(
            str(path) for folder in folders for path in _evaluation_files(folder)
        )

    def packed(self, record: RunRecord) -> Pack:
        """Return a run with its evaluations and the user's files it was trained with.

        Raises DataError if such a file is missing, has changed or is not UTF-8, as JSON is.
        """
        sources = {}
        for name in map(Path, record.imports):
            text = name.read_bytes() if name.is_file() else b""
            if sha256(text).hexdigest()[:12] != record.key.sources.get(name.name):
                raise DataError(f"{name}: missing or changed since the run began; restore it, then pack")
            try:
                sources[name.name] = text.decode()
            except UnicodeDecodeError:
                raise DataError(f"{name}: not UTF-8, as a pack must be; save it so, train again, then pack") from None
        return Pack(record, self.evaluations(record.key), sources)

    def pack(self, record: RunRecord, path: Path) -> Path:
        """Write what `packed` returns as one JSON file; raises DataError if it cannot be written."""
        save(path, self.packed(record), remedy="choose another -o")
        return path

    def write_plan(self, keys: Iterable[RunKey], imports: Iterable[str], command: str) -> Path:
        """Keep what a `train` command set out to do in `last-train.json`, for `train --resume` and `eval`."""
        path = self.root / "last-train.json"
        save(path, Plan(list(keys), list(imports), command))
        return path

    def read_plan(self) -> Plan:
        """Return the plan of the last `train`; raises UsageError if there was none, DataError if damaged."""
        path = self.root / "last-train.json"
        if not path.exists():
            raise UsageError(f"{path}: nothing trained yet; run `recbench train`")
        return load(path, Plan, "run `recbench train` again")

    def _folders(self) -> list[Path]:
        level = [str(self.root / "runs")]
        for _ in range(3):
            level = [path for folder in level for path in _subfolders(folder)]
        return [Path(path) for path in level if RUN_FOLDER.fullmatch(os.path.basename(path))]  # noqa: PTH119

    def _read(self, folder: Path) -> RunRecord:
        path = folder / RECORD
        record = load(path, RunRecord, "train again, or delete its folder")
        if self.folder(record.key) != folder:
            raise DamagedFileError(
                f"{path}: damaged (its key belongs in {self.folder(record.key)}); train again, or delete its folder"
            )
        return record

    def _read_evaluations(self, folder: Path, key: RunKey) -> list[Evaluation]:
        evaluations = []
        for path in _evaluation_files(folder):
            try:
                evaluations.append(_read_evaluation(path, key))
            except DataError as error:
                self.warnings.append(f"{error}; skipped")
        return sorted(evaluations, key=lambda evaluation: (evaluation.when, evaluation.digest))

    def no_runs(self) -> UsageError:
        """Return what to say where there is no finished run."""
        return UsageError(f"{self.root}: no finished runs; run `recbench train`")


def seed_of(folder: Path) -> int:
    """Return the seed of a run, which its folder is named by."""
    return int(folder.name[1:].rpartition("-")[0])


def _read_evaluation(path: Path, key: RunKey) -> Evaluation:
    remedy = f"delete it and run `recbench eval --run {key.digest}`"
    evaluation = load(path, Evaluation, remedy)
    if evaluation.run != key.digest or evaluation.digest != path.stem:
        raise DamagedFileError(f"{path}: damaged (its content is not what its name says); {remedy}")
    return evaluation


def _evaluation_files(folder: Path) -> list[Path]:
    try:
        names = sorted(os.listdir(folder / "evaluations"))  # noqa: PTH208 (three times faster over many runs)
    except OSError:
        return []
    return [folder / "evaluations" / name for name in names if EVALUATION_FILE.fullmatch(name)]


def _subfolders(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.path for entry in entries if entry.is_dir())
    except OSError:
        return []


def _finished(folder: Path) -> bool:
    return (folder / RECORD).exists()


def _describe(folder: Path) -> str:
    seed, _, digest = folder.name.rpartition("-")
    return f"{digest} ({folder.parent.name} on {folder.parent.parent.name}, seed {seed[1:]})"
