"""What an owner's triggers and functions call without a schema is found as in the owner's own sessions, wherever our
statements make them run: in the worker, in another's session, on the store, the source and an S3 source's table.
"""

import pytest
from support import egress, vectorizer
from support.wait import eventually, settles

# Names tables and functions without their schema, in a trigger, an index, a generated column and a default.
STORE_WITH_NAMES = """
    CREATE TABLE log (what text);
    CREATE FUNCTION noted(text) RETURNS text LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO log VALUES ($1); RETURN $1; END $$;
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM noted(TG_OP || ' ' || coalesce(NEW.chunk, OLD.chunk)); RETURN coalesce(NEW, OLD); END $$;
    CREATE TRIGGER note BEFORE INSERT OR UPDATE OR DELETE ON document_embedding_store
    FOR EACH ROW EXECUTE FUNCTION note();
    CREATE FUNCTION lowered(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN lower_of($1); END $$;
    CREATE FUNCTION lower_of(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT lower($1)';
    CREATE FUNCTION shout() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN lowered('LOUD'); END $$;
    ALTER TABLE document_embedding_store ADD COLUMN said text DEFAULT shout();
"""
TABLE = "CREATE TABLE document (id int PRIMARY KEY, body text)"
PARTITIONED = """
    CREATE TABLE document (id int PRIMARY KEY, body text) PARTITION BY RANGE (id);
    CREATE TABLE document_one PARTITION OF document FOR VALUES FROM (0) TO (1000)
"""


@pytest.fixture
def keeper(db, stub):
    """An ordinary role whose names lie in a schema of its own; answers the role's name."""
    role = f"keeper_{db.name}"
    db.sql(f"CREATE ROLE {role} LOGIN; SELECT ai.grant_vectorizer_usage('{role}'); CREATE SCHEMA app AUTHORIZATION {role}")
    egress.allow(db.cluster, stub.url)
    yield role
    egress.allow_nothing(db.cluster)
    db.sql(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


def declared(db, stub, role: str, table: str, names: str) -> None:
    db.sql(table, user=role)
    vectorizer.create(db, stub.url, user=role)
    db.sql(names, user=role)


@pytest.mark.parametrize("table", [TABLE, PARTITIONED], ids=["by statement", "by row"])
@pytest.mark.parametrize("where", ["ROLE {role} SET", "DATABASE {db} SET", "ROLE {role} IN DATABASE {db} SET"])
def test_on_the_store(db, stub, keeper, table, where):
    db.cluster.sql(f"ALTER {where.format(role=keeper, db=db.name)} search_path = app, public")
    declared(db, stub, keeper, table, STORE_WITH_NAMES)
    # Since Postgres 17 an index is made and mended without a search path.
    if db.value("SELECT current_setting('server_version_num')::int") < 170000:
        db.sql("CREATE INDEX ON document_embedding_store (lowered(chunk))", user=keeper)
    db.sql(f"CREATE ROLE writer_{keeper} LOGIN; GRANT USAGE ON SCHEMA app TO writer_{keeper}")
    db.sql(f"GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON document TO writer_{keeper}", user=keeper)
    try:
        writer = {"user": f"writer_{keeper}"}
        db.sql("INSERT INTO app.document VALUES (1, 'one|a'), (2, 'two'), (3, 'three')", **writer)
        in_step = lambda: settles(  # noqa: E731
            lambda: sorted(row[:3] for row in vectorizer.stored(db, ["id"], "app.document_embedding_store")),
            sorted(row[:3] for row in vectorizer.expected(vectorizer.rows(db, "app.document"), ["id"])),
        )
        in_step()
        db.sql("UPDATE app.document SET body = 'a|uno' WHERE id = 1", **writer)
        db.sql("UPDATE app.document SET id = 4 WHERE id = 2", **writer)
        db.sql("DELETE FROM app.document WHERE id = 3", **writer)
        in_step()
        vectorizer.idle(db)
        seen = {what.partition(" ")[0] for [what] in db.sql("SELECT what FROM app.log")}
        assert seen == {"INSERT", "UPDATE", "DELETE"}
        assert db.sql("SELECT DISTINCT said FROM app.document_embedding_store") == [("loud",)]
        assert db.sql("SELECT message, details FROM ai.vectorizer_errors") == []
        db.sql("TRUNCATE app.document", **writer)
        in_step()
    finally:
        db.sql(f"DROP OWNED BY writer_{keeper}; DROP ROLE writer_{keeper}")


def test_where_nobody_has_set_another_it_is_the_servers(db, stub):
    declared(db, stub, "postgres", TABLE, STORE_WITH_NAMES)
    db.sql("INSERT INTO document VALUES (1, 'one')")
    vectorizer.in_step(db, ["id"])
    with db.connect() as session:
        session.execute("SET search_path = pg_catalog")
        session.execute("DELETE FROM public.document")
    assert db.sql("SELECT what FROM log ORDER BY 1") == [("DELETE one",), ("INSERT one",)]


def test_who_writes_to_the_source_chooses_no_names_for_its_owner(db, stub, keeper):
    mallory = f"mallory_{db.name}"
    db.sql(f"CREATE ROLE {mallory} LOGIN; CREATE SCHEMA evil AUTHORIZATION {mallory}; ALTER ROLE {mallory} SET search_path = evil")
    db.sql(f"ALTER ROLE {keeper} SET search_path = app, public")
    try:
        declared(db, stub, keeper, TABLE, STORE_WITH_NAMES)
        db.sql(f"GRANT USAGE ON SCHEMA app TO {mallory}; GRANT SELECT, INSERT, DELETE ON document TO {mallory}", user=keeper)
        db.sql("""
            CREATE TABLE done (by text); GRANT ALL ON done TO PUBLIC; GRANT USAGE ON SCHEMA evil TO PUBLIC;
            CREATE FUNCTION noted(text) RETURNS text LANGUAGE plpgsql AS $$
            BEGIN INSERT INTO evil.done VALUES (current_user); RETURN $1; END $$
        """, user=mallory)
        db.sql("INSERT INTO app.document VALUES (1, 'one')", user=mallory)
        eventually(lambda: db.sql("SELECT FROM app.document_embedding_store"), what="the row to be embedded")
        db.sql("DELETE FROM app.document", user=mallory)
        assert db.sql("SELECT by FROM evil.done") == []
        assert db.sql("SELECT FROM app.document_embedding_store") == []
    finally:
        db.sql(f"DROP OWNED BY {mallory}; DROP ROLE {mallory}")


def test_on_an_s3_sources_table(db, bucket):
    bucket.put("one.md", "one")
    db.sql("""
        CREATE TABLE object (uri text PRIMARY KEY, etag text, size int8, last_modified timestamptz, content_type text);
        CREATE TABLE log (what text);
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO log VALUES (TG_OP); RETURN coalesce(NEW, OLD); END $$;
        CREATE TRIGGER note BEFORE INSERT OR DELETE ON object FOR EACH ROW EXECUTE FUNCTION note()
    """)
    db.sql(f"SELECT ai.create_s3_source('object', 's3://{bucket.name}/', schedule => NULL)")
    db.sql("SELECT ai.sync_s3_source(1)")
    settles(lambda: db.sql("SELECT what FROM log"), [("INSERT",)])
    bucket.delete("one.md")
    db.sql("SELECT ai.sync_s3_source(1, allow_mass_delete => true)")
    settles(lambda: db.sql("SELECT what FROM log ORDER BY 1"), [("DELETE",), ("INSERT",)])
