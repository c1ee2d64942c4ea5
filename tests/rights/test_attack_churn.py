"""Definitions that change all the time: whoever may connect can make a temporary table, and drop it, as often as they like.

Mallory has no right but to connect. What the worker knows of others' vectorizers must not depend on what she does.
"""

import pytest
from support import egress
from support.tenant import Tenant
from support.wait import eventually

CHANGES = 20


@pytest.fixture
def mallory(db):
    role = f"mallory_{db.name}"
    db.sql(f"CREATE ROLE {role} LOGIN")
    yield role
    db.sql(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


@pytest.fixture
def alice(db, stub):
    """Her source is UNLOGGED: each time that her vectorizer is read, it is looked whether it was compared since the last crash."""
    egress.allow(db.cluster, stub.url)
    tenant = Tenant(db, f"alice_{db.name}", stub.url)
    tenant.vectorizer()
    tenant.sql(f"ALTER TABLE {tenant.name}.document SET UNLOGGED")
    tenant.is_served(1)
    yield tenant
    egress.allow_nothing(db.cluster)
    db.sql(f"DROP OWNED BY {tenant.name} CASCADE; DROP ROLE {tenant.name}")


def readings(db) -> int:
    """How often the worker has read a vectorizer with UNLOGGED tables."""
    return db.value("SELECT seq_scan FROM pg_stat_all_tables WHERE relid = 'ai._compared_since_crash'::regclass")


def test_a_strangers_tables_have_no_vectorizer_read_again(db, mallory, alice):
    eventually(lambda: readings(db), what="her vectorizer to be read")
    before = readings(db)
    with db.connect(user=mallory) as session:
        for row in range(2, 2 + CHANGES):
            session.execute("CREATE TEMP TABLE mine (id int PRIMARY KEY); DROP TABLE mine")
            alice.insert(row)
            eventually(lambda: row in alice.rows(), what=f"row {row} to be embedded")  # noqa: B023

    # What is her own is heard of. The numbers come in the order in which it happened.
    alice.sql(f"ALTER TABLE {alice.name}.document ADD COLUMN more text")
    alice.insert(0)
    after = eventually(lambda: (now := readings(db)) > before and now, what="her vectorizer to be read again")
    assert after - before < CHANGES / 2


def test_so_many_requests_of_a_source_wait_at_most(db, alice):
    egress.allow_objects(db.cluster, "s3://")
    alice.sql(f"SELECT ai.create_s3_source('{alice.name}.mirror', 's3://bucket/', schedule => NULL)")
    # Nobody begins what is not committed.
    with db.connect(user=alice.name, autocommit=False) as session:
        numbers = session.execute("SELECT ai.sync_s3_source(1) FROM generate_series(1, 1000)").fetchall()
        assert len(set(numbers)) == 10
        [[other]] = session.execute("SELECT ai.sync_s3_source(1, allow_mass_delete => true)").fetchall()
        assert (other,) not in numbers, "it asks for more than those that wait"
        session.rollback()
