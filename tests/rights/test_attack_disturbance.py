"""Changes of one's own, again and again: of a password, of a schema, of a database, of a membership.

Postgres tells every process of them. Eve has no right to anything of Alice's, and what the worker knows of Alice's vectorizers
must not depend on what she does.
"""

import threading
from contextlib import contextmanager

import pytest
from support import rereading
from support.wait import eventually

MANY = 40

# What needs no right to anything of others'. A role that made another may make it a member of what it made.
STATEMENTS = {
    "password": "ALTER ROLE {eve} PASSWORD 'x'",
    "rights": "GRANT USAGE ON SCHEMA {eve} TO PUBLIC; REVOKE USAGE ON SCHEMA {eve} FROM PUBLIC",
    "schema": "ALTER SCHEMA {eve} RENAME TO {eve}_; ALTER SCHEMA {eve}_ RENAME TO {eve}",
    "database": "ALTER DATABASE {eve} CONNECTION LIMIT 5",
    "membership": "GRANT {eve}_group TO {eve}_friend; REVOKE {eve}_group FROM {eve}_friend",
    "temporary table": "CREATE TEMP TABLE mine (id int PRIMARY KEY); DROP TABLE mine",
}

# More than Postgres keeps for a process that is busy.
MORE_THAN_IS_KEPT = """
    DO $$ BEGIN
        FOR i IN 1 .. 200 LOOP CREATE TEMP TABLE mine (id int PRIMARY KEY, body text); DROP TABLE mine; END LOOP;
    END $$
"""


@pytest.fixture
def eve(db):
    role = f"eve_{db.name}"
    db.sql(f"""
        CREATE ROLE {role} LOGIN; GRANT CREATE ON DATABASE {db.name} TO {role};
        CREATE ROLE {role}_group ADMIN {role}; CREATE ROLE {role}_friend
    """)
    db.sql(f"CREATE SCHEMA {role} AUTHORIZATION {role}")
    other = db.cluster.create_database(role)
    other.sql(f"ALTER DATABASE {role} OWNER TO {role}")
    yield role
    other.drop()
    db.sql(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}, {role}_group, {role}_friend")


@pytest.fixture
def alice(db, stub):
    with rereading.observed(db, stub.url) as alice:
        yield alice


@contextmanager
def again_and_again(db, role: str, statements: str):
    """A session of the role's that does nothing else meanwhile."""
    ended, times = threading.Event(), []

    def run() -> None:
        with db.connect(user=role) as session:
            while not ended.is_set():
                session.execute(statements)
                times.append(1)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        eventually(lambda: times, what=f"{role} to begin")
        yield
        before = len(times)
        eventually(lambda: len(times) > before, what=f"{role} to go on")
    finally:
        ended.set()
        thread.join()


@pytest.mark.parametrize("what", STATEMENTS)
def test_what_a_stranger_changes_of_her_own_has_no_vectorizer_read_again(db, eve, alice, what):
    rereading.not_read_again(db, alice, eve, STATEMENTS[what].format(eve=eve))


@pytest.mark.parametrize("statement", [STATEMENTS["password"], MORE_THAN_IS_KEPT], ids=["password", "more than is kept"])
def test_many_vectorizers_are_served_whatever_a_stranger_changes_of_her_own(db, eve, alice, statement):
    tables = [f"document_{number}" for number in range(MANY)]
    for table in tables:
        alice.vectorizer(table)
    for table in tables:
        alice.insert(1, table)
    for table in tables:
        eventually(lambda: alice.rows(table) == [1], what=f"the row of {table} to be embedded")  # noqa: B023

    with again_and_again(db, eve, statement.format(eve=eve)):
        for row, table in enumerate(tables[::8], start=2):
            alice.insert(row, table)
            eventually(lambda: row in alice.rows(table), what=f"row {row} of {table} to be embedded")  # noqa: B023
        # A new one is noticed as well, whatever else is told.
        alice.vectorizer("last")
        alice.insert(1, "last")
        eventually(lambda: alice.rows("last") == [1], what="a new vectorizer to be served")


def test_what_changes_once_is_read_again_once(db, alice):
    """What was listed before the change is not older than it for ever."""
    alice.sql(f"ALTER ROLE {alice.name} PASSWORD 'x'")
    alice.is_served(2)
    before = rereading.readings(db)
    for row in range(3, 3 + MANY):
        alice.is_served(row)
    assert rereading.readings(db) - before < MANY / 2


def test_what_concerns_an_owner_is_heard_of(db, alice):
    """Her rights come with a membership in a role that is a member of another."""
    db.sql(f"""
        CREATE ROLE {alice.name}_near; CREATE ROLE {alice.name}_far;
        SELECT ai.grant_vectorizer_usage('{alice.name}_far');
        GRANT {alice.name}_far TO {alice.name}_near; GRANT {alice.name}_near TO {alice.name}
    """)
    db.sql(f"REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ai FROM {alice.name}")
    alice.is_served(2)
    db.sql(f"REVOKE {alice.name}_far FROM {alice.name}_near")
    alice.comes_to("not_served", "permission denied")
    db.sql(f"GRANT {alice.name}_far TO {alice.name}_near")
    alice.is_served(3)
    db.sql(f"REVOKE {alice.name}_near FROM {alice.name}")
    alice.comes_to("not_served", "permission denied")
    db.sql(f"DROP OWNED BY {alice.name}_far; DROP ROLE {alice.name}_near, {alice.name}_far")
