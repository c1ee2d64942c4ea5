"""Roles that share a database and its worker, and do not trust each other."""

import itertools

import psycopg

from support import vectorizer
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
