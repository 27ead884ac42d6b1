"""`recbench replay`: train a packed run again and compare every number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.text import Text

from recbench.data.dataset import Dataset
from recbench.errors import UsageError
from recbench.evaluation.request import Request, request_of
from recbench.registry import import_file, require_imported, source_digest
from recbench.results.code_version import versions
from recbench.results.files import load
from recbench.results.number_table import NumberTable
from recbench.results.record import Evaluation, MetricValue, Pack, RunKey, RunRecord
from recbench.results.store import Store
from recbench.run.evaluate import EvalOptions, evaluate_run, load_dataset
from recbench.run.fit_baseline import fit_run
from recbench.terminal import print_line
from recbench.training.model import pick_device
from recbench.training.train import Training, train


@dataclass(frozen=True)
class Comparison:
    """One number of the pack, and what it is now."""

    number: str  # "auc/like", "valid auc"
    packed: float | None  # None where the metric is undefined
    replayed: float | None
    close: bool

    @property
    def difference(self) -> float | None:
        """What it is now less what it was."""
        return None if self.packed is None or self.replayed is None else self.replayed - self.packed


def read_pack(path: Path) -> Pack:
    """Read what `recbench pack` wrote; raises UsageError if there is no such file and DataError if it is damaged."""
    if not path.is_file():
        raise UsageError(f"{path}: no such file; `recbench pack` writes one")
    return load(path, Pack, remedy="name a file that `recbench pack` wrote")


def replay(
    packed: Pack, tolerance: float, console: Console, device: str, command: str, *, trust: bool
) -> list[Comparison]:
    """Train the packed run from nothing, evaluate it as it was, and compare; nothing is kept.

    The code in the pack is run only with `trust`. Raises UsageError or DataError if it is needed and neither trusted
    nor imported, if the data is not prepared or has another fingerprint, or if the run is of another kind of device
    than there is.
    """
    key = packed.record.key
    target = pick_device(key.device if device == "auto" else device)
    if target.type != key.device:
        raise UsageError(f"--device {device}: the run was made on {key.device}, and can be compared only there")
    if not trust:
        require_imported(packed.sources, key.sources)
    with TemporaryDirectory() as folder:
        imports = _imported(packed, Path(folder))
        data = load_dataset(key, target).narrow(key.feedback)
        for line in changes(packed.record):
            print_line(console, f"note: {line}")
        store = Store(Path(folder) / "results")
        record = _train_again(key, data, store, console, imports, command)
        comparisons = [_compared(f"valid {record.selected_by}", packed.record.valid, record.valid, tolerance)]
        comparisons.append(_compared("best epoch", packed.record.best_epoch, record.best_epoch, 0))
        for evaluation in packed.evaluations:
            comparisons += _evaluated(evaluation, key, record, store, tolerance, str(target))
    return comparisons


def changes(record: RunRecord) -> Iterator[str]:
    """Yield what differs between then and now and may change numbers."""
    for package, now in versions().items():
        then = record.versions.get(package)
        if then is not None and then != now:
            yield f"{package} was {then}, is {now}"


def table(comparisons: list[Comparison]) -> NumberTable:
    """Return the comparison for a rich console."""
    table = NumberTable()
    table.add_column("number")
    for column in ("packed", "replayed", "difference"):
        table.add_column(column, justify="right")
    table.add_column("")
    for line in comparisons:
        difference = "" if line.difference is None else f"{line.difference:+.2g}"
        verdict = Text("differs", "bold red")
        if line.close:
            verdict = Text("equal" if line.difference == 0 else "close", "green")
        table.add_row(Text(line.number), _figure(line.packed), _figure(line.replayed), difference, verdict)
    return table


def _train_again(
    key: RunKey, data: Dataset, store: Store, console: Console, imports: list[str], command: str
) -> RunRecord:
    if key.is_baseline:
        return fit_run(key, data, store, command)[0]
    return train(Training(key, data), store, console, imports=imports, command=command)


def _imported(packed: Pack, folder: Path) -> list[str]:
    """Write the pack's own source files and import them."""
    paths = []
    for name, text in packed.sources.items():
        path = folder / Path(name).name
        path.write_text(text, encoding="utf-8")
        if source_digest(path) != packed.record.key.sources.get(name):
            raise UsageError(f"{name} in the pack is not the file that the run was trained with")
        import_file(path)
        paths.append(str(path))
    return paths


def _evaluated(
    evaluation: Evaluation, key: RunKey, record: RunRecord, store: Store, tolerance: float, device: str
) -> Iterator[Comparison]:
    """Yield the comparison of each number of one evaluation."""
    options = evaluation.options
    rank = EvalOptions(
        candidates=str(options.get("candidates", "catalogue")),
        index=str(options.get("index", "flat")),
        keep_seen=options.get("seen") == "kept",
        device=device,
    )
    outcome = evaluate_run(record, store, list(dict.fromkeys(map(_request, evaluation.values))), rank)
    now = {(value.metric, value.feedback, value.signature): value.value for value in outcome.values}
    for value in evaluation.values:
        reached = now.get((value.metric, value.feedback, value.signature))
        reached = None if reached is None or reached != reached else reached
        yield _compared(f"{value.metric}/{value.feedback}", value.value, reached, tolerance)


def _request(value: MetricValue) -> Request:
    return replace(request_of(value.metric, value.signature), feedback=value.feedback)


def _compared(number: str, packed: float | None, replayed: float | None, tolerance: float) -> Comparison:
    if packed is None or replayed is None:
        return Comparison(number, packed, replayed, packed is replayed)
    return Comparison(number, packed, replayed, abs(replayed - packed) <= tolerance)


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.6g}"
