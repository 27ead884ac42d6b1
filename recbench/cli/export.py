"""The command `export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from recbench.cli.app import RESULTS, command, one_run, store
from recbench.cli.options import Imports, Run, Trust, names
from recbench.cli.own_code import import_files, import_trusted
from recbench.terminal import print_text


@command(
    RESULTS,
    "recbench export 0bc13ddb",
    "recbench export 0bc13ddb -o vectors",
    "recbench export gnolr/twintower --index hnsw --format torch,onnx",
)
def export(
    run: Run = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="A new folder; default: recbench-RUN.")
    ] = None,
    index: Annotated[
        Literal["flat", "hnsw", "ivf"],
        typer.Option(help="Of the items: exact, or an approximate one, with its recall and latency in the README."),
    ] = "flat",
    formats: Annotated[
        str | None,
        typer.Option(
            "--format", help="Also what encodes new users and items by features: torch (torch.export), onnx, or both."
        ),
    ] = None,
    imports: Imports = [],
    trust: Trust = False,
) -> None:
    """Write a run's vectors with the raw ids as Parquet, a faiss index, and a README that says how to query it."""
    from recbench.run.export import export_run
    from recbench.run.export_readme import FIRST

    import_files(imports)
    results = store()
    record = one_run(run, results)
    import_trusted([record], trust)
    folder = output or Path(f"recbench-{record.key.digest}")
    measured = export_run(record, results, folder, index, names(formats))
    for served in measured:
        ms, slow = served.median * 1e3, served.slow * 1e3
        print_text(
            f"{served.kind}: finds {served.recall:.4f} of the exact first {FIRST}, one query in {ms:.3f} ms "
            f"(99 of 100 within {slow:.3f} ms), built in {served.build_seconds:.2f} s"
        )
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20
    print_text(f"{folder}: {record.key.title}, {size:.1f} MiB; {folder / 'README.md'} says how to query it")
