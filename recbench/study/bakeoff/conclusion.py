"""A whole bakeoff, from what is asked to its answer in words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from recbench.errors import UsageError
from recbench.results.leaderboard_export import write_page
from recbench.run.invocation import Invocation
from recbench.study.bakeoff.answer_in_words import answer_lines, in_short, next_steps
from recbench.study.bakeoff.bake import BakeoffRequest, program_of, run_bakeoff, set_up
from recbench.study.bakeoff.program import Clock, Program
from recbench.study.bakeoff.verdicts import Verdict, verdicts

UNITS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class Conclusion:
    """What a bakeoff found."""

    name: str  # DATASET/SPLIT
    program: Program
    verdicts: list[Verdict]
    lines: list[str]  # the answer in words
    short: list[str]  # the same in short
    next_steps: list[tuple[str, str]]  # an aim, and the command for it
    page: Path  # with all numbers
    seconds: float  # that it took this time


def conclude(request: BakeoffRequest, invocation: Invocation) -> Conclusion:
    """Run a bakeoff, write the page of its dataset, and return the answer."""
    store, console = invocation.store, invocation.console
    clock = Clock(request.budget, console)
    bakeoff = set_up(request)
    program = program_of(bakeoff, store, console)
    entrants, program = run_bakeoff(bakeoff, program, clock, invocation)
    found = verdicts(bakeoff, entrants, store)
    page = write_page(store, bakeoff.data.name)
    steps = next_steps(bakeoff, found, store, page)
    lines, short = list(answer_lines(found, program, request.own)), in_short(found)
    return Conclusion(bakeoff.data.full_name, program, found, lines, short, steps, page, clock.elapsed)


def seconds_of(word: str) -> float:
    """Return the seconds of a budget such as 90s, 20m or 2h; raises UsageError for another word."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smh]?)", word)
    if match is None or not 1 <= (seconds := float(match[1]) * UNITS[match[2] or "s"]) <= 10**7:
        raise UsageError(f"--budget {word}: expected a time, such as 90s, 20m or 2h")
    return seconds
