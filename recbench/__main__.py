"""`python -m recbench` is `recbench`."""

from recbench.cli import entry

entry()
