"""The memory that the worker takes, and a cluster whose worker may take little."""

import re
from contextlib import contextmanager
from pathlib import Path

from support.wait import eventually

MEGABYTE = 1 << 20
LIMIT = 256


def own_memory(db) -> int:
    """The bytes of memory that the worker has for itself: what it shares is Postgres's."""
    look = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pgai_rs worker' AND datname = current_database()"
    [[pid]] = eventually(lambda: db.sql(look), what="the worker")
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+) kB", status)[1]) << 10


def most_memory(session) -> int:
    """The most bytes of memory that a session has had at a time, with what it has touched of what is shared."""
    status = Path(f"/proc/{session.info.backend_pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) << 10


@contextmanager
def within_the_limit(db):
    """A way to look at a state that looks at the worker's memory, too; at the end it was never above the limit."""
    seen = []

    def watched(look):
        def looking():
            seen.append(own_memory(db))
            return look()

        return looking

    yield watched
    assert max(seen) < LIMIT * MEGABYTE, f"{max(seen) / MEGABYTE:.0f} MB"


def limited(cluster_factory, **conf: str):
    """A database whose worker may take little."""
    conf = {f"pgai_rs.{name}": value for name, value in conf.items()}
    db = cluster_factory(conf={"pgai_rs.worker_memory_limit": f"{LIMIT}MB"} | conf).create_database("large")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    return db
