from __future__ import annotations

from pathlib import Path

from recbench.sources.catalog import find
from tests.readers.read_files import read


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


def test_movielens_csv(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,2,3.5,1112486027\n1,29,4.5,1112484676\n")
    (tmp_path / "movies.csv").write_text(
        'movieId,title,genres\n2,"Cage, ""The"" (1995)",Drama|War\n29,X,(no genres listed)\n'
    )
    raw = read(find("ml-20m"), tmp_path, "user")
    assert raw.log.rows() == [(1, 2, 3.5, 1112486027), (1, 29, 4.5, 1112484676)]
    assert raw.items is not None and raw.items.rows() == [(2, "Drama|War"), (29, "(no genres listed)")]
