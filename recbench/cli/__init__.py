"""The command line: parse, call, print; one file a command. Heavy imports stand inside the commands."""

import sys

try:
    from recbench.cli.app import app
    from recbench.cli.main import entry
except KeyboardInterrupt:  # while it starts, before `entry` can tell of it
    print("error: interrupted", file=sys.stderr)
    raise SystemExit(130) from None

__all__ = ["app", "entry"]
