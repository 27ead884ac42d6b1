"""The page of all methods, docs/methods.md: `python -m recbench.inspect.methods_page > docs/methods.md`."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Literal, get_args, get_origin

from recbench import samplers, settings
from recbench.backbones.base import BACKBONES
from recbench.backbones.building_blocks.regulariser import Regulariser
from recbench.baselines.base import BASELINES, INSTALL
from recbench.capabilities import in_words
from recbench.data.dataset import Info
from recbench.evaluation.metric import METRICS, TopKMetric
from recbench.inspect.listing import balanced_losses, feedback_of, losses_of, losses_on, partners_of
from recbench.losses import base
from recbench.losses.balance import BALANCES
from recbench.losses.base import LOSSES
from recbench.losses.building_blocks.head import Head
from recbench.samplers.base import SAMPLERS
from recbench.training.schedule import Schedule

INTRODUCTION = """# Methods

Every loss, balance strategy, sampler, source of negatives, backbone, baseline and metric, as its docstring says it:
what it computes, its source, and its settings with their defaults. `--set loss.KEY=VALUE`, `--set sampler.KEY=VALUE`,
`--set backbone.KEY=VALUE` and `--set train.KEY=VALUE` change a setting.
`recbench card --loss NAME` has a loss's published and measured numbers too.
This page is generated; write in the docstrings, then `python -m recbench.inspect.methods_page > docs/methods.md`.

Letters: user u, positive item i, negative j, score s_ui, label y, T kinds of feedback from dense to sparse; B users of
a batch, N items on each slate, K towers (vectors) per user and item, D dimension.
"""
ELSEWHERE = """Two other benchmarks as they were read: IR-Benchmark, of June 2025
(https://github.com/Tiny-Snow/IR-Benchmark), and RecBole 1.2.1 (https://github.com/RUCAIBox/RecBole).

| | recbench | IR-Benchmark | RecBole |
|---|---|---|---|
| losses to choose by name | {losses} | 13 | CE or BPR, of sequential models |
| backbones | {backbones} | 7 | 94 models, each with its loss |
| losses of both | `adv-infonce` `bpr` `bsl` `lambdaloss-at-k` `lambdarank` `llpauc` `psl` `sl-at-k` `ssm` \
| AdvInfoNCE, BPR, BSL, LambdaLoss@K, LambdaRank, LLPAUC, PSL, SL@K, SL | BPR |
| losses that recbench lacks | | GuidedRec, LambdaLoss, SogCLR, SogSL@K | |
| several kinds of feedback in one loss | yes | no | no |
| a loss of one's own, with every backbone | one file, `--import` | no | a model of its own |
| sequences | yes | no | yes |
| mean, spread over seeds, paired tests | yes | no | tests by a script |
| digests of the data | yes | no | no |
"""
INFO = Info(users=100, items=100, rates=(0.4, 0.2, 0.1), feedback=("view", "cart", "buy"))


def page() -> str:
    """Return the page in Markdown."""
    chapters = {
        "Training": _training(),
        "Losses": _losses(),
        "Balance strategies": _strategies(),
        "Samplers": _samplers(),
        "Sources of negatives": _proposals(),
        "Backbones": _backbones(),
        "Baselines": _baselines(),
        "Metrics": _metrics(),
        "Who has what": [ELSEWHERE.format(losses=len(LOSSES.names()), backbones=len(BACKBONES.names()))],
    }
    written = {title: "\n".join(sections) for title, sections in chapters.items()}
    body = [part for title, text in written.items() for part in (f"## {title}\n", text)]
    return "\n".join([INTRODUCTION, _contents(written), *body])


def _contents(chapters: Mapping[str, str]) -> str:
    """Return a line for each chapter with links to its sections; those of one name are told apart by numbers."""
    lines = []
    used: Counter[str] = Counter()
    for title, text in chapters.items():
        links = []
        for name in [title, *re.findall(r"^### (.+)$", text, re.MULTILINE)]:
            anchor = re.sub(r"[^a-z0-9-]", "", name.lower().replace(" ", "-"))
            links.append(f"[{name}](#{anchor}{f'-{used[anchor]}' if used[anchor] else ''})")
            used[anchor] += 1
        lines.append(f"- {' · '.join(links)}\n")
    return "".join(lines)


def _training() -> Iterator[str]:
    yield f"{_escaped(inspect.getdoc(Schedule) or '')}\n\n{_table(_rows(Schedule, 'train.'))}"


def _losses() -> Iterator[str]:
    yield f"Settings of every loss; a loss whose defaults differ lists its own.\n\n{_table(_rows(Head, 'loss.'))}"
    for name in LOSSES.names():
        yield loss_section(name)


def loss_section(name: str) -> str:
    """Return what the page says of one loss, in Markdown: docstring, what it takes and works with, its settings."""
    loss, shared = LOSSES.get(name), settings.defaults(Head)
    made = base.create(loss, INFO if loss.multitask else Info(100, 100, (0.4,)), base.defaults(loss))
    searched = [f"searched by `--fair --trials`: {_list(list(loss.searched))}"] if loss.searched else []
    facts = [f"Feedback: {feedback_of(loss)}", f"slates: {_code(made.sampler)}", *searched]
    facts.append(f"backbones: {_selection(partners_of(loss), BACKBONES.names())}")
    of_head = {key: value for key, value in base.shared_defaults(loss).items() if key in shared}
    other = {key: value for key, value in of_head.items() if value != shared[key]}
    rows = [*_rows(loss, "loss."), *(_table_row(Head, key, value, "loss.") for key, value in other.items())]
    return _section(f"`{name}`", loss, f"{'; '.join(facts)}.", rows)


def _selection(able: list[str], names: list[str]) -> str:
    """Return which of the names are able, or all but which, whichever is shorter."""
    missing = [name for name in names if name not in able]
    return "all" if not missing else _list(able) if len(able) < len(missing) else f"all but {_list(missing)}"


def _strategies() -> Iterator[str]:
    yield (
        "`--set loss.balance=NAME` combines the terms of a loss of several kinds of feedback otherwise than by\n"
        f"their sum. Losses that have such terms: {_list(balanced_losses())}.\n"
    )
    for name, strategy in BALANCES.items():
        yield _section(f"`{name}`", strategy, "", _rows(strategy, "loss.balance."))


def _samplers() -> Iterator[str]:
    yield (
        "`--sampler NAME` puts other slates in the place of a loss's own, where the loss can be trained on them. Its\n"
        "name and settings are then part of the run.\n"
    )
    for name, kind in SAMPLERS.items():
        sampler = kind()
        facts = [f"Losses: {_selection(losses_on(sampler), LOSSES.names())}"]
        facts += [f"needs of the backbone: {in_words(sampler.needs)}"] if sampler.needs else []
        yield _section(f"`{name}`", kind, f"{'; '.join(facts)}.", _rows(kind, "sampler."))


def _proposals() -> Iterator[str]:
    for cls in (getattr(samplers, name) for name in samplers.__all__ if name != "SAMPLERS"):
        if issubclass(cls, samplers.Proposal) and cls is not samplers.Proposal:
            rows = [f"| `{field.name}` | {_code(field.default)} | |" for field in fields(cls)]
            yield _section(f"`{cls.__name__}`", cls, "", rows)


def _backbones() -> Iterator[str]:
    yield f"{_escaped(inspect.getdoc(Regulariser) or '')}\n\n{_table(_rows(Regulariser, 'backbone.'))}"
    for name, backbone in BACKBONES.items():
        facts = f"Losses: {_selection(losses_of(backbone), LOSSES.names())}."
        yield _section(f"`{name}`", backbone, facts, _rows(backbone, "backbone."))


def _baselines() -> Iterator[str]:
    for name, baseline in BASELINES.items():
        facts = f"Needs `{INSTALL}`." if baseline.needs else ""
        yield _section(f"`{name}`", baseline, facts, _rows(baseline, f"{name}."))


def _metrics() -> Iterator[str]:
    for name, metric in METRICS.items():
        facts = [f"Definition in the signature: `{metric().definition}`."] if metric().definition else []
        if metric.variants:
            facts.append(f"Variants: {'; '.join(f'`{key}` ({words})' for key, words in metric.variants.items())}.")
        yield _section(f"`{name}@K`" if issubclass(metric, TopKMetric) else f"`{name}`", metric, " ".join(facts), [])


def _section(title: str, cls: type, facts: str, rows: list[str]) -> str:
    parts = [f"### {title}", _escaped(inspect.getdoc(cls) or ""), facts, _table(rows) if rows else ""]
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def _table(rows: list[str]) -> str:
    return "\n".join(["| setting | default | values |", "|---|---|---|", *rows]) + "\n"


def _rows(cls: type, owner: str) -> list[str]:
    """Return a row per setting of a class."""
    return [_table_row(cls, key, value, owner) for key, value in settings.defaults(cls).items()]


def _table_row(cls: type, key: str, value: settings.Value, owner: str) -> str:
    kind = settings.setting_types(cls)[key]
    return f"| `{owner}{key}` | {_code(value)} | {_values(kind)} |"


def _values(kind: object) -> str:
    """Return what a setting of this annotated type may be, and what it does nothing without."""
    notes = getattr(kind, "__metadata__", ())
    bare = get_args(kind)[0] if notes else kind
    words: dict[object, str] = {bool: "true, false", int: "whole number", float: "number"}
    values = words.get(bare, "text")
    if get_origin(bare) is Literal:
        values = _list([str(choice) for choice in get_args(bare)])
    for note in notes:
        if isinstance(note, settings.Range):
            whole = bare is int and "number" not in note.words
            values = f"whole number, {note.words}" if whole else note.words
    return "; ".join([values, *(f"only with {note.words}" for note in notes if isinstance(note, settings.OnlyWith))])


def _list(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _code(value: object) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if value == "":
        return "empty"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _escaped(text: str) -> str:
    """Keep what Markdown would take for emphasis or a tag, outside of code."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([*<])", r"\\\1", part) for part in parts)


if __name__ == "__main__":
    print(page(), end="")
