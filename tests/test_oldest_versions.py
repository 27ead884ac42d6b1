"""The oldest versions that pyproject.toml allows are those that `make test-oldest` runs the tests with."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTED = ("baselines", "plot", "sweep")  # the extras that the tests use


def test_the_bounds_of_pyproject_are_the_versions_that_are_tested() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    words = [*project["dependencies"], *(word for extra in TESTED for word in project["optional-dependencies"][extra])]
    bounds = {_release(word.replace(">=", "==")) for word in words}
    lines = (ROOT / ".ci" / "oldest.txt").read_text().splitlines()
    assert bounds == {_release(line) for line in lines if not line.startswith("#")}


def _release(word: str) -> tuple[str, str]:
    """Return a requirement's name and version, of which zeros at the end mean nothing: 3.10 is 3.10.0."""
    name, version = word.split("==")
    return name, re.sub(r"(\.0)+$", "", version)
