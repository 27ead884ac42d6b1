"""The tables of users and videos of a KuaiRand facsimile, with the fields that the real ones lack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from tests.facsimile.draw import Bools, Floats, Ints, fixed_uniform, hash_numbers, row_ranges
from tests.facsimile.text import ColumnValues, as_text, concat, open_new, words_at, write_rows

BLOCK = 1 << 17  # videos at once: 52 columns each
DEGREES = (
    *("full_active", "high_active", "middle_active", "2_14_day_new", "low_active"),
    *("single_low_active", "30day_retention", "day_new", "UNKNOWN"),
)
FOLLOWS = ("0", "(0,10]", "(10,50]", "(50,100]", "(100,150]", "(150,250]", "(250,500]", "500+")
FANS = ("0", "[1,10)", "[10,100)", "[100,1k)", "[1k,5k)", "[5k,1w)", "[1w,10w)", "[10w,100w)", "[100w,1000w)")
FRIENDS = ("0", "[1,5)", "[5,30)", "[30,60)", "[60,120)", "[120,250)", "250+")
DAYS = ("8-14", "15-30", "31-60", "61-90", "91-180", "181-365", "366-730", "730+")
ONEHOT = (2, 7, 50, 1471, 15, 34, 3, 118, 454, 7, 5, 5, 2, 2, 2, 2, 2, 2)  # values of onehot_feat0 to 17
UPLOADS = ("LongImport", "Web", "ShortImport", "Kmovie", "LongPicture", "UNKNOWN", "PictureSet", "LongCamera")
MUSIC = (9.0, 4.0, 8.0, 7.0, 11.0)
STATISTICS = (
    *("counts", "show_cnt", "show_user_num", "play_cnt", "play_user_num", "play_duration", "complete_play_cnt"),
    *("complete_play_user_num", "valid_play_cnt", "valid_play_user_num", "long_time_play_cnt"),
    *("long_time_play_user_num", "short_time_play_cnt", "short_time_play_user_num", "play_progress"),
    *("comment_stay_duration", "like_cnt", "like_user_num", "click_like_cnt", "double_click_cnt", "cancel_like_cnt"),
    *("cancel_like_user_num", "comment_cnt", "comment_user_num", "direct_comment_cnt", "reply_comment_cnt"),
    *("delete_comment_cnt", "delete_comment_user_num", "comment_like_cnt", "comment_like_user_num", "follow_cnt"),
    *("follow_user_num", "cancel_follow_cnt", "cancel_follow_user_num", "share_cnt", "share_user_num"),
    *("download_cnt", "download_user_num", "report_cnt", "report_user_num", "reduce_similar_cnt"),
    *("reduce_similar_user_num", "collect_cnt", "collect_user_num", "cancel_collect_cnt"),
    *("cancel_collect_user_num", "direct_comment_user_num", "reply_comment_user_num", "share_all_cnt"),
    *("share_all_user_num", "outsite_share_all_cnt"),
)


@dataclass(frozen=True)
class FeatureTables:
    """How many users and videos there are, and which of them lack what."""

    suffix: str
    users: int
    videos: int
    missing: tuple[float, float, float, float, float]
    seed: int

    @cached_property
    def lacks(self) -> tuple[Bools, ...]:
        """Who lacks onehot_feat4 and onehot_feat12 to 17 [users], duration, music type and tag [videos]."""
        random = np.random.default_rng([self.seed, 2])
        masks = []
        for place, share in enumerate(self.missing):
            size = self.users if place < 2 else self.videos
            mask = np.zeros(size, dtype=bool)
            mask[random.choice(size, max(2, round(share * size)), replace=False)] = True
            masks.append(mask)
        return tuple(masks)

    @cached_property
    def complete_users(self) -> Bools:
        """Which users lack nothing, [users]."""
        return ~(self.lacks[0] | self.lacks[1])

    @cached_property
    def complete_videos(self) -> Bools:
        """Which videos lack nothing, [videos]."""
        return ~(self.lacks[2] | self.lacks[3] | self.lacks[4])

    @cached_property
    def duration(self) -> Ints:
        """Milliseconds of each video [videos]; 0 where the table of videos has none."""
        length = 5000 + (300_000 * fixed_uniform(np.arange(self.videos), 1) ** 3).astype(np.int64)
        return np.where(self.lacks[2], 0, length)


def write_users(folder: Path, tables: FeatureTables) -> dict[str, int]:
    """Write user_features_*.csv, 31 columns; return its rows."""
    user = np.arange(tables.users)
    follows, fans, friends = (_large(user, salt, size) for salt, size in ((2, 900), (3, 30_000), (4, 400)))
    days = 8 + _large(user, 5, 2200)
    columns: dict[str, ColumnValues] = {"user_id": user, "user_active_degree": _word(user, 6, DEGREES)}
    columns |= {"is_lowactive_period": user * 0, "is_live_streamer": np.where(fixed_uniform(user, 7) < 0.77, -124, 1)}
    columns["is_video_author"] = (fixed_uniform(user, 8) < 0.82).astype(np.int64)
    ranges: dict[str, tuple[Ints, Sequence[int], Sequence[str]]] = {
        "follow_user_num": (follows, (1, 11, 51, 101, 151, 251, 501), FOLLOWS),
        "fans_user_num": (fans, (1, 10, 100, 1000, 5000, 10_000, 100_000, 1_000_000), FANS),
        "friend_user_num": (friends, (1, 5, 30, 60, 120, 250), FRIENDS),
        "register_days": (days, (15, 31, 61, 91, 181, 366, 731), DAYS),
    }
    for name, (number, edges, words) in ranges.items():
        columns |= {name: number, f"{name}_range": words_at(list(words), np.searchsorted(edges, number, side="right"))}
    for place, size in enumerate(ONEHOT):
        value = (size * fixed_uniform(user, 20 + place) ** 2).astype(np.int64)
        lacks = tables.lacks[0] if place == 4 else tables.lacks[1] if place >= 12 else None
        # The columns with empty fields were floats to the program that wrote the real file.
        columns[f"onehot_feat{place}"] = value if lacks is None else _but(value.astype(np.float64), lacks)
    name = f"user_features_{tables.suffix}.csv"
    with open_new(folder / name) as file:
        write_rows(file, columns, header=True, quote="necessary")
    return {name: tables.users}


def write_videos(folder: Path, tables: FeatureTables) -> dict[str, int]:
    """Write video_features_basic_*.csv, 12 columns, and video_features_statistic_*.csv, 52; return their rows."""
    names = [f"video_features_{kind}_{tables.suffix}.csv" for kind in ("basic", "statistic")]
    with open_new(folder / names[0]) as basic, open_new(folder / names[1]) as statistic:
        for first, stop in row_ranges(tables.videos, BLOCK):
            video = np.arange(first, stop)
            write_rows(basic, _basic(video, tables), header=first == 0, quote="necessary")
            write_rows(statistic, _statistics(video, tables.seed), header=first == 0)
    return dict.fromkeys(names, tables.videos)


def _basic(video: Ints, tables: FeatureTables) -> dict[str, ColumnValues]:
    no_duration, no_music, no_tag = (mask[video] for mask in tables.lacks[2:])
    tall = fixed_uniform(video, 10) < 0.75
    days = 3 if tables.suffix == "pure" else 233
    date = pl.Series(19_091 + _large(video, 11, days)).cast(pl.Int32).cast(pl.Date)
    tag = as_text(1 + _large(video, 12, 68))
    tag = tag.zip_with(pl.Series(fixed_uniform(video, 13) < 0.75), concat(tag, ",", as_text(1 + _large(video, 14, 68))))
    music = 6_000_000_000 + (hash_numbers(video // 2 * 2, 15) % np.uint64(4_000_000_000)).astype(np.int64)
    return {
        "video_id": video,
        "author_id": (hash_numbers(video // 5 * 5, 16) % np.uint64(9_000_000)).astype(np.int64),
        "video_type": words_at(["NORMAL", "AD", "UNKNOWN"], _ad(video)),
        "upload_dt": date,
        "upload_type": _word(video, 18, UPLOADS),
        "visible_status": video * 0.0,
        "video_duration": _but(tables.duration[video].astype(np.float64), no_duration),
        "server_width": np.where(tall, 720.0, 1280.0),
        "server_height": np.where(tall, 1280.0, 720.0),
        "music_id": np.where(fixed_uniform(video, 19) < 0.027, 0, music),
        "music_type": _but(np.array(MUSIC)[_large(video, 9, len(MUSIC))], no_music),
        "tag": tag.set(pl.Series(no_tag), None),
    }


def _statistics(video: Ints, seed: int) -> dict[str, ColumnValues]:
    days = 1 + _large(video, 30, 180)
    columns: dict[str, ColumnValues] = {"video_id": video}
    for place, name in enumerate(STATISTICS):
        part: Floats = fixed_uniform(video, 100 * seed + 31 + place)
        scale = 10.0 ** (5 if "duration" in name else 3 if "show" in name or "play" in name else 0)
        # Averages over days: whole numbers divided by a whole number, many of the rare events 0.
        columns[name] = np.round(scale * part**4 * days) / days
    columns["counts"] = days
    columns["play_progress"] = 0.01 + 0.99 * fixed_uniform(video, 100 * seed + 99)
    return columns


def _large(number: Ints, salt: int, size: int) -> Ints:
    return (size * fixed_uniform(number, salt) ** 3).astype(np.int64)


def _word(number: Ints, salt: int, words: Sequence[str]) -> pl.Series:
    return words_at(list(words), _large(number, salt, len(words)))


def _but(column: Floats, lacks: Bools) -> pl.Series:
    return pl.Series(column).set(pl.Series(lacks), None)


def _ad(video: Ints) -> Ints:
    return np.searchsorted([0.99, 0.9998], fixed_uniform(video, 17), side="right")
