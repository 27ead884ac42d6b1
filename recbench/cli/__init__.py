"""The command line: parse, call, print; one file a command. Heavy imports stand inside the commands."""

from recbench.cli.app import app
from recbench.cli.main import entry

__all__ = ["app", "entry"]
