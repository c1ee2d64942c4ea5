"""A name that comes to mean another table after ours was looked at: nothing of ours is read from it or written to it.

In Mallory's schema a superuser has a table. She may rename the schema, and have another of its name.
"""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from support import vectorizer
from support.listing import Listing
from support.planted import fired, warnings_of
from support.wait import eventually, settles

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


def test_words_are_kept_beside_no_other_store_of_the_name(db, stub, another):
    with_store(db, stub, name="'words'")
    db.sql("CREATE TABLE first (id int PRIMARY KEY, body text)")
    replace = another("store")
    waiting = "SELECT FROM pg_locks WHERE NOT granted AND locktype = 'object'"
    store = "destination => ai.destination_table(target_schema => 'public', target_table => 'store_words')"
    with ThreadPoolExecutor() as other, db.connect(autocommit=False) as session:
        session.execute(another_declaration(stub).removesuffix(")") + f", {store})")
        altered = other.submit(db.sql, "SELECT ai.alter_vectorizer('words', search => ai.search_hybrid('simple'))")
        eventually(lambda: db.sql(waiting), what="the statement to wait for the name of the table of words")
        replace()
        session.rollback()
        with pytest.raises(psycopg.errors.SerializationFailure, match="changed concurrently"):
            altered.result()
    assert db.sql("SELECT FROM pg_class WHERE relname = 'store_words'") == []


def test_a_schema_is_renamed_after_words_are_kept_in_it(db, stub, another):
    """And not while their table is created, after the store was looked at."""
    with_store(db, stub, name="'words'")
    replace = another("store")
    db.sql("""
        CREATE TABLE go (); CREATE SEQUENCE waits;
        CREATE FUNCTION wait() RETURNS event_trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM nextval('public.waits');
            WHILE NOT EXISTS (SELECT FROM public.go) LOOP PERFORM pg_sleep(0.01); END LOOP;
        END $$;
        CREATE EVENT TRIGGER wait ON ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION wait()
    """)
    waiting = "SELECT FROM pg_stat_activity WHERE query LIKE 'ALTER SCHEMA%' AND wait_event_type = 'Lock'"
    with ThreadPoolExecutor() as other:
        altered = other.submit(db.sql, "SELECT ai.alter_vectorizer('words', search => ai.search_hybrid('simple'))")
        eventually(lambda: db.value(WAITING), what="the table of words to be created")
        renamed = other.submit(replace)
        try:
            eventually(lambda: db.sql(waiting), what="ALTER SCHEMA to wait")
        finally:
            db.sql("INSERT INTO go DEFAULT VALUES")
        altered.result()
        renamed.result()
    eventually(lambda: db.value("SELECT words_ready FROM ai._vectorizer_binding"), what="the words to be ready")
    assert db.value("SELECT count(*) FROM old.store_words") == db.value("SELECT count(*) FROM old.store") == 2


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
