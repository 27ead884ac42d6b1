"""The commands `show` and `runs`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from recbench.cli.app import RESULTS, command, one_run, print_json, print_warnings, stdout, store
from recbench.cli.options import RUN_WORDS, Json, Run, each_run, whole_option
from recbench.errors import UsageError, counted, first_few
from recbench.terminal import print_text

if TYPE_CHECKING:
    from recbench.results.record import RunRecord
    from recbench.results.store import Store


@command(
    RESULTS,
    "recbench show",
    "recbench show best",
    "recbench show 0bc13ddb --json",
)
def show(run: Run = None, as_json: Json = False) -> None:
    """Show where a run's numbers come from: settings, data, code, machine, cost, and every number with its meaning."""
    from recbench.inspect.nested_table import report_table
    from recbench.inspect.run_report import run_report
    from recbench.results.json_structs import encode

    results = store()
    record = one_run(run, results)
    evaluations = results.evaluations(record.key)
    print_warnings(results)
    if as_json:
        print_json({"record": encode(record), "evaluations": [encode(evaluation) for evaluation in evaluations]})
    else:
        stdout().print(report_table(run_report(record, evaluations)))


@command(
    RESULTS,
    "recbench runs",
    "recbench runs gnolr --dataset ml-1m",
    "recbench runs best --tag candidate",
    "recbench runs 0bc13ddb 3f2a --hide",
    "recbench runs --tagged old --delete",
)
def runs(
    run: Annotated[
        list[str],
        typer.Argument(metavar="[RUN]...", help=f"{RUN_WORDS}, a tag or all; default: all.", callback=each_run),
    ] = [],
    dataset: Annotated[str | None, typer.Option(help="Only on this DATASET or DATASET/SPLIT.")] = None,
    tagged: Annotated[str | None, typer.Option(metavar="TAG", help="Only with this tag.")] = None,
    hidden: Annotated[bool, typer.Option("--hidden", help="List hidden runs too.")] = False,
    last: Annotated[int, whole_option("--last", "List so many at most, the latest.")] = 30,
    tag: Annotated[str | None, typer.Option(help="Give these runs a tag, which then names them.")] = None,
    untag: Annotated[str | None, typer.Option(help="Take a tag off.")] = None,
    hide: Annotated[bool, typer.Option("--hide", help="Leave them out of boards and of names of methods.")] = False,
    unhide: Annotated[bool, typer.Option("--unhide", help="Show them again.")] = False,
    delete: Annotated[bool, typer.Option("--delete", help="Delete their records, weights and evaluations.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before deleting.")] = False,
    as_json: Json = False,
) -> None:
    """List runs, the latest first; tag, hide or delete them."""
    from dataclasses import asdict

    from recbench.inspect.run_list import chosen_runs, listed, runs_table

    changes = [tag is not None, untag is not None, hide, unhide, delete]
    if sum(changes) > 1:
        raise UsageError("one of --tag, --untag, --hide, --unhide and --delete at a time")
    if any(changes) and not (run or dataset or tagged):
        raise UsageError("which runs? Name them, as in `recbench runs gnolr --hide`, or `all`")
    results = store()
    records = chosen_runs(run, results, dataset, tagged, hidden or unhide or untag is not None or delete)
    print_warnings(results)
    if delete:
        _delete(records, results, yes)
    elif any(changes):
        _label(records, results, tag, untag, hide)
    elif as_json:
        print_json([asdict(line) for line in listed(records, results)])
    else:
        stdout().print(runs_table(listed(records[:last], results)))
        if len(records) > last:
            print_text(f"{len(records) - last} more; --last {len(records)} lists all")


def _label(records: Sequence[RunRecord], results: Store, tag: str | None, untag: str | None, hide: bool) -> None:
    """Tag or hide runs, and say what was done."""
    from recbench.results.leaderboard import update_markdown

    digests = [record.key.digest for record in records]
    with results.changing_labels() as labels:
        if tag is not None:
            keys = [record.key for record, _ in results.runs()]
            labels.add_tag(tag, digests, {word for key in keys for word in (key.loss, key.backbone, key.dataset)})
            done = f"tagged {tag}"
        elif untag is not None:
            labels.remove_tag(untag, digests)
            done = f"no longer tagged {untag}"
        else:
            labels.hide(digests, hide)
            done = "hidden" if hide else "shown again"
    if tag is None and untag is None:
        update_markdown(results)
    print_text(f"{counted(len(records), 'run')} {done}: {', '.join(digests)}")


def _delete(records: Sequence[RunRecord], results: Store, yes: bool) -> None:
    """Delete runs once the user has said yes, at a terminal or by an option."""
    from recbench.results.leaderboard import update_markdown

    digests = [record.key.digest for record in records]
    listed = first_few([f"{record.key.digest} ({record.key.title})" for record in records])
    if not yes:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise UsageError(
                f"--delete would delete {counted(len(records), 'run')}: {listed}; add --yes if that is meant"
            )
        typer.confirm(f"Delete {counted(len(records), 'run')}: {listed}?", err=True, abort=True)
    for record in records:
        results.delete(record)
    with results.changing_labels() as labels:
        labels.forget(digests)
    update_markdown(results)
    print_text(f"{counted(len(records), 'run')} deleted: {', '.join(digests)}")
