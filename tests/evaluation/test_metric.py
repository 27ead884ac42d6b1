"""What a metric declares is checked where it is defined, since a typo there would change numbers."""

import pytest

from recbench.errors import UsageError
from recbench.evaluation.metric import RowMetric


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        (
            {"needs": frozenset({"probabilities"})},
            "needs of probabilities; expected one of probability, level, vectors, all users, catalogue, dense vectors",
        ),
        ({"better": "lower"}, "better of lower; expected one of high, low, one"),
    ],
)
def test_a_declaration_that_means_nothing_is_refused(attributes: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as error:
        type("Brier", (RowMetric,), attributes)
    assert f"metric Brier: {message}" in str(error.value)


def test_a_declaration_that_is_known_is_taken() -> None:
    type("Brier", (RowMetric,), {"needs": frozenset({"probability", "level"}), "better": "one"})
