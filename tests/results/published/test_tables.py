from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from recbench import settings
from recbench.backbones import base as backbones
from recbench.backbones.base import BACKBONES
from recbench.errors import UsageError
from recbench.losses import base as losses
from recbench.losses.base import LOSSES
from recbench.results.published import tables as published
from recbench.results.published.display import terminal_table
from recbench.sources import catalog

TABLES = {  # name → methods on its widest dataset, numbers in all
    "bars/table1": (2, 6 * 3 * 2 + 2),
    "bsl/table1": (2, 4 * 2 * 2),
    "croloss/table2": (5, 5 * 2 * 4),
    "croloss/table3": (20, 20 * 2 * 4),
    "croloss/table4": (6, 6 * 2 * 4),
    "gnolr/table2": (5, 5 * 10),
    "gnolr/table3": (7, 7 * 9),
    "gnolr/table4": (9, 9 * 16),
    "gnolr/table5": (8, 8 * 4),
    "gnolr/table6": (3, 3 * 8),
    "gnolr/table7": (4, 4 * 4),
    "gnolr/table11": (7, 7 * 10),
    "gnolr/table13": (5, 5 * 4),
    "gnolr/table14": (3, 3 * 2),
    "gnolr/table15": (9, 9 * 2 * 2),
    "gnolr/table16": (8, 8 * 14),
    "mult-vae/table1": (1, 2 * 3),
    "sasrec/table1": (3, 4 * 2),
    "selfrec/table1": (7, 8 * 2),
    "sgl/table1": (2, 2 * 2),
    "simplex/table1": (1, 2 * 3 * 2),
    "sl-at-k/table2": (7, 14 * 4 * 2),
    "til/table1": (10, 10 * 3 * 4 * 2),
    "ultragcn/table1": (1, 4 * 2),
}

PRINTED = """
bars/table1    | mf        | MF-BPR                 | gowalla-lightgcn | recall@20           | 0.1627
bars/table1    | mf        | CML                    | amazon-book   | ndcg@20                | 0.0428
bars/table1    | ngcf      | NGCF                   | yelp2018      | recall@20              | 0.0579
bsl/table1     | mf        | SL                     | gowalla-lightgcn | recall@20           | 0.1759
bsl/table1     | mf        | BSL                    | yelp2018      | ndcg@20                | 0.0599
bsl/table1     | lightgcn  | BSL                    | gowalla-lightgcn | ndcg@20             | 0.1590
croloss/table2 | ytdnn     | cross-entropy loss     | amazon-books  | recall@50              | 9.68
croloss/table2 | ytdnn     | triplet loss           | taobao        | recall@100             | 3.71
croloss/table2 | ytdnn     | BPR loss               | amazon-books  | recall@500             | 25.21
croloss/table2 | ytdnn     | CROLoss                | amazon-books  | recall@50              | 10.20
croloss/table2 | ytdnn     | CROLoss-lambda         | taobao        | recall@200             | 10.01
croloss/table3 | ytdnn     | hinge, alpha 0.6       | amazon-books  | recall@50              | 9.03
croloss/table3 | ytdnn     | sigmoid, alpha 0.6     | amazon-books  | recall@500             | 26.59
croloss/table3 | ytdnn     | exponential, alpha 1.2 | taobao        | recall@100             | 6.71
croloss/table3 | ytdnn     | softplus, alpha 1.0    | amazon-books  | recall@200             | 18.63
croloss/table3 | ytdnn     | lambda, alpha 1.6      | taobao        | recall@500             | 14.54
croloss/table4 | ytdnn     | unit step, hinge       | amazon-books  | recall@100             | 12.865
croloss/table4 | ytdnn     | sigmoid, hinge         | amazon-books  | recall@50              | 9.435
croloss/table4 | ytdnn     | unit step, softplus    | taobao        | recall@500             | 12.62
croloss/table4 | ytdnn     | sigmoid, exponential   | taobao        | recall@50              | 5.27
gnolr/table2   | twintower | BCE                    | ml-1m         | auc/like               | 0.7542
gnolr/table2   | twintower | BCE*                   | ml-1m         | auc/like               | 0.7896
gnolr/table2   | twintower | JRC                    | retailrocket  | auc/cart               | 0.5009
gnolr/table2   | twintower | JRC*                   | ae-us         | auc/click              | 0.6831
gnolr/table2   | twintower | GNOLR                  | ml-1m         | auc/like               | 0.8139
gnolr/table3   | twintower | RankNet                | aliccp        | gauc(gnolr)/click      | 0.5518
gnolr/table3   | twintower | ListNet                | ml-20m        | gauc(gnolr)/like       | 0.6969
gnolr/table3   | twintower | SetRank                | kuairand-pure | gauc(gnolr)/like       | 0.5106
gnolr/table3   | twintower | GNOLR_L                | kuairand-1k   | gauc(gnolr)/like       | 0.5380
gnolr/table4   | twintower | NSB*                   | aliccp        | auc/click              | 0.5877
gnolr/table4   | twintower | ESMM*                  | ae-nl         | auc/buy                | 0.8129
gnolr/table4   | twintower | ESCM2-IPS*             | kuairand-1k   | auc/follow             | 0.8113
gnolr/table4   | twintower | ESCM2-DR*              | ae-us         | auc/click              | 0.7014
gnolr/table4   | twintower | Neural OLR             | kuairand-pure | auc/follow             | 0.7212
gnolr/table4   | twintower | GNOLR                  | retailrocket  | auc/buy                | 0.8242
gnolr/table5   | twintower | BCE                    | ml-1m         | recall@5/like          | 0.3890
gnolr/table5   | twintower | S2SRank                | ml-1m         | recall@15/like         | 0.7077
gnolr/table5   | twintower | GNOLR                  | ml-1m         | recall@20/like         | 0.7865
gnolr/table6   | twintower | NSB*like               | kuairand-1k   | recall@50/like         | 0.0583
gnolr/table6   | twintower | NSB*follow             | kuairand-1k   | recall@100/like:follow | 0.0911
gnolr/table6   | twintower | NSB*like               | kuairand-1k   | recall@500/follow:like | 0.2512
gnolr/table6   | twintower | GNOLR                  | kuairand-1k   | recall@500/follow      | 0.2966
gnolr/table7   | twintower | Neural OLR             | aliccp        | auc/buy                | 0.5221
gnolr/table7   | twintower | GNOLR-V0               | kuairand-1k   | auc/follow             | 0.6815
gnolr/table7   | twintower | GNOLR                  | aliccp        | auc/buy                | 0.6163
gnolr/table11  | twintower | LambdaRank             | kuairand-1k   | auc/like               | 0.5611
gnolr/table11  | twintower | JRC                    | retailrocket  | auc/cart               | 0.7275
gnolr/table11  | twintower | GNOLR_L                | ml-1m         | auc/like               | 0.8080
gnolr/table13  | twintower | Single                 | kuairand-1k   | auc/click              | 0.7061
gnolr/table13  | twintower | TAFE                   | kuairand-1k   | auc/forward            | 0.7339
gnolr/table13  | twintower | GNOLR                  | kuairand-1k   | auc/follow             | 0.9023
gnolr/table14  | twintower | Manual                 | kuairand-1k   | auc/like               | 0.9120
gnolr/table14  | twintower | Learned                | kuairand-1k   | auc/follow             | 0.7233
gnolr/table14  | twintower | Learned w/ target      | kuairand-1k   | auc/follow             | 0.7566
gnolr/table15  | mmoe      | NSB                    | kuairand-1k   | auc/like               | 0.8867
gnolr/table15  | mmoe      | GNOLR                  | kuairand-1k   | auc/follow             | 0.8188
gnolr/table15  | mmfi      | ESCM-IPS               | kuairand-1k   | auc/follow             | 0.7950
gnolr/table16  | twintower | NSB                    | aliccp        | auc/click              | 0.4994
gnolr/table16  | twintower | ESCM2-DR               | ae-es         | auc/buy                | 0.7036
gnolr/table16  | twintower | TAFE                   | kuairand-1k   | auc/follow             | 0.6260
mult-vae/table1 | variational-autoencoder | Mult-VAE | ml-20m       | ndcg@100               | 0.42592
mult-vae/table1 | variational-autoencoder | Mult-VAE | ml-20m       | recall@50(capped)      | 0.53540
mult-vae/table1 | autoencoder | Mult-DAE             | ml-20m        | recall@20(capped)      | 0.38768
selfrec/table1 | lightgcn  | XSimGCL                | yelp2018      | recall@20              | 0.0723
selfrec/table1 | lightgcn  | DirectAU               | yelp2018      | ndcg@20                | 0.0583
selfrec/table1 | mf        | MF                     | yelp2018      | ndcg@20                | 0.0445
sgl/table1     | lightgcn  | SGL-ED                 | amazon-book   | recall@20              | 0.0478
sgl/table1     | lightgcn  | SGL-ED, rerun          | amazon-book   | recall@20              | 0.0484
sgl/table1     | lightgcn  | SGL-ED, rerun          | amazon-book   | ndcg@20                | 0.0382
simplex/table1 | mf        | MF-CCL                 | gowalla-lightgcn | recall@20           | 0.1837
simplex/table1 | mf        | MF-CCL                 | amazon-book   | ndcg@20                | 0.0447
simplex/table1 | simplex   | SimpleX                | yelp2018      | recall@20              | 0.0701
sl-at-k/table2 | mf        | SL@20                  | gowalla-ir-benchmark | ndcg@20         | 0.1709
sl-at-k/table2 | lightgcn  | PSL                    | book-ir-benchmark | recall@20          | 0.1575
sl-at-k/table2 | xsimgcl   | BPR                    | health-ir-benchmark | recall@20        | 0.1496
ultragcn/table1 | mf       | UltraGCN               | gowalla-lightgcn | ndcg@20             | 0.1580
ultragcn/table1 | mf       | UltraGCN               | ml-1m-m1      | recall@20              | 0.2787
ultragcn/table1 | mf       | UltraGCN               | amazon-book   | recall@20              | 0.0681
sasrec/table1  | sasrec    | SASRec                 | ml-1m         | hr@10                  | 0.2500
sasrec/table1  | sasrec    | SASRec+                | ml-1m         | ndcg@10                | 0.1821
sasrec/table1  | sasrec    | SASRec+ 3000           | ml-1m         | hr@10                  | 0.3159
til/table1     | mf        | BPR                    | amazon-cd     | recall@20              | 9.99
til/table1     | neumf     | PRIS                   | gowalla       | ndcg@20                | 9.23
til/table1     | mgccf     | TCE-BPR                | lastfm        | recall@20              | 21.80
til/table1     | lightgcn  | TIL-MI                 | lastfm        | ndcg@20                | 15.35
"""  # copied by hand from the papers, column after column

LOSS_NAMES = """
bce jrc ranknet lambdarank listnet setrank s2srank gnolr gnolr-l gnolr-v0 gnolr-v1 neural-olr nsb esmm escm2-ips
escm2-dr dcmt nise tafe croloss croloss-lambda bpr aobpr wbpr pris tce rce tce-bpr rce-bpr til-ui til-mi
full-softmax ssm bsl psl sl-at-k adv-infonce llpauc ccl cml ultragcn directau sgl simgcl xsimgcl mult-vae mult-dae
"""
BACKBONE_NAMES = """
twintower mmoe mmfi mf neumf mgccf lightgcn ngcf simplex ytdnn sasrec bert4rec xsimgcl autoencoder
variational-autoencoder
"""
DATASET_NAMES = """
ml-1m ml-20m kuairand-pure kuairand-1k aliccp ae-es ae-fr ae-nl ae-us retailrocket amazon-books taobao amazon-cd gowalla
lastfm gowalla-lightgcn yelp2018 amazon-book ml-1m-m1 health-ir-benchmark electronic-ir-benchmark gowalla-ir-benchmark
book-ir-benchmark
"""


@pytest.fixture(scope="module")
def tables() -> dict[str, published.PublishedTable]:
    return published.tables()


def printed(table: published.PublishedTable, backbone: str, method: str, dataset: str, word: str) -> list[str]:
    """Return what the table prints at a place, with the feedback that its values leave out where there is one."""
    found = []
    for cell in published.cells(table):
        by = f":{cell.by}" if cell.by else ""
        words = {f"{cell.metric}/{cell.feedback}{by}"}
        if len(table.datasets[cell.dataset].feedback) == 1:
            words.add(cell.metric)
        if (cell.backbone, cell.method, cell.dataset) == (backbone, method, dataset) and word in words:
            found.append(cell.printed)
    return found


def shown(what: RenderableType, width: int) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(what)
    return capture.get()


def test_papers_by_letter_tables_by_number(tables: dict[str, published.PublishedTable]) -> None:
    assert list(tables) == list(TABLES)
    assert all(table.name == name for name, table in tables.items())


@pytest.mark.parametrize("name", TABLES)
def test_no_number_is_missing(tables: dict[str, published.PublishedTable], name: str) -> None:
    table = tables[name]
    methods: dict[tuple[str, str], set[str]] = {}
    for cell in published.cells(table):
        methods.setdefault((cell.dataset, cell.backbone), set()).add(cell.method)
    widest = max(len(found) for found in methods.values())
    assert (widest, len(list(published.cells(table)))) == TABLES[name]


@pytest.mark.parametrize("line", PRINTED.strip().splitlines())
def test_as_printed(tables: dict[str, published.PublishedTable], line: str) -> None:
    name, backbone, method, dataset, metric, value = (word.strip() for word in line.split("|"))
    assert printed(tables[name], backbone, method, dataset, metric) == [value]


def test_every_table_has_three_spot_checks() -> None:
    names = [line.split("|")[0].strip() for line in PRINTED.strip().splitlines()]
    assert all(names.count(name) >= 3 for name in TABLES)


def test_values_are_fractions(tables: dict[str, published.PublishedTable]) -> None:
    first = next(published.cells(tables["til/table1"]))
    assert (first.printed, first.value) == ("9.99", 0.0999)
    first = next(published.cells(tables["gnolr/table2"]))
    assert (first.printed, first.value) == ("0.5005", 0.5005)


def test_tables_agree_where_they_print_the_same_run(tables: dict[str, published.PublishedTable]) -> None:
    """The softmax loss is CROLoss with exp and alpha 1; the lambda form of Table 2 is a row of Tables 3 and 4."""
    for metric in ("recall@50", "recall@100", "recall@200", "recall@500"):
        for place in (
            [("croloss/table2", "cross-entropy loss"), ("croloss/table3", "exponential, alpha 1.0")],
            [("croloss/table2", "CROLoss"), ("croloss/table3", "softplus, alpha 1.0")],
            [("croloss/table2", "CROLoss-lambda"), ("croloss/table4", "sigmoid, softplus")],
        ):
            one, other = (printed(tables[name], "ytdnn", method, "amazon-books", metric) for name, method in place)
            assert one == other != []


@pytest.mark.parametrize("name", TABLES)
def test_what_to_train_exists(tables: dict[str, published.PublishedTable], name: str) -> None:
    for row in tables[name].rows:
        assert row.loss in ["", *LOSS_NAMES.split()]
        assert row.backbone in BACKBONE_NAMES.split()
        words = settings.split_words(list(row.settings), published.OWNERS)
        if row.loss in LOSSES.names():
            losses.resolve(LOSSES.get(row.loss), words["loss"])
        if row.backbone in BACKBONES.names():
            backbones.resolve(BACKBONES.get(row.backbone), words["backbone"])
        weights = words["loss"].get("pos_weight", "1").split(",")
        assert all(len(weights) in (1, len(tables[name].datasets[dataset].feedback)) for dataset in row.values)


@pytest.mark.parametrize("name", TABLES)
def test_datasets_are_those_of_the_catalogue(tables: dict[str, published.PublishedTable], name: str) -> None:
    known = catalog.load()
    for dataset, data in tables[name].datasets.items():
        assert dataset in DATASET_NAMES.split()
        if dataset in known:
            assert data.split in catalog.find(dataset, rule=data.rule).splits
            assert set(data.feedback) <= {*known[dataset].feedback, *known[dataset].more_feedback}


def test_settings_of_a_paper(tables: dict[str, published.PublishedTable]) -> None:
    found = {(row.method, dataset): row.settings for row in tables["gnolr/table2"].rows for dataset in row.values}
    assert found["BCE", "ml-1m"] == ("loss.logit=bare",)
    assert found["BCE*", "ml-1m"] == ("loss.logit=bare", "loss.pos_weight=2")
    assert found["BCE*", "aliccp"] == ("loss.logit=bare", "loss.pos_weight=10")
    assert found["GNOLR", "ml-1m"] == ("loss.scale=2.57",)
    weights = {(row.method, dataset): row.settings for row in tables["gnolr/table4"].rows for dataset in row.values}
    assert weights["ESCM2-IPS*", "ae-fr"] == ("loss.logit=bare", "loss.pos_weight=15,50", "loss.step_weight=first")
    assert weights["TAFE*", "kuairand-pure"] == ("loss.logit=bare", "loss.pos_weight=50,20")


def test_numbers_that_were_selected_on_test_say_so(tables: dict[str, published.PublishedTable]) -> None:
    chosen = [name for name, table in tables.items() if table.protocol.selected_on_test]
    assert chosen == [
        *("bars/table1", "bsl/table1", "selfrec/table1", "sgl/table1", "simplex/table1", "ultragcn/table1"),
    ]
    text = " ".join(shown(terminal_table(tables["bars/table1"]), 200).split())
    assert "caution not comparable: selected on the test rows in print" in text
    document = json.loads(json.dumps(published.as_json(tables["bsl/table1"]), allow_nan=False))
    assert "(recall@20 0.07245 is both" in document["protocol"]["selected_on_test"]


@pytest.mark.parametrize(
    ("validation", "test", "equal"),
    [
        ("0.07245", "0.07245", True),
        ("0.07245", "0.07246", False),
        ("0.072", "0.072", False),
        ("0.0724", "0.07240", False),
    ],
)
def test_a_best_validation_number_that_is_the_test_number(validation: str, test: str, equal: bool) -> None:
    assert published.LoggedBest("log", "recall@20", Decimal(validation), Decimal(test)).equal is equal


def test_find() -> None:
    assert published.find_table("gnolr/table11").title == "Listwise ranking, AUC"
    with pytest.raises(
        UsageError, match=r"unknown published table `gnolr/tabel2`; did you mean `gnolr/table2`\? known"
    ):
        published.find_table("gnolr/tabel2")


def test_listing() -> None:
    items = {item["name"]: item for item in published.listing()}
    assert list(items) == list(TABLES)
    assert items["til/table1"] == {
        "name": "til/table1",
        "about": "The performance comparison of all methods on four backbones: BPR, negative samplers, denoising "
        "losses and triplet importance learning on four backbones",
        "datasets": ["amazon-cd", "gowalla", "lastfm"],
        "metrics": ["recall@20", "ndcg@20"],
        "methods": 10,
    }


def test_json(tables: dict[str, published.PublishedTable]) -> None:
    document = json.loads(json.dumps(published.as_json(tables["gnolr/table6"]), allow_nan=False))
    assert document["name"] == "gnolr/table6"
    assert document["protocol"]["seeds"] == 10
    assert document["datasets"]["kuairand-1k"]["feedback"] == ["like", "follow"]
    assert document["values"][4] == {
        "method": "NSB*like",
        "loss": "nsb",
        "backbone": "twintower",
        "settings": ["loss.logit=bare", "loss.pos_weight=50,100"],
        "dataset": "kuairand-1k",
        "metric": "recall@50",
        "feedback": "follow",
        "by": "like",
        "printed": "0.0301",
        "value": 0.0301,
    }


def test_shown_as_printed(tables: dict[str, published.PublishedTable]) -> None:
    lines = shown(terminal_table(tables["croloss/table2"]), 160).splitlines()
    told = [" ".join(line.split()) for line in lines]
    assert "CROLoss 10.20 14.03 18.63 26.06 4.75 6.65 9.06 13.13" in told
    assert "cross-entropy loss 9.68 13.24 17.46 24.26 4.71 6.59 9.01 13.13" in told
    assert "triplet loss croloss loss.kernel=hinge loss.alpha=0 amazon-books, taobao" in told


def test_shown_with_what_differs(tables: dict[str, published.PublishedTable]) -> None:
    text = " ".join(shown(terminal_table(tables["gnolr/table6"]), 100).split())
    assert "caution users without a positive count 0, recbench leaves them out" in text
    assert "seeds 10" in text
    assert "seeds not reported" in " ".join(shown(terminal_table(tables["croloss/table4"]), 100).split())


@pytest.mark.parametrize("name", ["gnolr/table4", "til/table1"])
@pytest.mark.parametrize("width", [60, 80, 120])
def test_narrow_consoles_lose_no_number(tables: dict[str, published.PublishedTable], name: str, width: int) -> None:
    lines = shown(terminal_table(tables[name]), width).splitlines()
    assert max(map(len, lines)) <= width
    numbers = {cell.printed for cell in published.cells(tables[name])}
    assert numbers <= set(" ".join(lines).split())
    whole = [line for line in lines if line.startswith(("ESCM2-IPS* ", "TIL-MI × lightgcn "))]
    assert any(numbers & set(line.split()) for line in whole)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "gnolr-table2.toml").write_bytes((published.FOLDER / "gnolr-table2.toml").read_bytes())
    monkeypatch.setattr(published, "FOLDER", tmp_path)
    return tmp_path


def test_the_file_before_it_is_damaged(folder: Path) -> None:
    assert list(published.tables()) == ["gnolr/table2"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("table = 2", "table = = 2", "not a readable TOML file"),
        ("seeds = 10\n", "", "missing required field `seeds`"),
        ("seeds = 10", 'seeds = "ten"', "Expected `int`, got `str` - at `$.protocol.seeds`"),
        ("seeds = 10", "seeds = -1", "seeds = -1, expected a count"),
        ("seeds = 10", "seeds = 10\nsede = 10", "unknown or missing field `sede`"),
        ('split = "given"', 'split = "gven"', "Invalid enum value 'gven'"),
        ("table = 2", "table = 3", "holds gnolr/table3, which belongs in gnolr-table3.toml"),
        ("auc = 0.5005", "auc = 1.5005", "BCE, aliccp, auc: 1.5005 is not between 0 and 1"),
        ("auc = 0.5005", "auc = nan", "NaN is not between 0 and 1"),
        ("auc = 0.5005", "acu = 0.5005", "unknown metric `acu`; did you mean `auc`?"),
        ("auc = 0.5005", "logloss = 0.5005", "BCE, aliccp, logloss: not one of the metrics auc"),
        ("auc = 0.5005", '"auc/like" = 0.5005', "BCE, aliccp, auc/like: expected a feedback among click"),
        ("values.aliccp = { auc = 0.5005 }", "values.alicpp = { auc = 0.5005 }", "there is no [datasets.alicpp]"),
        ('metrics = ["auc"]', 'metrics = ["auc", "recall"]', "metric `recall`: needs a cut-off"),
        ('"loss.pos_weight=10"', '"pos_weight=10"', "--set pos_weight=10: expected OWNER.KEY=VALUE"),
        ('method = "BCE*"', 'method = "BCE"', "BCE, twintower, aliccp, auc, click: 2 values, expected one"),
        (
            "[datasets.ml-20m]",
            "[datasets.ml-25m]\nsplit='user'\nfeedback=[]\nincomparable=[]\n[datasets.ml-20m]",
            "no value on ml-25m",
        ),
    ],
)
def test_damaged_file(folder: Path, old: str, new: str, message: str) -> None:
    path = folder / "gnolr-table2.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        published.find_table("gnolr/table2")
    told = str(caught.value)
    assert told.startswith(f"{path}: ")
    assert message in told
    assert told.endswith("; restore the file, or install recbench again")
    assert "\n" not in told
