"""Names that come to mean something else: our own statements, run as somebody, must mean what they meant when they were written.

Mallory owns the database or a schema, plants what our SQL might be taken for, and waits for it to run with the rights of whoever owns
a vectorizer or an S3 source. What fires counts in a sequence, which no rollback undoes.
"""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from support import column, egress, vectorizer
from support.listing import Listing
from support.wait import eventually, settles

# What our statements compare, add and read keys with. An exact match wins over what Postgres has itself, in any schema of the path.
TYPES = ["uuid", "text", "int2", "int4", "int8", "float8", "numeric", "timestamptz", "interval", "tid", "oid", "bool", "bytea", "name"]
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
FIRED = "SELECT sequencename FROM pg_sequences WHERE schemaname = 'evil' AND last_value IS NOT NULL"

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


def fired(db) -> list[str]:
    return sorted(name for [name] in db.sql(FIRED))


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


@whoever
def test_nothing_planted_is_taken_for_what_an_s3_sources_table_is_written_with(db, bucket, owner, planted):
    for name in ["one", "two"]:
        bucket.put(name, name)
    db.sql(f"SELECT ai.create_s3_source('document', '{bucket.uri('')}', schedule => NULL)", user=owner)
    planted()
    uris = lambda: sorted(uri for [uri] in db.sql("SELECT uri FROM document WHERE last_modified > '2024-01-01'"))  # noqa: E731
    db.sql("SELECT ai.sync_s3_source(1)", user=owner)
    settles(uris, [bucket.uri("one"), bucket.uri("two")])
    bucket.put("one", "uno")
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


# A name that comes to mean another table, after ours was looked at

# In Mallory's schema a superuser has a table. She may rename the schema, and have another of its name.
ANOTHER = """
    CREATE SCHEMA another; CREATE SCHEMA evil; CREATE SEQUENCE evil.ran;
    CREATE FUNCTION evil.run() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM nextval('evil.ran'); RETURN coalesce(NEW, OLD); END $$;
    CREATE TABLE another.{table} (LIKE app.{table} INCLUDING ALL);
    CREATE TRIGGER run BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON another.{table} EXECUTE FUNCTION evil.run()
"""
STORE = "ai.destination_table(target_schema => 'app', target_table => 'store', view_schema => 'public', view_name => 'v')"


@pytest.fixture
def another(db):
    """Makes another table of a name, which gets it when what is answered is called."""
    db.sql("CREATE SCHEMA app")

    def made(table: str):
        db.sql(ANOTHER.format(table=table))
        return lambda: db.sql("ALTER SCHEMA app RENAME TO old; ALTER SCHEMA another RENAME TO app")

    return made


def test_a_listing_goes_on_with_no_other_table_of_the_name(db, another):
    listing = Listing(1500)
    try:
        listing.spoil = {1: "hang"}
        access = f"endpoint => '{listing.url}', url_style => 'path', head_objects => false, schedule => NULL"
        db.sql(f"SELECT ai.create_s3_source('app.document', 's3://stub/docs/', {access})")
        run = db.value("SELECT ai.sync_s3_source(1)")
        settles(lambda: db.value("SELECT count(*) FROM app.document"), 1000)
        another("document")()
        listing.release()
        ended = "SELECT state, error FROM ai.s3_source_runs WHERE run = %s AND finished IS NOT NULL"
        [[state, error]] = eventually(lambda: db.sql(ended, [run]), what="the run to end")
        assert state == "failed" and error.startswith("the definition of app.document was changed since the run began")
        # The table is the source's under any name.
        db.sql("SELECT ai.sync_s3_source(1)")
        settles(lambda: db.value("SELECT count(*) FROM old.document"), 1500)
        assert fired(db) == [] and db.sql("SELECT FROM app.document") == []
    finally:
        listing.close()


# Waits in the middle of what our statements do, until it may go on.
WAITS = """
    CREATE TABLE go (); CREATE SEQUENCE waits;
    CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM nextval('public.waits');
        WHILE NOT EXISTS (SELECT FROM public.go) LOOP PERFORM pg_sleep(0.01); END LOOP;
        RETURN NULL;
    END $$;
    CREATE TRIGGER wait AFTER DELETE ON app.store FOR EACH ROW EXECUTE FUNCTION wait();
"""
WAITING = "SELECT is_called FROM waits"


def test_a_document_is_written_to_no_other_table_of_the_name(db, stub, another):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    vectorizer.create(db, stub.url, destination=STORE)
    db.sql("INSERT INTO document VALUES (1, 'a|b')")
    vectorizer.in_step(db, ["id"], store="app.store")
    db.sql(WAITS)
    replace = another("store")
    db.sql("UPDATE document SET body = 'c|d'")
    eventually(lambda: db.value(WAITING), what="the old chunks to be deleted")
    replace()
    db.sql("INSERT INTO go DEFAULT VALUES")
    vectorizer.in_step(db, ["id"], store="old.store")
    assert fired(db) == [] and db.sql("SELECT FROM app.store") == []


def with_store(db, stub, **arguments) -> None:
    """A vectorizer with its store in the schema app, in step."""
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    vectorizer.create(db, stub.url, destination=STORE, **arguments)
    db.sql("INSERT INTO document VALUES (1, 'a|b')")
    vectorizer.in_step(db, ["id"], store="app.store")


def warnings_of(db, statement: str) -> list[str]:
    """Runs a statement, and answers what it warns of."""
    warned = []
    with db.connect() as session:
        session.add_notice_handler(lambda notice: warned.append(notice.message_primary))
        session.execute(statement)
    return warned


def test_a_users_change_is_written_to_no_other_queue_of_the_name(db, stub, another):
    """Nor does it fail: the names are looked up once more."""
    with_store(db, stub, queue_schema="'app'")
    db.sql(WAITS)
    replace = another("_vectorizer_q_1")
    with ThreadPoolExecutor() as other:
        update = other.submit(warnings_of, db, "UPDATE document SET id = 2")
        eventually(lambda: db.value(WAITING), what="the chunks of the old key to be deleted")
        replace()
        db.sql("INSERT INTO go DEFAULT VALUES")
        assert update.result() == []
    assert fired(db) == [] and db.sql("SELECT FROM app._vectorizer_q_1") == []
    vectorizer.in_step(db, ["id"], store="old.store")
    assert db.sql("SELECT FROM ai._vectorizer_missed") == []


def test_a_users_change_does_not_fail_for_names_that_change_again_and_again(db, stub, another):
    """Each time that the statements are run, until it is given up, and told."""
    with_store(db, stub, queue_schema="'app'")
    db.sql("""
        CREATE TABLE go (round bigint); CREATE SEQUENCE waits;
        CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE now bigint := nextval('public.waits');
        BEGIN
            WHILE NOT EXISTS (SELECT FROM public.go WHERE round = now) LOOP PERFORM pg_sleep(0.01); END LOOP;
            RETURN NULL;
        END $$;
        CREATE TRIGGER wait AFTER DELETE ON app.store EXECUTE FUNCTION wait();
    """)
    replace = another("_vectorizer_q_1")
    back = "ALTER SCHEMA app RENAME TO another; ALTER SCHEMA old RENAME TO app; ALTER SCHEMA another RENAME TO old"
    rounds = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM waits"
    with ThreadPoolExecutor() as other:
        update = other.submit(warnings_of, db, "UPDATE document SET id = 2")
        for round, rename in enumerate([replace, lambda: db.sql(back)], 1):
            eventually(lambda: db.value(rounds) == round, what="the chunks to be deleted")
            rename()
            db.sql("INSERT INTO go VALUES (%s)", [round])
        [warned] = update.result()
    assert "out of step" in warned and "was changed to mean another" in warned
    assert fired(db) == [] and db.sql("SELECT id FROM document") == [(2,)]
    settles(lambda: db.value("SELECT state FROM ai.vectorizer_health"), "out_of_step")
    db.sql("DROP TRIGGER wait ON app.store; SELECT ai.resync(1, all_rows => true)")
    vectorizer.in_step(db, ["id"], store="app.store")
    settles(lambda: db.value("SELECT state FROM ai.vectorizer_health"), "idle")


def warnings_meanwhile(db, change: str, table: str, mode: str, replace) -> list[str]:
    """Has a name replaced while a change waits for a lock on a table; returns the change's warnings."""
    waiting = f"SELECT FROM pg_locks WHERE NOT granted AND relation = '{table}'::regclass"
    with ThreadPoolExecutor() as other, db.connect(autocommit=False) as session:
        session.execute(f"LOCK {table} IN {mode} MODE")
        changed = other.submit(warnings_of, db, change)
        eventually(lambda: db.sql(waiting), what=f"{change} to wait for a lock")
        replace()
        session.rollback()
        return changed.result()


def test_a_users_change_waits_for_a_lock_while_names_change(db, stub, another):
    """The queue's name is looked up before the wait for the store."""
    with_store(db, stub, queue_schema="'app'")
    db.sql("ALTER TABLE app.store SET SCHEMA public")
    replace = another("_vectorizer_q_1")
    assert warnings_meanwhile(db, "UPDATE document SET id = 2", "public.store", "SHARE", replace) == []
    assert fired(db) == [] and db.sql("SELECT FROM app._vectorizer_q_1") == []
    vectorizer.in_step(db, ["id"], store="public.store")


def test_no_other_table_of_the_name_is_truncated(db, stub, another):
    with_store(db, stub)
    replace = another("store")
    assert warnings_meanwhile(db, "TRUNCATE document", "ai._vectorizer_q_failed_1", "ROW SHARE", replace) == []
    assert fired(db) == []
    vectorizer.in_step(db, ["id"], store="old.store")


def test_no_other_table_of_a_name_that_changes_within_the_statement_is_truncated(db, stub, another):
    """What inherits from the store is waited for before the next name is looked up."""
    with_store(db, stub, queue_schema="'app'")
    db.sql("CREATE TABLE heir () INHERITS (app.store)")
    replace = another("_vectorizer_q_failed_1")
    assert warnings_meanwhile(db, "TRUNCATE document", "heir", "ROW SHARE", replace) == []
    assert fired(db) == []
    vectorizer.in_step(db, ["id"], store="old.store")


# The types of vectors and of keys have names, too, in schemas that another may have.
RUNS = """
    CREATE SCHEMA evil; CREATE SEQUENCE evil.ran; CREATE SEQUENCE evil.waits; CREATE TABLE evil.go ();
    CREATE FUNCTION evil.run({base}) RETURNS bool LANGUAGE plpgsql AS
    $$ BEGIN PERFORM nextval('evil.ran'); RETURN true; END $$;
    CREATE FUNCTION evil.wait() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM nextval('evil.waits');
        WHILE NOT EXISTS (SELECT FROM evil.go) LOOP PERFORM pg_sleep(0.01); END LOOP;
        RETURN NULL;
    END $$;
    CREATE TRIGGER wait AFTER DELETE ON app.document_embedding_store FOR EACH ROW EXECUTE FUNCTION evil.wait()
"""
OF_ANOTHER_TYPE = """
    ALTER SCHEMA {schema} RENAME TO old; CREATE SCHEMA {schema};
    CREATE DOMAIN {schema}.{name} AS {base} CHECK (evil.run(VALUE))
"""


@pytest.mark.parametrize(
    ("schema", "name", "base"), [("public", "vector", "vector"), ("kinds", "number", "int")], ids=["vectors", "keys"]
)
def test_no_other_type_of_the_name_is_taken(db, stub, schema, name, base):
    db.sql("""
        CREATE SCHEMA kinds; CREATE DOMAIN kinds.number AS int;
        CREATE SCHEMA app; CREATE TABLE app.document (id kinds.number PRIMARY KEY, body text)
    """)
    vectorizer.create(db, stub.url, source="app.document")
    names = {"source": "app.document", "store": "app.document_embedding_store"}
    db.sql("INSERT INTO app.document VALUES (1, 'a|b'), (2, 'c')")
    vectorizer.in_step(db, ["id"], **names)
    db.sql(RUNS.format(base=base))
    db.sql("UPDATE app.document SET body = 'd' WHERE id = 1")
    eventually(lambda: db.value("SELECT is_called FROM evil.waits"), what="the old chunks to be deleted")
    db.sql(OF_ANOTHER_TYPE.format(schema=schema, name=name, base="old.vector" if base == "vector" else base))
    db.sql("INSERT INTO evil.go DEFAULT VALUES")
    vectorizer.in_step(db, ["id"], **names)
    db.sql("DELETE FROM app.document WHERE id = 2")
    vectorizer.in_step(db, ["id"], **names)
    assert [name for name in fired(db) if name != "waits"] == []


def another_declaration(stub) -> str:
    """Of a vectorizer "v": whoever else declares one of the name waits for the end of it."""
    model = f"ai.embedding_openai('stub', {vectorizer.DIMENSIONS}, base_url => '{stub.url}')"
    return f"SELECT ai.create_vectorizer('first', 'v', loading => ai.loading_column('body'), embedding => {model})"


def test_a_vectorizer_is_declared_with_no_other_table_of_the_name(db, stub, another):
    db.sql("CREATE TABLE app.document (id int PRIMARY KEY, body text); CREATE TABLE first (LIKE app.document INCLUDING ALL)")
    replace = another("document")
    waiting = "SELECT FROM pg_locks WHERE NOT granted AND locktype = 'object'"
    store = "ai.destination_table(target_schema => 'public', target_table => 's', view_schema => 'public', view_name => 'w')"
    with ThreadPoolExecutor() as other, db.connect(autocommit=False) as session:
        session.execute(another_declaration(stub))
        declared = other.submit(vectorizer.create, db, stub.url, "app.document", name="'v'", destination=store)
        eventually(lambda: db.sql(waiting), what="the declaration to wait for the name")
        replace()
        session.rollback()
        with pytest.raises(psycopg.errors.SerializationFailure, match="changed concurrently"):
            declared.result()


def test_a_schema_is_renamed_after_what_is_declared_with_its_tables(db, stub):
    db.sql("CREATE SCHEMA app; CREATE TABLE app.document (id int PRIMARY KEY, body text)")
    waiting = "SELECT FROM pg_stat_activity WHERE query LIKE 'ALTER SCHEMA%' AND wait_event_type = 'Lock'"
    with ThreadPoolExecutor() as other, db.connect(autocommit=False) as session:
        session.execute("CREATE TABLE first (id int PRIMARY KEY, body text)")
        session.execute(another_declaration(stub).replace("'first'", "'app.document'"))
        # Rights change all the while.
        db.sql("GRANT USAGE ON SCHEMA app TO PUBLIC")
        renamed = other.submit(db.sql, "ALTER SCHEMA app RENAME TO old")
        eventually(lambda: db.sql(waiting), what="ALTER SCHEMA to wait")
        session.commit()
        renamed.result()
    db.sql("INSERT INTO old.document VALUES (1, 'a')")
    eventually(lambda: db.sql("SELECT FROM old.document_embedding WHERE body = 'a'"), what="the row to be embedded")


def test_a_key_gets_no_other_type_of_the_name(db, stub):
    """Its type changes in the queue and in the store, too, which waits for the store."""
    db.sql("""
        CREATE SCHEMA kinds; CREATE DOMAIN kinds.number AS int; CREATE DOMAIN kinds.big AS bigint;
        CREATE SCHEMA app; CREATE TABLE app.document (id kinds.number PRIMARY KEY, body text)
    """)
    vectorizer.create(db, stub.url, source="app.document")
    names = {"source": "app.document", "store": "app.document_embedding_store"}
    db.sql("INSERT INTO app.document VALUES (1, 'a|b')")
    vectorizer.in_step(db, ["id"], **names)
    db.sql("DROP VIEW app.document_embedding")
    db.sql(RUNS.format(base="bigint"))
    waiting = "SELECT FROM pg_locks WHERE NOT granted AND relation = 'app.document_embedding_store'::regclass"
    swapped = "SELECT FROM pg_stat_activity WHERE query LIKE %s AND (wait_event_type = 'Lock' OR state = 'idle')"
    with ThreadPoolExecutor() as others, db.connect(autocommit=False) as session:
        session.execute("LOCK app.document_embedding_store IN ACCESS SHARE MODE")
        altered = others.submit(warnings_of, db, "ALTER TABLE app.document ALTER COLUMN id TYPE kinds.big")
        eventually(lambda: db.sql(waiting), what="ALTER TABLE to wait for the store")
        swap = others.submit(db.sql, OF_ANOTHER_TYPE.format(schema="kinds", name="big", base="bigint"))
        eventually(lambda: swap.done() or db.sql(swapped, ["%ALTER SCHEMA kinds%"]), what="the schema to be renamed, or to wait")
        session.rollback()
        altered.result()
        swap.result()
    assert fired(db) == []
    db.sql("INSERT INTO evil.go DEFAULT VALUES; INSERT INTO app.document VALUES (3, 'c')")
    vectorizer.in_step(db, ["id"], **names)


def test_errors_of_others_statements_keep_what_they_say(db, stub):
    """Our look at statements is called for all of a session's, once a trigger of ours has fired in it."""
    db.sql("""
        CREATE TABLE document (id int PRIMARY KEY, body text) PARTITION BY RANGE (id);
        CREATE TABLE document_low PARTITION OF document DEFAULT;
        CREATE FUNCTION fails() RETURNS int IMMUTABLE LANGUAGE plpgsql AS
        $$ BEGIN RAISE 'no' USING CONSTRAINT = 'a_constraint', COLUMN = 'a_column'; END $$
    """)
    vectorizer.create(db, stub.url)
    with db.connect(autocommit=True) as session:
        session.execute("INSERT INTO document VALUES (1, 'a'); DELETE FROM document")
        # As it is planned.
        with pytest.raises(psycopg.errors.RaiseException) as caught:
            session.execute("SELECT fails()")
    said = caught.value.diag
    assert (said.constraint_name, said.column_name) == ("a_constraint", "a_column")
    assert said.context.startswith("PL/pgSQL function fails()")
