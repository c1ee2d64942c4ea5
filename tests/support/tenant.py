"""Roles that share a database and its worker, and do not trust each other."""

import contextlib
import itertools
from collections.abc import Iterator

import psycopg

from support import egress, vectorizer
from support.wait import eventually

_numbers = itertools.count(1)

# While an attack leaves no lock free, nobody can write, look or log in, which has no class of its own in psycopg.
NO_LOCK_FREE = (psycopg.OperationalError,)


class Tenant:
    """A role with a schema of its own, and what it does there."""

    def __init__(self, db, name: str, url: str):
        self.db, self.name, self.url = db, name, url
        db.sql(f"CREATE ROLE {name} LOGIN; SELECT ai.grant_vectorizer_usage('{name}'); CREATE SCHEMA {name} AUTHORIZATION {name}")
        self.ids: dict[str, int] = {}

    def sql(self, query: str, parameters=None) -> list[tuple]:
        return self.db.sql(query, parameters, user=self.name)

    def vectorizer(self, table: str = "document", **arguments: str) -> int:
        self.sql(f"CREATE TABLE {self.name}.{table} (id int PRIMARY KEY, body text)")
        self.ids[table] = vectorizer.create(self.db, self.url, f"{self.name}.{table}", user=self.name, **arguments)
        return self.ids[table]

    def on_store(self, body: str, table: str = "document", when: str = "BEFORE INSERT", declare: str = "") -> None:
        """A trigger of hers on her store that does this."""
        name = f"{self.name}.on_{table}_{next(_numbers)}"
        self.sql(f"""
            CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
            DECLARE i int := 0; {declare} BEGIN {body} RETURN NULL; END $$;
            CREATE TRIGGER attack {when} ON {self.name}.{table}_embedding_store EXECUTE FUNCTION {name}()
        """)

    def insert(self, row: int, table: str = "document") -> None:
        self.sql(f"INSERT INTO {self.name}.{table} VALUES ({row}, 'row {row}')")

    def rows(self, table: str = "document") -> list[int]:
        """The rows that are embedded."""
        return [row for [row] in self.db.sql(f"SELECT DISTINCT id FROM {self.name}.{table}_embedding_store ORDER BY id")]

    def is_served(self, row: int) -> None:
        """Somebody else's attack must not keep a new row of hers from being embedded."""

        def inserted() -> bool:
            self.insert(row)
            return True

        eventually(inserted, what=f"row {row} of {self.name}'s to be inserted", ignoring=NO_LOCK_FREE)
        eventually(lambda: row in self.rows(), what=f"row {row} of {self.name}'s to be embedded", ignoring=NO_LOCK_FREE)

    def health(self, table: str = "document") -> tuple:
        """State, reason and hint, as a person sees them, who does not wait for ever for what somebody has locked."""
        health = "SELECT state, reason, hint FROM ai.vectorizer_health WHERE id = %s"
        with self.db.connect() as session:
            session.execute("SET statement_timeout = '20s'")
            return session.execute(health, [self.ids[table]]).fetchone() or (None, None, None)

    def comes_to(self, state: str, reason: str, table: str = "document") -> str:
        """Waits until her vectorizer is in a state for a reason; answers the hint."""

        def there():
            [now, why, hint] = self.health(table)
            assert now == state and reason in (why or ""), (now, why)
            return [hint]

        what = f"{self.name}'s vectorizer to be {state}: {reason}"
        [hint] = eventually(there, what=what, ignoring=(*NO_LOCK_FREE, AssertionError))
        return hint


@contextlib.contextmanager
def made(db, stub, who: str) -> Iterator[Tenant]:
    """A role with a schema of its own, who may declare what the server fetches and sends."""
    egress.allow(db.cluster, stub.url)
    role = Tenant(db, f"{who}_{db.name}", stub.url)
    try:
        yield role
    finally:
        egress.allow_nothing(db.cluster)
        drop(db, role.name)


@contextlib.contextmanager
def with_rows(db, stub, who: str, rows: dict[int, str], columns: str = "", **arguments: str) -> Iterator[Tenant]:
    """A tenant with a vectorizer `rows` on a table of texts that are of somebody: who that is, by the row's number.

    Ann's first text is "hers", Ben's is "his", and so on."""
    with made(db, stub, who) as owner:
        table = f"{owner.name}.document"
        owner.sql(f"CREATE TABLE {table} (id int PRIMARY KEY, who name, body text{columns})")
        for id, whose in rows.items():
            owner.sql(f"INSERT INTO {table} VALUES (%s, %s, %s)", [id, whose, {"ben": "his"}.get(whose, "hers")])
        vectorizer.create(db, stub.url, table, user=owner.name, name="'rows'", **arguments)
        vectorizer.in_step(db, ["id"], source=table, store=f"{table}_embedding_store")
        stub.forget()
        yield owner


@contextlib.contextmanager
def reading(db, owner: Tenant, who: str) -> Iterator[str]:
    """A role that may use the schema of `owner`, and was granted nothing in it; its name."""
    name = f"{who}_{db.name}"
    db.sql(f"CREATE ROLE {name} LOGIN; GRANT USAGE ON SCHEMA ai, {owner.name} TO {name}")
    try:
        yield name
    finally:
        drop(db, name)


def may_read(owner: Tenant, reader: str) -> None:
    """Lets a role search in the tenant's vectorizer."""
    owner.sql(f"GRANT SELECT ON {owner.name}.document, {owner.name}.document_embedding_store TO {reader}")


def drop(db, role: str) -> None:
    """Drops a role with all that it owns."""
    db.sql(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")
