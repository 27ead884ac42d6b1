"""The presets of the papers: what they say, and that every registered loss can use them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from recbench import settings
from recbench.backbones import base as backbones
from recbench.backbones.base import BACKBONES
from recbench.errors import UsageError
from recbench.losses import base
from recbench.losses.base import LOSSES
from recbench.preparation.prepare import prepare
from recbench.run import preset
from recbench.run.train_command import TrainRequest, complete
from recbench.samplers import base as samplers
from recbench.sources import catalog
from recbench.training.plan import OWNERS
from recbench.training.schedule import Schedule

ORDER = TrainRequest(loss="bce", backbone=None, dataset=None, feedback=(), seeds=(0,), settings=(), imports=())


def resolved(name: str, loss: str, backbone: str) -> dict[str, settings.Value]:
    """All settings of a run under a preset."""
    words = settings.split_words(preset.find(name).words(loss, backbone), OWNERS)
    return {
        **{f"loss.{key}": value for key, value in base.resolve(LOSSES.get(loss), words["loss"]).items()},
        **{
            f"backbone.{key}": value
            for key, value in backbones.resolve(BACKBONES.get(backbone), words["backbone"]).items()
        },
        **{f"train.{key}": value for key, value in settings.resolve(Schedule, "train", words["train"]).items()},
        **{f"sampler.{key}": value for key, value in samplers.resolve(words["sampler"]).items()},
    }


@pytest.mark.parametrize("name", sorted(preset.presets()))
def test_every_line_resolves_for_every_registered_loss_and_backbone(name: str) -> None:
    found = preset.find(name)
    named = {word.partition("/")[0] for key in (*found.paper.losses, *found.entry.losses) for word in key.split()}
    for loss in LOSSES.names():  # those that the preset does not name have the same words on every backbone
        for backbone in BACKBONES.names() if loss in named | {"bce"} else (found.paper.backbone,):
            assert resolved(name, loss, backbone)["train.epochs"] != Schedule().epochs


@pytest.mark.parametrize("name", sorted(preset.presets()))
def test_names_are_those_of_methods_and_of_the_catalogue(name: str) -> None:
    found = preset.find(name)
    for key in (*found.paper.losses, *found.entry.losses):
        assert {word.partition("/")[0] for word in key.split()} <= set(LOSSES.names())
    spec = catalog.find(found.entry.dataset, rule=found.entry.rule)
    assert found.entry.split in spec.splits
    assert set(found.entry.feedback) <= set(spec.feedback)


@pytest.mark.parametrize(
    ("name", "loss", "expected"),
    [  # hand-copied: GNOLR A.2.2, Tables 2, 10 and 12; CROLoss section 4.1; TIL section 5.4
        ("gnolr/ml-1m", "gnolr", {"train.lr": 0.05, "loss.scale": 2.57, "train.epochs": 200, "train.batch_size": 1024}),
        ("gnolr/ml-1m", "bce", {"loss.pos_weight": 2.0, "loss.cosine": True, "loss.logit": "bare"}),
        ("gnolr/ml-20m", "gnolr", {"train.lr": 0.5, "loss.scale": 3.0}),
        ("gnolr/ml-20m", "bce", {"loss.pos_weight": 2.0}),
        ("gnolr/aliccp", "gnolr", {"train.lr": 0.01, "loss.scale": 4.0}),
        ("gnolr/aliccp", "nsb", {"loss.pos_weight": "10,100"}),
        ("gnolr/aliccp-click", "gnolr", {"loss.scale": 7.0}),
        ("gnolr/aliccp-click", "bce", {"loss.pos_weight": 10.0}),
        ("gnolr/ae-es", "gnolr", {"train.lr": 5.0, "loss.scale": 1.0}),
        ("gnolr/ae-es", "esmm", {"loss.pos_weight": "10,50"}),
        ("gnolr/ae-fr", "gnolr", {"loss.scale": 3.0}),
        ("gnolr/ae-us", "gnolr", {"loss.scale": 2.0}),
        ("gnolr/ae-us", "nsb", {"loss.pos_weight": "100,10"}),
        ("gnolr/ae-nl", "gnolr", {"loss.scale": 3.0}),
        ("gnolr/ae-es-click", "gnolr", {"loss.scale": 7.0}),
        ("gnolr/ae-fr-click", "gnolr", {"loss.scale": 7.0}),
        ("gnolr/ae-us-click", "gnolr", {"loss.scale": 8.0}),
        ("gnolr/ae-nl-click", "gnolr", {"loss.scale": 2.8}),
        ("gnolr/kuairand-pure", "gnolr", {"train.lr": 0.05, "loss.scale": 2.8}),
        ("gnolr/kuairand-pure", "esmm", {"loss.pos_weight": "100,10"}),
        ("gnolr/kuairand-pure-like", "gnolr", {"loss.scale": 7.3}),
        ("gnolr/kuairand-1k", "gnolr", {"loss.scale": 2.5}),
        ("gnolr/kuairand-1k", "nsb", {"loss.pos_weight": "50,100"}),
        ("gnolr/kuairand-1k-like", "gnolr", {"loss.scale": 2.8}),
        ("gnolr/retailrocket", "gnolr", {"train.lr": 0.05, "loss.scale": 2.0}),
        ("gnolr/retailrocket-cart", "bce", {"train.lr": 0.05, "loss.pos_weight": 10.0}),
        ("croloss/amazon-books", "croloss", {"loss.kernel": "softplus", "loss.alpha": 1.0, "train.batch_size": 256}),
        ("croloss/taobao", "croloss", {"loss.kernel": "exp", "loss.alpha": 1.4, "train.batch_size": 512}),
        ("croloss/taobao", "croloss", {"train.lr": 0.02, "loss.scale": 10.0, "loss.negatives": 10, "backbone.dim": 32}),
        (
            "croloss/taobao",
            "croloss-lambda",
            {"loss.weight_kernel": "sigmoid", "loss.alpha": 1.4, "backbone.length": 50},
        ),
        ("croloss/amazon-books", "croloss-lambda", {"loss.kernel": "softplus", "backbone.length": 20}),
        ("croloss/amazon-books", "triplet", {"loss.margin": 5.0, "loss.scale": 10.0, "loss.hardest": 0}),
        ("til/gowalla", "bpr", {"train.batch_size": 5000, "train.epochs": 3000, "train.patience": 100}),
        ("sasrec/ml-1m", "full-softmax", {"sampler.name": "catalogue-rows", "train.epochs": 100, "train.patience": 10}),
        ("sasrec/ml-1m", "bce", {"sampler.name": "uniform", "sampler.negatives": 1, "loss.cosine": False}),
        ("sasrec/ml-1m", "bce", {"backbone.dim": 64, "backbone.length": 200, "backbone.dropout": 0.1}),
        ("bsl/gowalla-lightgcn", "ssm", {"loss.denominator": "negatives", "loss.scale": 12.5, "backbone.l2": 1e-9}),
        ("bsl/gowalla-lightgcn", "bsl", {"loss.form": "released-users", "loss.power": 1.22, "loss.negatives": 800}),
        ("simplex/gowalla-lightgcn", "ccl", {"loss.weight": 250.0, "loss.negatives": 2000, "backbone.own": 0.8}),
        ("simplex/gowalla-lightgcn", "ccl", {"train.batch_size": 256, "train.lr": 1e-4, "loss.mask_positives": False}),
        ("ultragcn/gowalla-lightgcn", "ultragcn", {"loss.negatives": 1500, "loss.item_weight": 5e-4, "train.lr": 1e-4}),
        ("ultragcn/gowalla-lightgcn", "ultragcn", {"backbone.l2_of": "parameters", "backbone.std": 1e-4}),
        ("directau/gowalla-lightgcn", "directau", {"loss.gamma": 5.0, "train.weight_decay": 1e-6}),
        ("selfrec/gowalla-lightgcn", "xsimgcl", {"loss.noise": 0.2, "loss.temperature": 0.15, "backbone.layers": 3}),
        ("selfrec/gowalla-lightgcn", "simgcl", {"backbone.l2_of": "vectors", "backbone.l2_slots": "first"}),
        ("selfrec/gowalla-lightgcn", "sgl", {"backbone.l2_form": "norms", "backbone.l2_of": "vectors"}),
        ("sgl/gowalla-lightgcn", "sgl", {"loss.against": "all", "loss.drop": 0.1, "backbone.l2": 1e-4}),
        ("mult-vae/ml-20m", "mult-vae", {"backbone.dim": 200, "backbone.hidden": "600", "loss.anneal": 200_000}),
        ("til/lastfm", "bpr", {"train.select": "recall@20", "backbone.dim": 64, "loss.negatives": 1}),
    ],
)
def test_the_papers_values(name: str, loss: str, expected: dict[str, settings.Value]) -> None:
    backbone = preset.find(name).paper.backbone
    values = resolved(name, loss, backbone)
    assert {key: values[key] for key in expected} == expected


def test_the_papers_backbones() -> None:
    values = resolved("gnolr/kuairand-1k", "gnolr", "twintower")
    assert [values[f"backbone.{key}"] for key in ("embedding", "hidden", "dim")] == [16, "128-64", 32]
    assert resolved("til/gowalla", "bpr", "lightgcn")["backbone.layers"] == 1
    assert preset.find("til/gowalla").paper.backbone == "mf"
    values = resolved("bsl/gowalla-lightgcn", "bsl", "lightgcn")
    assert (values["sampler.name"], values["loss.rank_by"], values["loss.power"]) == (
        "in-batch",
        "inner-products",
        0.84,
    )


def test_a_line_for_one_backbone_holds_on_that_alone() -> None:
    found = preset.find("gnolr/aliccp")
    of_all, of_twintower = ("loss.logit=fixed",), ("backbone.hidden=256-128", "backbone.dim=64")
    assert preset._lines(found.paper.losses, "neural-olr", "twintower") == [of_all, of_twintower]
    assert preset._lines(found.paper.losses, "neural-olr", "mf") == [of_all]


def test_the_nearest_name_is_suggested() -> None:
    with pytest.raises(UsageError, match="unknown preset `gnolr/ml1m`; did you mean `gnolr/ml-1m`"):
        preset.find("gnolr/ml1m")


def test_the_data_it_is_meant_for_are_named() -> None:
    with pytest.raises(UsageError) as raised:
        complete(replace(ORDER, preset="gnolr/kuairand-pure"))
    assert str(raised.value) == (
        "preset gnolr/kuairand-pure is meant for kuairand-pure/global+gnolr, which is not prepared; run `recbench "
        "prepare kuairand-pure --split global --rule gnolr` first, or name other data with --dataset"
    )


def test_a_backbone_that_is_not_there() -> None:
    with pytest.raises(
        UsageError, match="preset toy/shop is meant for backbone `gone`, which does not exist; give --b"
    ):
        paper = preset.Paper(source="", backbone="gone", presets={})
        entry = preset.Entry(dataset="synthetic", split="global")
        preset.Preset("toy/shop", Path("toy.toml"), paper, entry).words("bce", "gone")


TOY = """
source = "nobody (2026)"
backbone = "mf"
settings = ["train.lr=0.5", "train.epochs=7"]
backbones = { mf = ["backbone.dim=4"], lightgcn = ["backbone.dim=6"] }
losses = { "bce gnolr" = ["loss.scale=3"], "bce/mf" = ["train.lr=0.25"] }

[presets.shop]
dataset = "synthetic"
split = "global"
feedback = ["cart", "buy"]
settings = ["train.batch_size=99", "loss.cosine=false"]
losses = { bce = ["loss.scale=4"], nsb = ["loss.kernel=exp"] }
"""


@pytest.fixture
def toy_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "toy.toml"
    file.write_text(TOY)
    monkeypatch.setattr(preset, "FOLDER", tmp_path)
    return file


def test_the_more_special_wins_and_what_is_given_wins_over_all(toy_file: Path) -> None:
    prepare("synthetic", rows=1000)
    toy = replace(ORDER, preset="toy/shop")
    order = complete(toy)
    assert (order.dataset, order.backbone, order.feedback) == ("synthetic/global", "mf", ("cart",))
    values = resolved("toy/shop", "bce", "mf")
    assert (values["train.lr"], values["train.epochs"], values["train.batch_size"]) == (0.25, 7, 99)
    assert (values["loss.scale"], values["loss.cosine"], values["backbone.dim"]) == (4.0, False, 4)
    assert resolved("toy/shop", "bce", "lightgcn")["train.lr"] == 0.5
    assert resolved("toy/shop", "gnolr", "mf")["loss.scale"] == 3.0
    assert resolved("toy/shop", "bpr", "mf")["loss.scale"] == 1.0
    given = complete(replace(toy, settings=("train.lr=2",), backbone="lightgcn", loss="gnolr"))
    assert (given.backbone, given.feedback) == ("lightgcn", ("cart", "buy"))
    assert settings.split_words(list(given.settings), ("loss", "backbone", "train"))["train"]["lr"] == "2"
    assert complete(replace(toy, feedback=("view",))).feedback == ("view",)
    assert complete(replace(toy, dataset="other/user", loss="gnolr")).feedback == ()
    assert complete(ORDER).backbone == "twintower"


def test_a_bad_line_matters_only_where_it_is_used(toy_file: Path) -> None:
    assert resolved("toy/shop", "bce", "mf")["loss.scale"] == 4.0
    with pytest.raises(UsageError) as raised:
        preset.find("toy/shop").words("nsb", "mf")
    told = str(raised.value)
    assert told.startswith(f"{toy_file}: preset toy/shop, loss nsb: unknown setting `kernel` of loss `nsb`")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('split = "global"', 'spilt = "global"', "unknown field `spilt`"),
        ('split = "global"', "split = 3", "Expected `str`, got `int` - at `$.presets[...].split`"),
        ('source = "nobody (2026)"', "", "missing required field `source`"),
        ("[presets.shop]", "[presets.shop", "(at line 8"),
    ],
)
def test_a_damaged_file_is_named(toy_file: Path, old: str, new: str, message: str) -> None:
    toy_file.write_text(TOY.replace(old, new))
    with pytest.raises(UsageError) as raised:
        preset.find("toy/shop")
    assert str(raised.value).startswith(f"{toy_file}: not a file of presets (")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
