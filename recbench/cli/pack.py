"""The commands `pack` and `replay`."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from recbench.cli.app import RESULTS, command, one_run, print_json, stderr, stdout, store
from recbench.cli.options import RUN_WORDS, Device, Imports, Json, Run, output_path
from recbench.cli.own_code import confirm_code, import_files
from recbench.terminal import print_text


@command(
    RESULTS,
    "recbench pack 0bc13ddb",
    "recbench pack 0bc13ddb -o focal.json",
)
def pack(
    run: Run = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", parser=output_path, help="Default: recbench-RUN.json."),
    ] = None,
) -> None:
    """Write a run, its numbers and your own files of its loss into one small file for somebody else to `replay`."""
    results = store()
    record = one_run(run, results)
    path = results.pack(record, output or Path(f"recbench-{record.key.digest}.json"))
    size = f"{path.stat().st_size / 1024:.1f} KiB"
    again = shlex.join(["recbench", "replay", str(path)])
    print_text(f"{path}: {record.key.title}, {size}; `{again}` trains it again")


@command(
    RESULTS,
    "recbench replay recbench-0bc13ddb9771.json",
    "recbench replay focal.json --tolerance 0.01",
    "recbench replay best",
)
def replay(
    file: Annotated[str, typer.Argument(metavar="FILE|RUN", help=f"What `recbench pack` wrote; or {RUN_WORDS}.")],
    tolerance: Annotated[float, typer.Option(help="Largest difference that still counts as close.", min=0)] = 0.001,
    device: Device = "auto",
    imports: Imports = [],
    trust: Annotated[bool, typer.Option("--trust", help="Run the code of its maker that the file may hold.")] = False,
    as_json: Json = False,
) -> None:
    """Train a packed run again and compare every number; exit code 1 if one differs. Nothing is kept.

    The file may hold code of its maker (files of --import), which is run only if you say so.
    """
    from recbench.registry import missing_imports
    from recbench.study import replay as replaying

    import_files(imports)
    path, results = Path(file), store()
    is_file = path.is_file() or path.suffix == ".json"
    packed = replaying.read_pack(path) if is_file else results.packed(one_run(file, results))
    missing = missing_imports(packed.sources, packed.record.key.sources)
    trust = trust or bool(missing) and confirm_code(missing, file)
    comparisons = replaying.replay(packed, tolerance, stderr(), device, f"recbench replay {path.name}", trust=trust)
    if as_json:
        print_json([asdict(line) | {"difference": line.difference} for line in comparisons])
    else:
        stdout().print(replaying.table(comparisons))
    if not all(line.close for line in comparisons):
        raise typer.Exit(1)
