"""The commands `verify …`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from recbench.cli.app import OWN, command, command_group, print_json, stdout
from recbench.cli.options import Json
from recbench.errors import UsageError

verify = command_group("verify", OWN, "Check a loss of your own against what every loss must hold to.")

STYLES = {"holds": "green", "fails": "bold red", "skipped": "dim"}


@command(
    None,
    "recbench verify loss focal.py",
    "recbench verify loss gnolr --json",
    group=verify,
)
def loss(
    what: Annotated[str, typer.Argument(metavar="FILE.py|NAME", help="A file that registers losses, or a name.")],
    as_json: Json = False,
) -> None:
    """Check a loss on a toy dataset: finite, stable, masked, order-free, resumable, ranked as it says, and it learns.

    Exit code 1 if a check fails.
    """
    from rich.text import Text

    from recbench.inspect.conformance import verify as checks

    outcomes = []
    first: dict[tuple[str, str], str] = {}  # the check that failed first with a message
    for name in _names(what):
        if not as_json:
            stdout().print(Text(name, style="bold"))
        for outcome in checks(name):
            outcomes.append(outcome)
            if not as_json:
                text = outcome.about if outcome.outcome == "holds" else outcome.message
                earlier = first.setdefault((name, text), outcome.check)
                text = text if earlier == outcome.check else f"as `{earlier}`"
                line = Text.assemble((f"  {outcome.outcome:8}", STYLES[outcome.outcome]), f"{outcome.check:17}", text)
                stdout().print(line, soft_wrap=True)
    failed = sum(outcome.outcome == "fails" for outcome in outcomes)
    if as_json:
        print_json([asdict(outcome) for outcome in outcomes])
    elif not failed:
        holding = sum(outcome.outcome == "holds" for outcome in outcomes)
        stdout().print(f"{holding} checks hold, {len(outcomes) - holding} do not apply", highlight=False)
    if failed:
        if not as_json:
            stdout().print(f"{failed} of {len(outcomes)} checks fail", style="bold red", highlight=False)
        raise typer.Exit(1)


def _names(what: str) -> list[str]:
    """Return the losses that a file registers, or the one of that name."""
    from recbench.losses.base import LOSSES
    from recbench.registry import import_file

    if not what.endswith(".py"):
        return [LOSSES.get(what).name]
    before = set(LOSSES.names())
    import_file(Path(what), "verify")
    added = [name for name in LOSSES.names() if name not in before]
    if not added:
        raise UsageError(f'{what} registers no loss; put @LOSSES.add("name") above its class')
    return added
