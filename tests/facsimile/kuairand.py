"""KuaiRand-Pure and KuaiRand-1K: two standard logs, the random log, users, and basic and statistic video features.

`rows` counts the rows of both standard logs. Rule `tab_1`: rows of tab 1 whose user and video lack no feature. Quirks:
`duplicates` (rows of the standard logs that repeat an earlier one), `follow_without_like`, `unknown_duration`,
`incomplete_users`, `incomplete_videos`, `users_without_rows`, `videos_without_rows`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from tests.facsimile.contents import Contents, RunningCounts, repeats
from tests.facsimile.draw import BLOCK, Ints, draw_choices, draw_skewed, owner_ranges, renumber, share_rows
from tests.facsimile.kuairand_tables import FeatureTables, write_users, write_videos
from tests.facsimile.text import ColumnValues, open_new, write_rows

# Feedback, its column in the file and its share of the rows.
FLAGS = {
    "click": ("is_click", 0.442),
    "like": ("is_like", 0.0171),
    "follow": ("is_follow", 0.0013),
    "comment": ("is_comment", 0.0025),
    "forward": ("is_forward", 0.00085),
    "hate": ("is_hate", 0.0008),
    "long_view": ("long_view", 0.311),
}
OFTEN = 20  # positives of each feedback that even a small facsimile has, about
TABS = (0.09, 0.0, 0.04, 0.002, 0.05, 0.003, 0.04, 0.001, 0.005, 0.001, 0.0003, 0.001, 0.002, 0.0004, 0.0001)
HOUR = 3_600_000  # milliseconds
DAY = 24 * HOUR
APRIL = 1_648_742_400_000  # 1 April 2022 in Beijing


@dataclass(frozen=True)
class Edition:
    """What tells KuaiRand-1K from Pure: sizes, shares of the rows, and how often a feature is missing."""

    suffix: str
    rows: int
    users: int
    videos: int
    unseen: float  # share of the videos without a row
    silent: float  # share of the users without a row
    early: float
    shuffled: float  # rows of the random log for each standard row
    tab_1: float
    missing: tuple[float, float, float, float, float]  # onehot_feat4, onehot_feat12 to 17, duration, music type, tag


PURE = Edition(
    *("pure", 1_436_609, 27_285, 7583, 0.0042, 0.0076, 0.7943, 0.8256, 0.741),
    missing=(0.0320, 0.0262, 0.0315, 0.0268, 0.0127),
)
ONE_K = Edition(
    *("1k", 11_713_045, 1000, 4_371_868, 0.00044, 0.0, 0.4316, 0.00367, 0.659),
    missing=(0.033, 0.033, 0.1311, 0.0137, 0.0314),
)


@dataclass(frozen=True)
class LogFile:
    """One log file: days of April from (included) and to (excluded), for each of the blocks it consists of."""

    name: str
    rows: int
    days: tuple[tuple[int, int], ...]
    standard: bool = True


@dataclass(frozen=True)
class ViewBlock:
    """Rows of some users in file order, [rows] each; users and videos as in the files."""

    user: Ints
    video: Ints
    time: Ints
    tab: Ints
    flag: dict[str, Ints]  # 0 or 1
    played: Ints


def write(name: str, folder: Path, rows: int, seed: int) -> Contents:
    """Write the six CSV files of `kuairand-pure` or `kuairand-1k`."""
    edition = PURE if name == "kuairand-pure" else ONE_K
    share = rows / edition.rows
    users = max(min(edition.users, rows // 40), round(edition.users * share))
    # Pure has as many videos as its authors chose, while 1K has about all that its users saw.
    videos = max(60, round(edition.videos * (share if edition is ONE_K else share**0.5)))
    tables = FeatureTables(edition.suffix, users, videos, edition.missing, seed)
    log, tab_1 = RunningCounts(users, videos, list(FLAGS)), RunningCounts(users, videos, list(FLAGS))
    quirks = {"duplicates": 0, "follow_without_like": 0, "unknown_duration": 0}
    raw = {}
    for file_log in _logs(edition, rows):
        raw[file_log.name] = file_log.rows
        with open_new(folder / file_log.name) as file:
            for number, block in enumerate(_blocks(edition, file_log, tables, rows)):
                _put(file, block, tables, file_log.standard, header=number == 0)
                if file_log.standard:
                    _count(block, tables, log, tab_1, quirks)
    raw |= write_users(folder, tables) | write_videos(folder, tables)
    counts = log.counts()
    quirks |= {
        "incomplete_users": int(np.count_nonzero(~tables.complete_users)),
        "incomplete_videos": int(np.count_nonzero(~tables.complete_videos)),
        "users_without_rows": users - counts.users,
        "videos_without_rows": videos - counts.items,
    }
    return Contents(tuple(folder / name for name in raw), raw, counts, {"tab_1": tab_1.counts()}, quirks)


def _logs(edition: Edition, rows: int) -> Iterator[LogFile]:
    early = round(rows * edition.early)
    begin = 9 if edition is PURE else 8
    yield LogFile(f"log_standard_4_08_to_4_21_{edition.suffix}.csv", early, ((begin, 22),))
    yield LogFile(f"log_standard_4_22_to_5_08_{edition.suffix}.csv", rows - early, ((22, 30), (30, 39)))
    shuffled = max(20, round(rows * edition.shuffled))
    yield LogFile(f"log_random_4_22_to_5_08_{edition.suffix}.csv", shuffled, ((22, 39),), standard=False)


def _blocks(edition: Edition, log: LogFile, tables: FeatureTables, rows: int) -> Iterator[ViewBlock]:
    done = 0 if log.days[0][0] < 22 else round(rows * edition.early)  # of the standard rows
    active = tables.users - math.ceil(tables.users * edition.silent)
    for place, (first_day, last_day) in enumerate(log.days):
        size = log.rows * (place + 1) // len(log.days) - log.rows * place // len(log.days)
        counts = np.zeros(tables.users, dtype=np.int64)
        least = 1 if log.standard and first_day < 22 else 0
        same = np.random.default_rng([tables.seed, 0])  # who is active is so in all logs
        counts[renumber(np.arange(active), tables.users)] = share_rows(size, active, least, same)
        for number, (first, stop) in enumerate(owner_ranges(counts, BLOCK)):
            random = np.random.default_rng([tables.seed, 1, log.standard, first_day, number])
            user = np.repeat(np.arange(first, stop), counts[first:stop])
            video = _videos(edition, tables, done, len(user), rows, random)
            done += len(user)
            yield _block(edition, user, video, (first_day, last_day), rows, random)


def _videos(
    edition: Edition, tables: FeatureTables, done: int, size: int, rows: int, random: np.random.Generator
) -> Ints:
    seen = tables.videos - max(2, round(tables.videos * edition.unseen))
    rank = draw_skewed(seen, size, random, power=1.6 if edition is PURE else 3)
    if edition is ONE_K:  # rows take turns, so that each of the seen videos gets one
        turn = (np.arange(done, done + size + 1) * seen) // rows
        rank = np.where(np.diff(turn) > 0, turn[:-1] % seen, rank)
    return renumber(rank, tables.videos)


def _block(
    edition: Edition, user: Ints, video: Ints, days: tuple[int, int], rows: int, random: np.random.Generator
) -> ViewBlock:
    start, stop = (APRIL + (day - 1) * DAY for day in days)
    time = random.integers(0, stop - start - len(user), len(user))
    time = time[np.lexsort((time, user))]
    lane = user * (stop - start)
    # No two rows of a user share a millisecond, so that equal rows are copies and nothing else.
    time = start + np.maximum.accumulate(lane + time - np.arange(len(user))) + np.arange(len(user)) - lane
    chances = np.array([chance for _, chance in FLAGS.values()])
    drawn = random.random((len(FLAGS), len(user))) < np.maximum(chances, OFTEN / rows)[:, None]
    flag = {name: drawn[place].astype(np.int64) for place, name in enumerate(FLAGS)}
    tab = draw_choices((TABS[0], edition.tab_1, *TABS[2:]), len(user), random)
    played = np.where(flag["click"] == 1, random.exponential(20_000, len(user)), 0).astype(np.int64)
    copied = (random.random(len(user)) < 0.011) & (np.diff(user, prepend=-1) == 0)
    source = np.maximum.accumulate(np.where(copied, 0, np.arange(len(user))))
    tab[source[copied]] = 6
    flags = {name: column[source] for name, column in flag.items()}
    return ViewBlock(user, video[source], time[source], tab[source], flags, played[source])


def _put(file: IO[bytes], block: ViewBlock, tables: FeatureTables, standard: bool, header: bool) -> None:
    hour = (block.time - APRIL) // HOUR
    day = 1 + hour // 24
    date = np.where(day > 30, 20_220_500 + day - 30, 20_220_400 + day)
    zero = np.zeros(len(day), dtype=np.int64)
    stay = (block.video + block.played) % 50
    columns: dict[str, ColumnValues] = {"user_id": block.user, "video_id": block.video, "date": date}
    columns |= {"hourmin": hour % 24 * 100, "time_ms": block.time}
    columns |= {FLAGS[name][0]: flag for name, flag in block.flag.items()}
    columns |= {"play_time_ms": block.played, "duration_ms": tables.duration[block.video]}
    columns |= {"profile_stay_time": zero, "comment_stay_time": np.where(stay == 7, block.played, 0)}
    columns |= {"is_profile_enter": (stay == 3).astype(np.int64), "is_rand": zero + (not standard), "tab": block.tab}
    write_rows(file, columns, header=header)


def _count(
    block: ViewBlock, tables: FeatureTables, log: RunningCounts, tab_1: RunningCounts, quirks: dict[str, int]
) -> None:
    given = {name: flag == 1 for name, flag in block.flag.items()}
    log.add("all", block.user, block.video, given)
    keep = (block.tab == 1) & tables.complete_users[block.user] & tables.complete_videos[block.video]
    tab_1.add("all", block.user[keep], block.video[keep], {name: flag[keep] for name, flag in given.items()})
    quirks["duplicates"] += int(np.count_nonzero(repeats(block.video, block.time, block.user)))
    quirks["follow_without_like"] += int(np.count_nonzero(given["follow"] & ~given["like"]))
    quirks["unknown_duration"] += int(np.count_nonzero(tables.duration[block.video] == 0))
