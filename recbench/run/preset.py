"""How the papers trained: `presets/<paper>.toml`, read by `--preset <paper>/<name>`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import msgspec

from recbench import settings
from recbench.backbones import base as backbones
from recbench.backbones.base import BACKBONES, Backbone
from recbench.data.how_to_prepare import prepare_command
from recbench.data.prepared_datasets import prepared_folders
from recbench.errors import UsageError, require_known
from recbench.losses import base as losses
from recbench.losses.base import LOSSES
from recbench.samplers import base as samplers
from recbench.training.plan import OWNERS
from recbench.training.schedule import Schedule

FOLDER = Path(__file__).parent / "presets"


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One table [presets.<name>]. Settings are words as `--set` takes them.

    A key of `losses` is a loss, several joined by spaces, or a loss on one backbone as in "neural-olr/twintower".
    """

    dataset: str
    split: str
    rule: str | None = None  # of the catalogue, unless the dataset's default
    feedback: tuple[str, ...] = ()  # from dense to sparse; none: all that the loss takes
    settings: tuple[str, ...] = ()  # of every run
    losses: Mapping[str, tuple[str, ...]] = {}  # of the runs of some losses; they come last and win


class Paper(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file: what all presets of a paper have in common, and the presets by name."""

    source: str  # paper, sections and tables that the numbers are from
    backbone: str  # unless --backbone is given
    presets: Mapping[str, Entry]
    settings: tuple[str, ...] = ()
    backbones: Mapping[str, tuple[str, ...]] = {}  # of the runs on one backbone
    losses: Mapping[str, tuple[str, ...]] = {}


class Preset(msgspec.Struct, frozen=True):
    """One preset with what all presets of its paper have in common."""

    name: str  # "gnolr/ml-1m"
    file: Path
    paper: Paper
    entry: Entry

    def words(self, loss: str, backbone: str, for_table_row: bool = False) -> list[str]:
        """Return the settings of a loss on a backbone, the more specific the later.

        `for_table_row` leaves out what the preset says of the loss itself on this dataset: the rows of a published
        table say that, as several may have one loss, such as BCE with and without a weight on positives.

        Raises UsageError that names file and preset for a setting that does not exist or is not of its type.
        """
        lines = [
            self.paper.settings,
            self.paper.backbones.get(backbone, ()),
            *_lines(self.paper.losses, loss, backbone),
            self.entry.settings,
        ]
        of_entry = [word for line in _lines(self.entry.losses, loss, backbone) for word in line]
        words = [word for line in lines for word in line]
        words += [word for word in of_entry if not (for_table_row and word.startswith("loss."))]
        loss_class, backbone_class = LOSSES.get(loss), self.backbone_class(backbone)
        try:
            given = settings.split_words(words, OWNERS)
            losses.resolve(loss_class, given["loss"])
            backbones.resolve(backbone_class, given["backbone"])
            samplers.resolve(given["sampler"])
            Schedule(**settings.resolve(Schedule, "train", given["train"]))  # type: ignore[arg-type]
        except UsageError as error:
            raise UsageError(f"{self.file}: preset {self.name}, loss {loss}: {error}") from None
        return words

    def backbone_class(self, name: str) -> type[Backbone]:
        """Return the class of a backbone; raises UsageError, which says what else to take, if there is none."""
        if name == self.paper.backbone and name not in BACKBONES.names():
            raise UsageError(
                f"preset {self.name} is meant for backbone `{name}`, which does not exist; "
                f"give --backbone one of {', '.join(BACKBONES.names())}"
            )
        return BACKBONES.get(name)

    def feedback(self, loss: str) -> tuple[str, ...]:
        """Return the feedback types to train a loss on: the densest alone for a loss of a single feedback."""
        return self.entry.feedback if LOSSES.get(loss).multitask else self.entry.feedback[:1]

    @property
    def data(self) -> str:
        """DATASET/SPLIT of the data it is meant for."""
        rule = self.entry.rule
        return f"{self.entry.dataset}/{self.entry.split}" + (f"+{rule}" if rule else "")

    def prepared(self) -> str:
        """Return `data` if it is prepared; raises UsageError, which says how to prepare it."""
        name = self.data
        if not any(f"{folder.parent.name}/{folder.name}" == name for folder in prepared_folders()):
            dataset, _, folder = name.partition("/")
            raise UsageError(
                f"preset {self.name} is meant for {name}, which is not prepared; run "
                f"{prepare_command(dataset, folder)} first, or name other data with --dataset"
            )
        return name


def find(name: str) -> Preset:
    """Return the preset of that name; raises UsageError with the nearest name if there is none."""
    known = presets()
    require_known("preset", [name], known)
    return known[name]


def presets() -> dict[str, Preset]:
    """Return all presets by name; raises UsageError that names file and key for a damaged file."""
    return {
        f"{file.stem}/{name}": Preset(f"{file.stem}/{name}", file, paper, entry)
        for file in sorted(FOLDER.glob("*.toml"))
        for paper in [_read(file)]
        for name, entry in paper.presets.items()
    }


@cache
def _read(file: Path) -> Paper:
    try:
        return msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), Paper)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise UsageError(f"{file}: not a file of presets ({error}); install recbench again") from None


def _lines(table: Mapping[str, tuple[str, ...]], loss: str, backbone: str) -> list[tuple[str, ...]]:
    """Return the settings whose keys name the loss; those that name the backbone too come last."""
    named = [(key.split(), words) for key, words in table.items()]
    wanted = (loss, f"{loss}/{backbone}")
    return [words for name in wanted for keys, words in named if name in keys]
