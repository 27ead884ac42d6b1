import subprocess
import sys

import pytest

from recbench.evaluation.better import Better, better_of
from recbench.evaluation.metric import METRICS, TopKMetric
from recbench.evaluation.request import parse
from recbench.evaluation.signature import Protocol, signature


@pytest.mark.parametrize("name", METRICS.names())
def test_the_signature_gives_back_which_values_are_good(name: str) -> None:
    word = f"{name}@5" if issubclass(METRICS.get(name), TopKMetric) else name
    assert better_of(signature(parse(word), Protocol("toy@0", "test"), 9)) == METRICS.get(name).better


@pytest.mark.parametrize(("line", "better"), [("x; better=lowercase", "high"), ("", "high"), ("x; better=1", "one")])
def test_only_whole_words_count(line: str, better: Better) -> None:
    assert better_of(line) == better


def test_it_loads_nothing() -> None:
    code = "import sys, recbench.evaluation.better; print({'torch', 'numpy'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
