import fcntl
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import create_autospec

import pytest
import torch

from benchmarks import gpu
from benchmarks.gpu_sections import commands, equality, lanes, report, search, shapes, sketch, steps
from benchmarks.gpu_sections.case import Case, Measured, Setting, of_steps, peak, start_peak, synchronize
from benchmarks.gpu_sections.report import Line
from recbench.training.model import Model
from tests.conftest import Run

TOY = Setting(torch.device("cpu"), toy=True)


def lines_of(path: Path) -> list[Line]:
    return [Line(**json.loads(line)) for line in path.read_text().splitlines()]


def test_every_step_runs_in_small() -> None:
    work = replace(steps.ALL[0], batch=64)
    for capture in (False, True):
        measured = steps.measure(TOY, work, capture)
        assert measured.rate is not None and measured.milliseconds is not None
        assert measured.rate == pytest.approx(64_000 / measured.milliseconds, rel=0.05)
    assert all(len(work.pair.partition(" x ")[2].split()) >= 1 for work in steps.ALL)


def test_lanes_run_in_small_and_make_the_steps_of_each_alone() -> None:
    first = [case for case in lanes.cases(TOY) if case.work == lanes.ALL[0].title]
    assert [case.way for case in first] == [
        *(f"{count} side by side" for count in (1, 10, 40)),
        "side by side as alone",
    ]
    measured = [case.measure() for case in (first[0], first[-1])]
    assert measured[0].rate and measured[1].agrees


def test_search_has_the_lists_of_the_cpu_and_validation_is_measured() -> None:
    of_gowalla = [case for case in search.cases(TOY) if "gowalla" in case.work]
    assert [case.way for case in of_gowalla][:4] == [
        "recbench",
        "bare product and top k",
        "recbench, on the CPU",
        "as on the CPU",
    ]
    measured = [case.measure() for case in of_gowalla[:5]]
    assert all(one.rate for one in (*measured[:3], measured[4]))
    assert measured[3].agrees
    assert "an epoch" in measured[4].note


def test_ways_of_making_steps_agree() -> None:
    ways = {case.way: case for case in equality.cases(TOY) if case.work.startswith("gnolr x")}
    assert list(ways) == ["captured as one by one", "side by side as alone", "twice the same", "as on the CPU"]
    assert all(case.measure().agrees for case in ways.values())


def test_what_is_not_the_same_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    way = next(iter(equality.cases(TOY)))
    expected = equality._train(TOY, "bce", capture=False)[1]
    monkeypatch.setattr(equality, "_one_by_one", lambda *_: [expected[0] + 1e-4, *expected[1:]])
    measured = way.measure()
    assert measured.agrees is False
    assert "from step 1 on, by 1.0e-04" in measured.note


def test_a_loss_that_is_no_number_agrees_with_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    nan = torch.full((5, 2), float("nan"))
    for section in (equality, lanes):
        monkeypatch.setattr(section, "losses_of_both", lambda *_: (nan, torch.ones(5, 2)))
    assert equality._side_by_side(TOY, "bce").agrees is False
    assert lanes.compared(TOY, lanes.ALL[0]).agrees is False
    monkeypatch.setattr(Model, "update", lambda *_: nan[0, 0])
    assert equality._as_on_cpu(TOY, "bce", "twintower").agrees is False


@pytest.mark.parametrize("kind", [sketch.TwoTowers, sketch.Pairwise])
def test_runs_of_a_sketch_do_not_touch_each_other(kind: type[torch.nn.Module]) -> None:
    data = shapes.ml1m(TOY)
    two, row = kind(data, 2), torch.arange(20).view(2, 10)
    alone = two(row).item()
    with torch.no_grad():
        for name, parameter in two.named_parameters():
            half = len(parameter) // 2
            parameter[:half] = 0 if "bias" not in name else parameter[:half]
    two(row).backward()
    assert two(row).item() != alone
    gradients = [parameter.grad for parameter in two.parameters() if parameter.grad is not None]
    assert all(gradient[len(gradient) // 2 :].any() for gradient in gradients)
    assert not any(gradient[: len(gradient) // 2].any() for gradient in gradients if gradient.dim() == 2)


def test_sketches_run_in_small() -> None:
    for case in islice(sketch.cases(TOY), 2):
        assert case.measure().rate


def test_on_a_gpu_a_sketch_is_made_aside_then_recorded_and_launched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a GPU no more can be said than that torch has these calls, and in which order they come."""
    calls: list[str] = []

    def of(name: str, result: Any) -> None:
        spec = create_autospec(getattr(torch.cuda, name), return_value=result)
        spec.side_effect = lambda *_, **__: calls.append(name) or result  # type: ignore[func-returns-value]
        monkeypatch.setattr(torch.cuda, name, spec)

    stream = SimpleNamespace(wait_stream=lambda _: calls.append("wait"))
    for name, result in {
        "Stream": stream,
        "current_stream": stream,
        "stream": nullcontext(),
        "CUDAGraph": SimpleNamespace(replay=lambda: calls.append("replay")),
        "graph": nullcontext(),
    }.items():
        of(name, result)
    repeat = sketch._graph(lambda: calls.append("steps"), torch.device("cuda"))
    repeat()
    aside = ["Stream", "current_stream", "wait", "stream", "steps", "current_stream", "wait"]
    assert calls == [*aside, "CUDAGraph", "graph", "steps", "replay"]


def test_a_card_and_its_memory_are_named_and_their_peak_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    card = SimpleNamespace(name="NVIDIA H200", total_memory=140 << 30)
    for name, result in {
        "get_device_properties": card,
        "synchronize": None,
        "empty_cache": None,
        "reset_peak_memory_stats": None,
        "max_memory_allocated": 5 << 20,
    }.items():
        spec = create_autospec(getattr(torch.cuda, name), return_value=result)
        spec.side_effect = lambda *_, name=name, result=result: done.append(name) or result
        monkeypatch.setattr(torch.cuda, name, spec)
    on = torch.device("cuda")
    assert gpu.machine(Setting(on))["device"] == "NVIDIA H200, 140 GiB"
    start_peak(on)
    synchronize(on)
    assert peak(on) == 5.0
    assert done[1:] == ["empty_cache", "reset_peak_memory_stats", "synchronize", "max_memory_allocated"]


def test_steps_are_counted_without_the_first() -> None:
    made: list[int] = []
    measured = of_steps(TOY, lambda: made.append(1) or 7, warm_up=5)  # type: ignore[func-returns-value]
    assert measured.rate is not None and measured.milliseconds is not None
    assert measured.rate * measured.milliseconds / 1000 == pytest.approx(7)
    assert 11 <= len(made) <= 408


def test_commands_are_what_one_types(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [words for _, words, _ in commands.commands(TOY)]
    assert run(*words[0]).code == 0
    done = run(*words[3])
    assert done.code == 0, done.err
    assert run(*words[4], "--no-baselines").code == 0


def cases_that_fail(setting: Setting) -> Iterator[Case]:
    def fail() -> Measured:
        raise RuntimeError("\nCUDA error: out of luck\nmore of it")

    yield Case("first", "one by one", fail, target=5.0)
    yield Case("second", "captured", lambda: Measured(4.0, 250.0), target=5.0)


def test_a_number_that_fails_leaves_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "import_module", lambda _: SimpleNamespace(cases=cases_that_fail))
    assert gpu.measure("steps", replace(TOY, toy=False), tmp_path / "lines", 60) == 0
    first, second = lines_of(tmp_path / "lines")
    assert (first.error, first.rate) == ("RuntimeError: CUDA error: out of luck", None)
    assert (second.error, second.rate, second.target) == ("", 4.0, 5.0)


def test_what_is_late_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "import_module", lambda _: SimpleNamespace(cases=cases_that_fail))
    gpu.measure("steps", TOY, tmp_path / "lines", 0)
    assert all(line.note.startswith("left out") and not line.error for line in lines_of(tmp_path / "lines"))


def test_after_an_error_that_leaves_the_device_in_disorder_another_process_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "import_module", lambda _: SimpleNamespace(cases=cases_that_fail))
    monkeypatch.setattr(gpu, "works", lambda _: False)
    assert gpu.measure("steps", TOY, tmp_path / "lines", 60) == gpu.DISORDER
    assert gpu.measure("steps", TOY, tmp_path / "lines", 60, skip=1) == 0
    assert [line.work for line in lines_of(tmp_path / "lines")] == ["first", "second"]


def processes(monkeypatch: pytest.MonkeyPatch, *scripts: str) -> list[str]:
    """Let sections be measured by these scripts in turn, which find the file of their lines in `path`."""
    skipped: list[str] = []
    start = gpu.subprocess.Popen

    def popen(words: list[str], **options: Any) -> Any:
        path, skip = (words[words.index(option) + 1] for option in ("--lines", "--skip"))
        script = f"import fcntl, os, sys, time\npath = open({path!r}, 'w')\n{scripts[len(skipped)]}"
        skipped.append(skip)
        return start([sys.executable, "-S", "-c", script], **options)

    monkeypatch.setattr(gpu.subprocess, "Popen", popen)
    return skipped


LINE = """path.write('{"section": "steps", "work": "a", "way": "b"}\\n'); path.flush()\n"""


def test_a_section_that_hangs_is_stopped_with_all_it_started_and_its_lines_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "lock"
    holds = f"held = open({str(lock)!r}, 'w'); fcntl.flock(held, fcntl.LOCK_EX); os.fork()\n"
    hangs = """path.write('{"sect'); path.flush(); held.write('x'); held.flush()\ntime.sleep(60)"""

    def wait(process: Any, timeout: float) -> None:
        while not (lock.exists() and lock.read_text() == "xx"):  # of both
            time.sleep(0.01)
        raise gpu.subprocess.TimeoutExpired("benchmarks", timeout)

    monkeypatch.setattr(subprocess.Popen, "communicate", wait)
    processes(monkeypatch, LINE + holds + hangs)
    with alarm(20):
        kept, why, *left = gpu.in_processes("steps", replace(TOY, toy=False))
        assert (kept.work, kept.error) == ("a", "")
        assert why.error == f"stopped after {gpu.SECONDS['steps']} s, its limit"
        cases = list(steps.cases(replace(TOY, toy=False)))[1:]
        assert [(line.work, line.way, line.target) for line in (why, *left)] == [
            (c.work, c.way, c.target) for c in cases
        ]
        assert all(line.note.startswith("left out") and not line.error for line in left)
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # that nobody holds any more


@contextmanager
def alarm(seconds: int) -> Iterator[None]:
    """Fail by SIGALRM after some seconds."""
    signal.alarm(seconds)
    yield
    signal.alarm(0)


def test_a_number_that_ends_the_process_says_its_last_line_and_leaves_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dies = "sys.stderr.write('Traceback\\n  CUDA error: illegal memory access\\n\\n'); sys.exit(6)"
    in_disorder = f"{LINE}sys.exit({gpu.DISORDER})"
    skipped = processes(monkeypatch, LINE + dies, in_disorder, LINE + LINE)
    lines = gpu.in_processes("steps", TOY)
    assert [line.error for line in lines] == ["", "ended with status 6: CUDA error: illegal memory access", "", "", ""]
    assert skipped == ["0", "2", "3"]


def test_a_section_of_which_nothing_can_be_measured_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    processes(monkeypatch, "import nowhere", "import nowhere")
    errors = [line.error for line in gpu.in_processes("steps", TOY)]
    assert errors == ["ended with status 1: ModuleNotFoundError: No module named 'nowhere'"] * 2


def test_the_page_and_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [
        Line("steps", "bce", "one by one", "rows/s", 250e3, 4.1, before=249e3),
        Line("steps", "bce", "captured", "rows/s", 2.5e6, 0.4, target=2e6),
        Line("steps", "bpr", "captured", "rows/s", error="RuntimeError: no", target=1e6),
        Line("steps", "mf", "captured", "rows/s", 0.5e6, 0.4, target=1e6, agrees=False, note="slow"),
        Line("equality", "a", "twice the same", agrees=True),
        Line("equality", "b", "twice the same", agrees=False, note="losses differ"),
    ]
    monkeypatch.setattr(gpu, "in_processes", lambda name, _: [line for line in given if line.section == name])
    assert gpu.main(["--toy", "--out", str(tmp_path / "new"), "steps", "equality"]) == 1
    text = (tmp_path / "new/gpu.md").read_text()
    assert text in capsys.readouterr().out
    assert "| bce | captured | 2.00 M rows/s | 2.50 M rows/s | yes |" in text
    assert "| bpr | captured | 1.00 M rows/s |  | not measured |" in text
    assert "| mf | captured | 1.00 M rows/s | 500k rows/s | **missed** |" in text
    assert "| bce | captured | 0.400 | 2.50 M rows/s | 10.00 |" in text
    assert "RuntimeError: no" in text and "**does not hold**; slow" in text
    assert "Twice the same: 1 of 2.\n\n- b: **differs**; losses differ" in text
    written = json.loads((tmp_path / "new/gpu.json").read_text())
    assert [Line(**line) for line in written["lines"]] == given
    assert "toy size" in written["machine"]["device"]


def test_wrong_words(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for words, said in ((["--toy", "stepz"], "no section stepz; there are steps"), ([], "--toy runs everything")):
        with pytest.raises(SystemExit, match="2"):
            gpu.main(words)
        assert said in capsys.readouterr().err


def test_every_section_is_a_module_with_a_limit() -> None:
    folder = Path(report.__file__).parent
    helpers = {"__init__", "case", "report", "shapes"}
    assert {path.stem for path in folder.glob("*.py")} - helpers == set(gpu.SECONDS)
    assert sum(gpu.SECONDS.values()) < 8 * 60
