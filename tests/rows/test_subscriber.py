"""A subscriber of logical replication embeds what it is sent, if the triggers are enabled for that."""

import pytest
from support import vectorizer
from support.wait import eventually

TABLE = "CREATE TABLE document (id int PRIMARY KEY, body text)"
PARTITIONED = """
    CREATE TABLE document (id int PRIMARY KEY, body text) PARTITION BY RANGE (id);
    CREATE TABLE document_low PARTITION OF document FOR VALUES FROM (0) TO (100);
    CREATE TABLE document_high PARTITION OF document FOR VALUES FROM (100) TO (200);
"""
ENABLE = "ALTER TABLE document ENABLE {} TRIGGER _vectorizer_src_trg_1"
TRIGGERS = """
    SELECT tgname, tgenabled::text FROM pg_trigger
    WHERE tgrelid = 'document'::regclass AND NOT tgisinternal ORDER BY 1
"""


@pytest.fixture
def publisher(cluster_factory):
    cluster = cluster_factory(conf={"wal_level": "logical"})
    return cluster.create_database("origin")


@pytest.fixture
def subscriber(cluster_factory):
    cluster = cluster_factory(conf={"pgai_rs.poll_interval": "200ms"})
    db = cluster.create_database("copy")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    return db


def subscribe(subscriber, publisher) -> None:
    publisher.sql("CREATE PUBLICATION p FOR TABLE document WITH (publish_via_partition_root = true)")
    at = f"host={publisher.cluster.host} port={publisher.cluster.port} dbname={publisher.name} user=postgres"
    subscriber.sql(f"CREATE SUBSCRIPTION s CONNECTION '{at}' PUBLICATION p")


def replicated(publisher, subscriber) -> None:
    """Waits until the subscriber has what the publisher has."""
    rows = "SELECT id, body FROM document ORDER BY id"
    eventually(lambda: subscriber.sql(rows) == publisher.sql(rows), what="the rows to be replicated")


def state(db) -> tuple:
    [found] = db.sql("SELECT state, reason, hint FROM ai.vectorizer_health")
    return found


CHANGES = [
    "INSERT INTO document VALUES (3, 'new|ones'), (150, 'far')",
    "UPDATE document SET body = 'changed|b' WHERE id = 1",
    "UPDATE document SET id = 4 WHERE id = 3",
    "DELETE FROM document WHERE id = 2",
    "BEGIN; INSERT INTO document SELECT i, 'many ' || i FROM generate_series(10, 60) i; DELETE FROM document WHERE id % 2 = 1; COMMIT",
    "TRUNCATE document",
    "INSERT INTO document VALUES (5, 'after')",
]


@pytest.mark.parametrize("how", ["ALWAYS", "REPLICA"])
@pytest.mark.parametrize("table", [TABLE, PARTITIONED], ids=["plain", "partitioned"])
def test_what_is_replicated_is_embedded(publisher, subscriber, stub, table, how):
    publisher.sql(f"{table}; INSERT INTO document VALUES (1, 'a|b'), (2, 'c')")
    subscriber.sql(table)
    vectorizer.create(subscriber, stub.url)
    subscriber.sql(ENABLE.format(how))
    subscribe(subscriber, publisher)
    replicated(publisher, subscriber)
    vectorizer.in_step(subscriber, ["id"])
    for change in CHANGES:
        publisher.sql(change)
        replicated(publisher, subscriber)
        vectorizer.in_step(subscriber, ["id"])
    vectorizer.comes_to(subscriber, "idle")


def test_what_is_replicated_past_the_triggers_is_told(publisher, subscriber, stub):
    """As in any other table: what is applied fires no trigger that is not enabled for it."""
    publisher.sql(f"{TABLE}; INSERT INTO document VALUES (1, 'a|b'), (2, 'c')")
    subscriber.sql(TABLE)
    vectorizer.create(subscriber, stub.url)
    subscribe(subscriber, publisher)
    replicated(publisher, subscriber)
    eventually(lambda: state(subscriber)[0] == "out_of_step", what="the health to say so")
    word, reason, hint = state(subscriber)
    assert "subscription" in reason
    for statement in hint.split("; then "):
        subscriber.sql(statement)
    publisher.sql("UPDATE document SET body = 'changed' WHERE id = 1")
    replicated(publisher, subscriber)
    vectorizer.in_step(subscriber, ["id"])
    vectorizer.comes_to(subscriber, "idle")


def test_a_store_that_is_replicated_as_well_is_left_to_the_publisher(publisher, subscriber, stub):
    """Both are sent: embedded here, too, the chunks would be in each other's way."""
    publisher.sql("CREATE EXTENSION pgai_rs CASCADE")
    for db in (publisher, subscriber):
        db.sql(TABLE)
        vectorizer.create(db, stub.url)
    publisher.sql("CREATE PUBLICATION p FOR TABLE document, document_embedding_store")
    at = f"host={publisher.cluster.host} port={publisher.cluster.port} dbname={publisher.name} user=postgres"
    subscriber.sql(f"CREATE SUBSCRIPTION s CONNECTION '{at}' PUBLICATION p")
    publisher.sql("INSERT INTO document VALUES (1, 'a|b')")
    vectorizer.in_step(publisher, ["id"])
    vectorizer.in_step(subscriber, ["id"])
    vectorizer.comes_to(subscriber, "idle")


def test_the_triggers_of_a_vectorizer_are_enabled_together(db, stub):
    """pgai has one where there are several here, and its users name that one."""
    db.sql(TABLE)
    vectorizer.create(db, stub.url)
    own = [f"_vectorizer_src_trg_1{name}" for name in ("", "_delete", "_truncate", "_update")]
    assert db.sql(TRIGGERS) == [(name, "O") for name in own]
    db.sql(ENABLE.format("ALWAYS"))
    assert db.sql(TRIGGERS) == sorted([(name, "A") for name in own] + [("_vectorizer_src_trg_1_replica", "R")])
    db.sql("ALTER TABLE document ENABLE TRIGGER _vectorizer_src_trg_1")
    assert db.sql(TRIGGERS) == [(name, "O") for name in own]
    db.sql(ENABLE.format("REPLICA"))
    assert ("_vectorizer_src_trg_1_replica", "R") in db.sql(TRIGGERS)
    db.sql("ALTER TABLE document DISABLE TRIGGER ALL; ALTER TABLE document ENABLE TRIGGER ALL")
    assert db.sql(TRIGGERS) == [(name, "O") for name in own]
    db.sql(ENABLE.format("ALWAYS"))
    db.sql("SELECT ai.drop_vectorizer(1)")
    assert db.sql(TRIGGERS) == []


def test_what_the_triggers_are_enabled_for_lives_through_a_dump(db, stub, cluster):
    db.sql(TABLE)
    vectorizer.create(db, stub.url)
    db.sql(ENABLE.format("ALWAYS"))
    dump = cluster.run("pg_dump", "--dbname", db.name)
    restored = cluster.create_database(f"{db.name}_restored")
    try:
        cluster.run("psql", "--dbname", restored.name, "--quiet", "--set=ON_ERROR_STOP=1", input=dump)
        assert restored.sql(TRIGGERS) == db.sql(TRIGGERS)
        restored.sql("SET session_replication_role = replica; INSERT INTO document VALUES (1, 'a|b')")
        vectorizer.in_step(restored, ["id"])
    finally:
        restored.drop()
