"""A vectorizer's tables are its own, whatever else comes to have their names or its number."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from support import egress, vectorizer
from support.cluster import Database
from support.wait import eventually

LEFTOVER = "table public.document has triggers of a vectorizer that does not exist in this database"


@pytest.fixture
def elsewhere(cluster, db, stub):
    """Another database, whose vectorizer number 1 is on `article`, with the extension."""
    other = cluster.create_database(f"{db.name}_elsewhere")
    other.sql("CREATE EXTENSION pgai_rs CASCADE; CREATE TABLE article (id int PRIMARY KEY, body text)")
    yield other
    other.drop()


@pytest.fixture
def document(db, stub):
    """The database of a vectorizer number 1 that is on `document`."""
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    vectorizer.create(db, stub.url)
    db.sql("INSERT INTO document SELECT i, 'document ' || i FROM generate_series(1, 5) i")
    vectorizer.in_step(db, ["id"])
    return db


def carry(cluster, source: Database, target: Database, *which: str) -> None:
    """Restores a dump of a part of one database into another."""
    # The schema public is there already.
    dump = cluster.run("pg_dump", *which, source.name).replace("CREATE SCHEMA public;", "")
    cluster.run("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={target.name}", input=dump)


def say(db: Database, *statements: str) -> list[str]:
    """Runs statements in one session; answers the warnings and notices."""
    with db.connect() as connection:
        told = []
        connection.add_notice_handler(lambda notice: told.append(notice.message_primary))
        for statement in statements:
            connection.execute(statement)
        return told


@pytest.mark.parametrize("part", ["--table=document", "--schema=public"])
def test_a_table_restored_alone_touches_no_other_vectorizer(cluster, document, elsewhere, stub, part):
    vectorizer.create(elsewhere, stub.url, "article")
    elsewhere.sql("INSERT INTO article SELECT i, 'article ' || i FROM generate_series(1, 5) i")
    carry(cluster, document, elsewhere, part)

    changes = ["DELETE FROM document WHERE id = 3", "INSERT INTO document VALUES (9, 'nine')",
               "UPDATE document SET body = 'other' WHERE id = 1"]
    told = say(elsewhere, *changes)
    assert told == [LEFTOVER], "once a session"
    assert say(elsewhere, "TRUNCATE document") == [LEFTOVER]
    vectorizer.in_step(elsewhere, ["id"], source="article", store="article_embedding_store")
    assert elsewhere.sql("SELECT source_table FROM ai.vectorizer_status") == [("public.article",)]


def test_a_table_restored_first_feeds_no_later_vectorizer(cluster, document, elsewhere, stub):
    carry(cluster, document, elsewhere, "--table=document")
    assert vectorizer.create(elsewhere, stub.url, "article") == 1
    assert say(elsewhere, "INSERT INTO document VALUES (9, 'nine')") == [LEFTOVER]
    elsewhere.sql("INSERT INTO article VALUES (1, 'one')")
    vectorizer.in_step(elsewhere, ["id"], source="article", store="article_embedding_store")


@pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
def test_a_table_restored_alone_can_be_written_to(cluster, document, elsewhere, isolation):
    carry(cluster, document, elsewhere, "--table=document")
    elsewhere.sql(f"BEGIN ISOLATION LEVEL {isolation}; UPDATE document SET body = 'other'; COMMIT")
    assert elsewhere.value("SELECT count(*) FROM document WHERE body = 'other'") == 5


def test_a_new_vectorizer_drops_what_a_dump_has_left(cluster, document, elsewhere, stub):
    carry(cluster, document, elsewhere, "--table=document")
    told = say(elsewhere, f"""
        SELECT ai.create_vectorizer('document', loading => ai.loading_column('body'),
            embedding => ai.embedding_openai('stub', 8, base_url => '{stub.url}'), chunking => {vectorizer.CUT_AT_BARS})
    """)
    assert len([message for message in told if message.startswith("dropping trigger")]) == 4
    assert say(elsewhere, "INSERT INTO document VALUES (9, 'nine')") == []
    vectorizer.in_step(elsewhere, ["id"])


def test_two_tables_with_the_same_triggers_are_told_apart(cluster, document, stub):
    document.sql("ALTER SCHEMA public RENAME TO before; CREATE SCHEMA public")
    dump = cluster.run("pg_dump", "--table=before.document", document.name).replace("before.", "public.")
    cluster.run("psql", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={document.name}", input=dump)
    assert say(document, "INSERT INTO public.document VALUES (9, 'nine'); DELETE FROM public.document WHERE id = 1") == [
        LEFTOVER
    ]
    document.sql("INSERT INTO before.document VALUES (10, 'ten')")
    vectorizer.in_step(document, ["id"], source="before.document", store="before.document_embedding_store")
    document.sql("DROP TABLE public.document")
    assert document.sql("SELECT source_table FROM ai.vectorizer_status") == [("before.document",)]


def test_a_restored_vectorizer_is_found_under_another_name(cluster, document, elsewhere, stub):
    """Nobody was there to follow a name that changed between the restore and the worker's first look."""
    elsewhere.drop()
    copy = cluster.create_database(elsewhere.name)
    dump = cluster.run("pg_dump", document.name)
    cluster.run(
        "psql", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1", f"--dbname={copy.name}",
        input=dump + "\nALTER TABLE public.document RENAME TO paper;",
    )
    copy.sql("INSERT INTO paper VALUES (9, 'nine')")
    vectorizer.in_step(copy, ["id"], source="paper")
    assert copy.sql("SELECT source_table FROM ai.vectorizer") == [("paper",)]


@pytest.fixture
def mallory(db, stub):
    """A role with USAGE on `ai` and a schema of its own, in which it has a vectorizer."""
    role = f"mallory_{db.name}"
    db.sql(f"CREATE ROLE {role} LOGIN; SELECT ai.grant_vectorizer_usage('{role}'); CREATE SCHEMA m AUTHORIZATION {role}")
    egress.allow(db.cluster, stub.url)
    db.sql("CREATE TABLE m.t (id int PRIMARY KEY, body text)", user=role)
    yield role
    egress.allow_nothing(db.cluster)
    db.sql(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


ESCALATE = """
    CREATE FUNCTION m.escalate() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN EXECUTE 'ALTER ROLE {role} SUPERUSER'; RETURN NEW; END $$;
    CREATE TRIGGER escalate BEFORE INSERT ON m.t_embedding_store FOR EACH ROW EXECUTE FUNCTION m.escalate()
"""


def test_nobody_takes_the_name_of_a_queue_to_come(db, mallory, stub):
    with pytest.raises(Exception, match="unacceptable queue_table name") as refusal:
        vectorizer.create(db, stub.url, "m.t", user=mallory, queue_table="'_vectorizer_q_2'")
    assert refusal.value.sqlstate == "42939"


def test_names_in_the_extensions_schema_are_the_extensions_to_give(db, mallory, stub):
    """One of a version to come would be in the way of the upgrade."""
    for name in ["payments", "vectorizer_plans", "_vectorizer_q_99"]:
        with pytest.raises(Exception, match=f"unacceptable queue_table name {name}") as refusal:
            vectorizer.create(db, stub.url, "m.t", user=mallory, queue_schema="'ai'", queue_table=f"'{name}'")
        assert refusal.value.sqlstate == "42939" and "queue_schema" in refusal.value.diag.message_hint
    id = vectorizer.create(db, stub.url, "m.t", user=mallory, queue_schema="'m'", queue_table="'secrets'")
    assert db.sql("SELECT queue_schema, queue_table FROM ai.vectorizer") == [("m", "secrets")]
    # The name that it would be given anyhow.
    db.sql(f"SELECT ai.drop_vectorizer({id}, drop_all => true)", user=mallory)
    next_id = db.value("SELECT last_value + 1 FROM ai.vectorizer_id_seq")
    vectorizer.create(db, stub.url, "m.t", user=mallory, queue_schema="'ai'", queue_table=f"'_vectorizer_q_{next_id}'")


def test_anothers_table_with_the_name_of_a_queue_is_not_worked_on(db, mallory, stub):
    """The queue's owner was whoever owned the table of its name: a superuser's made the worker a superuser."""
    id = vectorizer.create(db, stub.url, "m.t", user=mallory, queue_schema="'m'", queue_table="'queue'")
    vectorizer.idle(db)
    db.sql(ESCALATE.format(role=mallory), user=mallory)
    db.sql("DROP TABLE m.queue", user=mallory)
    db.sql("CREATE TABLE m.queue (id int, queued_at timestamptz DEFAULT now(), loading_retries int4 DEFAULT 0,"
           " loading_retry_after timestamptz); INSERT INTO m.queue VALUES (1)")
    db.sql("INSERT INTO m.t VALUES (1, 'a')", user=mallory)
    eventually(
        lambda: db.value("SELECT state FROM ai.vectorizer_health WHERE id = %s", [id]) == "broken",
        what="health to call it broken",
    )
    assert db.value(f"SELECT rolsuper FROM pg_roles WHERE rolname = '{mallory}'") is False
    assert db.value("SELECT count(*) FROM m.queue") == 1


def test_the_end_of_a_source_takes_nobody_elses_table_along(db, mallory, stub):
    """The queue was dropped by its name, as superuser."""
    vectorizer.create(db, stub.url, "m.t", user=mallory, queue_schema="'m'", queue_table="'payments'")
    db.sql("DROP TABLE m.payments", user=mallory)
    db.sql("CREATE TABLE m.payments (amount int); INSERT INTO m.payments VALUES (100)")
    db.sql("DROP TABLE m.t CASCADE", user=mallory)
    assert db.sql("SELECT name FROM ai.vectorizer") == []
    assert db.value("SELECT amount FROM m.payments") == 100


def test_a_queue_that_is_a_view_by_now_is_not_read(db, mallory, stub):
    id = vectorizer.create(db, stub.url, "m.t", user=mallory, queue_schema="'m'", queue_table="'queue'")
    db.sql("""
        DROP TABLE m.queue;
        CREATE FUNCTION m.slow() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN 1; END $$;
        CREATE VIEW m.queue AS SELECT m.slow() AS id, now() AS queued_at
    """, user=mallory)
    eventually(
        lambda: db.value("SELECT state FROM ai.vectorizer_health WHERE id = %s", [id]) == "broken",
        what="health to call it broken",
    )


def test_a_source_whose_store_is_anothers_rests_until_they_are_one_owners(db, mallory, stub):
    id = vectorizer.create(db, stub.url, "m.t", user=mallory)
    vectorizer.idle(db)
    db.sql("ALTER TABLE m.t_embedding_store OWNER TO postgres")
    db.sql("INSERT INTO m.t VALUES (1, 'a')")
    state = "SELECT state, hint FROM ai.vectorizer_health WHERE id = %s"
    found = eventually(lambda: [row for row in db.sql(state, [id]) if row[0] == "not_served"], what="it to rest")
    assert "OWNER TO" in found[0][1]
    db.sql(f"ALTER TABLE m.t_embedding_store OWNER TO {mallory}; SELECT ai.resync({id})")
    vectorizer.in_step(db, ["id"], source="m.t", store="m.t_embedding_store")


def test_a_change_is_written_to_no_queue_that_is_given_away_meanwhile(db, mallory, stub):
    """Else what its new owner puts on it would run as the source's."""
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    id = vectorizer.create(db, stub.url)
    queue = f"ai._vectorizer_q_{id}"
    db.sql("""
        CREATE TABLE m.seen (who text);
        CREATE FUNCTION m.spy() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO m.seen VALUES (current_user); RETURN NEW; END $$
    """, user=mallory)

    waiting = "SELECT FROM pg_locks WHERE pid = %s AND NOT granted AND relation = %s::regclass"
    with db.connect(autocommit=False) as gives, db.connect() as writes, ThreadPoolExecutor() as other:
        gives.execute(f"ALTER TABLE {queue} OWNER TO {mallory}; SET LOCAL ROLE {mallory}")
        gives.execute(f"CREATE TRIGGER spy BEFORE INSERT ON {queue} FOR EACH ROW EXECUTE FUNCTION m.spy()")
        written = other.submit(writes.execute, "INSERT INTO document VALUES (1, 'a')")
        eventually(lambda: db.sql(waiting, [writes.info.backend_pid, queue]), what="the change to wait for the queue")
        gives.commit()
        written.result()
    assert db.sql("SELECT who FROM m.seen") == []
    assert db.sql("SELECT id FROM document") == [(1,)]


PLANT = """
    CREATE TABLE public.called (who text);
    CREATE FUNCTION public.format(text, name, name) RETURNS text LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO public.called VALUES (current_user); RETURN 'planted'; END $$;
    CREATE FUNCTION public.planted(text, int4) RETURNS text LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO public.called VALUES (current_user); RETURN 'planted'; END $$;
    CREATE OPERATOR public.|| (LEFTARG = text, RIGHTARG = int4, FUNCTION = public.planted);
"""


@pytest.fixture
def empty(cluster, request):
    """A database without the extension."""
    database = cluster.create_database(request.node.name[:50])
    yield database
    database.drop()


def test_nothing_planted_beside_pgvector_is_called(empty, stub):
    empty.sql(PLANT)
    empty.sql("CREATE EXTENSION pgai_rs CASCADE; CREATE TABLE document (id int PRIMARY KEY, body text)")
    vectorizer.create(empty, stub.url)
    empty.sql("INSERT INTO document VALUES (1, 'a')")
    vectorizer.in_step(empty, ["id"])
    assert empty.sql("SELECT source_table, pending_items FROM ai.vectorizer_status") == [("public.document", 0)]
    empty.sql("SELECT * FROM ai.vectorizer_health; SELECT * FROM ai.vectorizer_errors")
    assert empty.sql("SELECT who FROM called") == []


def test_a_schema_that_is_anothers_is_refused(empty):
    role = f"owner_of_{empty.name}"[:60]
    empty.sql(f"CREATE ROLE {role}; CREATE SCHEMA ai AUTHORIZATION {role}")
    try:
        with pytest.raises(Exception, match="the schema ai must belong to a superuser") as refusal:
            empty.sql("CREATE EXTENSION pgai_rs CASCADE")
        assert refusal.value.sqlstate == "42501"
        empty.sql("DROP SCHEMA ai; CREATE EXTENSION pgai_rs CASCADE; CREATE TABLE document (id int PRIMARY KEY, body text)")
        empty.sql(f"ALTER SCHEMA ai OWNER TO {role}")
        with pytest.raises(Exception, match="is not trusted") as refusal:
            vectorizer.create(empty, "", embedding="ai.embedding_openai('m', 8)")
        assert refusal.value.sqlstate == "42501"
    finally:
        empty.sql(f"REASSIGN OWNED BY {role} TO CURRENT_USER; DROP ROLE {role}")


@pytest.mark.parametrize("open_to", [
    "GRANT CREATE ON SCHEMA ai TO {}",
    "GRANT CREATE ON SCHEMA ai TO PUBLIC",
    # It fits better than ours, whose last arguments are defaults.
    "CREATE FUNCTION ai.embedding_voyageai(text, int, text, text) RETURNS jsonb LANGUAGE sql RETURN '{{}}'::jsonb; "
    "ALTER FUNCTION ai.embedding_voyageai OWNER TO {}",
])
def test_a_schema_in_which_others_can_plant_functions_is_refused(empty, open_to):
    role = f"planter_{empty.name}"
    empty.sql(f"CREATE ROLE {role}; CREATE SCHEMA ai")
    try:
        empty.sql(open_to.format(role))
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="the schema ai is open to roles") as refusal:
            empty.sql("CREATE EXTENSION pgai_rs CASCADE")
        assert "REVOKE CREATE ON SCHEMA ai" in refusal.value.diag.message_hint
        empty.sql(f"REVOKE CREATE ON SCHEMA ai FROM PUBLIC; DROP OWNED BY {role}; CREATE EXTENSION pgai_rs CASCADE")
    finally:
        empty.sql(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_who_gives_new_tables_away_is_told(db, stub):
    """As administrators do by event triggers, so that an application's role owns what migrations make."""
    role = f"app_{db.name}"
    db.sql(f"CREATE ROLE {role}; CREATE TABLE document (id int PRIMARY KEY, body text)")
    try:
        db.sql(f"""
            CREATE FUNCTION give() RETURNS event_trigger LANGUAGE plpgsql AS $$
            DECLARE made record;
            BEGIN
                FOR made IN SELECT * FROM pg_event_trigger_ddl_commands() WHERE command_tag = 'CREATE TABLE' LOOP
                    EXECUTE format('ALTER TABLE %s OWNER TO {role}', made.object_identity);
                END LOOP;
            END $$;
            CREATE EVENT TRIGGER give ON ddl_command_end EXECUTE FUNCTION give()
        """)
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="was given to another owner") as refusal:
            vectorizer.create(db, stub.url)
        assert "event trigger" in refusal.value.diag.message_hint
        db.sql(f"ALTER TABLE document OWNER TO {role}; SELECT ai.grant_vectorizer_usage('{role}'); GRANT CREATE ON SCHEMA public TO {role}")
        vectorizer.create(db, "", embedding="ai.embedding_openai('m', 8)")
        owners = "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relname ~ '^(_vectorizer_(q|work).*_1|document.*_store)$'"
        assert db.sql(owners) == [(role,)]
    finally:
        db.sql(f"DROP EVENT TRIGGER give; DROP OWNED BY {role} CASCADE; DROP ROLE {role}")
