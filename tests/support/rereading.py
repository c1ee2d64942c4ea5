"""Whether the worker reads a vectorizer again for what others change of their own."""

from collections.abc import Iterator
from contextlib import contextmanager

from support import egress
from support.tenant import Tenant
from support.wait import eventually

CHANGES = 20


@contextmanager
def observed(db, url: str) -> Iterator[Tenant]:
    """Alice, whose source is UNLOGGED: each time that her vectorizer is read, it is looked whether it was compared since the
    last crash."""
    egress.allow(db.cluster, url)
    tenant = Tenant(db, f"alice_{db.name}", url)
    tenant.vectorizer()
    tenant.sql(f"ALTER TABLE {tenant.name}.document SET UNLOGGED")
    tenant.is_served(1)
    yield tenant
    egress.allow_nothing(db.cluster)
    db.sql(f"DROP OWNED BY {tenant.name} CASCADE; DROP ROLE {tenant.name}")


def readings(db) -> int:
    """How often the worker has read a vectorizer with UNLOGGED tables."""
    return db.value("SELECT seq_scan FROM pg_stat_all_tables WHERE relid = 'ai._compared_since_crash'::regclass")


def not_read_again(db, alice: Tenant, stranger: str, statements: str, most: int = CHANGES // 2) -> None:
    """Asserts that what a stranger does, again and again, has Alice's vectorizer read no more often, and that her own does.

    Where it is read for it in a tenth of the worker's time alone, `most` has to be lower."""
    eventually(lambda: readings(db), what="her vectorizer to be read")
    before = readings(db)
    with db.connect(user=stranger) as session:
        for row in range(2, 2 + CHANGES):
            session.execute(statements)
            alice.insert(row)
            eventually(lambda: row in alice.rows(), what=f"row {row} to be embedded")  # noqa: B023

    # What is her own is heard of. The numbers come in the order in which it happened.
    alice.sql(f"ALTER TABLE {alice.name}.document ADD COLUMN more text")
    alice.insert(0)
    after = eventually(lambda: (now := readings(db)) > before and now, what="her vectorizer to be read again")
    assert after - before < most
