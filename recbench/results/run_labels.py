"""What a user says of runs beside their records, which never change: tags, and which runs are hidden."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from recbench.disk import hold_lock
from recbench.errors import DataError, UsageError
from recbench.results.files import FREE_SPACE, load, save
from recbench.results.record import SCHEMA

FILE = "run-labels.json"
TAG = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")
RESERVED = ("all", "latest", "best")  # which stand for other runs


@dataclass
class RunLabels:
    """Tags by the digest of a run, and the digests of hidden runs."""

    tags: dict[str, list[str]] = field(default_factory=dict)
    hidden: list[str] = field(default_factory=list)
    schema: int = SCHEMA

    @staticmethod
    def read(root: Path) -> RunLabels:
        """Read the labels of a folder of results; raises DataError if the file is damaged."""
        path = root / FILE
        return (
            load(path, RunLabels, "delete it, and tags and hidden runs are forgotten") if path.exists() else RunLabels()
        )

    @staticmethod
    @contextmanager
    def changing(root: Path) -> Iterator[RunLabels]:
        """Yield the labels to change and write them in the end; other processes that would change them wait meanwhile.

        Raises DataError if the file is damaged or cannot be written.
        """
        with ExitStack() as held:
            try:
                held.enter_context(hold_lock(root / ".run-labels.lock", lambda: None, remove=True))
            except OSError as error:
                raise DataError(f"{root / FILE}: cannot be written ({error.strerror}); {FREE_SPACE}") from error
            labels = RunLabels.read(root)
            yield labels
            save(root / FILE, labels)

    def tagged(self, tag: str) -> frozenset[str]:
        """Return the digests of the runs that have a tag."""
        return frozenset(digest for digest, tags in self.tags.items() if tag in tags)

    def add_tag(self, tag: str, digests: Iterable[str], taken: Collection[str]) -> None:
        """Tag runs; raises UsageError for a tag that could not be told from other words for runs, as those `taken`."""
        if not TAG.fullmatch(tag) or tag in RESERVED or tag in taken:
            raise UsageError(
                f"--tag {tag}: expected a letter, then letters, digits, `_`, `.` and `-`, and neither the name of a "
                f"method or dataset nor one of {', '.join(RESERVED)}"
            )
        for digest in digests:
            self.tags[digest] = sorted({*self.tags.get(digest, []), tag})

    def remove_tag(self, tag: str, digests: Iterable[str]) -> None:
        """Take a tag off runs."""
        for digest in digests:
            left = [other for other in self.tags.get(digest, []) if other != tag]
            self.tags.pop(digest, None)
            if left:
                self.tags[digest] = left

    def hide(self, digests: Iterable[str], hidden: bool = True) -> None:
        """Hide runs from boards and names of methods, or show them again."""
        changed = set(digests)
        self.hidden = sorted({*self.hidden} | changed if hidden else {*self.hidden} - changed)

    def forget(self, digests: Iterable[str]) -> None:
        """Forget what is said of runs that are deleted."""
        for digest in digests:
            self.tags.pop(digest, None)
        self.hide(digests, hidden=False)
