"""The README's table: what common work costs, with pgai's worker beside ours.

    make bench ARGS=table            three rounds
    make bench ARGS='table 1'        so many

Each round measures each line once with either worker, one after the other, so that what disturbs the machine for a while
disturbs both. The medians are printed as the README has them, and all values are written as JSON.

Both workers run all the time, and have embedded a row before anything is measured: pgai's looks each second. CPU is that of the
worker and of all processes of the server together, the sessions that commit included. The model answers at once in the lines
of single rows, and after 50 ms in the others.
"""

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from pgai_dev import places
from pgai_dev.console import say
from support.cluster import Cluster
from support.s3 import S3Server

from peer_pgai import Pgai
from sides import Ours, Theirs
from trickle import commit, visible_after

ROUNDS = 3
MODEL_DELAY = 0.05
BODY = "id int PRIMARY KEY, body text"
FIRST = "INSERT INTO document VALUES (-1, 'the first row')"
TEXT = "ai.loading_column('body')"
# Of a quarter of which 200 rows have some ten thousand chunks.
SENTENCE = "This is a sentence of a long text, in which one follows the other until it ends. "
WRITTEN = 200_000
UPDATED = 50_000


@dataclass
class Line:
    """A line of the table. `measure` returns its values, of which `what` says what each is."""

    title: str
    what: list[str]
    measure: Callable
    # pgai's worker can be measured in the same way, in a time that somebody would wait for.
    beside_pgai: bool = True


def single_rows(side, rate: int, seconds: int) -> list[float]:
    """CPU milliseconds a row, of commits of one row, so many a second."""
    with side.work(f"table_rows_{rate}", BODY, TEXT, FIRST) as work:
        with work.watched() as watch:
            commit(work.db, range(rate * seconds), rate)
            work.until_embedded(rate * seconds)
        return [1000 * watch.cpu / (rate * seconds)]


def not_wanted(side) -> list[float]:
    """The worker's CPU milliseconds a commit to a source whose vectorizer is disabled."""
    with side.work("table_disabled", BODY, TEXT, FIRST) as work:
        work.db.sql("SELECT ai.disable_vectorizer_schedule(id) FROM ai.vectorizer")
        with work.watched() as watch:
            commit(work.db, range(1000), 200)
        return [1000 * watch.workers_cpu / 1000]


def visible(side) -> list[float]:
    """Milliseconds from commit to visible, one row after the other: median and longest."""
    with side.work("table_visible", BODY, TEXT, FIRST) as work:
        waits = sorted(1000 * visible_after(work.db, number) for number in range(20 if side.name == "pgai" else 100))
        return [statistics.median(waits), waits[-1]]


def at_once(side, insert: str, rows: int, *, columns=BODY, loading=TEXT, first=FIRST, delay=MODEL_DELAY) -> list[float]:
    """CPU seconds, seconds of the clock, and megabytes of the worker at the most, for rows that one statement inserts."""
    with side.work("table_at_once", columns, loading, first, delay=delay) as work:
        with work.watched() as watch:
            work.db.sql(insert)
            committed = time.monotonic()
            work.until_embedded(rows)
            seconds = time.monotonic() - committed
        return [watch.cpu, seconds, watch.memory]


def short_rows(side) -> list[float]:
    return at_once(side, "INSERT INTO document SELECT i, 'The text of row ' || i FROM generate_series(0, 1999) i", 2000)


def long_rows(side) -> list[float]:
    body = f"(SELECT string_agg('Row ' || i || ', ' || j || '. {SENTENCE}', '') FROM generate_series(1, 210) j)"
    return at_once(side, f"INSERT INTO document SELECT i, {body} FROM generate_series(0, 199) i", 200)


def documents(side) -> list[float]:
    insert = "INSERT INTO document SELECT i, 's3://bench/' || i || '.md' FROM generate_series(0, 499) i"
    first = "INSERT INTO document VALUES (-1, 's3://bench/0.md')"
    return at_once(side, insert, 500, columns="id int PRIMARY KEY, uri text", loading="ai.loading_uri('uri')", first=first)


def many_rows(side, rows: int) -> list[float]:
    """CPU milliseconds a row, of so many that one statement inserts."""
    insert = f"INSERT INTO document SELECT i, 'The text of row ' || i FROM generate_series(0, {rows - 1}) i"
    [cpu, _, _] = at_once(side, insert, rows, delay=0)
    return [1000 * cpu / rows]


def written(side) -> list[float]:
    """CPU seconds that a vectorizer adds to an INSERT … SELECT. Nothing is embedded meanwhile."""
    insert = f"SELECT i, 'The text of row ' || i FROM generate_series(0, {WRITTEN - 1}) i"
    with side.work("table_written", BODY, TEXT, FIRST) as work:
        work.db.sql("SELECT ai.disable_vectorizer_schedule(id) FROM ai.vectorizer; CREATE TABLE plain (LIKE document INCLUDING ALL)")
        return [added(work, f"INSERT INTO plain {insert}", f"INSERT INTO document {insert}")]


def not_embedded(side) -> list[float]:
    """CPU seconds that a vectorizer adds to an UPDATE of a column that it does not embed."""
    columns = f"{BODY}, looks int NOT NULL DEFAULT 0"
    with side.work("table_updated", columns, TEXT, FIRST) as work:
        work.db.sql("SELECT ai.disable_vectorizer_schedule(id) FROM ai.vectorizer; CREATE TABLE plain (LIKE document INCLUDING ALL)")
        for table in ("plain", "document"):
            work.db.sql(f"INSERT INTO {table} SELECT i, 'The text of row ' || i FROM generate_series(0, {UPDATED - 1}) i")
        return [added(work, "UPDATE plain SET looks = looks + 1", "UPDATE document SET looks = looks + 1")]


def added(work, plain: str, vectorized: str) -> float:
    taken = []
    for statement in (plain, vectorized):
        with work.watched() as watch:
            work.db.sql(statement)
        taken.append(watch.cpu)
    return max(0.0, taken[1] - taken[0])


A_ROW = ["CPU ms a row"]
IN_ALL = ["CPU s", "s", "MB"]
ADDED = ["CPU s"]
LINES = [
    Line("20 commits of one row a second", A_ROW, lambda side: single_rows(side, 20, 20)),
    Line("200 a second", A_ROW, lambda side: single_rows(side, 200, 10)),
    Line("2,000 a second", A_ROW, lambda side: single_rows(side, 2000, 4), beside_pgai=False),
    Line("Commits to a source whose vectorizer is disabled", ["worker's CPU ms a commit"], not_wanted),
    Line("From commit to visible, one row after the other", ["ms", "ms at most"], visible),
    Line("2,000 rows of one chunk", IN_ALL, short_rows),
    Line("200 rows of 50 chunks", IN_ALL, long_rows),
    Line("500 Markdown documents of 8 KB in S3", IN_ALL, documents),
    Line("10,000 rows of one chunk", A_ROW, lambda side: many_rows(side, 10_000), beside_pgai=False),
    Line("100,000 rows of one chunk", A_ROW, lambda side: many_rows(side, 100_000), beside_pgai=False),
    Line(f"What INSERT … SELECT of {WRITTEN:,} rows takes more", ADDED, written),
    Line(f"What UPDATE of {UPDATED:,} rows in a column that is not embedded takes more", ADDED, not_embedded),
]


def table(cluster: Cluster, s3: S3Server, rounds: int = ROUNDS) -> None:
    pgai = Pgai()
    sides = [Ours(cluster), Theirs(cluster, pgai, s3)]
    values = {line.title: {side.name: [] for side in sides} for line in LINES}
    for number in range(1, rounds + 1):
        for line in LINES:
            for side in sides if line.beside_pgai else sides[:1]:
                values[line.title][side.name].append(line.measure(side))
                say(f"round {number}, {side.name}: {line.title}: {told(line, values[line.title][side.name][-1])}")

    path = places.CACHE / "bench-table.json"
    path.write_text(json.dumps({"pgai": pgai.version, "rounds": rounds, "values": values}, indent=1))
    say(f"\n| Medians of {rounds} rounds | pgai_rs | pgai {pgai.version} | |\n|---|---|---|---|")
    for line in LINES:
        say(row(line, *(medians(values[line.title][side.name]) for side in sides)))
    say(f"\nAll values: {path}")


def medians(samples: list[list[float]]) -> list[float]:
    return [statistics.median(values) for values in zip(*samples)]


def row(line: Line, ours: list[float], theirs: list[float]) -> str:
    """A row of the table; its last column says how many times as much the first value of pgai is."""
    times = f"{theirs[0] / ours[0]:,.1f} times" if theirs and ours[0] > 0 else ""
    return f"| {line.title} | {told(line, ours)} | {told(line, theirs) if theirs else ''} | {times} |"


def told(line: Line, values: list[float]) -> str:
    return ", ".join(f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}" for value, unit in zip(values, line.what))
