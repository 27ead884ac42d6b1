"""Everything that a GPU changes, in one command: `python -m benchmarks gpu [--toy] [--out DIR] [SECTION …]`.

Steps one by one, captured as CUDA graphs, compiled, many runs side by side, beside sketches of the same steps with
nothing around them; whether all of these give the same numbers; search; whole commands. Nothing is downloaded. Each
section is a process of its own with a limit of time, so that one that fails leaves the others alone; where a number
ends the process or leaves the device in disorder, another process goes on with the next number. All limits together are
under eight minutes. `gpu.md` and `gpu.json` are written to DIR (default: here) as sections end. With
`--toy` everything runs on a CPU in small.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from importlib import import_module
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.gpu_sections.case import Case, Measured, Section, Setting, works
from benchmarks.gpu_sections.report import Line, page
from recbench.results.code_version import checkout_at

ROOT = Path(__file__).parents[1]
DISORDER = 3  # status of a process that leaves the rest of its section to another, for the device no longer works
STOPPED = 124  # of one whose time was over
LEFT_OUT = Measured(note="left out: the time of its section was over")
SECONDS: Mapping[str, int] = {  # that a section may take, of which the last tenth is for what has been begun
    "steps": 95,
    "sketch": 40,
    "search": 30,
    "commands": 110,
    "lanes": 80,
    "equality": 110,
}


def main(words: list[str]) -> int:
    """Measure, and write what was measured; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks gpu", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECONDS)}; default: all")
    parser.add_argument("--toy", action="store_true", help="in small, on a CPU")
    parser.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="folder of gpu.md and gpu.json")
    parser.add_argument("--lines", type=Path, help=argparse.SUPPRESS)  # of a process that measures one section
    parser.add_argument("--skip", type=int, default=0, help=argparse.SUPPRESS)  # the first numbers of the section
    parser.add_argument("--seconds", type=float, default=0.0, help=argparse.SUPPRESS)  # that are left for it
    given = parser.parse_args(words)
    unknown = [name for name in given.sections if name not in SECONDS]
    if unknown:
        parser.error(f"no section {unknown[0]}; there are {', '.join(SECONDS)}")
    if not given.toy and not torch.cuda.is_available():
        parser.error("torch finds no CUDA device; --toy runs everything in small on the CPU")
    setting = Setting(torch.device("cpu" if given.toy else "cuda"), given.toy)
    if given.lines is not None:
        return measure(given.sections[0], setting, given.lines, given.seconds, given.skip)
    given.out.mkdir(parents=True, exist_ok=True)
    lines: list[Line] = []
    for name in given.sections or SECONDS:
        print(f"== {name}", flush=True)
        started = time.perf_counter()
        lines += in_processes(name, setting)
        print(f"   {time.perf_counter() - started:.0f} s", flush=True)
        text = page(machine(setting), lines)
        (given.out / "gpu.md").write_text(text)
        (given.out / "gpu.json").write_text(
            json.dumps({"machine": machine(setting), "lines": [asdict(line) for line in lines]}, indent=1) + "\n"
        )
    print(text)
    return 1 if any(line.error for line in lines) else 0


def in_processes(name: str, setting: Setting) -> list[Line]:
    """Measure a section in a process of its own, and what is left of it in others where one ends early.

    Return a line for each of its numbers; where an end was not planned, the line of what was being measured says so.
    """
    until = time.perf_counter() + SECONDS[name]
    lines: list[Line] = []
    in_vain = 0  # processes in a row that measured nothing
    while True:
        found, status, error = _in_a_process(name, setting, len(lines), until - time.perf_counter())
        lines += found
        in_vain = 0 if found else in_vain + 1
        if error:
            lines += _unmeasured(name, setting, len(lines), error)[: None if status == STOPPED else 1]
        if status in (0, STOPPED) or in_vain == 2:
            return lines


def _unmeasured(name: str, setting: Setting, done: int, error: str) -> list[Line]:
    """Return the lines of a section after those that are done: of the first with the error, of others as left out."""
    try:
        first, *others = _cases(name, setting, done)
    except (ImportError, ValueError):  # it cannot be imported, or has no more
        return [Line(name, "the section", "", error=error)]
    return [replace(_line(name, first, Measured()), error=error), *(_line(name, case, LEFT_OUT) for case in others)]


def _in_a_process(name: str, setting: Setting, skip: int, seconds: float) -> tuple[list[Line], int, str]:
    """Return the lines of a section without the first, the status of its process, and what went wrong in words.

    Whatever the process has started ends with it.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "lines"
        words = [sys.executable, "-m", "benchmarks.gpu", name, *(["--toy"] if setting.toy else [])]
        words += ["--lines", str(path), "--skip", str(skip), "--seconds", f"{seconds:.1f}"]
        with subprocess.Popen(
            words, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, process_group=0
        ) as process:
            try:
                said, status = process.communicate(timeout=max(0.0, seconds))[1], process.returncode
                last = next((line for line in reversed(said.splitlines()) if line.strip()), "")
                error = "" if status in (0, DISORDER) else f"ended with status {status}: {last.strip()}"
            except subprocess.TimeoutExpired:
                status, error = STOPPED, f"stopped after {SECONDS[name]} s, its limit"
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        kept = path.read_text().splitlines() if path.exists() else []
    return [Line(**json.loads(line)) for line in kept if line.endswith("}")], status, error


def measure(name: str, setting: Setting, path: Path, seconds: float, skip: int = 0) -> int:
    """Measure a section without its first numbers, append each line to a file as it is there; return the status."""
    until = time.perf_counter() + 0.9 * seconds
    with path.open("a") as file:
        for case in _cases(name, setting, skip):
            late = time.perf_counter() > until
            line = _line(name, case, LEFT_OUT if late else None)
            file.write(json.dumps(asdict(line)) + "\n")
            file.flush()
            if line.error and not works(setting.device):
                return DISORDER
    return 0


def _cases(name: str, setting: Setting, skip: int) -> Iterator[Case]:
    """Yield what a section measures after the first; without targets where rates mean nothing."""
    section: Section = import_module(f"benchmarks.gpu_sections.{name}").cases
    for case in islice(section(setting), skip, None):
        yield replace(case, target=None) if setting.toy else case


def _line(section: str, case: Case, given: Measured | None) -> Line:
    error, measured = "", given or Measured()
    if given is None:
        try:
            measured = case.measure()
        except Exception as problem:  # noqa: BLE001 - whatever goes wrong with one number, the others are wanted
            first = next((line for line in str(problem).splitlines() if line.strip()), "")
            error = f"{type(problem).__name__}: {first.strip()}"
    return Line(
        section, case.work, case.way, case.unit, **asdict(measured), target=case.target, before=case.before, error=error
    )


def machine(setting: Setting) -> dict[str, str]:
    """Return what the numbers were measured on."""
    on_gpu = setting.device.type == "cuda"
    commit, changed = checkout_at(ROOT)
    return {
        "device": _card(setting.device) if on_gpu else f"CPU {platform.machine()}, toy size",
        "processors": str(os.cpu_count()),
        "torch": torch.__version__,
        "CUDA": str(torch.version.cuda),
        "commit": "unknown" if commit is None else commit[:12] + (", changed since" if changed else ""),
    }


def _card(device: torch.device) -> str:
    about = torch.cuda.get_device_properties(device)
    return f"{about.name}, {about.total_memory / 2**30:.0f} GiB"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
