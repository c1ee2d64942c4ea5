"""Vector indexes come by themselves, hold up nobody, and leave nothing broken behind."""

import contextlib
import os
import signal

import psycopg
import pytest
from support import egress, vectorizer
from support.index import STORE, builders, indexes, old_transaction, the_index, under_way
from support.wait import eventually

TABLE = "CREATE TABLE document (id int PRIMARY KEY, body text)"
FILL = "INSERT INTO document SELECT i, 'row ' || i FROM generate_series(1, 20) i"
HNSW = "ai.indexing_hnsw(min_rows => 10)"


def declare(db, stub, **arguments) -> None:
    db.sql(TABLE)
    vectorizer.create(db, stub.url, **({"indexing": HNSW} | arguments))


def test_it_comes_when_there_are_enough_rows_and_searches_use_it(db, stub):
    declare(db, stub, indexing="ai.indexing_hnsw(min_rows => 20, m => 8, ef_construction => 32)")
    db.sql("INSERT INTO document SELECT i, 'row ' || i FROM generate_series(1, 19) i")
    vectorizer.in_step(db, ["id"])
    assert indexes(db) == []
    db.sql("INSERT INTO document VALUES (20, 'row 20')")
    definition = the_index(db)
    assert "(embedding vector_cosine_ops) WITH (m='8', ef_construction='32')" in definition
    with db.connect() as connection:
        connection.execute("SET enable_seqscan = off")
        order = "embedding <=> (SELECT embedding FROM document_embedding_store LIMIT 1)"
        plan = connection.execute(f"EXPLAIN SELECT id FROM document_embedding ORDER BY {order} LIMIT 1")
        assert "document_embedding_store_embedding_hnsw_1" in str(plan.fetchall())


def test_it_waits_for_an_empty_queue_unless_told_otherwise(db, stub):
    for id, (source, when) in enumerate([("patient", "true"), ("eager", "false")], start=1):
        db.sql(f"CREATE TABLE {source} (id int PRIMARY KEY, body text)")
        vectorizer.create(db, stub.url, source, indexing=f"ai.indexing_hnsw(10, create_when_queue_empty => {when})")
        # One that has failed and is not due before long: it stays in the queue.
        db.sql(f"INSERT INTO ai._vectorizer_work_{id} (id, attempts, available_at) VALUES (99, 1, now() + interval '1 day')")
        db.sql(f"INSERT INTO {source} SELECT i, 'row ' || i FROM generate_series(1, 20) i")
    # Built once more after it was dropped: the other was looked at in between.
    for _ in range(2):
        the_index(db, "eager_embedding_store")
        assert indexes(db, "patient_embedding_store") == []
        db.sql("DROP INDEX eager_embedding_store_embedding_hnsw_2")
    db.sql("UPDATE ai._vectorizer_work_1 SET available_at = now()")
    the_index(db, "patient_embedding_store")


def test_rows_are_embedded_and_written_while_it_is_built(db, stub):
    declare(db, stub)
    with old_transaction(db):
        db.sql(FILL)
        under_way(db)
        with db.connect() as connection:
            connection.execute("SET lock_timeout = '20s'")
            connection.execute("INSERT INTO document VALUES (21, 'row 21')")
            connection.execute("UPDATE document SET body = 'changed' WHERE id = 1")
            connection.execute("DELETE FROM document WHERE id = 2")
        vectorizer.in_step(db, ["id"])
        assert [valid for _, valid in indexes(db)] == [False]
    the_index(db)
    assert db.sql("SELECT * FROM ai.vectorizer_errors") == []


def test_a_build_that_is_killed_is_done_again(cluster_factory, stub):
    cluster = cluster_factory()
    db = cluster.create_database("killed")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    declare(db, stub)
    with contextlib.suppress(psycopg.OperationalError), old_transaction(db):
        db.sql(FILL)
        cluster.kill_child(under_way(db))
    the_index(db)


def test_a_build_that_is_ended_is_done_again(db, stub):
    declare(db, stub)
    with old_transaction(db):
        db.sql(FILL)
        first = under_way(db)
        os.kill(first, signal.SIGTERM)
        eventually(lambda: first not in builders(db), what="the builder to end")
    the_index(db)


def test_who_waits_for_its_lock_ends_it(db, stub):
    declare(db, stub)
    with old_transaction(db):
        db.sql(FILL)
        under_way(db)
        # It would wait for the old transaction, as the build does.
        db.sql("ALTER TABLE document_embedding_store ADD COLUMN note text")
    the_index(db)
    assert db.sql("SELECT * FROM ai.vectorizer_errors") == []


@pytest.mark.parametrize(
    "statement", ["SELECT ai.drop_vectorizer(1, drop_all => true)", "DROP TABLE document_embedding_store CASCADE"]
)
def test_its_table_can_be_dropped_meanwhile(db, stub, statement):
    declare(db, stub)
    with old_transaction(db):
        db.sql(FILL)
        under_way(db)
        db.sql(statement)
        eventually(lambda: not builders(db), what="the builder to end")
    assert db.value("SELECT count(*) FROM pg_class WHERE relname LIKE '%%_hnsw_%%'") == 0


def test_its_database_can_be_dropped_meanwhile(db, stub):
    # Held without a connection to the database, which would hold up the drop itself.
    db.sql("""
        CREATE FUNCTION hold() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(3600); END $$;
        CREATE EVENT TRIGGER hold ON ddl_command_start WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION hold()
    """)
    db.sql("ALTER EVENT TRIGGER hold DISABLE")
    declare(db, stub)
    db.sql("ALTER EVENT TRIGGER hold ENABLE")
    db.sql(FILL)
    held = "SELECT FROM pg_stat_activity WHERE backend_type = 'pgai_rs index builder' AND wait_event = 'PgSleep'"
    eventually(lambda: db.cluster.sql(held), what="the build to be held")
    db.cluster.sql(f"DROP DATABASE {db.name}")
    assert builders(db) == []


def test_its_database_can_be_dropped_by_force(db, stub):
    declare(db, stub)
    with contextlib.suppress(psycopg.OperationalError), old_transaction(db):
        db.sql(FILL)
        under_way(db)
        db.cluster.sql(f"DROP DATABASE {db.name} WITH (FORCE)")
    assert builders(db) == []
    assert db.cluster.sql("SELECT FROM pg_database WHERE datname = %s", [db.name]) == []


def test_stopping_does_not_wait_for_it(cluster_factory, stub):
    cluster = cluster_factory()
    db = cluster.create_database("stopping")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    declare(db, stub)
    with contextlib.suppress(psycopg.OperationalError), old_transaction(db):
        db.sql(FILL)
        under_way(db)
        cluster.stop("fast")
    assert "terminated by signal" not in cluster.log_text()
    cluster.start()
    the_index(db)


def test_it_is_built_by_its_owner_who_needs_no_login(cluster_factory, stub):
    """Nothing of the build is the superuser's, so nothing that it calls could use his rights."""
    # Small as it is, it is built by several processes.
    conf = {"min_parallel_table_scan_size": "0"} | egress.settings(stub.url)
    cluster = cluster_factory(conf=conf)
    db = cluster.create_database("owned")
    db.sql("CREATE EXTENSION pgai_rs CASCADE; CREATE ROLE mallory; REVOKE CONNECT ON DATABASE owned FROM PUBLIC")
    db.sql("SELECT ai.grant_vectorizer_usage('mallory'); GRANT CREATE ON SCHEMA public TO mallory")
    # What a role sets for its own sessions does not concern it, not even its time: the build takes longer.
    for setting in ["statement_timeout = '500ms'", "default_transaction_read_only = on", "search_path = public"]:
        db.sql(f"ALTER ROLE mallory SET {setting}")
    db.sql("CREATE TABLE seen (who text, session text); GRANT INSERT ON seen TO PUBLIC")
    db.sql("""
        CREATE FUNCTION public.spy() RETURNS event_trigger LANGUAGE plpgsql AS
        $$ BEGIN
            INSERT INTO public.seen VALUES (current_user, session_user);
            PERFORM pg_sleep(1) FROM pg_stat_activity WHERE pid = pg_backend_pid() AND query LIKE '%CONCURRENTLY%';
        END $$;
        CREATE EVENT TRIGGER spy ON ddl_command_start WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION public.spy()
    """)
    with db.connect() as connection:
        connection.execute("SET ROLE mallory")
        connection.execute(TABLE)
        connection.execute(
            "SELECT ai.create_vectorizer('document', loading => ai.loading_column('body'),"
            f" indexing => {HNSW}, embedding => ai.embedding_openai('stub', 8, base_url => '{stub.url}'))"
        )
        connection.execute("RESET ROLE; TRUNCATE seen")
    db.sql(FILL)
    the_index(db)
    assert db.sql("SELECT DISTINCT who, session FROM seen") == [("mallory", "mallory")]


def test_a_build_that_fails_says_so_once_and_leaves_nothing(db, stub):
    declare(db, stub, indexing="ai.indexing_none()")
    db.sql(FILL)
    vectorizer.in_step(db, ["id"])
    db.sql("CREATE TABLE document_embedding_store_embedding_hnsw_1 ()")
    db.sql(f"UPDATE ai.vectorizer SET config = jsonb_set(config, '{{indexing}}', {HNSW})")
    [(message, details)] = eventually(lambda: db.sql("SELECT message, details FROM ai.vectorizer_errors"))
    assert message == "index could not be built"
    assert details["step"] == "indexing" and "already exists" in details["error_reason"]
    assert "CREATE INDEX CONCURRENTLY" in details["hint"]
    assert indexes(db) == []
    db.sql("DROP TABLE document_embedding_store_embedding_hnsw_1")
    the_index(db)
    assert db.value("SELECT count(*) FROM ai.vectorizer_errors") == 1


def test_beyond_2000_dimensions_of_a_vector_half_precision_is_indexed_and_said(db, stub):
    db.sql(TABLE)
    notices = []
    with db.connect() as connection:
        connection.add_notice_handler(lambda n: notices.append((n.message_primary, n.message_hint)))
        connection.execute(
            "SELECT ai.create_vectorizer('document', loading => ai.loading_column('body'),"
            " destination => ai.destination_table(vector_type => 'vector'),"
            " indexing => ai.indexing_hnsw(10, opclass => 'vector_l2_ops'),"
            f" embedding => ai.embedding_openai('stub', 2001, base_url => '{stub.url}'))"
        )
    [(message, hint)] = notices
    assert "embedding::halfvec(2001)" in message and "embedding::halfvec(2001) <=>" in hint
    db.sql(FILL)
    assert "((embedding)::halfvec(2001)) halfvec_l2_ops" in the_index(db)
    with db.connect() as connection:
        connection.execute("SET enable_seqscan = off")
        question = "(SELECT embedding::halfvec(2001) FROM document_embedding_store LIMIT 1)"
        order = f"embedding::halfvec(2001) <-> {question}"
        plan = connection.execute(f"EXPLAIN SELECT id FROM document_embedding ORDER BY {order} LIMIT 1")
        assert "_embedding_hnsw_1" in str(plan.fetchall())


@pytest.mark.parametrize(
    "mine",
    [
        "CREATE INDEX mine ON document_embedding_store USING hnsw (embedding vector_l2_ops)",
        "CREATE INDEX mine ON document_embedding_store USING hnsw ((embedding::halfvec(8)) halfvec_l2_ops)",
        "CREATE INDEX mine ON document_embedding_store USING hnsw ((binary_quantize(embedding)::bit(8)) bit_hamming_ops)",
    ],
)
def test_an_index_of_the_users_own_is_enough(db, stub, mine):
    declare(db, stub)
    db.sql(mine)
    db.sql("CREATE TABLE witness (id int PRIMARY KEY, body text)")
    vectorizer.create(db, stub.url, "witness", indexing=HNSW)
    db.sql(FILL + "; INSERT INTO witness SELECT * FROM document")
    # Those who are looked at together are built one after the other: had there been one to build, it came first.
    the_index(db, "witness_embedding_store")
    vectorizer.idle(db)
    db.sql("DROP INDEX witness_embedding_store_embedding_hnsw_2")
    the_index(db, "witness_embedding_store")
    assert [definition.split()[2] for definition, _ in indexes(db)] == ["mine"]


# Declaring


def stored(db) -> dict:
    return db.value("SELECT config -> 'indexing' FROM ai.vectorizer ORDER BY id DESC LIMIT 1")


@pytest.mark.parametrize(
    ("setting", "pgais", "implementation"),
    [
        (None, None, "hnsw"),
        ("none", None, "none"),
        ("none", "indexing_hnsw", "hnsw"),
        ("hnsw", "indexing_none", "none"),
    ],
)
def test_the_default_is_what_the_settings_say(db, stub, setting, pgais, implementation):
    db.sql(TABLE)
    with db.connect() as connection:
        for name, value in [("pgai_rs.indexing_default", setting), ("ai.indexing_default", pgais)]:
            if value:
                connection.execute(f"SET {name} = {value}")
        connection.execute(
            "SELECT ai.create_vectorizer('document', loading => ai.loading_column('body'),"
            f" embedding => ai.embedding_openai('stub', 8, base_url => '{stub.url}'))"
        )
    assert stored(db)["implementation"] == implementation


def test_the_default_is_stored_as_pgai_stores_it(db, stub):
    db.sql(TABLE)
    vectorizer.create(db, stub.url)
    assert stored(db) == db.value("SELECT ai.indexing_hnsw()")
    assert vectorizer.create(db, stub.url, if_not_exists="true") == 1


def test_the_default_for_too_many_dimensions_is_none(db, stub):
    db.sql(TABLE)
    vectorizer.create(db, stub.url, embedding=f"ai.embedding_openai('stub', 4001, base_url => '{stub.url}')")
    assert stored(db)["implementation"] == "none"


@pytest.mark.parametrize("opclass", ["cosine", "ip", "l1", "l2"])
def test_every_operator_class_is_taken(db, stub, opclass):
    declare(db, stub, indexing=f"ai.indexing_hnsw(1, 'vector_{opclass}_ops')")
    db.sql(FILL)
    the_index(db)
    used = "SELECT opcname FROM pg_index JOIN pg_opclass o ON o.oid = indclass[0] WHERE indexrelid = %s::regclass"
    assert db.value(used, ["document_embedding_store_embedding_hnsw_1"]) == f"vector_{opclass}_ops"


@pytest.mark.parametrize(
    ("indexing", "dimensions", "message"),
    [
        ("ai.indexing_hnsw(opclass => 'bit_hamming_ops')", 8, "invalid opclass"),
        ("ai.indexing_hnsw(m => 1000)", 8, "m must be an integer between 2 and 100"),
        ("ai.indexing_hnsw(m => 100)", 8, "ef_construction must be at least twice m"),
        ("ai.indexing_hnsw()", 4001, "an hnsw index cannot have more than 4000 dimensions"),
        ("ai.indexing_diskann(storage_layout => 'tape')", 8, "invalid storage_layout"),
        ("""'{"config_type": "indexing", "implementation": "ivf"}'""", 8, 'invalid indexing implementation: "ivf"'),
        ("""'{"config_type": "indexing", "implementation": "hnsw", "min_rows": "x"}'""", 8, "invalid indexing config"),
    ],
)
def test_what_could_not_be_built_is_refused(db, stub, indexing, dimensions, message):
    db.sql(TABLE)
    embedding = f"ai.embedding_openai('stub', {dimensions}, base_url => '{stub.url}')"
    with pytest.raises(Exception, match=message):
        vectorizer.create(db, stub.url, indexing=indexing, embedding=embedding)


def test_diskann_needs_its_extension(db, stub):
    db.sql(TABLE)
    with pytest.raises(Exception, match='access method "diskann" does not exist') as refusal:
        vectorizer.create(db, stub.url, indexing="ai.indexing_diskann()")
    assert "CREATE EXTENSION vectorscale" in refusal.value.diag.message_hint


WANTED = "ai.indexing_hnsw(min_rows => 10, m => 8)"
EXISTS = f"SELECT ai._vectorizer_vector_index_exists('public', '{STORE}', {WANTED})"
DUE = "SELECT ai._vectorizer_should_create_vector_index(v) FROM ai.vectorizer v"
CREATE = f"SELECT ai._vectorizer_create_vector_index('public', '{STORE}', {WANTED})"


@pytest.fixture
def left_to_us(db, stub):
    """A store of which the worker builds no index, although its vectorizer wants one."""
    declare(db, stub, indexing="ai.indexing_none()")
    db.sql(FILL)
    vectorizer.in_step(db, ["id"])
    db.sql("SELECT ai.disable_vectorizer_schedule(1)")
    db.sql(f"SELECT ai.set_scheduling(1, indexing => {WANTED})")
    return db


def test_pgais_functions_build_it_once_in_a_transaction(left_to_us):
    db = left_to_us
    assert (db.value(DUE), db.value(EXISTS)) == (True, False)
    with db.connect(autocommit=False) as first, db.connect() as second:
        said = []
        second.add_notice_handler(lambda notice: said.append((notice.severity, notice.message_primary)))
        first.execute(CREATE)
        second.execute(CREATE)
        assert said.pop() == ("WARNING", f"another process is already building a vector index on public.{STORE}")
        first.commit()
        second.execute(CREATE)
        assert said.pop() == ("NOTICE", f"the vector index on public.{STORE} already exists")
    assert (db.value(DUE), db.value(EXISTS)) == (False, True)
    assert "(embedding vector_cosine_ops) WITH (m='8')" in the_index(db)


def test_pgais_functions_know_when_it_is_not_due(left_to_us):
    db = left_to_us
    db.sql("INSERT INTO ai._vectorizer_q_1 (id) VALUES (99)")
    assert db.value(DUE) is False
    db.sql("DELETE FROM ai._vectorizer_q_1")
    db.sql("SELECT ai.set_scheduling(1, indexing => ai.indexing_hnsw(min_rows => 21))")
    assert db.value(DUE) is False
    db.sql("SELECT ai.set_scheduling(1, indexing => ai.indexing_none())")
    assert db.value(DUE) is False
    for function in ("vector_index_exists", "create_vector_index"):
        with pytest.raises(psycopg.errors.RaiseException, match="^unrecognized index implementation: none$"):
            db.sql(f"SELECT ai._vectorizer_{function}('public', '{STORE}', ai.indexing_none())")
    assert db.value(f"SELECT ai._vectorizer_vector_index_exists('public', 'nothing', {WANTED})") is False


def test_pgais_job_builds_it(left_to_us):
    left_to_us.sql("CALL ai._vectorizer_job(config => '{\"vectorizer_id\": 1}')")
    assert left_to_us.value(EXISTS)
    assert len(indexes(left_to_us)) == 1


def test_the_worker_leaves_it_to_a_transaction_that_has_built_one(left_to_us):
    db = left_to_us
    log = db.cluster.log_position()
    with db.connect(autocommit=False) as session:
        session.execute(CREATE)
        db.sql("SELECT ai.enable_vectorizer_schedule(1)")
        eventually(lambda: "because a running transaction may have built one" in db.cluster.log_text(log), what="the worker to look")
        session.commit()
    eventually(lambda: builders(db) == [], what="no builder")
    assert [valid for _, valid in indexes(db)] == [True]
