"""Names that come to mean something else: our own statements, run as somebody, must mean what they meant when they were written.

Mallory owns the database or a schema, plants what our SQL might be taken for, and waits for it to run with the rights of whoever owns
a vectorizer or an S3 source. What fires counts in a sequence, which no rollback undoes.
"""

import pytest
from support import column, egress, vectorizer
from support.planted import fired
from support.wait import settles

# What our statements compare, add and read keys with. An exact match wins over what Postgres has itself, in any schema of the path.
TYPES = ["uuid", "text", "int2", "int4", "int8", "float8", "numeric", "timestamptz", "interval", "tid", "oid", "bool", "bytea", "name", "jsonb"]
OPERATORS = ["=", "<>", "<", "<=", ">", ">=", "+", "-", "*", "/", "||", "~", "^@"]

PLANT = """
DO $$
DECLARE o record; t name; found int := 0;
BEGIN
    -- In each schema that is asked for, beside the same of Postgres's, which they call.
    FOR o IN SELECT op.oid, op.oprname, l.typname AS l, r.typname AS r, n.typname AS n
             FROM pg_operator op
             JOIN pg_type l ON l.oid = op.oprleft JOIN pg_type r ON r.oid = op.oprright JOIN pg_type n ON n.oid = op.oprresult
             WHERE op.oprnamespace = 'pg_catalog'::regnamespace AND op.oprname = ANY ('{{{operators}}}')
               AND l.typname = ANY ('{{{types}}}') AND r.typname = ANY ('{{{types}}}')
    LOOP
        found := found + 1;
        EXECUTE format('CREATE SEQUENCE evil.%I', format('%s(%s, %s)', o.oprname, o.l, o.r));
        EXECUTE format(
            'CREATE FUNCTION evil.%I (pg_catalog.%I, pg_catalog.%I) RETURNS pg_catalog.%I LANGUAGE plpgsql AS %L',
            'operator' || o.oid, o.l, o.r, o.n,
            format('BEGIN PERFORM pg_catalog.nextval(%L); RETURN $1 OPERATOR(pg_catalog.%s) $2; END',
                   format('evil.%I', format('%s(%s, %s)', o.oprname, o.l, o.r)), o.oprname));
        EXECUTE format('CREATE OPERATOR {schema}.%s (LEFTARG = pg_catalog.%I, RIGHTARG = pg_catalog.%I, FUNCTION = evil.%I)',
                       o.oprname, o.l, o.r, 'operator' || o.oid);
    END LOOP;
    ASSERT found > 50, 'operators were planted';

    CREATE SEQUENCE evil."*(int8, interval)";
    CREATE FUNCTION evil.times(int8, interval) RETURNS interval LANGUAGE plpgsql AS $f$
    BEGIN
        PERFORM pg_catalog.nextval('evil."*(int8, interval)"');
        RETURN $1::pg_catalog.float8 OPERATOR(pg_catalog.*) $2;
    END $f$;
    CREATE OPERATOR {schema}.* (LEFTARG = pg_catalog.int8, RIGHTARG = pg_catalog.interval, FUNCTION = evil.times);

    FOREACH t IN ARRAY '{{{types}}}'::name[] LOOP
        EXECUTE format('CREATE SEQUENCE evil.%I', 'domain ' || t);
        EXECUTE format('CREATE FUNCTION evil.%I (pg_catalog.%I) RETURNS bool LANGUAGE plpgsql AS %L', 'is_' || t, t,
                       format('BEGIN PERFORM pg_catalog.nextval(%L); RETURN true; END', format('evil.%I', 'domain ' || t)));
        EXECUTE format('CREATE DOMAIN {schema}.%I AS pg_catalog.%I CHECK (evil.%I(VALUE))', t, t, 'is_' || t);
    END LOOP;

    GRANT USAGE ON SCHEMA evil TO PUBLIC;
    GRANT ALL ON ALL SEQUENCES IN SCHEMA evil TO PUBLIC;
END $$
"""
PLAIN = "CREATE TABLE document (id uuid PRIMARY KEY, body text)"
PARTITIONED = """
    CREATE TABLE document (id uuid PRIMARY KEY, body text) PARTITION BY HASH (id);
    CREATE TABLE document_one PARTITION OF document FOR VALUES WITH (MODULUS 1, REMAINDER 0)
"""
IDS = [f"00000000-0000-0000-0000-00000000000{i}" for i in range(5)]


@pytest.fixture(autouse=True)
def own_names(monkeypatch):
    """The test's sessions are nobody's prey."""
    monkeypatch.setenv("PGOPTIONS", "-c search_path=public")


def plant(db, path: str, schema: str = "evil") -> None:
    """Plants what is taken before what Postgres has, and sets the path of all sessions that have none of their own."""
    db.sql("CREATE SCHEMA evil")
    with db.connect() as session:
        # What is planted compares with what is planted already, unless the session looks elsewhere.
        session.execute("SET search_path = pg_catalog")
        session.execute(PLANT.format(operators=",".join(OPERATORS), types=",".join(TYPES), schema=schema))
    db.sql(f"ALTER DATABASE {db.name} SET search_path = {path}")


@pytest.fixture
def owner(request, db, stub):
    """Who has the vectorizer or the source: an ordinary role, for whom the database's path counts, or a superuser."""
    if request.param == "a superuser's":
        yield "postgres"
        return
    role = f"keeper_{db.name}"
    db.sql(f"CREATE ROLE {role} LOGIN; SELECT ai.grant_vectorizer_usage('{role}'); GRANT CREATE ON SCHEMA public TO {role}")
    egress.allow(db.cluster, stub.url)
    egress.allow_objects(db.cluster, "s3://")
    yield role
    egress.allow_nothing(db.cluster)
    db.sql(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


@pytest.fixture(params=["first in the path", "in a schema of the path of old"])
def planted(request, db):
    """Plants when it is called."""
    if request.param == "first in the path":
        return lambda: plant(db, "evil, pg_catalog, public")
    return lambda: plant(db, '"$user", public', schema="public")


whoever = pytest.mark.parametrize("owner", ["a role's", "a superuser's"], indirect=True)


@pytest.mark.parametrize("table", [PLAIN, PARTITIONED], ids=["by statement", "by row"])
@whoever
def test_nothing_planted_is_taken_for_what_a_store_is_written_with(db, stub, owner, planted, table):
    db.sql(table, user=owner)
    vectorizer.create(db, stub.url, user=owner)
    planted()
    for statement in [
        f"INSERT INTO document VALUES ('{IDS[1]}', 'a|b|c'), ('{IDS[2]}', 'two'), ('{IDS[3]}', 'three')",
        f"UPDATE document SET body = 'c|new|a' WHERE id = '{IDS[1]}'",
        f"UPDATE document SET id = '{IDS[4]}' WHERE id = '{IDS[2]}'",
        f"DELETE FROM document WHERE id = '{IDS[3]}'",
    ]:
        db.sql(statement, user=owner)
        vectorizer.in_step(db, ["id"])
    # Without triggers the worker finds the row gone, and deletes its chunks itself.
    db.sql(f"SET session_replication_role = replica; DELETE FROM document WHERE id = '{IDS[4]}'")
    db.sql("SELECT ai.resync(1)", user=owner)
    vectorizer.in_step(db, ["id"])
    db.sql("TRUNCATE document_one" if table == PARTITIONED else "TRUNCATE document", user=owner)
    vectorizer.in_step(db, ["id"])
    assert fired(db) == []


@whoever
def test_nothing_planted_is_taken_for_what_a_column_is_written_with(db, stub, owner, planted):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)", user=owner)
    column.create(db, stub.url, user=owner)
    planted()
    for statement in [
        "INSERT INTO document VALUES (1, 'one'), (2, 'two'), (3, 'three')",
        "UPDATE document SET body = 'uno' WHERE id = 1",
        "UPDATE document SET body = NULL WHERE id = 2",
        "DELETE FROM document WHERE id = 3",
    ]:
        db.sql(statement, user=owner)
        column.in_step(db)
    assert fired(db) == []


@pytest.mark.parametrize("metadata", ["NULL", "ARRAY['sidecar', 'tags', 'user']"], ids=["objects", "with metadata"])
@whoever
def test_nothing_planted_is_taken_for_what_an_s3_sources_table_is_written_with(db, bucket, owner, planted, metadata):
    for name in ["one", "two"]:
        bucket.put(name, name)
    db.sql(f"SELECT ai.create_s3_source('document', '{bucket.uri('')}', schedule => NULL, exclude => ARRAY['*.json'],"
           f" metadata => {metadata})", user=owner)  # fmt: skip
    planted()
    uris = lambda: sorted(uri for [uri] in db.sql("SELECT uri FROM document WHERE last_modified > '2024-01-01'"))  # noqa: E731
    db.sql("SELECT ai.sync_s3_source(1)", user=owner)
    settles(uris, [bucket.uri("one"), bucket.uri("two")])
    bucket.put("one", "uno")
    bucket.put("one.metadata.json", "{}")
    bucket.delete("two")
    db.sql("SELECT ai.sync_s3_source(1)", user=owner)
    settles(uris, [bucket.uri("one")])
    assert fired(db) == []


# Two functions of one name, of which a trigger calls one.
CALLED = """
    CREATE TABLE document (id int PRIMARY KEY, body text);
    CREATE SEQUENCE well; CREATE FUNCTION called() RETURNS bigint LANGUAGE sql AS $$ SELECT nextval('public.well') $$;
    CREATE SCHEMA evil; CREATE SEQUENCE evil.ill;
    CREATE FUNCTION evil.called() RETURNS bigint LANGUAGE sql AS $$ SELECT nextval('evil.ill') $$
"""
CALLS = """
    CREATE FUNCTION call() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM called(); RETURN coalesce(NEW, OLD); END $$;
    CREATE TRIGGER call BEFORE INSERT OR DELETE ON document_embedding_store FOR EACH ROW EXECUTE FUNCTION call()
"""


def test_who_sets_the_databases_path_chooses_no_names_for_a_superuser(db, stub):
    owner = f"owner_{db.name}"
    db.sql(CALLED)
    vectorizer.create(db, stub.url)
    db.sql(CALLS)
    db.sql(f"CREATE ROLE {owner} LOGIN; ALTER DATABASE {db.name} OWNER TO {owner}")
    try:
        db.sql(f"ALTER DATABASE {db.name} SET search_path = evil, public", user=owner)
        db.sql("INSERT INTO document VALUES (1, 'one')")
        vectorizer.in_step(db, ["id"])
        db.sql("DELETE FROM document")
        # More, if the worker has written something twice.
        assert db.value("SELECT last_value FROM well") >= 2
        assert fired(db) == []
    finally:
        db.sql(f"ALTER DATABASE {db.name} OWNER TO postgres; DROP ROLE {owner}")
