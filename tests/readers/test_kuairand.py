from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from recbench.sources.catalog import find
from tests.readers.read_files import read


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
