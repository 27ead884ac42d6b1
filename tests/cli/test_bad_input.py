"""Whatever a user gets wrong is one line that says what to do; exit code 2 for usage, 1 for failure."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from recbench.home import home, results_home
from tests.conftest import Run, forget_imports

FAST = ("--backbone", "mf", "--epochs", "1", "--set", "backbone.dim=4")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("prepare", "sinthetic"), "unknown dataset `sinthetic`; did you mean `synthetic`"),
        (("prepare", "synthetic", "--rows", "many"), "--rows many: expected a whole number"),
        (("prepare", "synthetic", "--split", "sideways"), "sideways"),
        (("train", "--loss", "gnolrr"), "unknown loss `gnolrr`; did you mean `gnolr`"),
        (("train", "--backbone", "twintwoer"), "unknown backbone `twintwoer`; did you mean `twintower`"),
        (("train", "--set", "loss.scal=2"), "did you mean `scale`"),
        (("train", "--set", "loss.scale=two"), "loss.scale=two: expected a number"),
        (("train", "--set", "loss.scale=-1"), "loss.scale=-1.0: expected a number above 0"),
        (("train", "--set", "backbone.dmi=8"), "did you mean `dim`"),
        (("train", "--set", "backbone.hidden=a-b"), "backbone.hidden=a-b: expected widths"),
        (("prepare", "synthetic", "--rows", "inf"), "--rows inf: expected a whole number"),
        (("train", "--seed", "99999999999999999999"), "--seed"),
        (("train", "--set", "backbone.dim=0"), "backbone.dim=0: expected at least 1"),
        (("train", "--set", "backbone.embedding=-3"), "backbone.embedding=-3: expected at least 1"),
        (("train", "--backbone", "lightgcn", "--set", "backbone.layers=-1"), "backbone.layers=-1: expected at least 0"),
        (("train", "--backbone", "mf", "--set", "backbone.l2=-1"), "backbone.l2=-1.0: expected at least 0"),
        (("train", "--loss", "bce", "--set", "loss.pos_weight=-1"), "loss.pos_weight=-1.0: expected a number above 0"),
        (("train", "--loss", "nsb", "--set", "loss.pos_weight=nan"), "loss.pos_weight=nan: expected numbers above 0"),
        (("train", "--loss", "nsb", "--set", "loss.pos_weight=1,2"), "expected 1 or 3 numbers"),
        (("train", "--loss", "croloss", "--set", "loss.negatives=0"), "loss.negatives=0: expected at least 1"),
        (("train", "--loss", "bpr", "--set", "loss.negatives=0"), "loss.negatives=0: expected at least 1"),
        (("train", "--loss", "listnet", "--set", "loss.longest=0"), "loss.longest=0: expected at least 2"),
        (("train", "--loss", "buir", "--set", "loss.logit=learned"), "unknown setting `logit` of loss `buir`"),
        (("train", "--loss", "bce", "--feedback", "view,buy"), "loss `bce` trains on one feedback"),
        (("train", "--select", "auc/gift"), "unknown feedback `gift`"),
        (("train", "--device", "cpu:3"), "--device cpu:3: expected"),
        (
            ("train", "--resume", "--epochs", "50"),
            "--resume finishes the last `train` as it was typed; leave out --epochs",
        ),
        (("train", "--resume", "--set", "loss.scale=2"), "leave out --set"),
        (("train", "--set", "scale=2"), "expected OWNER.KEY=VALUE"),
        (("train", "--lr", "-1"), "train.lr=-1.0: expected a number above 0"),
        (("train", "--select", "acu"), "unknown metric `acu`; did you mean `auc`"),
        (("train", "--select", "logloss"), "expected a metric where higher is better"),
        (("plot", "recall-curve", "--format", "csv", "--json"), "print the same numbers; leave one out"),
        (("train", "--device", "tpu"), "--device tpu: expected auto, cpu, cuda"),
        (("train", "--device", "cuda:99"), "CUDA devices"),
        (("train", "--dataset", "ml-1m"), "ml-1m is not prepared; run `recbench prepare ml-1m`"),
        (("train", "--dataset", "synthetic/user"), "run `recbench prepare synthetic --split user`"),
        (("train", "--feedback", "biew"), "unknown feedback `biew` of synthetic; did you mean `view`"),
        (("train", "--loss", "esmm", "--feedback", "view"), "loss `esmm` needs at least 2 kinds of feedback"),
        (("train", "--import", "nowhere.py"), "nowhere.py: no such file"),
        (("train", "--resume"), "nothing trained yet"),
        (("train", "--epochs", "0"), "epochs"),
        (("train", "--wat"), "--wat"),
        (
            ("baselines", "--only", "popularity", "--budget", "inf"),
            "--budget inf: expected seconds from 0 to 10,000,000",
        ),
        (("eval",), "no finished runs; run `recbench train`"),
        (("runs",), "no finished runs; run `recbench train`"),
        (("eval", "--metric", "recal@5"), "unknown metric `recal`; did you mean `recall`"),
        (("eval", "--metric", "recall"), "needs a cut-off"),
        (("eval", "--metric", "auc@5"), "auc has no cut-off"),
        (("eval", "--metric", "gauc(median)"), "unknown variant `median` of gauc"),
        (("leaderboard",), "run `recbench train`"),
        (("list", "loses"), "did you mean `losses`"),
        (("lits",), "lits"),
    ],
    ids=" ".join,
)
def test_usage(prepared: Run, words: tuple[str, ...], message: str) -> None:
    result = prepared(*words)
    assert message in result.err
    assert result.err.startswith("error: ")
    assert len(result.err.splitlines()) == 1
    assert result.code == 2
    assert "Traceback" not in result.err
    assert not list(results_home().rglob("record.json"))


def test_nothing_prepared(run: Run) -> None:
    result = run("train")
    assert (result.code, result.err) == (
        2,
        "error: no dataset is prepared; run `recbench prepare synthetic` first\n",
    )


def test_a_metric_whose_feedback_is_absent(prepared: Run) -> None:
    prepared("train", "--loss", "bce", *FAST)
    result = prepared("eval", "--metric", "recall@5/gift")
    assert result.code == 2
    assert "unknown feedback `gift` of synthetic" in result.err


def test_logloss_of_a_loss_without_probabilities(prepared: Run) -> None:
    prepared("train", "--loss", "bpr", *FAST)
    result = prepared("eval", "--metric", "logloss")
    assert result.code == 2
    assert "needs probabilities" in result.err


def test_a_feedback_that_a_multi_feedback_run_did_not_see(prepared: Run) -> None:
    prepared("train", "--loss", "nsb", "--feedback", "view,cart", *FAST)
    result = prepared("eval", "--metric", "auc/buy")
    assert result.code == 2
    assert "train with --feedback view,cart,buy" in result.err


def test_a_pair_that_cannot_work(prepared: Run, tmp_path: Path) -> None:
    file = tmp_path / "odd.py"
    file.write_text(ODD_BACKBONE)
    result = prepared("train", "--import", str(file), "--loss", "buir", "--backbone", "odd")
    assert result.code == 2
    assert (
        "loss `buir` needs vectors whose inner products are the scores, which backbone `odd` does not have"
        in result.err
    )
    listed = prepared("list", "losses", "--import", str(file), "--json").json
    pairs = {item["name"]: item["backbones"] for item in listed}
    assert "odd" in pairs["bpr"]
    assert "odd" not in pairs["buir"]


def test_a_backbone_that_is_no_inner_product_is_searched_exhaustively(prepared: Run, tmp_path: Path) -> None:
    file = tmp_path / "odd.py"
    file.write_text(ODD_BACKBONE)
    words = ("--import", str(file), "--loss", "bpr", "--backbone", "odd", "--epochs", "1")
    assert prepared("train", *words).code == 0
    (row,) = prepared("eval", "--metric", "recall@5", "--json").json
    assert "search=exact" in row["signature"]


ODD_BACKBONE = '''
"""A backbone whose score is no inner product."""
import torch
from recbench.backbones.base import BACKBONES, Backbone
from recbench.batch import Towers


@BACKBONES.add("odd")
class Odd(Backbone):
    """Minus the distance of two numbers, after nobody (2026)."""

    decomposable = False
    offers = frozenset()

    def __init__(self, data, towers, cosine):
        super().__init__(data, towers, cosine)
        self.user_number = torch.nn.Parameter(torch.randn(self.users, towers))
        self.item_number = torch.nn.Parameter(torch.randn(self.items, towers))

    def embed(self, user, item):
        """Return pair scores only."""
        u, v = self.user_number[user], self.item_number[item]
        return Towers(u.unsqueeze(-1), v.unsqueeze(-1), pair=-(u.unsqueeze(1) - v).abs())
'''


def test_a_loss_that_diverges(prepared: Run, tmp_path: Path) -> None:
    file = tmp_path / "bad.py"
    file.write_text(DIVERGING)
    result = prepared("train", "--import", str(file), "--loss", "diverging", *FAST)
    assert result.code == 1
    assert "the loss became nan at step 2 of epoch 1; try a lower --lr" in result.err
    assert not list(results_home().rglob("record.json"))


DIVERGING = '''
"""A loss that is NaN from the second step on."""
from recbench.losses.base import LOSSES, Loss


@LOSSES.add("diverging")
class Diverging(Loss):
    """Nobody (2026)."""

    def __init__(self, info):
        super().__init__(info)
        self.steps = 0

    def forward(self, towers, batch):
        """Return NaN from the second step on."""
        self.steps += self.training  # not where it is only tried
        return towers.logit.mean() * (float("nan") if self.steps > 1 else 1.0)
'''


def test_weights_that_diverge(prepared: Run) -> None:
    result = prepared("train", "--loss", "bpr", "--lr", "1e30", *FAST)
    assert result.code == 1
    assert "lower --lr" in result.err


def test_a_loss_whose_code_has_changed_is_not_evaluated(prepared: Run, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    source = DIVERGING.replace('float("nan") if self.steps > 1 else 1.0', "1.0")
    file.write_text(source)
    assert prepared("train", "--import", str(file), "--loss", "diverging", *FAST).code == 0
    file.write_text(source + "\nCHANGED = True\n")
    forget_imports()
    result = prepared("eval", "--import", str(file))
    assert result.code == 1
    assert "mine.py has changed since the run began" in result.err
    run = result.err.split("`recbench runs ")[1].split()[0]
    assert prepared("train", "--import", str(file), "--loss", "diverging", *FAST).code == 0
    assert prepared("eval", "--run", "diverging", "--import", str(file)).code == 1
    assert prepared("runs", run, "--hide").code == 0
    assert prepared("eval", "--run", "diverging", "--import", str(file)).code == 0


def test_two_imports_of_one_name(prepared: Run, tmp_path: Path) -> None:
    files = [tmp_path / folder / "mine.py" for folder in ("a", "b")]
    for number, file in enumerate(files):
        file.parent.mkdir()
        file.write_text(f"NUMBER = {number}\n")
    result = prepared("train", *(word for file in files for word in ("--import", str(file))))
    assert result.code == 2
    assert "two files have the same name" in result.err


def test_a_refused_train_leaves_the_last_plan(prepared: Run) -> None:
    prepared("train", "--loss", "bce", *FAST)
    plan = (results_home() / "last-train.json").read_bytes()
    assert prepared("train", "--loss", "nsb", "--feedback", "view").code == 2
    assert prepared("train", "--select", "auc/gift").code == 2
    assert (results_home() / "last-train.json").read_bytes() == plan


def test_an_import_with_a_mistake(prepared: Run, tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text("import nothing_of_the_kind\n")
    result = prepared("train", "--import", str(file), "--loss", "bce")
    assert result.code == 2
    assert "ModuleNotFoundError: No module named 'nothing_of_the_kind'" in result.err


def test_a_damaged_record_is_named_and_skipped(prepared: Run) -> None:
    for loss in ("bce", "bpr"):
        prepared("train", "--loss", loss, *FAST)
        prepared("eval", "--metric", "auc")
    damaged = next(path for path in results_home().rglob("record.json") if "bpr" in str(path))
    damaged.write_text(damaged.read_text()[:100])
    result = prepared("leaderboard")
    assert result.code == 0
    assert "bpr" in result.err
    assert "skipped" in result.err
    assert "bce × mf" in result.out


def test_weights_that_are_gone(prepared: Run) -> None:
    prepared("train", "--loss", "bce", *FAST)
    next(results_home().rglob("weights.safetensors")).unlink()
    result = prepared("eval")
    assert result.code == 1
    assert "weights.safetensors: missing" in result.err
    record = next(results_home().rglob("record.json")).read_bytes()
    assert prepared("train", "--loss", "bce", *FAST).code == 0
    assert prepared("eval").code == 0
    assert next(results_home().rglob("record.json")).read_bytes() == record


def test_weights_that_are_damaged(prepared: Run) -> None:
    prepared("train", "--loss", "bce", *FAST)
    weights = next(results_home().rglob("weights.safetensors"))
    weights.write_bytes(weights.read_bytes()[:50])
    result = prepared("eval")
    assert result.code == 1
    assert "weights.safetensors: damaged" in result.err


def test_data_prepared_anew_does_not_fit_the_run(prepared: Run) -> None:
    prepared("train", "--loss", "bce", *FAST)
    prepared("prepare", "synthetic", "--rows", "3000")
    result = prepared("eval")
    assert result.code == 1
    assert "was trained on synthetic/global@" in result.err


@pytest.mark.parametrize("part", ["train.parquet", "users.parquet", "manifest.json"])
def test_prepared_files_that_are_damaged(prepared: Run, part: str) -> None:
    path = home() / "prepared" / "synthetic" / "global" / part
    path.write_bytes(path.read_bytes()[:20])
    result = prepared("train", "--loss", "bce", *FAST)
    assert result.code == 1
    assert part in result.err
    assert "run `recbench prepare synthetic --split global` to prepare it again" in result.err
    assert len(result.err.splitlines()) == 1


def test_a_results_folder_that_cannot_be_written(prepared: Run, tmp_path: Path) -> None:
    results_home().write_text("a file where the folder should be")
    result = prepared("train", "--loss", "bce", *FAST)
    assert result.code == 1
    assert "RECBENCH_RESULTS" in result.err
    shutil.rmtree(tmp_path / "home")


@pytest.mark.parametrize(
    "words",
    [
        ("train", "--loss", "listnet"),
        ("sweep", "--losses", "bpr,listnet", "--grid", "train.lr=0.01,0.1"),
    ],
)
def test_slates_that_a_backbone_cannot_read_are_refused_before_anything_is_written(
    prepared: Run, words: tuple[str, ...]
) -> None:
    result = prepared(*words, "--backbone", "ytdnn")
    assert result.code == 2
    assert result.err.startswith("error: backbone `ytdnn` needs the training row that each slate stands for")
    assert len(result.err.splitlines()) == 1
    assert not results_home().exists()
    pairs = {item["name"]: item["losses"] for item in prepared("list", "backbones", "--json").json}
    assert "listnet" not in pairs["ytdnn"]
    assert "listnet" in pairs["mf"]
