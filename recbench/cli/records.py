"""The commands about records: show, compare, pack, replay."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from recbench.cli.app import Imports, Json, app, confirm_code, import_files, print_json, stderr, stdout, store

Prefix = Annotated[str | None, typer.Argument(metavar="RUN", help="First digits of a run; default: the last one.")]


@app.command(epilog="Examples: `recbench show`, `recbench show 0bc13ddb --json`.")
def show(run: Prefix = None, as_json: Json = False) -> None:
    """Show where a run's numbers come from: settings, data, code, machine, cost, and every number with its meaning."""
    from recbench.inspect.nested_table import report_table
    from recbench.inspect.run_report import provenance
    from recbench.results.json_structs import encode

    results = store()
    record = results.find(run) if run else results.latest()
    evaluations = results.evaluations(record.key)
    if as_json:
        print_json({"record": encode(record), "evaluations": [encode(evaluation) for evaluation in evaluations]})
    else:
        stdout().print(report_table(provenance(record, evaluations)))


@app.command(
    epilog="Examples: `recbench compare gnolr bce`, `recbench compare gnolr/twintower 0bc13ddb 3f2a --metric auc "
    "--metric recall@50/buy`."
)
def compare(
    method: Annotated[list[str], typer.Argument(metavar="METHOD...", help="LOSS, LOSS/BACKBONE, or digits of a run.")],
    metric: Annotated[list[str], typer.Option("--metric", help="Default: all that the runs have in common.")] = [],  # noqa: B006
    dataset: Annotated[str | None, typer.Option(help="Only runs on this DATASET or DATASET/SPLIT.")] = None,
    as_json: Json = False,
) -> None:
    """Say whether methods differ: paired bootstrap over test users and seeds, 95 % intervals, Holm's correction."""
    from recbench.study import compare as comparing

    results = store()
    found = comparing.compare_methods(comparing.methods(method, results, dataset), metric, results)
    if as_json:
        print_json([asdict(one) for one in found])
    else:
        stdout().print(comparing.table(found))


@app.command(epilog="Examples: `recbench pack 0bc13ddb`, `recbench pack 0bc13ddb -o focal.json`.")
def pack(
    run: Prefix = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default: recbench-RUN.json.")] = None,
) -> None:
    """Write a run, its numbers and your own files of its loss into one small file for somebody else to `replay`."""
    results = store()
    record = results.find(run) if run else results.latest()
    path = results.pack(record, output or Path(f"recbench-{record.key.digest}.json"))
    print(f"{path}: {record.key.title}, {path.stat().st_size / 1024:.1f} KiB; `recbench replay {path}` trains it again")


@app.command(
    epilog="Examples: `recbench replay recbench-0bc13ddb9771.json`, `recbench replay x.json --tolerance 0.01`."
)
def replay(
    file: Annotated[Path, typer.Argument(help="What `recbench pack` wrote.")],
    tolerance: Annotated[float, typer.Option(help="Largest difference that still counts as close.", min=0)] = 0.001,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:n.")] = "auto",
    imports: Imports = [],  # noqa: B006
    trust: Annotated[bool, typer.Option("--trust", help="Run the code of its maker that the file may hold.")] = False,
    as_json: Json = False,
) -> None:
    """Train a packed run again and compare every number; exit code 1 if one differs. Nothing is kept.

    The file may hold code of its maker (files of --import), which is run only if you say so.
    """
    from recbench.registry import missing_imports
    from recbench.study import replay as replaying

    import_files(imports)
    packed = replaying.read_pack(file)
    missing = missing_imports(packed.sources, packed.record.key.sources)
    trust = trust or bool(missing) and confirm_code(missing, str(file))
    found = replaying.replay(packed, tolerance, stderr(), device, f"recbench replay {file.name}", trust=trust)
    if as_json:
        print_json([asdict(line) | {"difference": line.difference} for line in found])
    else:
        stdout().print(replaying.table(found))
    if not all(line.close for line in found):
        raise typer.Exit(1)
