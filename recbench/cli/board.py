"""The command `board`."""

from __future__ import annotations

import webbrowser
from typing import Annotated

import typer

from recbench.cli.app import RESULTS, command, stderr, store
from recbench.cli.options import OnlyDataset, OnlyMetrics, whole_option


@command(
    RESULTS,
    "recbench board --open",
    "recbench board --port 8000 --dataset ml-1m",
)
def board(
    dataset: OnlyDataset = None,
    metric: OnlyMetrics = [],
    port: Annotated[int, whole_option("--port", "Port on this machine; 0 takes a free one.")] = 0,
    show: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Serve the leaderboard as a web page on this machine, kept up to date while runs finish."""
    from recbench.results.page.server import Server

    with Server(store(), port, dataset, metric) as server:
        print(server.url, flush=True)
        stderr().print("Ctrl-C ends it", style="dim")
        if show:
            webbrowser.open(server.url)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return
