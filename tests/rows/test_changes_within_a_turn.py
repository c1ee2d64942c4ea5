"""Definitions that change while the worker is in the middle of a turn: it has read them, and has yet to work with them.

It waits meanwhile in a trigger of somebody else's.
"""

import pytest
from support import egress, vectorizer
from support.tenant import Tenant
from support.wait import eventually


class Gate:
    """A trigger on a table in which the worker waits until it is let through."""

    def __init__(self, db, table: str, event: str):
        self.db, self.name = db, table.replace(".", "_")
        # What sequences say is seen at once, and no lock is waited for.
        db.sql(f"""
            CREATE SEQUENCE {self.name}_waits; CREATE SEQUENCE {self.name}_opened;
            GRANT ALL ON SEQUENCE {self.name}_waits, {self.name}_opened TO PUBLIC;
            CREATE FUNCTION {self.name}_wait() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                PERFORM nextval('public.{self.name}_waits');
                WHILE NOT (SELECT is_called FROM public.{self.name}_opened) LOOP PERFORM pg_sleep(0.01); END LOOP;
                RETURN coalesce(NEW, OLD);
            END $$;
            CREATE TRIGGER wait BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION {self.name}_wait()
        """)

    def holds(self) -> bool:
        """Whether the worker has come to it."""
        return self.db.value(f"SELECT is_called FROM {self.name}_waits")

    def open(self) -> None:
        self.db.sql(f"SELECT nextval('{self.name}_opened')")


@pytest.fixture
def tenants(db, stub):
    """Two roles with schemas of their own."""
    egress.allow(db.cluster, stub.url)
    both = [Tenant(db, f"{name}_of_{db.name}", stub.url) for name in ("one", "two")]
    yield both
    egress.allow_nothing(db.cluster)
    for tenant in both:
        db.sql(f"DROP OWNED BY {tenant.name} CASCADE; DROP ROLE {tenant.name}")


@pytest.fixture
def others(db, stub) -> Gate:
    """A gate at which the worker waits for another owner once `document` has no text any more."""
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text); INSERT INTO document VALUES (1, 'a')")
    vectorizer.create(db, stub.url)
    vectorizer.in_step(db, ["id"])
    return Gate(db, "document_embedding_store", "DELETE")


def create(tenant: Tenant, columns: str, **arguments: str) -> None:
    tenant.sql(f"CREATE TABLE {tenant.name}.document ({columns})")
    vectorizer.create(tenant.db, tenant.url, f"{tenant.name}.document", user=tenant.name, **arguments)


def in_step(tenant: Tenant, key: list[str], **how: str) -> None:
    source = f"{tenant.name}.document"
    vectorizer.in_step(tenant.db, key, source=source, store=f"{source}_embedding_store", **how)


def before_its_rows_are_claimed(others: Gate, tenant: Tenant, statements: str) -> None:
    """Runs a tenant's statements while the worker is between its vectorizer and its rows."""
    in_step(tenant, ["id"])
    others.db.sql("UPDATE document SET body = ''")
    eventually(others.holds, what="the worker to wait")
    tenant.sql(statements)
    others.open()


def test_columns_change_places_before_rows_are_claimed(db, others, tenants):
    table = f"{tenants[0].name}.document"
    create(tenants[0], "id int PRIMARY KEY, title text, body text")
    before_its_rows_are_claimed(others, tenants[0], f"""
        BEGIN; ALTER TABLE {table} RENAME title TO another; ALTER TABLE {table} RENAME body TO title;
        ALTER TABLE {table} RENAME another TO body; COMMIT; INSERT INTO {table} (id, title) VALUES (2, 'the text')
    """)
    in_step(tenants[0], ["id"], column="title")


def test_a_column_that_is_renamed_before_rows_are_claimed_is_nobodys_trouble(db, others, tenants):
    """The worker takes it up as it is by now, and has nothing to complain of."""
    table, name = f"{tenants[0].name}.document", f"renamed_in_{db.name}"
    create(tenants[0], "id int PRIMARY KEY, body text", name=f"'{name}'")
    statements = f"ALTER TABLE {table} RENAME body TO title; INSERT INTO {table} VALUES (2, 'the text')"
    before_its_rows_are_claimed(others, tenants[0], statements)
    in_step(tenants[0], ["id"], column="title")
    assert f'vectorizer "{name}"' not in db.cluster.log_text()


@pytest.mark.parametrize(
    "statements, key",
    [
        # Else chunks would be written as those of another row.
        ("ALTER TABLE {0} RENAME a TO c; ALTER TABLE {0} RENAME b TO a; ALTER TABLE {0} RENAME c TO b", ["a", "b"]),
        ("ALTER TABLE {0} RENAME a TO c", ["c", "b"]),
    ],
    ids=["places", "name"],
)
def test_columns_of_a_key_change_before_chunks_are_written(db, others, tenants, stub, statements, key):
    """Answers for two owners come to the worker in one turn."""
    gates = {}
    for tenant in tenants:
        create(tenant, "a int, b int, body text, PRIMARY KEY (a, b)")
        gates[tenant.name] = Gate(db, f"{tenant.name}.document_embedding_store", "INSERT")

    with stub.held():
        for tenant in tenants:
            tenant.sql(f"INSERT INTO {tenant.name}.document VALUES (1, 2, 'first'), (2, 1, 'second')")
        asked = lambda: [text for request in stub.requests if request.status is None for text in request.inputs]  # noqa: E731
        eventually(lambda: len(asked()) == 4, what="the texts to be at the model")
        # It is written without a request, for it has no chunks.
        db.sql("UPDATE document SET body = ''")
        eventually(others.holds, what="the worker to wait")
    eventually(lambda: stub.waiting == 0, what="the model to have answered")
    others.open()

    held = eventually(lambda: [t for t in tenants if gates[t.name].holds()], what="the worker to wait for one of them")
    [other] = [tenant for tenant in tenants if tenant not in held]
    other.sql(f"BEGIN; {statements.format(f'{other.name}.document')}; COMMIT")
    for gate in gates.values():
        gate.open()
    in_step(held[0], ["a", "b"])
    in_step(other, key)
    assert db.sql("SELECT details FROM ai.vectorizer_errors") == []
