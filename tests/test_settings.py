"""Words of the command line to typed settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest

from recbench import settings
from recbench.errors import UsageError
from recbench.losses import base
from recbench.losses.base import LOSSES
from recbench.samplers import Triplets


class Thing:
    def __init__(self, *, count: int = 3, rate: float = 0.5, on: bool = False, kind: Literal["a", "b"] = "a") -> None:
        self.values = (count, rate, on, kind)


def test_defaults_and_overrides() -> None:
    assert settings.defaults(Thing) == {"count": 3, "rate": 0.5, "on": False, "kind": "a"}
    words = {"count": "7", "rate": "1e-3", "on": "true", "kind": "b"}
    assert settings.resolve(Thing, "thing", words) == {"count": 7, "rate": 0.001, "on": True, "kind": "b"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"cuont": "7"}, "unknown setting `cuont` of thing; did you mean `count`"),
        ({"count": "7.5"}, "thing.count=7.5: expected a whole number"),
        ({"rate": "fast"}, "thing.rate=fast: expected a number"),
        ({"rate": "nan"}, "expected a finite number"),
        ({"on": "1"}, "thing.on=1: expected true or false"),
        ({"kind": "c"}, "thing.kind=c: expected one of a, b"),
    ],
)
def test_bad_words(words: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message.replace(".", r"\.")):
        settings.resolve(Thing, "thing", words)


@pytest.mark.parametrize("word", ["loss.scale", "scale=2", "loss.=2", "loss=2"])
def test_words_without_owner_key_or_value(word: str) -> None:
    with pytest.raises(UsageError, match="expected OWNER.KEY=VALUE with OWNER one of loss"):
        settings.split_words([word], ("loss",))


def test_unknown_owner() -> None:
    with pytest.raises(UsageError, match="did you mean `backbone`"):
        settings.split_words(["bakcbone.dim=3"], ("loss", "backbone"))


def test_every_loss_has_the_settings_of_its_head() -> None:
    for name in LOSSES.names():
        loss = LOSSES.get(name)
        assert ({"logit", "scale", "bias"} <= base.resolve(loss, {}).keys()) == loss.reads_logits
        assert "cosine" in base.resolve(loss, {})


def test_a_scale_alone_makes_the_logit_fixed() -> None:
    assert base.resolve(LOSSES.get("bce"), {"scale": "3"})["logit"] == "fixed"
    assert base.resolve(LOSSES.get("bce"), {"scale": "3", "logit": "learned"})["logit"] == "learned"
    assert base.resolve(LOSSES.get("gnolr"), {"scale": "2.57"})["scale"] == 2.57


def test_a_setting_no_loss_has() -> None:
    with pytest.raises(UsageError, match="did you mean `scale`"):
        base.resolve(LOSSES.get("gnolr"), {"scal": "3"})


@pytest.mark.parametrize(("word", "number"), [("1000", 1000), ("1_000", 1000), ("1e3", 1000), ("-2", -2), ("4.0", 4)])
def test_whole_numbers(word: str, number: int) -> None:
    assert settings.whole_number(word) == number
    assert settings.resolve(Thing, "thing", {"count": word})["count"] == number


@pytest.mark.parametrize("word", ["", "1.5", "1e-3", "inf", "nan", "ten", "9" * 5000])
def test_what_is_not_a_whole_number(word: str) -> None:
    with pytest.raises(ValueError):
        settings.whole_number(word)
    with pytest.raises(UsageError, match="expected a whole number"):
        settings.resolve(Thing, "thing", {"count": word})


def test_whole_numbers_fit_64_bits() -> None:
    assert settings.resolve(Thing, "thing", {"count": str(2**63 - 1)})["count"] == 2**63 - 1
    with pytest.raises(UsageError, match="expected a whole number below 2\\^63"):
        settings.resolve(Thing, "thing", {"count": str(2**63)})


class Ranged:
    def __init__(self, *, count: settings.Count = 3, share: settings.Share = 0.5, weight: settings.NonNegative = 0.0):
        self.values = (count, share, weight)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("count", 0, "thing.count=0: expected at least 1"),
        ("share", 1.0, r"thing.share=1.0: expected a number in \[0, 1\)"),
        ("weight", -0.5, "thing.weight=-0.5: expected at least 0"),
        ("weight", float("nan"), "thing.weight=nan: expected at least 0"),
        ("weight", float("inf"), "thing.weight=inf: expected a finite number"),
        ("weight", "much", "thing.weight=much: expected at least 0"),
    ],
)
def test_values_out_of_range(key: str, value: float, message: str) -> None:
    settings.check_ranges(Ranged, "thing", settings.defaults(Ranged))
    with pytest.raises(UsageError, match=f"^{message}$"):
        settings.check_ranges(Ranged, "thing", settings.defaults(Ranged) | {key: value})


def test_words_out_of_range() -> None:
    with pytest.raises(UsageError, match="^thing.count=-2: expected at least 1$"):
        settings.resolve(Ranged, "thing", {"count": "-2"})
    assert settings.resolve(Ranged, "thing", {"count": "1"})["count"] == 1


def test_fields_of_a_dataclass_whose_base_is_of_another_module() -> None:
    """Annotations of the base are not names where the subclass is defined."""

    @dataclass(frozen=True, kw_only=True)
    class Mine(Triplets):
        least: settings.Count = 3

    assert settings.resolve(Mine, "sampler", {"least": "5"}) == {"least": 5}
    with pytest.raises(UsageError, match="sampler.least=0: expected at least 1"):
        settings.resolve(Mine, "sampler", {"least": "0"})


def test_a_value_is_typed_as_it_is_read() -> None:
    values: dict[str, settings.Value] = {"a": True, "b": False, "c": 1, "d": 0.5, "e": "1|2"}
    assert settings.typed_words(values) == ["a=true", "b=false", "c=1", "d=0.5", "e=1|2"]
