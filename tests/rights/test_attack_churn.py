"""Definitions that change all the time: whoever may connect can make a temporary table, and drop it, as often as they like.

Mallory has no right but to connect. What the worker knows of others' vectorizers must not depend on what she does.
"""

import pytest
from support import egress, rereading


@pytest.fixture
def mallory(db):
    role = f"mallory_{db.name}"
    db.sql(f"CREATE ROLE {role} LOGIN")
    yield role
    db.sql(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


@pytest.fixture
def alice(db, stub):
    with rereading.observed(db, stub.url) as alice:
        yield alice


def test_a_strangers_tables_have_no_vectorizer_read_again(db, mallory, alice):
    rereading.not_read_again(db, alice, mallory, "CREATE TEMP TABLE mine (id int PRIMARY KEY); DROP TABLE mine")


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
