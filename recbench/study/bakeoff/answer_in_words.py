"""The answer of a bakeoff in words: what to take, how sure that is, what it costs, what to type next."""

from __future__ import annotations

import math
import shlex
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from recbench.baselines.base import BASELINES
from recbench.errors import first_few, in_a_row
from recbench.evaluation.statistics import Difference
from recbench.own_files import counted_paths
from recbench.registry import BASELINE
from recbench.results.number_words import duration
from recbench.results.record import RunKey, method_name
from recbench.results.store import Store
from recbench.run.how_to_train import classes_of_no_file, train_command
from recbench.settings import typed_words
from recbench.study.bakeoff.bake import Bakeoff
from recbench.study.bakeoff.contestants import on_logged_rows
from recbench.study.bakeoff.program import FULL_EPOCHS, Program
from recbench.study.bakeoff.verdicts import Entry, Verdict
from recbench.study.search_ends import OF_LIST

MAX_METHODS = 5  # methods in a sentence
SEEDS = 5  # of the command that trains a method at last


def answer_lines(verdicts: Sequence[Verdict], program: Program, own: Collection[str] = ()) -> Iterator[str]:
    """Yield a paragraph per question and feedback, which says where the user's `own` losses are, then what to mind."""
    if not verdicts:
        yield "The test rows are too few to answer anything: they hold no positive of a user with training rows."
    for verdict in verdicts:
        said = [*_how_sure(verdict), *_beside(verdict), *_own(verdict, own)]
        yield " ".join([f"{_asked(verdict)}: {_recommended(verdict)}", *said])
    if verdicts and program.epochs < FULL_EPOCHS:
        epochs = f"{program.epochs} epochs" if program.epochs > 1 else "one epoch"
        yield (
            f"The budget allowed {epochs} of each loss, too few for most: what is said of losses is provisional. "
            f"`--budget {math.ceil(program.ample / 60)}m` would do."
        )
    elif rising := dict.fromkeys(entry.method for one in verdicts for entry in one.entries if entry.still_rising):
        yield (
            f"Provisional, as still rising when their {program.epochs} epochs ended: {', '.join(rising)}; "
            "`recbench train` with more --epochs says how far they get."
        )
    yield from _rates_at_an_end(verdicts, program.rates)
    if absent := _absent_baselines(verdicts):
        yield (
            f"Not compared, for want of time or memory: {', '.join(absent)}; they may well be better. The same command "
            "goes on with what there was no time for."
        )
    if any(len(entry.runs) == 1 and not entry.baseline for verdict in verdicts for entry in verdict.entries):
        yield (
            "One seed of each loss was trained, which says nothing of how much its runs differ: another seed may turn "
            "what is close. A larger --budget trains more."
        )
    if verdicts:
        yield (
            "The best was chosen on the test rows that it is measured on, so that its own number is a little too good; "
            "the differences are corrected for how many methods were compared. Brackets are 95 % intervals over users, "
            "and over seeds where there are several."
        )


def _rates_at_an_end(verdicts: Sequence[Verdict], rates: Sequence[str]) -> Iterator[str]:
    """Yield which methods were best at the smallest and at the largest learning rate, beyond which better may lie."""
    tried = sorted(rates, key=float)
    if len(tried) < OF_LIST[0]:
        return
    entries = [entry for verdict in verdicts for entry in verdict.entries]
    at = {word: dict.fromkeys(entry.method for entry in entries if entry.rate == float(word)) for word in tried}
    ends = {"smallest": at[tried[0]], "largest": at[tried[-1]]}
    if said := [f"the {which} was best for {', '.join(methods)}" for which, methods in ends.items() if methods]:
        yield (
            f"Of the learning rates {in_a_row(tried)} {' and '.join(said)}: better ones may lie beyond, "
            "which `recbench sweep` with --grid lr=… tells."
        )


def in_short(verdicts: Sequence[Verdict]) -> list[str]:
    """Return a sentence of what to take for each question, and why losses of logged rows retrieve badly if they do."""
    lines = []
    for question, aim in (("retrieval", "To retrieve items"), ("ranking", "To rank given items")):
        of_method: dict[str, list[str]] = {}
        for verdict in verdicts:
            if verdict.question == question:
                of_method.setdefault(_choice(verdict).method, []).append(verdict.feedback)
        if of_method:
            takes = "; ".join(f"{method} for {in_a_row(names)}" for method, names in of_method.items())
            lines.append(f"{aim} take {takes}.")
    if behind := _behind_popularity(verdicts):
        where = "; ".join(f"{loss} (items for {in_a_row(feedback)})" for loss, feedback in behind.items())
        lines.append(
            f"Trained on logged rows, {in_a_row(list(behind))} learned what users do with what they are shown, not "
            f"what they come across, and so retrieved worse than popularity: {where}. Losses that draw negatives learn "
            "both."
        )
    return lines


def _behind_popularity(verdicts: Sequence[Verdict]) -> dict[str, list[str]]:
    """Return the losses of logged rows and the feedback in whose retrieval popularity beats them beyond chance."""
    behind: dict[str, list[str]] = {}
    for verdict in verdicts:
        popular = [entry for entry in verdict.entries if entry.method == method_name("popularity", BASELINE)]
        for entry in verdict.entries if verdict.question == "retrieval" else ():
            loss = entry.method.partition(" ")[0]
            if not entry.baseline and any(entry.high < one.low for one in popular) and on_logged_rows(loss):
                behind.setdefault(loss, []).append(verdict.feedback)
    return behind


def next_steps(bakeoff: Bakeoff, verdicts: Sequence[Verdict], store: Store, page: Path) -> list[tuple[str, str]]:
    """Return what can be done next, as an aim and the command to type or the file to open."""
    steps = [
        ("see all numbers as a page", str(page)),
        ("see them here", f"recbench leaderboard --dataset {bakeoff.data.name}"),
        ("have them as a table for a paper", f"recbench leaderboard --dataset {bakeoff.data.name} --format latex"),
    ]
    for verdict in verdicts:
        chosen, rival = _choice(verdict), next(iter(verdict.alike), None)
        key = store.find(chosen.run).key
        if chosen.baseline:
            steps.append((f"fit {key.loss} on train and validation rows", _fit_command(key, store)))
        else:
            steps.append((f"train {chosen.method} with {SEEDS} seeds", _train_command(key, store)))
            if not classes_of_no_file(key):
                steps.append((f"take the vectors of {chosen.method} to a service", f"recbench export {chosen.run}"))
        if rival is not None:
            words = f"recbench compare {verdict.best.run} {rival.run} --metric {verdict.metric}/{verdict.feedback}"
            steps.append((f"look closer at {verdict.best.method} and {rival.method}", words))
        for _, entry in _behind_of_own(verdict, bakeoff.request.own):
            if entry != rival:
                words = f"recbench compare {verdict.best.run} {entry.run}"
                steps.append((f"look closer at {verdict.best.method} and your {entry.method}", words))
    return list({typed: (aim, typed) for aim, typed in steps}.values())


def _absent_baselines(verdicts: Sequence[Verdict]) -> list[str]:
    """Return the installed baselines that some verdict is without."""
    installed = [name for name, baseline in BASELINES.items() if not baseline.missing()]
    present = [{entry.method for entry in verdict.entries} for verdict in verdicts]
    return [name for name in installed if any(method_name(name, BASELINE) not in methods for methods in present)]


def _asked(verdict: Verdict) -> str:
    what = "To rank given items for" if verdict.question == "ranking" else "To retrieve items for"
    return f"{what} {verdict.feedback} ({verdict.metric}, {verdict.users:,} test users)"


def _choice(verdict: Verdict) -> Entry:
    """Return the best, or the best baseline where the test does not tell the two apart: it is cheaper and simpler."""
    baseline = verdict.best_baseline
    return baseline if baseline is not None and baseline in verdict.alike else verdict.best


def _recommended(verdict: Verdict) -> str:
    chosen = _choice(verdict)
    done = "fitted" if chosen.baseline else "trained"
    numbers = f"{chosen.value:.4f} [{chosen.low:.4f}, {chosen.high:.4f}], {done} in {duration(chosen.seconds)}"
    if chosen == verdict.best:
        return f"take {chosen.method}, {numbers}."
    return (
        f"take {chosen.method}, {numbers}: {verdict.best.method} has {verdict.best.value:.4f}, which is not shown to "
        f"be better, and takes {duration(verdict.best.seconds)}."
    )


def _how_sure(verdict: Verdict) -> Iterator[str]:
    others = [entry.method for entry in verdict.alike if entry != _choice(verdict)]
    if not verdict.differences:
        yield "Nothing was compared with it."
    elif not verdict.alike:
        yield f"It is better than all {len(verdict.differences)} others beyond chance."
    elif others:
        count = len(verdict.differences) - len(verdict.alike)
        worse = f"{count} of {len(verdict.differences)} {'is' if count == 1 else 'are'} worse beyond chance"
        yield f"Not told apart from the best: {first_few(others, MAX_METHODS)}; {worse}."


def _beside(verdict: Verdict) -> Iterator[str]:
    """Yield how far the best of trained methods and the best baseline lie apart."""
    trained, baseline = verdict.best_trained, verdict.best_baseline
    if trained is None or baseline is None:
        return
    other = baseline if verdict.best == trained else trained
    difference = verdict.behind(other)
    if difference is None or other in verdict.alike:
        return
    kind = "best baseline" if other == baseline else "best trained loss"
    yield (
        f"The {kind}, {other.method}, has {other.value:.4f} in {duration(other.seconds)}: "
        f"{difference.value:.4f} [{difference.low:.4f}, {difference.high:.4f}] less."
    )


def _own(verdict: Verdict, own: Collection[str]) -> Iterator[str]:
    """Yield where a loss of the user's own is, unless it is the best."""
    for difference, entry in _behind_of_own(verdict, own):
        less = f"{difference.value:.4f} [{difference.low:.4f}, {difference.high:.4f}] less than the best"
        told = ", not told apart from it" if entry in verdict.alike else ""
        place = f"place {verdict.entries.index(entry) + 1} of {len(verdict.entries)}"
        yield f"Your {entry.method} has {entry.value:.4f}, {place}: {less}{told}."


def _behind_of_own(verdict: Verdict, own: Collection[str]) -> Iterator[tuple[Difference, Entry]]:
    """Yield the entries of the user's `own` losses, and how far each is behind the best; the best itself is not."""
    for entry in verdict.entries:
        difference = verdict.behind(entry)
        if difference is not None and not entry.baseline and entry.method.partition(" ")[0] in own:
            yield difference, entry


def _train_command(key: RunKey, store: Store) -> str:
    record = store.record(key)
    settings = {name: value for name, value in record.non_default.items() if name != "train.epochs"}
    return train_command(key, settings, counted_paths(record.imports, key.sources), seeds=SEEDS)


def _fit_command(key: RunKey, store: Store) -> str:
    words = ["recbench", "baselines", "--only", key.loss, "--dataset", key.data, "--budget", "0"]
    settings = [*typed_words(store.record(key).non_default), "train.refit=true"]
    words += [word for setting in settings for word in ("--set", setting)]
    return shlex.join(words)
