from __future__ import annotations

import gzip
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import pytest

from recbench.errors import DataError
from recbench.readers.aliexpress import ITEM, USER
from recbench.readers.base import Raw, Source, reader
from recbench.sources.catalog import Spec, find
from tests.prepare.shop import write


@dataclass(frozen=True)
class Whole:
    """What a reader returns, all blocks together."""

    log: pl.DataFrame
    users: pl.DataFrame | None
    items: pl.DataFrame | None


def whole(raw: Raw) -> Whole:
    def joined(frames: Iterable[pl.DataFrame] | None) -> pl.DataFrame | None:
        return None if frames is None else pl.concat(list(frames))

    return Whole(pl.concat(list(raw.log)), joined(raw.users), joined(raw.items))


def read(spec: Spec, folder: Path, split: str = "global") -> Whole:
    files = {path.name: path for path in sorted(folder.iterdir())}
    return whole(reader(spec.reader)(spec, Source(files, split)))


def read_file(spec: Spec, path: Path) -> pl.DataFrame:
    return whole(reader(spec.reader)(spec, Source({path.name: path}, spec.split))).log


def test_movielens_1m(tmp_path: Path) -> None:
    ratings = [(1 + n % 5, 10 + n % 3, 1 + n % 5, 978300000 + n) for n in range(30)]
    (tmp_path / "ratings.dat").write_text("".join("::".join(map(str, row)) + "\n" for row in ratings))
    (tmp_path / "users.dat").write_text("1::F::1::10::48067\n2::M::56::16::98107-2117\n")
    (tmp_path / "movies.dat").write_bytes(b"10::Mis\xe9rables, Les (1995)::Drama|Musical\n11::X: Y::Drama\n")
    raw = read(find("ml-1m"), tmp_path)
    assert raw.log.rows() == ratings
    assert raw.users is not None and raw.items is not None
    assert raw.users.rows() == [(1, "F", 1, 10, "48067"), (2, "M", 56, 16, "98107-2117")]
    assert raw.items.rows() == [(10, "Misérables, Les (1995)", "Drama|Musical"), (11, "X: Y", "Drama")]


def test_movielens_100k(tmp_path: Path) -> None:
    ratings = [(1 + n % 5, 10 + n % 2, 1 + n % 5, 881250949 + n) for n in range(30)]
    lines = ["\t".join(map(str, row)) + "\n" for row in ratings]
    (tmp_path / "u.data").write_text("".join(lines))
    (tmp_path / "ua.base").write_text("".join(lines[:20]))
    (tmp_path / "ua.test").write_text("".join(lines[20:]))
    (tmp_path / "u.user").write_text("1|24|M|technician|85711\n")
    flags = "|".join("1" if place in (1, 15) else "0" for place in range(19))
    (tmp_path / "u.item").write_bytes(f"10|Café (1995)|01-Jan-1995||http://x|{flags}\n".encode("latin-1"))
    raw = read(find("ml-100k"), tmp_path)
    assert raw.log.rows() == ratings
    assert raw.users is not None and raw.items is not None
    assert raw.users.rows() == [(1, 24.0, "M", "technician", "85711")]
    assert raw.items.rows() == [(10, "Café (1995)", "Action|Sci-Fi")]
    given = read(find("ml-100k"), tmp_path, "given").log
    assert given.drop("split").rows() == ratings
    assert given["split"].to_list() == ["train"] * 20 + ["test"] * 10


def test_kuairand(tmp_path: Path) -> None:
    header = (
        "user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_follow,is_comment,is_forward,is_hate,long_view,"
        "play_time_ms,duration_ms,profile_stay_time,comment_stay_time,is_profile_enter,is_rand,tab\n"
    )
    rows = [(n % 4, n % 6, 1651763352355 + n, n % 2, int(n % 5 == 0), int(n % 9 == 0)) for n in range(30)]
    lines = [f"{u},{v},20220505,2300,{t},{c},{k},{f}" + ",0" * 11 + "\n" for u, v, t, c, k, f in rows]
    (tmp_path / "log_standard_4_08_to_4_21_pure.csv").write_text(header + "".join(lines[:10]))
    (tmp_path / "log_standard_4_22_to_5_08_pure.csv").write_text(header + "".join(lines[10:]))
    spec = find("kuairand-pure", None, "all")
    users = {"user_id": "3", "user_active_degree": "full_active", "follow_user_num_range": '"(0,10]"'}
    users |= {"onehot_feat4": "", "onehot_feat12": "1.0", "fans_user_num": "20"}
    names = list(spec.user.identity)
    (tmp_path / "user_features_pure.csv").write_text(
        ",".join(names) + "\n" + ",".join(users.get(name, "0") for name in names) + "\n"
    )
    (tmp_path / "video_features_basic_pure.csv").write_text(
        "video_id,author_id,video_type,upload_dt,upload_type,visible_status,video_duration,server_width,"
        "server_height,music_id,music_type,tag\n"
        '0,7349781,NORMAL,2022-04-10,LongImport,0.0,87433.0,720.0,1280.0,9155697141,9.0,"39,68"\n'
        "1,7,AD,2022-04-10,LongImport,0.0,,720.0,1280.0,5,,\n"
    )
    raw = read(spec, tmp_path)
    columns = ["user_id", "video_id", "time_ms", "is_click", "is_like", "is_follow"]
    assert raw.log.select(columns).rows() == rows
    assert raw.users is not None and raw.items is not None
    user = raw.users.row(0, named=True)
    assert user["follow_user_num_range"] == "(0,10]"
    assert (user["onehot_feat4"], user["onehot_feat12"], user["fans_user_num"]) == (None, 1, 20.0)
    item = ["video_id", "video_type", "video_duration", "music_id", "music_type", "tag"]
    assert raw.items.select(item).rows() == [
        (0, "NORMAL", 87433.0, 9155697141, 9, "39,68"),
        (1, "AD", None, 5, None, None),
    ]


def test_table_reads_csv_and_parquet_alike(tmp_path: Path) -> None:
    spec = find("shop", write(tmp_path))
    path = tmp_path / "log.csv"
    text = read_file(spec, path)
    assert len(text) == 40
    assert text.row(1, named=True) == {
        "user": "u1",
        "city": "B",
        "item": 3,
        "tags": "a|b|c",
        "price": 4.5,
        "ts": 1001,
        "event": "seen",
    }
    bags = text.with_columns(pl.col("tags").str.split("|"))
    bags.write_parquet(tmp_path / "log.parquet")
    parquet = read_file(spec, tmp_path / "log.parquet")
    assert parquet.select(text.columns).equals(text)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pl.DataFrame({"user": ["a"]}), "no column `city`"),
        (
            pl.DataFrame(
                {"user": ["a", None]} | {name: ["1", "2"] for name in ("city", "item", "tags", "ts", "event")}
            ).with_columns(price=pl.lit(1.0)),
            "row 2, column `user`: empty",
        ),
    ],
)
def test_bad_parquet(tmp_path: Path, frame: pl.DataFrame, message: str) -> None:
    spec = find("shop", write(tmp_path))
    frame.write_parquet(tmp_path / "log.parquet")
    with pytest.raises(DataError, match=message):
        read_file(spec, tmp_path / "log.parquet")


def test_table_times_may_be_dates(tmp_path: Path) -> None:
    lines = [["u1", "A", "1", "1", "a", f"2024-05-0{day} 10:00:00", "buy"] for day in (1, 2)]
    spec = find("shop", write(tmp_path, lines))
    path = tmp_path / "log.csv"
    assert read_file(spec, path)["ts"].to_list() == [1714557600, 1714644000]
    lines[1][5] = "yesterday"
    write(tmp_path, lines)
    with pytest.raises(DataError, match="row 2: expected a number of seconds or an ISO date .*`yesterday`"):
        read_file(spec, path)


ALI = {
    "sample_skeleton_train.csv": "1,1,0,00000000000000aa,3,205\x027\x031.0\x01210\x025\x031.0\x01206\x028\x031.0\n"
    "2,0,0,84dceed2e3a667f8,2,206\x029\x030.5\x01205\x0211\x031.0\n",
    "common_features_train.csv": "00000000000000aa,2,101\x021\x031.0\x01127_14\x023\x031.9\n"
    "84dceed2e3a667f8,2,121\x0298\x031.0\x01101\x022\x031.0\n",
    "sample_skeleton_test.csv": "1,0,0,0000350f0c2121e7,1,205\x027\x031.0\n",
    "common_features_test.csv": "0000350f0c2121e7,1,101\x021\x031.0\n",
}


def ali(folder: Path, **changed: str) -> Whole:
    for name, text in ALI.items():
        (folder / name).write_text(changed.get(name.removesuffix(".csv"), text))
    return read(find("aliccp"), folder, "given")


def test_aliccp(tmp_path: Path) -> None:
    log = ali(tmp_path).log
    columns = ["click", "purchase", "101", "121", "205", "206", "207", "split"]
    assert log.select(columns).rows() == [
        (1, 0, 1, None, 7, 8, None, "train"),
        (0, 0, 2, 98, 11, 9, None, "train"),
        (0, 0, 1, None, 7, None, None, "test"),
    ]


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("sample_skeleton_train", ",3,205", ",4,205", "line 1: says 4 features and lists 3"),
        (
            "sample_skeleton_train",
            "84dceed2e3a667f8",
            "84dceed2e3a667f9",
            "line 2: common features 84dceed2e3a667f9 are",
        ),
        ("sample_skeleton_train", "84dceed2e3a667f8", "84dceed2e3a667fx", "line 2, column `common`: expected 16 hexa"),
        ("sample_skeleton_train", "2,0,0", "2,no,0", "line 2, column `click`: expected a whole number, found `no`"),
        ("sample_skeleton_train", "2,0,0", "2,,0", "line 2, column `click`: empty"),
        ("sample_skeleton_test", "205\x027", "205\x027x", "line 1: the id of field 205 is not a whole number"),
        ("sample_skeleton_test", "205\x027", "205\x021234567890123", "line 1: the id of field 205 has more than 12"),
        (
            "common_features_train",
            "84dceed2e3a667f8",
            "00000000000000aa",
            "line 1: common features 00000000000000aa stand",
        ),
    ],
)
def test_bad_aliccp(tmp_path: Path, file: str, old: str, new: str, message: str) -> None:
    text = ALI[f"{file}.csv"].replace(old, new)
    assert text != ALI[f"{file}.csv"]
    with pytest.raises(DataError, match=message) as caught:
        ali(tmp_path, **{file: text})
    assert f"{file}.csv" in str(caught.value)


def test_interactions(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("0 5 6 5\n1\n2 7\n")
    (tmp_path / "test.txt").write_text("0 8\n")
    log = read(find("gowalla"), tmp_path, "given").log
    pairs = [(0, 5, "train"), (0, 6, "train"), (0, 5, "train"), (2, 7, "train"), (0, 8, "test")]
    assert log.rows() == pairs
    for text, message in (
        ("0 5\n\n1 2\n", "line 2: blank line"),
        ("0 5\n1 x\n", "line 2: expected whole numbers"),
        ("0 5\n1 -2\n", "line 2: expected whole numbers"),
        ("0\n1\n", "no user has an item"),
        ("0 5\n1 é\n", "line 2: expected whole numbers"),
    ):
        (tmp_path / "test.txt").write_text(text)
        with pytest.raises(DataError, match=message):
            read(find("gowalla"), tmp_path, "given")


REVIEW = '{"reviewerID": "A", "asin": "1", "helpful": [2, 3], "overall": 5.0, "unixReviewTime": 1252800000}'


def test_amazon_reviews(tmp_path: Path) -> None:
    spec, path = find("amazon-books"), tmp_path / "reviews_Books_5.json.gz"
    path.write_bytes(gzip.compress(f"{REVIEW}\n{REVIEW.replace('A', 'B')}\n".encode()))
    assert read_file(spec, path).rows() == [("A", "1", 5.0, 1252800000), ("B", "1", 5.0, 1252800000)]
    for bad, message in (
        ("{", "line 2: not a JSON object"),
        ("[1]", "line 2: not a JSON object"),
        (REVIEW.replace('"A"', "null"), "line 2: `reviewerID` is None; expected text"),
        (REVIEW.replace("1252800000", '"today"'), "line 2: `unixReviewTime` is 'today'; expected a number"),
        (REVIEW.replace('"asin": "1", ', ""), "line 2: `asin` is None; expected text"),
    ):
        path.write_bytes(gzip.compress(f"{REVIEW}\n{bad}\n".encode()))
        with pytest.raises(DataError, match=message):
            read_file(spec, path)


def test_aliexpress(tmp_path: Path) -> None:
    spec = find("ae-nl")
    whole_numbers = {*spec.user.categorical, *spec.item.categorical}
    users = ["1," + ",".join("3" if name in whole_numbers else "0.5" for name in USER[1:])]
    items = [
        f"1,{','.join('1' if name in whole_numbers else '0.25' for name in ITEM[1:-1])},{rating}" for rating in (0, 2)
    ]
    for part in ("train", "test"):
        (tmp_path / f"nl_user_{part}.csv").write_text("\n".join(users) + "\n")
        (tmp_path / f"nl_item_{part}.csv").write_text("\n".join(items) + "\n")
    log = read(spec, tmp_path, "given").log
    assert log.select(
        "pv_id", "rating", "feature_7", "mu1_dim1", "item_feature_17", "item_feature_0", "split"
    ).rows() == [(1, rating, 3, 0.5, 1, 0.25, part) for part in ("train", "test") for rating in (0, 2)]
    for old, new, message in (
        (",2", ",3", "line 2, column `rating`: expected 0, 1 or 2, found 3"),
        ("1,", "9,", "page view 9"),
    ):
        damaged = [items[0], items[1][: -len(old)] + new if old == ",2" else new + items[1][len(old) :]]
        (tmp_path / "nl_item_test.csv").write_text("\n".join(damaged) + "\n")
        with pytest.raises(DataError, match=message):
            read(spec, tmp_path, "given")


def test_movielens_csv(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,2,3.5,1112486027\n1,29,4.5,1112484676\n")
    (tmp_path / "movies.csv").write_text(
        'movieId,title,genres\n2,"Cage, ""The"" (1995)",Drama|War\n29,X,(no genres listed)\n'
    )
    raw = read(find("ml-20m"), tmp_path, "user")
    assert raw.log.rows() == [(1, 2, 3.5, 1112486027), (1, 29, 4.5, 1112484676)]
    assert raw.items is not None and raw.items.rows() == [(2, "Drama|War"), (29, "(no genres listed)")]


def test_files_without_a_header(tmp_path: Path) -> None:
    path = tmp_path / "UserBehavior.csv"
    path.write_text("1,2268318,2520377,pv,1511544070\n1,2333346,2520771,buy,1511561733\n")
    assert read_file(find("taobao"), path).rows() == [(1, 2268318, "pv", 1511544070), (1, 2333346, "buy", 1511561733)]
    path = tmp_path / "loc-gowalla_totalCheckins.txt.gz"
    path.write_bytes(gzip.compress(b"0\t2010-10-19T23:55:27Z\t30.2\t-97.7\t22847\n"))
    assert read_file(find("gowalla-checkins"), path).rows() == [(0, 1287532527, 22847)]


def test_statistics_are_read_where_they_are_asked_for(tmp_path: Path) -> None:
    spec = find("kuairand-pure", None, "gnolr")
    spec = replace(spec, item=replace(spec.item, categorical=("video_id",), numeric=("video_duration", "like_cnt")))
    (tmp_path / "log_standard_4_22_to_5_08_pure.csv").write_text(
        "user_id,video_id,time_ms,is_like,is_follow,tab\n1,7,5,1,0,1\n"
    )
    (tmp_path / "user_features_pure.csv").write_text(
        ",".join(spec.user.identity) + "\n" + ",".join("1" for _ in spec.user.identity)
    )
    (tmp_path / "video_features_basic_pure.csv").write_text("video_id,video_duration\n7,5.0\n8,6.0\n9,7.5\n")
    (tmp_path / "video_features_statistic_pure.csv").write_text("video_id,counts,like_cnt\n8,1,0.5\n7,2,0.25\n")
    raw = read(spec, tmp_path)
    assert raw.items is not None and raw.items.rows() == [(8, 6.0, 0.5), (7, 5.0, 0.25)]
