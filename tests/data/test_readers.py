from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from recbench.data.catalog import Spec, find
from recbench.data.readers import Raw, Source, reader
from recbench.errors import DataError

from .shop import write


def read(spec: Spec, folder: Path, split: str = "global") -> Raw:
    files = {path.name: path for path in sorted(folder.iterdir())}
    return reader(spec.reader)(spec, Source(files, split))


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
    spec = find("kuairand-pure")
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
    text = reader("table")(spec, Source({"log.csv": path}, "global")).log
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
    parquet = reader("table")(spec, Source({"log.parquet": tmp_path / "log.parquet"}, "global")).log
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
        reader("table")(spec, Source({"log.parquet": tmp_path / "log.parquet"}, "global"))


def test_table_times_may_be_dates(tmp_path: Path) -> None:
    lines = [["u1", "A", "1", "1", "a", f"2024-05-0{day} 10:00:00", "buy"] for day in (1, 2)]
    spec = find("shop", write(tmp_path, lines))
    files = {"log.csv": tmp_path / "log.csv"}
    assert reader("table")(spec, Source(files, "global")).log["ts"].to_list() == [1714557600, 1714644000]
    lines[1][5] = "yesterday"
    write(tmp_path, lines)
    with pytest.raises(DataError, match="row 2: expected a number of seconds or an ISO date .*`yesterday`"):
        reader("table")(spec, Source(files, "global"))
