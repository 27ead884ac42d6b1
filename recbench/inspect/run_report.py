"""The report of one run, as `recbench show` prints it."""

from __future__ import annotations

from collections.abc import Sequence

from recbench.results.record import Evaluation, RunRecord
from recbench.settings import typed


def run_report(record: RunRecord, evaluations: Sequence[Evaluation]) -> dict[str, object]:
    """Return heading → text, list of lines or mapping, for `nested_table.report_table`."""
    key = record.key
    commit = "installed from a package" if record.commit is None else record.commit
    refit = ", then again on train + validation rows" if key.settings.get("train.refit") else ""
    report: dict[str, object] = {
        "run": f"{key.digest}  {key.title}",
        "command": record.command,
        "data": f"{key.data}@{key.fingerprint}",
        "trained on": f"{', '.join(key.feedback)}{refit}",
        "settings": {name: _setting(name, value, record) for name, value in key.settings.items()},
        "own files": dict(key.sources),
        "chosen": f"epoch {record.best_epoch} of {record.epochs} by validation {record.selected_by} {record.valid:.6f}",
        "cost": {
            "training": f"{_time(record)}, {record.rows_per_second:,.0f} rows/s, {record.slots:,} item slots",
            "memory": f"{record.peak_memory_mib:,.0f} MiB at most",
            "parameters": f"{record.parameters:,}",
        },
        "made": f"{record.finished} on {record.device_name}",
        "code": commit + (" with uncommitted changes" if record.dirty else ""),
        "versions": dict(record.versions),
        "notes": list(record.notes),
    }
    numbers: dict[tuple[str, str], dict[str, str]] = {}  # metric, signature → feedback → the newest value
    for evaluation in evaluations:
        for value in evaluation.values:
            figure = "undefined" if value.value is None else f"{value.value:.6f}"
            numbers.setdefault((value.metric, value.signature), {})[value.feedback] = figure
    lines = [
        f"{metric}: {', '.join(f'{feedback} {figure}' for feedback, figure in figures.items())}"
        for (metric, _), figures in numbers.items()
    ]
    report["test"] = lines or "not evaluated"
    report["definitions"] = [signature for _, signature in numbers]
    return {name: value for name, value in report.items() if value not in ([], {})}


def _setting(name: str, value: object, record: RunRecord) -> str:
    return f"{typed(value)} (not the default)" if name in record.non_default else typed(value)


def _time(record: RunRecord) -> str:
    """Return how long training took, or the share of a run that was trained beside others."""
    count = record.trained_together
    return f"{record.seconds:.1f} s" + (f" (its share of {count} runs side by side)" if count > 1 else "")
