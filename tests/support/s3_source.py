"""Buckets kept as tables, for tests."""

from support.wait import eventually

COUNTERS = "scanned, new, modified, deleted, skipped, failed"


def create(db, uri: str, target: str = "document", *, user: str = "postgres", **arguments: str) -> int:
    """Declares a source; arguments are SQL expressions. It lists on demand, and once at once."""
    named = ", ".join(f"{name} => {value}" for name, value in ({"schedule": "NULL"} | arguments).items())
    source = db.value(f"SELECT ai.create_s3_source('{target}', '{uri}', {named})", user=user)
    if "schedule" not in arguments:
        sync(db, source)
    return source


def finished(db, run: int) -> dict:
    """The run, once it is over."""
    look = "SELECT to_jsonb(r) FROM ai.s3_source_runs r WHERE run = %s AND finished IS NOT NULL"
    [[row]] = eventually(lambda: db.sql(look, [run]), timeout=120, what=f"run {run} to end")
    return row


def sync(db, source: int, **arguments: str) -> tuple:
    """Lists now; answers the counters of a run that must succeed."""
    row = finished(db, ask(db, source, **arguments))
    assert row["state"] == "succeeded", row
    return tuple(row[name] for name in COUNTERS.split(", "))


def ask(db, source: int, **arguments: str) -> int:
    named = "".join(f", {name} => {value}" for name, value in arguments.items())
    return db.value(f"SELECT ai.sync_s3_source({source}{named})")


def fails(db, source: int) -> dict:
    """Lists now, which must fail."""
    row = finished(db, ask(db, source))
    assert row["state"] == "failed" and row["error"] and row["error_code"], row
    return row


def uris(db, target: str = "document") -> list[str]:
    return [uri for [uri] in db.sql(f'SELECT uri FROM {target} ORDER BY uri COLLATE "C"')]
