"""The claims that must hold once all is quiet: the store equals f(source), and whatever is not there is explained."""

from collections import Counter

from support.torture.disturbances import worker
from support.torture.objects import Objects
from support.torture.sources import SOURCES, Source
from support.wait import eventually

# All that the worker still has to do after a run; it says in its log what keeps it.
PATIENCE = 180


def settled(db, objects: Objects) -> dict[str, int]:
    """Waits until the queue is empty and compares. Answers how many rows, chunks and set aside there are."""
    eventually(lambda: worker(db.cluster), timeout=PATIENCE, what="a worker")
    quiet(db)
    counts = Counter()
    for source in SOURCES:
        rows = source.rows(db, objects)
        aside = {key for key, row in rows.items() if source.is_hopeless(row)}
        set_aside_are(source, aside, failed(db, source))
        chunks = compare(db, source, rows, aside)
        counts.update({"rows": len(rows), "chunks": chunks, "set aside": len(aside)})
    return dict(counts)


def quiet(db) -> None:
    """Waits until nothing is pending in any vectorizer."""
    pending = "SELECT name, ai.vectorizer_queue_pending(id, true) FROM ai.vectorizer"
    eventually(
        lambda: all(count == 0 for _, count in db.sql(pending)),
        timeout=PATIENCE,
        what="the queues to be empty",
    )


def set_aside_are(source: Source, expected: set[tuple], found: set[tuple]) -> None:
    """Tells whether those and no others are set aside for which f has no value."""
    without, wrongly = sorted(expected - found), sorted(found - expected)
    assert found == expected, f"of {source.table} {wrongly} are set aside without a reason, {without} are not with one"


def failed(db, source: Source) -> set[tuple]:
    """The keys that are set aside."""
    name = "SELECT format('%%I.%%I', queue_schema, queue_failed_table) FROM ai.vectorizer WHERE source_table = %s"
    table = db.value(name, [source.table])
    keys = db.sql(f"SELECT {', '.join(f'{name}::text' for name in source.key)} FROM {table}")
    assert len(keys) == len(set(keys)), f"a row of {source.table} is set aside twice"
    return set(keys)


def compare(db, source: Source, rows: dict[tuple, dict], aside: set[tuple]) -> int:
    """Row by row. What is set aside keeps what it had, if it had anything. Answers the number of chunks."""
    width = len(source.key)
    stored = source.stored(db)
    expected = source.expected(db, [row for key, row in rows.items() if key not in aside])
    compared = [chunk for chunk in stored if chunk[:width] not in aside]
    missing, stale = differences(expected, compared)
    assert not (missing or stale), f"{source.table} is out of step: missing {missing[:5]}, stale {stale[:5]}"
    assert len(compared) == len(expected), f"{source.table} has doubled chunks"
    return len(stored)


def differences(expected: list[tuple], stored: list[tuple]) -> tuple[list[tuple], list[tuple]]:
    """Returns what is missing, and what should not be there."""
    wanted, found = ({(*chunk[:-1], tuple(chunk[-1])) for chunk in chunks} for chunks in (expected, stored))
    return sorted(wanted - found), sorted(found - wanted)


def mended(db, objects: Objects) -> None:
    """After what was set aside has been mended and tried again, nothing is: all is in step."""
    db.sql("SELECT ai.retry_failed(id) FROM ai.vectorizer")
    quiet(db)
    for source in SOURCES:
        rows = source.rows(db, objects)
        set_aside_are(source, set(), failed(db, source))
        compare(db, source, rows, set())
