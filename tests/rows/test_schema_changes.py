"""What users do to tables under a live vectorizer: it is followed, or ends with its source."""

import math

import psycopg
import pytest
from support import egress, vectorizer
from support.wait import eventually

PLAIN = "CREATE TABLE document (id int PRIMARY KEY, title text, body text)"
PARTITIONED = """
    CREATE TABLE document (id int, title text, body text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
    CREATE TABLE document_low PARTITION OF document FOR VALUES FROM (0) TO (100);
    CREATE TABLE document_high PARTITION OF document FOR VALUES FROM (100) TO (200);
    INSERT INTO document VALUES (1, 't', 'a|b'), (2, 't', 'c'), (101, 't', 'd|e'), (102, 't', 'f');
"""


@pytest.fixture
def plain(db, stub):
    db.sql(PLAIN)
    vectorizer.create(db, stub.url)
    db.sql("INSERT INTO document VALUES (1, 't', 'a|b'), (2, 't', 'c')")
    vectorizer.in_step(db, ["id"])
    return db


@pytest.fixture
def partitioned(db, stub):
    db.sql(PARTITIONED)
    vectorizer.create(db, stub.url)
    vectorizer.in_step(db, ["id"])
    return db


@pytest.fixture
def owner(db, stub):
    """An ordinary role with a vectorizer of its own; answers its name."""
    role = f"owner_of_{db.name}"
    db.sql(f"CREATE ROLE {role} LOGIN; GRANT CREATE ON SCHEMA public TO {role}; SELECT ai.grant_vectorizer_usage('{role}')")
    db.sql(PLAIN, user=role)
    egress.allow(db.cluster, stub.url)
    vectorizer.create(db, stub.url, user=role)
    yield role
    egress.allow_nothing(db.cluster)
    db.sql(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


def left_behind(db) -> list[tuple]:
    """What there is of any vectorizer, but for stores."""
    return db.sql(
        """SELECT 'vectorizer', name FROM ai.vectorizer
           UNION ALL SELECT 'queue', relname FROM pg_class WHERE relname LIKE '\\_vectorizer\\_%\\_1' AND relkind = 'r'
           UNION ALL SELECT 'trigger', tgname FROM pg_trigger WHERE tgname LIKE '\\_vectorizer%'"""
    )


# The source's end


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE document CASCADE",
        "ALTER TABLE document RENAME TO paper; DROP TABLE paper CASCADE",
        "CREATE SCHEMA other; ALTER TABLE document SET SCHEMA other; ALTER SCHEMA other RENAME TO third;"
        " DROP SCHEMA third CASCADE",
    ],
)
def test_a_dropped_source_takes_its_vectorizer_along(plain, statement):
    plain.sql(statement)
    assert left_behind(plain) == []


def test_drop_owned_takes_the_vectorizer_along(db, owner):
    db.sql(f"DROP OWNED BY {owner} CASCADE")
    assert left_behind(db) == []


def test_an_owner_may_drop_the_source_without_other_rights(db, owner):
    db.sql("DROP TABLE document CASCADE", user=owner)
    assert left_behind(db) == []


def test_the_store_outlives_a_dropped_source(plain):
    plain.sql("DROP TABLE document CASCADE")
    assert [row[2] for row in vectorizer.stored(plain, ["id"])] == ["a", "b", "c"]


def test_a_drop_that_is_rolled_back_changes_nothing(plain):
    plain.sql("BEGIN; DROP TABLE document CASCADE; ROLLBACK")
    plain.sql("INSERT INTO document VALUES (3, 't', 'still here')")
    vectorizer.in_step(plain, ["id"])


@pytest.mark.parametrize("statement", ["DROP TABLE document CASCADE", "SELECT ai.drop_vectorizer(1, drop_all => true)"])
def test_the_end_of_a_vectorizer_while_its_rows_are_embedded(plain, stub, statement):
    with stub.held():
        plain.sql("INSERT INTO document VALUES (3, 't', 'in flight')")
        stub_waits(stub)
        plain.sql(statement)
    assert left_behind(plain) == []
    # The worker has survived, and serves what comes next.
    plain.sql("CREATE TABLE other (id int PRIMARY KEY, body text)")
    vectorizer.create(plain, stub.url, "other")
    plain.sql("INSERT INTO other VALUES (1, 'x|y')")
    vectorizer.in_step(plain, ["id"], source="other", store="other_embedding_store")


def stub_waits(stub) -> None:
    """Waits until a request for embeddings is under way."""
    eventually(lambda: stub.waiting, what="a request at the model")


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE document",
        "DELETE FROM document WHERE id = 3",
        "UPDATE document SET id = 30 WHERE id = 3",
        "UPDATE document SET body = 'newer|still' WHERE id = 3",
        "DELETE FROM document WHERE id = 3; INSERT INTO document VALUES (3, 't', 'again')",
        "ALTER TABLE document ADD COLUMN more text, DROP COLUMN title CASCADE",
        "ALTER TABLE document RENAME TO paper; ALTER TABLE paper RENAME TO document",
        "DROP VIEW document_embedding; ALTER TABLE document ALTER COLUMN body TYPE varchar(100)",
    ],
)
def test_a_change_while_rows_are_embedded(plain, stub, statement):
    with stub.held():
        plain.sql("INSERT INTO document VALUES (3, 't', 'in flight|twice')")
        stub_waits(stub)
        plain.sql(statement)
    vectorizer.in_step(plain, ["id"])


# Names


@pytest.mark.parametrize(
    "statement, source, store",
    [
        ("ALTER TABLE document RENAME TO paper", "paper", "document_embedding_store"),
        ("CREATE SCHEMA s; ALTER TABLE document SET SCHEMA s", "s.document", "document_embedding_store"),
        ("ALTER TABLE document_embedding_store RENAME TO shop", "document", "shop"),
        ("CREATE SCHEMA s; ALTER TABLE document_embedding_store SET SCHEMA s", "document", "s.document_embedding_store"),
        ("ALTER SCHEMA public RENAME TO s", "s.document", "s.document_embedding_store"),
    ],
)
def test_new_names_are_followed(plain, statement, source, store):
    plain.sql(statement)
    prefix = source.rpartition(".")[0]
    plain.sql(f"INSERT INTO {source} VALUES (3, 't', 'new'); UPDATE {source} SET body = 'b|a' WHERE id = 1;"
              f" DELETE FROM {source} WHERE id = 2")
    vectorizer.in_step(plain, ["id"], source=source, store=store)
    [shown] = plain.sql("SELECT source_schema, source_table FROM ai.vectorizer")
    assert shown == (prefix or "public", source.rpartition(".")[2])
    plain.sql("SELECT ai.drop_vectorizer(1, drop_all => true)")
    assert plain.value("SELECT to_regclass(%s)", [store]) is None


def test_a_view_by_another_name_goes_with_its_vectorizer(plain):
    plain.sql("ALTER VIEW document_embedding RENAME TO v; SELECT ai.drop_vectorizer(1, drop_all => true)")
    assert plain.value("SELECT to_regclass('v')") is None


def test_a_strangers_table_does_not_become_a_store(plain):
    """Whoever renames a table of their own to what a store was called gets nobody's text."""
    role = f"stranger_of_{plain.name}"
    plain.sql(f"CREATE ROLE {role} LOGIN; GRANT ALL ON SCHEMA public TO {role}; DROP TABLE document_embedding_store CASCADE")
    try:
        plain.sql("CREATE SCHEMA theirs")
        plain.sql(f"GRANT ALL ON SCHEMA theirs TO {role}")
        plain.sql("CREATE TABLE theirs.document_embedding_store (id int);"
                  " ALTER TABLE theirs.document_embedding_store SET SCHEMA public", user=role)
        plain.sql("ALTER TABLE document_embedding_store RENAME TO catcher", user=role)
        assert plain.value("SELECT config #>> '{destination,target_table}' FROM ai.vectorizer") == "document_embedding_store"
    finally:
        plain.sql(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


# Names of columns

RENAMES = [
    "ALTER TABLE document RENAME body TO content",
    'ALTER TABLE document RENAME COLUMN title TO "The_Title"',
    'ALTER TABLE document RENAME id TO "the number"',
    # And back, in one transaction with what is written meanwhile.
    """BEGIN; ALTER TABLE document RENAME "the number" TO id; INSERT INTO document VALUES (50, 't', 'between');
       ALTER TABLE document RENAME "The_Title" TO title; ALTER TABLE document RENAME content TO body; COMMIT""",
    "BEGIN; ALTER TABLE document RENAME body TO undone; ALTER TABLE document RENAME id TO undone_as_well; ROLLBACK",
]


@pytest.mark.parametrize("table", [PLAIN, PARTITIONED], ids=["plain", "partitioned"])
def test_a_column_by_another_name_is_followed(db, stub, table):
    """Nothing is embedded again for it."""
    db.sql(table)
    db.sql("INSERT INTO document VALUES (10, 't', 'a|b'), (11, 't', 'c'), (20, 't', 'd')")
    vectorizer.create(db, stub.url, formatting="ai.formatting_python_template('$title ${title}: $chunk')")
    vectorizer.idle(db)
    for number, statement in enumerate(RENAMES):
        stub.forget()
        db.sql(statement)
        key, title, body = [name for [name] in db.sql(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'document'::regclass AND attnum > 0 ORDER BY attnum LIMIT 3")]
        db.sql(f"""INSERT INTO document VALUES ({60 + number}, 't', 'new {number}'); DELETE FROM document WHERE "{key}" = {59 + number};
                   UPDATE document SET "{title}" = '{number}' WHERE "{key}" = 10""")
        vectorizer.in_step(db, [key], column=body, template=f"${{{title}}} ${{{title}}}: $chunk")
        unchanged = {f"t t: {text}" for text in ("c", "d")}
        assert not unchanged & set(stub.embedded)
    assert db.sql("SELECT DISTINCT message FROM ai.vectorizer_errors") == []


def test_a_column_of_vectors_by_another_name_is_followed(db, stub):
    db.sql(PLAIN)
    vectorizer.create(db, stub.url, chunking="ai.chunking_none()", destination="ai.destination_column('embedding')")
    db.sql("ALTER TABLE document RENAME embedding TO vec; INSERT INTO document VALUES (1, 't', 'a')")
    eventually(lambda: db.sql("SELECT FROM document WHERE vec IS NOT NULL"), what="the vector")
    assert db.value("SELECT embedding_column FROM ai.vectorizer_status") == "vec"


def test_a_column_is_renamed_above_its_source(db, stub):
    db.sql(PARTITIONED)
    vectorizer.create(db, stub.url, "document_low")
    db.sql("ALTER TABLE document RENAME body TO content")
    db.sql("UPDATE document SET content = 'changed' WHERE id = 1")
    vectorizer.in_step(db, ["id"], source="document_low", store="document_low_embedding_store", column="content")


def test_a_column_is_renamed_while_its_rows_wait_and_are_embedded(plain, stub):
    with stub.held():
        plain.sql("INSERT INTO document VALUES (3, 't', 'in flight|twice')")
        stub_waits(stub)
        plain.sql("SELECT ai.disable_vectorizer_schedule(1); INSERT INTO document VALUES (4, 't', 'waits')")
        plain.sql("ALTER TABLE document RENAME id TO number; ALTER TABLE document RENAME body TO content")
    plain.sql("SELECT ai.enable_vectorizer_schedule(1)")
    vectorizer.in_step(plain, ["number"], column="content")
    assert plain.sql("SELECT details FROM ai.vectorizer_errors") == []


def test_a_row_that_was_set_aside_is_told_by_its_keys_new_name(plain, stub):
    stub.fail(math.inf, when=lambda request: "poison" in request.inputs, status=400)
    plain.sql("INSERT INTO document VALUES (3, 't', 'poison')")
    vectorizer.idle(plain)
    plain.sql("ALTER TABLE document RENAME id TO number")
    stub.heal()
    retried = "SELECT ai.retry_failed(1, details -> 'key') FROM ai.vectorizer_errors WHERE details ? 'key'"
    assert plain.value(retried) == 1
    vectorizer.in_step(plain, ["number"])


def test_what_a_template_cant_name_is_told_at_once(db, stub):
    db.sql(PLAIN)
    vectorizer.create(db, stub.url, formatting="ai.formatting_python_template('$title: $chunk')")
    warnings = []
    with db.connect() as connection:
        connection.add_notice_handler(lambda notice: warnings.append((notice.severity, notice.message_primary)))
        connection.execute('ALTER TABLE document RENAME title TO "The title"')
    [(severity, message)] = warnings
    assert severity == "WARNING" and '"The title"' in message
    db.sql('ALTER TABLE document RENAME "The title" TO title')
    db.sql("INSERT INTO document VALUES (1, 't', 'a')")
    vectorizer.in_step(db, ["id"], template="$title: $chunk")


# What can't be followed


@pytest.mark.parametrize(
    "statement, undo",
    [
        ("ALTER TABLE document DROP CONSTRAINT document_pkey", "ALTER TABLE document ADD PRIMARY KEY (id)"),
        (
            "SET session_replication_role = replica; ALTER TABLE document RENAME id TO ident",
            "SET session_replication_role = replica; ALTER TABLE document RENAME ident TO id",
        ),
        # The store has them for its own.
        (
            "ALTER TABLE document_embedding_store RENAME chunk TO content",
            "ALTER TABLE document_embedding_store RENAME content TO chunk",
        ),
        # A name that the store has for itself.
        ("ALTER TABLE document RENAME id TO chunk_seq", "ALTER TABLE document RENAME chunk_seq TO id"),
    ],
)
def test_what_cant_be_followed_is_explained_and_lets_users_write(plain, statement, undo):
    plain.sql(statement)
    plain.sql("INSERT INTO document VALUES (3, 't', 'meanwhile')")
    explained = "SELECT reason, hint FROM ai.vectorizer_health WHERE state = 'not_served' AND hint IS NOT NULL"
    eventually(lambda: plain.sql(explained), what="the health to say why")
    plain.sql(undo)
    plain.sql("SELECT ai.resync(1)")
    vectorizer.in_step(plain, ["id"])


# Partitions


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE document_high",
        "TRUNCATE document",
        "TRUNCATE document_low, document_high",
        "DROP TABLE document_high",
        "ALTER TABLE document DETACH PARTITION document_high",
        "ALTER TABLE document DETACH PARTITION document_high CONCURRENTLY",
        "CREATE TABLE document_next (LIKE document INCLUDING ALL); INSERT INTO document_next VALUES (201, 't', 'g|h');"
        " ALTER TABLE document ATTACH PARTITION document_next FOR VALUES FROM (200) TO (300)",
    ],
)
def test_partitions_come_and_go(partitioned, statement):
    partitioned.sql(statement)
    vectorizer.in_step(partitioned, ["id"])


def test_a_partition_that_came_later_can_be_truncated(partitioned):
    partitioned.sql(
        "CREATE TABLE document_next PARTITION OF document FOR VALUES FROM (200) TO (300) PARTITION BY RANGE (id);"
        " CREATE TABLE document_leaf PARTITION OF document_next FOR VALUES FROM (200) TO (250);"
        " INSERT INTO document VALUES (201, 't', 'g|h')"
    )
    vectorizer.in_step(partitioned, ["id"])
    partitioned.sql("TRUNCATE document_next")
    vectorizer.in_step(partitioned, ["id"])


def test_a_detached_partition_is_a_table_like_any_other(partitioned):
    partitioned.sql("ALTER TABLE document DETACH PARTITION document_high; INSERT INTO document_high VALUES (1, 't', 'alone')")
    vectorizer.in_step(partitioned, ["id"])
    partitioned.sql("TRUNCATE document_high; DROP TABLE document_high")
    vectorizer.in_step(partitioned, ["id"])


def test_a_partition_is_detached_while_its_rows_are_embedded(partitioned, stub):
    with stub.held():
        partitioned.sql("UPDATE document SET body = 'in flight' WHERE id = 101")
        stub_waits(stub)
        partitioned.sql("ALTER TABLE document DETACH PARTITION document_high")
    vectorizer.in_step(partitioned, ["id"])


def test_no_row_is_called_gone_while_a_partition_is_being_added(partitioned):
    """Its keys can be seen before the partition can: whether a row is there can't be told meanwhile."""
    with partitioned.connect(autocommit=False) as session:
        # As ATTACH PARTITION does, until every process knows of the partition.
        session.execute("LOCK TABLE document IN SHARE UPDATE EXCLUSIVE MODE")
        partitioned.sql("INSERT INTO ai._vectorizer_q_1 (id) VALUES (150); UPDATE document SET body = 'b' WHERE id = 1")
        waits = "SELECT id FROM ai._vectorizer_work_1 WHERE lease IS NULL AND available_at > now()"
        eventually(lambda: partitioned.sql(waits) == [(150,)], what="the row to be looked for again, later")
        session.commit()
    vectorizer.in_step(partitioned, ["id"])


def test_a_source_that_became_a_partition_is_followed(plain):
    plain.sql(
        "CREATE TABLE whole (id int NOT NULL, title text, body text) PARTITION BY RANGE (id);"
        " ALTER TABLE whole ATTACH PARTITION document FOR VALUES FROM (0) TO (100);"
        " INSERT INTO whole VALUES (3, 't', 'by way of its parent'); UPDATE whole SET body = 'b' WHERE id = 1;"
        " DELETE FROM whole WHERE id = 2"
    )
    vectorizer.in_step(plain, ["id"])


# Past the triggers


def past_the_triggers(db, statement: str) -> None:
    db.sql(f"SET session_replication_role = replica; {statement}")


def test_resync_finds_rows_that_came_and_went_past_the_triggers(plain):
    past_the_triggers(plain, "INSERT INTO document VALUES (3, 't', 'c|d'); DELETE FROM document WHERE id = 1")
    assert plain.value("SELECT ai.resync(1)") == 2
    vectorizer.in_step(plain, ["id"])
    assert plain.value("SELECT ai.resync('public_document_embedding_store')") == 0


def test_resync_of_all_rows_embeds_only_what_changed(plain, stub):
    past_the_triggers(plain, "UPDATE document SET body = 'a|new' WHERE id = 1")
    stub.forget()
    plain.sql("SELECT ai.resync(1, all_rows => true)")
    vectorizer.in_step(plain, ["id"])
    assert set(stub.embedded) == {"new"}


def test_only_its_owner_may_resync(plain):
    role = f"stranger_of_{plain.name}"
    plain.sql(f"CREATE ROLE {role} LOGIN; SELECT ai.grant_vectorizer_usage('{role}')")
    try:
        # Who does not see it is not told that it is there.
        with pytest.raises(psycopg.errors.NoDataFound):
            plain.sql("SELECT ai.resync(1)", user=role)
        plain.sql(f"GRANT SELECT ON document TO {role}")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            plain.sql("SELECT ai.resync(1)", user=role)
    finally:
        plain.sql(f"DROP OWNED BY {role}; DROP ROLE {role}")
