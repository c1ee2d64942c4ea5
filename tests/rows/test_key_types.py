"""The key of a source gets another type, other values or other columns: it is followed, or said, and nobody's
own write fails for it."""

import psycopg
import pytest
from support import egress, vectorizer
from support.wait import eventually

STORE = "document_embedding_store"


def source(db, stub, key: str, rows: str, **arguments) -> None:
    """A source with a key of this type, in step."""
    db.sql(f"CREATE TABLE document (id {key} PRIMARY KEY, body text)")
    vectorizer.create(db, stub.url, **arguments)
    db.sql(f"INSERT INTO document VALUES {rows}")
    in_step(db)


def in_step(db, key=("id",)) -> None:
    """As JSON writes a key, it may be another text."""
    columns = ", ".join(f"{name}::text AS {name}" for name in (*key, "body"))
    vectorizer.in_step(db, list(key), source=f"(SELECT {columns} FROM document)")


def told(db, statement: str, **who) -> list[str]:
    """What a statement warns of."""
    notices = []
    with db.connect(**who) as connection:
        connection.add_notice_handler(lambda notice: notices.append((notice.severity, notice.message_primary)))
        connection.execute(statement)
    return [message for severity, message in notices if severity == "WARNING"]


def state(db) -> tuple:
    [found] = db.sql("SELECT state, reason, hint FROM ai.vectorizer_health")
    return found


def types(db, *tables: str) -> set[str]:
    named = [f"ai._vectorizer_{kind}_1" for kind in ("q", "work", "q_failed")] + list(tables)
    return {kind for [kind] in db.sql(
        """SELECT format_type(atttypid, atttypmod) || coalesce(' ' || nullif(attcollation::regcollation::text, '"default"'), '')
           FROM pg_attribute WHERE attrelid = ANY (%s::regclass[]) AND attname = 'id'""",
        [named],
    )}


CHANGES = [
    # the type, rows, what follows TYPE, a row that only the new type takes, the type in all tables
    ("int", "(1, 'a|b'), (2, 'c')", "bigint", "(3000000000, 'd')", "bigint -"),
    ("bigint", "(1, 'a|b'), (2, 'c')", "int", "(3, 'd')", "integer -"),
    ("int", "(1, 'a|b'), (2, 'c')", "text", "('three', 'd')", "text"),
    ("int", "(1, 'a|b'), (2, 'c')", "numeric(12, 2)", "(2.5, 'd')", "numeric(12,2) -"),
    ("numeric", "(1.5, 'a|b'), (2, 'c')", "numeric(12, 3)", "(3, 'd')", "numeric(12,3) -"),
    ("varchar(5)", "('one', 'a|b'), ('two', 'c')", "varchar(50)", "('a longer one', 'd')", "character varying(50)"),
    ("varchar(5)", "('one', 'a|b'), ('two', 'c')", "text", "('a longer one', 'd')", "text"),
    ("text", "('1', 'a|b'), ('02', 'c')", "int USING id::int", "(3, 'd')", "integer -"),
    ("text", "('a', 'a|b'), ('B', 'c')", 'text COLLATE "C"', "('c', 'd')", 'text "C"'),
    (
        "uuid",
        "('00000000-0000-0000-0000-000000000001', 'a|b'), ('00000000-0000-0000-0000-000000000002', 'c')",
        "text",
        "('three', 'd')",
        "text",
    ),
    (
        "text",
        "('00000000-0000-0000-0000-00000000000A', 'a|b'), ('00000000-0000-0000-0000-000000000002', 'c')",
        "uuid USING document.id::varchar::uuid",
        "('00000000-0000-0000-0000-000000000003', 'd')",
        "uuid -",
    ),
    (
        "timestamp",
        "('2026-01-01', 'a|b'), ('2026-01-02', 'c')",
        "timestamptz",
        "('2026-01-03 12:00+03', 'd')",
        "timestamp with time zone -",
    ),
]


@pytest.mark.parametrize("key, rows, to, new, wanted", CHANGES, ids=[f"{c[0]} to {c[2]}" for c in CHANGES])
def test_a_key_of_another_type_is_followed(db, stub, key, rows, to, new, wanted):
    """Nothing is embedded again for it."""
    source(db, stub, key, rows)
    stub.forget()
    # In the way of ALTER TYPE is the view, as Postgres itself says.
    with pytest.raises(psycopg.errors.FeatureNotSupported):
        db.sql(f"ALTER TABLE document ALTER id TYPE {to}")
    assert told(db, f"DROP VIEW document_embedding; SET TimeZone = 'Asia/Tokyo'; ALTER TABLE document ALTER id TYPE {to}") == []
    assert types(db, STORE) == {wanted}
    assert told(db, f"INSERT INTO document VALUES {new}") == []
    in_step(db)
    assert set(stub.embedded) == {"d"}
    assert told(db, "UPDATE document SET body = 'b|e' WHERE body = 'a|b'; DELETE FROM document WHERE body = 'c'") == []
    in_step(db)
    assert set(stub.embedded) == {"d", "e"}
    vectorizer.comes_to(db, "idle")


def test_the_key_of_a_partitioned_source_is_followed(db, stub):
    # A column of the partition key can't change; one beside it can.
    db.sql("""
        CREATE TABLE document (part int, id int, body text, PRIMARY KEY (part, id)) PARTITION BY LIST (part);
        CREATE TABLE document_1 PARTITION OF document FOR VALUES IN (1);
        CREATE TABLE document_2 (body text, id int NOT NULL, part int NOT NULL);
        ALTER TABLE document ATTACH PARTITION document_2 FOR VALUES IN (2);
        INSERT INTO document VALUES (1, 1, 'a|b'), (2, 1, 'c')
    """)
    vectorizer.create(db, stub.url)
    in_step(db, ("part", "id"))
    assert told(db, "DROP VIEW document_embedding; ALTER TABLE document ALTER id TYPE bigint") == []
    db.sql("INSERT INTO document VALUES (2, 3000000000, 'd'); DELETE FROM document WHERE part = 1;"
           " UPDATE document SET body = 'e' WHERE id = 1")
    in_step(db, ("part", "id"))


def test_the_key_of_a_column_of_vectors_is_followed(db, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text); INSERT INTO document VALUES (1, 'a')")
    vectorizer.create(db, stub.url, chunking="ai.chunking_none()", destination="ai.destination_column('embedding')")
    vectorizer.idle(db)
    stub.forget()
    db.sql("ALTER TABLE document ALTER id TYPE bigint; INSERT INTO document VALUES (3000000000, 'b')")
    vectorizer.idle(db)
    assert db.sql("SELECT id FROM document WHERE embedding IS NULL") == []
    assert set(stub.embedded) == {"b"}
    assert types(db, "ai._vectorizer_origin_1") == {"bigint -"}


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE document ALTER id TYPE uuid USING id::uuid",
        "ALTER TABLE document ALTER id TYPE mood USING id::mood",
        "ALTER TABLE document ALTER id TYPE mood USING id::mood; ALTER TYPE mood RENAME VALUE 'a' TO 'z'",
    ],
)
def test_a_key_changes_while_rows_are_embedded(db, stub, statement):
    first = "a" if "mood" in statement else "A0000000-0000-0000-0000-00000000000A"
    db.sql("CREATE TYPE mood AS ENUM ('a', 'b')")
    source(db, stub, "text", "('b', 'x')" if "mood" in statement else "('b0000000-0000-0000-0000-00000000000b', 'x')")
    with stub.held():
        db.sql("INSERT INTO document VALUES (%s, 'in flight|twice')", [first])
        eventually(lambda: stub.waiting, what="a request at the model")
        db.sql(f"DROP VIEW document_embedding; {statement}")
    in_step(db)
    assert db.sql("SELECT details FROM ai.vectorizer_errors") == []
    vectorizer.comes_to(db, "idle")


@pytest.mark.parametrize(
    "key, text", [("mood", "%s"), ("mood[]", "{%s}"), ("moods", "{[%s,%s]}"), ("pair", "(%s,1)"), ("pair[]", '{"(%s,1)"}')]
)
def test_a_value_of_an_enum_goes_by_another_name_while_its_row_is_embedded(db, stub, key, text):
    """Whatever the key's type makes of the enum."""
    db.sql("""CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE DOMAIN of_mood AS mood; CREATE TYPE pair AS (of of_mood, number int);
              CREATE TYPE span AS RANGE (subtype = mood, multirange_type_name = moods)""")
    source(db, stub, key, f"('{text.replace('%s', 'sad')}', 'x')")
    with stub.held():
        db.sql(f"INSERT INTO document VALUES ('{text.replace('%s', 'glad')}', 'in flight|twice')")
        eventually(lambda: stub.waiting, what="a request at the model")
        db.sql("ALTER TYPE mood RENAME VALUE 'glad' TO 'happy'")
    in_step(db)
    assert db.sql("SELECT details FROM ai.vectorizer_errors") == []


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TYPE mood RENAME TO temper",
        "CREATE SCHEMA s; ALTER TYPE mood SET SCHEMA s",
        "CREATE SCHEMA s; ALTER TYPE mood SET SCHEMA s; ALTER SCHEMA s RENAME TO t",
        "ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'",
    ],
)
def test_a_keys_type_goes_by_another_name(db, stub, statement):
    db.sql("CREATE TYPE mood AS ENUM ('sad', 'glad', 'wild')")
    source(db, stub, "mood", "('sad', 'x')")
    db.sql(f"{statement}; INSERT INTO document VALUES ('glad', 'a|b'); UPDATE document SET body = 'c' WHERE body = 'x'")
    in_step(db)
    vectorizer.comes_to(db, "idle")


def test_a_domain_of_a_key_goes_by_another_name(db, stub):
    db.sql("CREATE DOMAIN code AS varchar(9) CHECK (VALUE <> '')")
    source(db, stub, "code", "('a', 'x')")
    db.sql("ALTER DOMAIN code RENAME TO mark; INSERT INTO document VALUES ('b', 'y')")
    in_step(db)


def test_tables_that_inherit_from_those_of_a_vectorizer_are_followed(db, stub):
    """If they are the owner's."""
    source(db, stub, "int", "(1, 'a|b'), (2, 'c')")
    db.sql(f"CREATE TABLE kept () INHERITS ({STORE}); INSERT INTO kept SELECT * FROM ONLY {STORE} WHERE id = 2;"
           f" DELETE FROM ONLY {STORE} WHERE id = 2; CREATE TABLE later () INHERITS (ai._vectorizer_q_1)")
    assert told(db, "DROP VIEW document_embedding; ALTER TABLE document ALTER id TYPE bigint") == []
    assert types(db, STORE, "kept", "later") == {"bigint -"}
    db.sql("INSERT INTO document VALUES (3000000000, 'd'); UPDATE document SET body = 'e|f' WHERE id = 2")
    in_step(db)
    vectorizer.comes_to(db, "idle")


def test_an_older_transaction_writes_by_the_new_type(db, stub):
    source(db, stub, "uuid", "('00000000-0000-0000-0000-000000000001', 'a')")
    with db.connect(autocommit=False) as old:
        old.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        old.execute("SELECT count(*) FROM pg_class")
        db.sql("DROP VIEW document_embedding; ALTER TABLE document ALTER id TYPE text")
        old.execute("INSERT INTO document VALUES ('two', 'b')")
    db.sql("INSERT INTO document VALUES ('three', 'c')")
    in_step(db)


# What can't be followed


def test_a_view_on_the_store_is_in_the_way(db, stub):
    """It is said at once, users go on writing, and the statement once more mends it."""
    source(db, stub, "int", "(1, 'a|b'), (2, 'c')")
    db.sql(f"CREATE VIEW mine AS SELECT id, chunk FROM {STORE}")
    change = "ALTER TABLE document ALTER id TYPE bigint"
    [warning] = told(db, f"DROP VIEW document_embedding; {change}")
    assert "cannot alter type of a column used by a view or rule" in warning
    told(db, "INSERT INTO document VALUES (3000000000, 'meanwhile'); DELETE FROM document WHERE id = 2")
    eventually(lambda: state(db)[0] == "not_served", what="the health to say so")
    assert "TYPE bigint" in state(db)[2]
    assert told(db, f"DROP VIEW mine; {change}") == []
    eventually(lambda: state(db)[0] == "out_of_step", what="the health to say what is left")
    assert state(db)[2] == "SELECT ai.resync('public_document_embedding_store', all_rows => true);"
    db.sql("SELECT ai.resync(1, all_rows => true)")
    in_step(db)
    vectorizer.comes_to(db, "idle")


def test_a_table_that_inherits_from_two_is_in_the_way(db, stub):
    """It is said what is."""
    source(db, stub, "int", "(1, 'a|b'), (2, 'c')")
    db.sql(f"CREATE TABLE ids (id int NOT NULL); CREATE TABLE of_both () INHERITS ({STORE}, ids)")
    change = "ALTER TABLE document ALTER id TYPE bigint"
    [warning] = told(db, f"DROP VIEW document_embedding; {change}")
    assert "inherited column" in warning
    eventually(lambda: state(db)[0] == "not_served", what="the health to say so")
    assert "NO INHERIT" in state(db)[2] and "bigint" in state(db)[1]
    db.sql(f"ALTER TABLE of_both NO INHERIT {STORE}")
    assert told(db, change) == []
    db.sql("SELECT ai.resync(1, all_rows => true)")
    in_step(db)
    vectorizer.comes_to(db, "idle")


def test_a_key_that_was_computed_anew(db, stub):
    """Which chunk is of which row can't be told: nothing is mixed up, and the health says it."""
    source(db, stub, "int", "(1, 'a|b'), (2, 'c'), (3, 'd')")
    [warning] = told(db, "DROP VIEW document_embedding; ALTER TABLE document ALTER id TYPE bigint USING 4 - id")
    assert "is not a cast" in warning
    assert told(db, "UPDATE document SET body = 'new' WHERE id = 2") != []
    eventually(lambda: state(db)[0] == "not_served", what="the health to say so")
    db.sql("ALTER TABLE document ALTER id TYPE int")
    eventually(lambda: state(db)[0] == "out_of_step", what="the health to say what is left")
    db.sql("SELECT ai.resync(1, all_rows => true)")
    in_step(db)
    vectorizer.comes_to(db, "idle")


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE document ALTER id TYPE int USING 4 - id",
        "ALTER TABLE document ALTER body TYPE varchar(9) USING upper(body)",
        "ALTER TABLE document ALTER body TYPE varchar(9)",
    ],
)
def test_values_that_alter_table_made_are_followed(db, stub, statement):
    source(db, stub, "int", "(1, 'a|b'), (2, 'c'), (3, 'd')")
    assert told(db, f"DROP VIEW document_embedding; {statement}") == []
    in_step(db)
    vectorizer.comes_to(db, "idle")


@pytest.mark.parametrize("first", ["(a, b)", "(a)"])
def test_a_key_of_other_columns(db, stub, first):
    other = {"(a, b)": "(a)", "(a)": "(a, b)"}[first]
    db.sql(f"CREATE TABLE document (a int NOT NULL, b int NOT NULL, body text, PRIMARY KEY {first})")
    vectorizer.create(db, stub.url)
    db.sql("INSERT INTO document VALUES (1, 1, 'x|y'), (2, 2, 'z')")
    key = first.strip("()").split(", ")
    in_step(db, key)
    db.sql(f"ALTER TABLE document DROP CONSTRAINT document_pkey, ADD PRIMARY KEY {other}")
    assert told(db, "INSERT INTO document VALUES (3, 3, 'meanwhile')") != []
    assert told(db, "DELETE FROM document WHERE a = 1; UPDATE document SET body = 'changed' WHERE a = 2") != []
    eventually(lambda: state(db)[0] == "not_served", what="the health to say so")
    db.sql(f"ALTER TABLE document DROP CONSTRAINT document_pkey, ADD PRIMARY KEY {first}")
    eventually(lambda: state(db)[0] == "out_of_step", what="the health to say what is left")
    db.sql("SELECT ai.resync(1, all_rows => true)")
    in_step(db, key)
    vectorizer.comes_to(db, "idle")


def test_its_owner_needs_no_other_rights(db, stub):
    role = f"owner_of_{db.name}"
    db.sql(f"CREATE ROLE {role} LOGIN; GRANT CREATE ON SCHEMA public TO {role}; SELECT ai.grant_vectorizer_usage('{role}')")
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)", user=role)
    egress.allow(db.cluster, stub.url)
    try:
        vectorizer.create(db, stub.url, user=role)
        assert told(db, "DROP VIEW document_embedding; ALTER TABLE document ALTER id TYPE bigint", user=role) == []
        db.sql("INSERT INTO document VALUES (3000000000, 'a')", user=role)
        in_step(db)
    finally:
        egress.allow_nothing(db.cluster)
        db.sql(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")
