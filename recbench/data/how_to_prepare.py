"""The command that prepares a dataset as the name of a prepared folder says."""

from __future__ import annotations

import re
import shlex

from recbench.sources.catalog import expression_named, load


def prepare_command(dataset: str, folder: str = "") -> str:
    """Return the command that prepares DATASET/SPLIT, in quotes; `folder` is the split and what stands after it.

    That is a rule of the catalogue, a number of days, a day, a ratio, or else feedback. What it is of a dataset that is
    not in the catalogue of recbench stands in a file of the user's, and so the command says only where.
    """
    spec = load().get(dataset)
    split, *words = folder.split("+")
    options = ["--split", split] if split else []
    if spec is None:
        command = shlex.join(["recbench", "prepare", dataset, *options, "--catalog", "FILE.toml"])
        return f"`{command}`" + (f", with the options that make {folder}," if words else "")
    for word in words:
        if word in spec.rules:
            options += ["--rule", word]
        elif days := re.fullmatch(r"([0-9]+)-days?", word):
            options += ["--split-days", days[1]]
        elif split == "date" and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", word):
            options += ["--split-date", word]
        elif re.fullmatch(r"[0-9]+-[0-9]+-[0-9]+", word):
            options += ["--ratio", word.replace("-", ":")]
        else:
            options += ["--feedback", ",".join(map(expression_named, word.split("-")))]
    return f"`{shlex.join(['recbench', 'prepare', dataset, *options])}`"
