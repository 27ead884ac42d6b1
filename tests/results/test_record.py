from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbench.errors import DataError, UsageError
from recbench.results.json_structs import decode, encode
from recbench.results.record import Evaluation, RunKey, RunRecord, now, settings_in_words

names = st.text(st.characters(categories=["L", "N"], include_characters="-_ ×=+"), min_size=1, max_size=20)
values = st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
keys = st.builds(
    RunKey,
    dataset=names,
    split=names,
    fingerprint=st.text(),
    feedback=st.lists(st.text(), min_size=1, max_size=4).map(tuple),
    loss=names,
    backbone=names,
    seed=st.integers(-(2**62), 2**62),
    device=st.sampled_from(["cpu", "cuda"]),
    settings=st.dictionaries(st.text(), values, max_size=6),
    sources=st.dictionaries(st.text(), st.text(), max_size=3),
)


@given(keys)
def test_key_survives_json_with_types_and_digest(key):
    again = decode(RunKey, json.loads(json.dumps(encode(key))), "here")
    assert again == key
    assert [type(value) for value in again.settings.values()] == [type(v) for v in key.settings.values()]
    assert (again.digest, again.group) == (key.digest, key.group)


@given(keys, st.integers())
def test_group_is_the_digest_without_the_seed(key, seed):
    other = replace(key, seed=seed)
    assert other.group == key.group != key.digest
    assert (other.digest == key.digest) == (seed == key.seed)


def test_digest_never_changes_between_versions(make_key):
    assert make_key().digest == "b11e9d0f9431"
    assert make_key().group == "636388f2749b"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"train.refit": True, "sampler.name": "pool", "loss.scale": 2.5}, "refit=true, sampler=pool, scale=2.5"),
        ({"loss.negatives": 5, "sampler.negatives": 7}, "loss.negatives=5, sampler.negatives=7"),
        ({}, ""),
    ],
)
def test_settings_are_named_without_their_owner_where_that_is_distinct(settings, words):
    assert settings_in_words(settings) == words


@pytest.mark.parametrize(
    "change",
    [
        {"dataset": "ml-1m"},
        {"split": "time"},
        {"fingerprint": "e" * 16},
        {"feedback": ("buy", "click")},
        {"loss": "bce"},
        {"backbone": "mf"},
        {"seed": 1},
        {"device": "cuda"},
        {"settings": {}},
        {"settings": {"loss.scale": 2.5, "loss.logit": "fixed", "backbone.dim": 32, "train.cosine": False}},
        {"settings": {"loss.scale": 2.0, "loss.logit": "fixed", "backbone.dim": 32, "train.cosine": 0}},
        {"settings": {"loss.scale": "2", "loss.logit": "fixed", "backbone.dim": 32, "train.cosine": False}},
        {"sources": {"mine.py": "0123456789ab"}},
    ],
    ids=str,
)
def test_every_field_changes_the_digest(make_key, change):
    assert make_key(**change).digest != make_key().digest


def test_order_of_settings_and_whole_floats_do_not_change_the_digest(make_key):
    settings = {"train.cosine": False, "backbone.dim": 32, "loss.logit": "fixed", "loss.scale": 2}
    assert make_key(settings=settings).digest == make_key().digest


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "a\\b", "a\nb", "a\0b", "\x1b[31m", "\udc80"])
@pytest.mark.parametrize("kind", ["dataset", "split", "loss", "backbone"])
def test_names_that_are_unsafe_as_folders_are_refused(make_key, kind, name):
    with pytest.raises(UsageError, match=f"^{kind} .*: not a folder name; use"):
        make_key(**{kind: name})


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_settings_must_be_finite(make_key, value):
    with pytest.raises(UsageError, match="^loss.scale=-?(inf|nan): expected a finite number$"):
        make_key(settings={"loss.scale": value})


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"sead": 1}, "unknown or missing field `sead`"),
        ({"seed": None}, r"Expected `int`, got `null` - at `\$\.seed`"),
        ({"seed": True}, r"Expected `int`, got `bool` - at `\$\.seed`"),
        ({"seed": 1.0}, r"Expected `int`, got `float` - at `\$\.seed`"),
        ({"feedback": "click"}, r"Expected `array`, got `str` - at `\$\.feedback`"),
        ({"feedback": [1]}, r"Expected `str`, got `int` - at `\$\.feedback\[0\]`"),
        ({"settings": []}, r"Expected `object`, got `array` - at `\$\.settings`"),
        (
            {"settings": {"a": None}},
            r"Expected `bool \| int \| float \| str`, got `null` - at `\$\.settings",
        ),
        ({"dataset": "../x"}, "dataset '../x': not a folder name"),
    ],
)
def test_keys_are_read_strictly(make_key, change, why):
    with pytest.raises(DataError, match=rf"^plan\.json: damaged \({why}"):
        decode(RunKey, encode(make_key()) | change, "plan.json")


@pytest.mark.parametrize("data", [None, [], "key", 3])
def test_a_key_is_an_object(data):
    with pytest.raises(DataError, match="Expected `object`"):
        decode(RunKey, data, "plan.json")


@pytest.mark.parametrize("name", list(RunKey.__dataclass_fields__))
def test_missing_fields_are_named(make_key, name):
    data = encode(make_key())
    del data[name]
    with pytest.raises(DataError, match=f"missing (required )?field `{name}`"):
        decode(RunKey, data, "plan.json")


def test_record_and_evaluation_survive_json(make_key, make_record, make_evaluation, make_value):
    record = make_record(make_key(), commit=None, dirty=None)
    assert decode(RunRecord, json.loads(json.dumps(encode(record))), "here") == record
    evaluation = make_evaluation(make_key(), make_value(0.7), bound=[make_value(0.9)])
    again = decode(Evaluation, json.loads(json.dumps(encode(evaluation))), "here")
    assert again == evaluation
    assert again.digest == evaluation.digest


def test_undefined_numbers_are_null(make_key, make_evaluation, make_value):
    evaluation = make_evaluation(make_key(), make_value(None))
    text = json.dumps(encode(evaluation), allow_nan=False)
    assert decode(Evaluation, json.loads(text), "here") == evaluation


def test_nested_faults_are_located(make_key, make_record):
    data = encode(make_record(make_key()))
    data["curve"][0]["loss"] = "low"
    with pytest.raises(DataError, match=r"Expected `float`, got `str` - at `\$\.curve\[0\]\.loss`"):
        decode(RunRecord, data, "record.json")


def test_digest_of_an_evaluation_leaves_out_only_the_time(make_key, make_evaluation, make_value):
    first = make_evaluation(make_key(), make_value(1))
    assert replace(first, when=now(), seconds=9.0).digest == first.digest
    assert replace(first, values=[make_value(1.0)]).digest == first.digest
    for change in (
        {"values": [make_value(0.9)]},
        {"bound": [make_value(1.0)]},
        {"options": {}},
        {"run": "0" * 12},
    ):
        assert replace(first, **change).digest != first.digest


def test_later_times_sort_higher():
    times = [now() for _ in range(5)]
    assert times == sorted(times)
    assert all(time.endswith("+00:00") and len(time) == 32 for time in times)
