"""The command `encode`."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Annotated, Literal

import typer

from recbench.cli.app import RESULTS, command, one_run, stderr, store
from recbench.cli.options import RUN_WORDS, Imports, Trust, output_path
from recbench.cli.own_code import import_files, import_trusted
from recbench.terminal import print_line, print_text


@command(
    RESULTS,
    "recbench encode 0bc13ddb new_items.parquet",
    "recbench encode gnolr/twintower new_users.csv -o vectors.parquet",
)
def encode(
    run: Annotated[str, typer.Argument(metavar="RUN", help=f"{RUN_WORDS}.")],
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="Parquet or CSV: features of users or items as in the raw data, or columns user, item."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="A .parquet; default: FILE-vectors.parquet.", parser=output_path
        ),
    ] = None,
    side: Annotated[
        Literal["user", "item"] | None, typer.Option(help="Whose rows these are; default: whose columns they have.")
    ] = None,
    imports: Imports = [],
    trust: Trust = False,
) -> None:
    """Write the vectors of new users or items, by their features or by the items that a user had."""
    from recbench.errors import UsageError
    from recbench.results.leaderboard_export import deliver
    from recbench.run.encode import encode as encode_rows
    from recbench.run.raw_ids import read_frame

    import_files(imports)
    results = store()
    record = one_run(run, results)
    rows = read_frame(file)
    if output and output.exists() and output.samefile(file):
        raise UsageError(f"-o {output}: the vectors would replace the rows that they are of; choose another name")
    if output and output.suffix != ".parquet":
        raise UsageError(f"-o {output}: vectors are written as Parquet; type -o {output.with_suffix('.parquet')}")
    import_trusted([record], trust)
    encoded = encode_rows(record, results, rows, side, file)
    for note in encoded.notes:
        print_line(stderr(), f"note: {note}")
    path = output or file.with_name(f"{file.stem}-vectors.parquet")
    content = BytesIO()
    encoded.frame.write_parquet(content)
    deliver(content.getvalue(), path)
    print_text(f"{len(encoded.frame):,} {encoded.side}s by {record.key.title}: {', '.join(encoded.columns)}")
