"""Options that several commands have in common, and what they ask for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from recbench.errors import UsageError
from recbench.settings import LIMITS, within_limits

if TYPE_CHECKING:
    from recbench.study.launchers.base import LaunchOptions

RUN_WORDS = "First digits of a run, LOSS, LOSS/BACKBONE (+SETTING=VALUE), DATASET/SPLIT, latest, best"


def whole_option(option: str, about: str) -> Any:
    """Return an option for a whole number within its LIMITS, typed as 1000, 1_000 or 1e3."""
    return typer.Option(option, metavar="N", help=about, parser=partial(within_limits, option))


def _candidates(word: str) -> str:
    from recbench.run.candidates import require_candidates

    return require_candidates(word)


def names(words: str | None) -> tuple[str, ...]:
    """Return the names that one option joins by commas, each once; raises UsageError where one is missing."""
    if not words:
        return ()
    parts = [part.strip() for part in words.split(",")]
    if not all(parts):
        left = ",".join(filter(None, parts))
        raise UsageError(f"`{words}`: a name is missing beside a comma; type {left or 'names joined by commas'}")
    return tuple(dict.fromkeys(parts))


def each_name(words: list[str]) -> list[str]:
    """Return the names of an option that may be given several times, each time with several joined by commas."""
    return [name for word in words for name in names(word)]


def each_run(words: list[str]) -> list[str]:
    """Return the runs of such an option; a comma before a number stays in a setting, as in bce+pos_weight=1,2."""
    found: list[str] = []
    for word in each_name(words):
        if found and "=" in found[-1] and re.fullmatch(r"[0-9.]+", word):
            found[-1] += f",{word}"
        else:
            found.append(word)
    return found


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Imports = Annotated[
    list[Path], typer.Option("--import", metavar="FILE.py", help="Register the classes of your own file.")
]
Trust = Annotated[bool, typer.Option("--trust", help="Run the files of --import that a run was trained with.")]
Catalog = Annotated[Path | None, typer.Option(help="Your own datasets, a TOML file.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:n.")]
Seed = Annotated[int, whole_option("--seed", "The seed, or the first of --seeds.")]
Jobs = Annotated[
    int | None,
    whole_option("--jobs", "Runs to train at the same time; default: 1, on a cluster all that fit."),
]
Lanes = Annotated[
    str,
    typer.Option(
        metavar="auto|N",
        help="Runs of one structure to train side by side in a process; auto: 1, but many on a GPU of this machine.",
    ),
]
Launcher = Annotated[
    Literal["local", "ray", "slurm"], typer.Option(help="Where runs are trained: here, or by the nodes of a cluster.")
]
Address = Annotated[
    str | None, typer.Option(help="Of a Ray cluster: auto (the default), ray://HOST:10001, HOST:6379, or local.")
]
PerRun = Annotated[
    str | None,
    typer.Option(metavar="WHAT", help="What a run takes of a cluster, as in cpus=2,gpus=0.25,memory=4GiB."),
]
Partition = Annotated[str | None, typer.Option(help="Of Slurm; default: its own.")]
TimeLimit = Annotated[
    str | None,
    typer.Option(
        "--time-limit", "--time", metavar="TIME", help="Of a Slurm job, such as 4h; longer runs are requeued."
    ),
]
Settings = Annotated[
    list[str],
    typer.Option("--set", metavar="OWNER.KEY=VALUE", help="A setting, as in loss.scale=2.57 or backbone.dim=32."),
]

Fair = Annotated[
    bool,
    typer.Option("--fair", help="Give every method a learned scale and bias and the same search of its learning rate."),
]
FairTrials = Annotated[
    int | None,
    whole_option("--trials", "With --fair: so many points of each method, of L2, scale and weights too."),
]
FairGrid = Annotated[
    list[str],
    typer.Option(
        "--grid",
        metavar="KEY=VALUES",
        help="With --fair: other values of what it searches, or a further setting, as in lr=0.001,0.01.",
    ),
]

# of `train` and `sweep`
Backbone = Annotated[
    str | None, typer.Option(help="A name from `recbench list backbones`; default: the preset's, or twintower.")
]
Sampler = Annotated[
    str | None, typer.Option(help="A name from `recbench list samplers`; default: the loss's own slates.")
]
TrainDataset = Annotated[
    str | None, typer.Option(help="DATASET or DATASET/SPLIT; default: the preset's, or the most recently prepared.")
]
TrainFeedback = Annotated[
    str | None, typer.Option(help="Feedback types to train on, joined by commas; default: all that the loss takes.")
]
Epochs = Annotated[int | None, whole_option("--epochs", "At most so many epochs.")]
Preset = Annotated[
    str | None, typer.Option(help="A paper's settings, such as gnolr/ml-1m; what is given beside it wins.")
]

# of the commands that evaluate runs or show what was evaluated
PreparedDataset = Annotated[
    str | None, typer.Option(help="DATASET or DATASET/SPLIT; default: the most recently prepared.")
]
OnlyDataset = Annotated[str | None, typer.Option(help="Only this DATASET or DATASET/SPLIT.")]
OnlyMetrics = Annotated[list[str], typer.Option("--metric", help="Only these metrics.", callback=each_name)]
Metrics = Annotated[
    list[str],
    typer.Option(
        "--metric",
        help="Such as auc, gauc(mean), recall@50 or recall@50/buy; several joined by commas, or each by its own.",
        callback=each_name,
    ),
]
Runs = Annotated[
    list[str],
    typer.Option("--run", help=f"{RUN_WORDS}, a tag or all; default: the last `train`.", callback=each_run),
]
DatasetOfRuns = Annotated[str | None, typer.Option("--dataset", help="Only runs on this DATASET or DATASET/SPLIT.")]
Run = Annotated[str | None, typer.Argument(metavar="RUN", help=f"{RUN_WORDS}; default: latest.")]
Candidates = Annotated[
    str,
    typer.Option(
        metavar="WHAT",
        help="What is ranked: catalogue, test (the user's own rows), sampled:100 (and the relevant), or a file.",
        parser=_candidates,
    ),
]
KeepSeen = Annotated[
    bool, typer.Option("--keep-seen", help="Also rank the items that a user already had before the test rows.")
]
Dialect = Annotated[
    str | None,
    typer.Option(help="As that library computes it: recbole, fuxictr, torch-rechub, lenskit, cornac, elliot, gnolr."),
]


def output_path(word: str | Path) -> Path:
    """Return the path of `-o FILE`; raises UsageError if a folder, a device or a pipe is there."""
    path = Path(word)
    if path.is_dir():
        raise UsageError(f"-o {word}: a folder; name a file in it")
    if path.exists() and not path.is_file():
        raise UsageError(f"-o {word}: not a regular file; choose another name")
    return path


def setting_words(words: Sequence[str], options: Mapping[str, object] = MappingProxyType({})) -> tuple[str, ...]:
    """Return `train.key=value` for each option that stands for a setting, then what `--set` says.

    The option `sampler` stands for `sampler.name`.

    Raises UsageError for a word without a value and for a setting that is given twice.
    """
    given = {name: value for name, value in options.items() if value is not None}
    setting = {name: "sampler.name" if name == "sampler" else f"train.{name}" for name in given}
    typed = {setting[name]: f"--{name.replace('_', '-')} {value}" for name, value in given.items()}
    for word in words:
        key, equals, _ = word.partition("=")
        if not equals:
            raise UsageError(f"--set {word}: expected OWNER.KEY=VALUE, as in loss.scale=2.57")
        if key in typed:
            raise UsageError(f"--set {word}: {key} is set by `{typed[key]}` too; leave one out")
        typed[key] = f"--set {word}"
    return (*(f"{setting[name]}={value}" for name, value in given.items()), *words)


def consecutive(seed: int, seeds: int) -> tuple[int, ...]:
    """Return the seeds that `--seed` and `--seeds` ask for; raises UsageError for one that is too large."""
    if seed + seeds - 1 > LIMITS["--seed"][1]:
        raise UsageError(f"--seed {seed} --seeds {seeds}: the last seed is above {LIMITS['--seed'][1]:,}")
    return tuple(range(seed, seed + seeds))


def launch_options(
    launcher: Literal["local", "ray", "slurm"],
    jobs: int | None,
    address: str | None,
    per_run: str | None,
    partition: str | None,
    time_limit: str | None,
    lanes: str = "auto",
    device: str = "auto",
) -> LaunchOptions:
    """Return how the runs of a command are launched; raises UsageError for options that do not go together."""
    from recbench.study.launchers.base import LaunchOptions

    number = None if lanes == "auto" else within_limits("--lanes", lanes)
    return LaunchOptions(launcher, jobs, address, per_run, partition, time_limit, number, device)


def given_options(context: typer.Context) -> list[str]:
    """Return the options that stand on the command line, as they are typed."""
    given = []
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is not None and source.name == "COMMANDLINE":
            given.append(parameter.opts[0])
    return given
