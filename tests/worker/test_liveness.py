"""Whether it works, and if not, why: ai.vectorizer_health and ai.vectorizer_worker_status()."""

import math
import os
import signal
from contextlib import contextmanager

import pytest
from support import vectorizer
from support.wait import eventually, settles

TABLE = "CREATE TABLE document (id int PRIMARY KEY, body text)"
NAME = "public_document_embedding_store"


def health(db, *, user: str = "postgres") -> dict:
    """The one vectorizer's row, for a person who does not wait for ever."""
    with db.connect(user=user) as session:
        session.execute("SET statement_timeout = '20s'")
        [[row]] = session.execute("SELECT to_jsonb(h) FROM ai.vectorizer_health h").fetchall()
    return row


def state(db) -> str:
    return health(db)["state"]


def process(db, name: str) -> dict:
    """The row of the launcher or the worker."""
    return db.value("SELECT to_jsonb(s) FROM ai.vectorizer_worker_status() s WHERE process = %s", [name])


def the_worker(db) -> int:
    return eventually(lambda: process(db, "worker")["pid"], what="a worker")


@contextmanager
def stopped(db, pid: int):
    """The worker does nothing as long as this lasts. It is stopped while it waits, for else it may hold a lock."""
    waits = """SELECT FROM pg_stat_activity
               WHERE pid = %s AND state = 'idle' AND xact_start IS NULL AND wait_event_type = 'Extension'"""
    eventually(lambda: process(db, "worker")["last_heartbeat"], what="a heartbeat")
    eventually(lambda: db.sql(waits, [pid]), what="the worker to wait")
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.fixture
def document(db, stub):
    """A table with a vectorizer, and a worker; answers the database."""
    db.sql(TABLE)
    vectorizer.create(db, stub.url)
    the_worker(db)
    return db


@pytest.fixture
def watchful(cluster):
    """The shared cluster's workers look often: a changed definition does not wake them."""
    cluster.configure(pgai_rs__poll_interval="200ms")
    yield
    cluster.configure(pgai_rs__poll_interval=None)


# What it does


def test_says_what_works_and_since_when(document, stub):
    pid = the_worker(document)
    with stub.held():
        document.sql("INSERT INTO document VALUES (1, 'a'), (2, 'b')")
        eventually(lambda: health(document)["in_flight"] == 2, what="both rows to be in flight")
        row = health(document)
        assert (row["state"], row["worker_pid"], row["pending_items"], row["stuck_leases"]) == ("working", pid, 2, 0)
        assert row["worker_since"] and row["oldest_pending_age"]
        # Written at the end of the turn that has claimed them.
        parts = ("state", "vectorizers", "in_flight")
        settles(lambda: [process(document, "worker")[part] for part in parts], ["running", 1, 2])
        worker = process(document, "worker")
        assert worker["database"] == document.name and worker["last_turn"]
        assert process(document, "launcher")["state"] == "running"
    settles(lambda: state(document), "idle")
    row = health(document)
    assert (row["pending_items"], row["oldest_pending_age"], row["in_flight"]) == (0, None, 0)


def test_disabled(document):
    document.sql(f"SELECT ai.disable_vectorizer_schedule('{NAME}')")
    row = health(document)
    assert row["state"] == "disabled" and "ai.enable_vectorizer_schedule()" in row["hint"]
    document.sql(f"SELECT ai.enable_vectorizer_schedule('{NAME}')")
    settles(lambda: state(document), "idle")


def test_a_provider_that_wants_to_be_left_alone(document, stub):
    position = document.cluster.log_position()
    stub.fail(math.inf, status=429, headers={"Retry-After": "600"})
    document.sql("INSERT INTO document VALUES (1, 'a')")
    settles(lambda: state(document), "waiting_for_provider")
    row = health(document)
    assert "limits the rate of requests" in row["reason"] and row["since"] < row["until"]
    assert (row["pending_items"], row["last_error_code"]) == (1, "throttled")
    stub.heal()
    # An altered vectorizer is tried at once, and so is a changed row.
    document.sql(f"UPDATE ai.vectorizer SET config = jsonb_set(config, '{{embedding,user}}', '\"another\"')")
    document.sql("UPDATE document SET body = 'b'")
    settles(lambda: state(document), "idle", timeout=90)
    log = document.cluster.log_text(position)
    assert log.count(f'vectorizer "{NAME}" is waiting') == 1 and log.count(f'vectorizer "{NAME}" continues') == 1


def test_a_key_that_the_provider_refuses(document, stub):
    stub.fail(math.inf, status=401)
    document.sql("INSERT INTO document VALUES (1, 'a')")
    settles(lambda: state(document), "waiting_for_provider")
    row = health(document)
    assert row["last_error_code"] == "provider_refused_key" and row["hint"]


def test_no_key(document, db, stub):
    db.sql("CREATE TABLE other (id int PRIMARY KEY, body text); INSERT INTO other VALUES (1, 'a')")
    db.sql(f"SELECT ai.drop_vectorizer('{NAME}', drop_all => true)")
    embedding = "ai.embedding_openai('m', 8, api_key_name => 'NOT_SET')"
    db.cluster.configure(pgai_rs__api_key_names="OPENAI_API_KEY, NOT_SET")
    try:
        vectorizer.create(db, stub.url, "other", embedding=embedding)
        settles(lambda: health(db)["last_error_code"], "no_api_key")
        settles(lambda: state(db), "waiting_for_provider")
    finally:
        db.cluster.configure(pgai_rs__api_key_names=None)


def test_rows_that_all_fail(cluster_factory, stub):
    cluster = cluster_factory(conf={"pgai_rs.heartbeat_interval": "1s", "pgai_rs.retry_backoff": "1h",
                                    "pgai_rs.retry_backoff_max": "1h", "pgai_rs.embedding_retries": "0"})
    db = cluster.create_database("failing")
    db.sql(f"CREATE EXTENSION pgai_rs CASCADE; {TABLE}")
    vectorizer.create(db, stub.url)
    stub.fail(math.inf, spoil="nan")
    db.sql("INSERT INTO document VALUES (1, 'a')")
    settles(lambda: state(db), "failing")
    assert health(db)["last_error_code"] == "bad_response"
    stub.heal()
    db.sql("UPDATE document SET body = 'b'")
    settles(lambda: state(db), "idle")


def test_rows_that_were_set_aside(document, stub):
    stub.fail(math.inf, when=lambda request: "a" in request.inputs, status=400)
    document.sql("INSERT INTO document VALUES (1, 'a')")
    settles(lambda: health(document)["failed_items"], 1)
    row = health(document)
    assert (row["state"], row["last_error_code"]) == ("idle", "input_refused") and "ai.retry_failed()" in row["hint"]


# What keeps it from working


def test_a_source_that_has_another_owner(document, watchful):
    position = document.cluster.log_position()
    document.sql("CREATE ROLE owner_of_it")
    try:
        document.sql("ALTER TABLE document OWNER TO owner_of_it")
        settles(lambda: state(document), "not_served")
        row = health(document)
        assert "different owners" in row["reason"] and "ALTER TABLE" in row["hint"]
        document.sql("ALTER TABLE document OWNER TO postgres")
        settles(lambda: state(document), "idle")
        log = document.cluster.log_text(position)
        assert log.count(f'could not serve vectorizer "{NAME}"') == 1 and log.count(f'vectorizer "{NAME}" continues') == 1
    finally:
        document.sql("ALTER TABLE document OWNER TO postgres; DROP ROLE owner_of_it")


def test_a_column_that_is_gone(document, watchful):
    document.sql("SET session_replication_role = replica; ALTER TABLE document RENAME body TO other")
    settles(lambda: state(document), "not_served")
    row = health(document)
    assert "does not exist" in row["reason"] and "Rename the column back" in row["hint"]
    document.sql("SET session_replication_role = replica; ALTER TABLE document RENAME other TO body")
    settles(lambda: state(document), "idle")


def test_a_queue_that_cannot_be_read_pauses(document):
    document.sql("INSERT INTO document VALUES (0, 'served')")
    vectorizer.in_step(document, ["id"])
    position = document.cluster.log_position()
    with document.connect(autocommit=False) as session:
        session.execute("LOCK TABLE ai._vectorizer_work_1")
        document.sql("INSERT INTO document VALUES (1, 'a')")
        eventually(lambda: "could not" in document.cluster.log_text(position), what="the worker to meet the lock")
        assert state(document) == "locked"
        condition = "SELECT state, code FROM ai._vectorizer_worker_condition"
        settles(lambda: document.sql(condition), [("paused", "55P03")])
    vectorizer.in_step(document, ["id"])
    settles(lambda: state(document), "idle")
    log = document.cluster.log_text(position)
    assert log.count(f'of vectorizer "{NAME}"') == 1 and log.count(f'vectorizer "{NAME}" continues') == 1


def test_one_without_its_tables_does_not_hide_the_others(document, stub):
    document.sql("CREATE TABLE other (id int PRIMARY KEY, body text)")
    vectorizer.create(document, stub.url, "other")
    states = "SELECT id, state, reason FROM ai.vectorizer_health ORDER BY id"
    document.sql("DROP TABLE ai._vectorizer_work_1")
    [(_, first, reason), (_, second, _)] = document.sql(states)
    assert (first, second) == ("broken", "idle") and "_vectorizer_work_1" in reason
    document.sql("DROP TABLE ai._vectorizer_q_1")
    assert [row[:2] for row in document.sql(states)] == [(1, "broken"), (2, "idle")]
    document.sql("DROP TRIGGER _vectorizer_src_trg_2_truncate ON other")
    assert "triggers" in document.sql(states)[1][2]


def test_no_worker_and_no_preload(cluster_factory, stub):
    cluster = cluster_factory(conf={"shared_preload_libraries": "", "pgai_rs.heartbeat_interval": "1s"})
    db = cluster.create_database("late")
    db.sql(f"CREATE EXTENSION pgai_rs CASCADE; {TABLE}; INSERT INTO document VALUES (1, 'a')")
    vectorizer.create(db, stub.url)
    row = health(db)
    assert (row["state"], row["pending_items"]) == ("not_preloaded", 1) and "ai.start_worker()" in row["hint"]
    assert [process(db, name)["state"] for name in ("launcher", "worker")] == ["not_preloaded"] * 2
    pid = db.value("SELECT ai.start_worker()")
    settles(lambda: state(db), "idle")
    assert health(db)["worker_pid"] == process(db, "worker")["pid"] == pid
    # What only the worker knows comes without shared memory, too.
    stub.fail(math.inf, status=401)
    db.sql("INSERT INTO document VALUES (2, 'b')")
    settles(lambda: state(db), "waiting_for_provider")


def test_a_database_that_gets_none(cluster_factory, stub):
    cluster = cluster_factory(conf={"pgai_rs.databases": "elsewhere"})
    db = cluster.create_database("forgotten")
    db.sql(f"CREATE EXTENSION pgai_rs CASCADE; {TABLE}")
    vectorizer.create(db, stub.url)
    row = health(db)
    assert row["state"] == "no_worker" and "pgai_rs.databases" in row["reason"]
    assert process(db, "launcher")["state"] == "running"
    cluster.configure(pgai_rs__databases=None)
    settles(lambda: state(db), "idle")


def test_no_process_is_free(cluster_factory, stub):
    # Logical replication's launcher and ours take both.
    cluster = cluster_factory(conf={"max_worker_processes": "2"})
    db = cluster.create_database("crowded")
    db.sql(f"CREATE EXTENSION pgai_rs CASCADE; {TABLE}")
    vectorizer.create(db, stub.url)
    settles(lambda: "max_worker_processes" in (health(db)["hint"] or ""), True)
    assert state(db) == "no_worker"


def test_a_worker_that_gives_no_sign_of_life(document):
    pid = the_worker(document)
    with stopped(document, pid):
        document.sql("UPDATE ai.vectorizer_worker_process SET last_heartbeat = now() - interval '1 hour'")
        assert state(document) == process(document, "worker")["state"] == "stalled"
    document.sql("SELECT pg_terminate_backend(%s)", [pid])
    settles(lambda: (process(document, "worker")["pid"] or pid) != pid, True)
    settles(lambda: state(document), "idle")


def test_a_worker_that_an_owner_may_keep_busy_for_an_hour_is_not_stuck(cluster_factory, stub):
    db = cluster_factory(conf={"pgai_rs.owner_statement_timeout": "1h", "pgai_rs.heartbeat_interval": "1s"}).create_database("patient")
    db.sql(f"CREATE EXTENSION pgai_rs CASCADE; {TABLE}; CREATE TABLE go (); CREATE SEQUENCE waits")
    vectorizer.create(db, stub.url)
    db.sql("""
        CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM nextval('public.waits');
            WHILE NOT EXISTS (SELECT FROM public.go) LOOP PERFORM pg_sleep(0.01); END LOOP;
            RETURN NULL;
        END $$;
        CREATE TRIGGER wait AFTER INSERT ON document_embedding_store EXECUTE FUNCTION wait()
    """)
    eventually(lambda: process(db, "worker")["last_heartbeat"], what="a heartbeat")
    db.sql("INSERT INTO document VALUES (1, 'a')")
    eventually(lambda: db.value("SELECT is_called FROM waits"), what="the owner's trigger to run")
    db.sql("UPDATE ai.vectorizer_worker_process SET last_heartbeat = now() - interval '1 hour'")
    assert process(db, "worker")["state"] == "running"
    db.sql("INSERT INTO go DEFAULT VALUES")
    vectorizer.in_step(db, ["id"])


def test_leases_of_the_dead_are_told_from_those_of_the_living(document):
    with stopped(document, the_worker(document)):
        document.sql(
            "INSERT INTO ai._vectorizer_work_1 (id, lease, leased_by, available_at) VALUES"
            " (1, 1, 1, now() + interval '1 hour'), (2, 1, 1, now() - interval '1 hour')"
        )
        row = health(document)
        assert (row["pending_items"], row["in_flight"], row["stuck_leases"]) == (2, 0, 2)


def test_a_standby_says_so(cluster_factory, bindir, workdir, server_env, stub):
    primary = cluster_factory(conf={"wal_level": "replica", "hot_standby": "on"})
    db = primary.create_database("copied")
    db.sql(f"CREATE EXTENSION pgai_rs CASCADE; {TABLE}")
    vectorizer.create(db, stub.url)
    db.sql("INSERT INTO document VALUES (1, 'a')")
    vectorizer.in_step(db, ["id"])
    standby = type(primary)(bindir, workdir / "standby", conf=primary.conf, env=server_env)
    try:
        # Makes the directories; what it finds there it leaves alone.
        standby.create()
        standby.data.rename(standby.directory / "unused")
        primary.run("pg_basebackup", "--pgdata", standby.data, "--checkpoint=fast", "--write-recovery-conf")
        standby.start()
        copy = type(db)(standby, db.name)
        row = health(copy)
        assert (row["state"], row["pending_items"], row["worker_pid"]) == ("standby", 0, None)
        assert [process(copy, name)["state"] for name in ("launcher", "worker")] == ["standby"] * 2
    finally:
        standby.remove()


# Who sees what


def test_an_ordinary_role_sees_its_own_only(document, stub):
    role = f"reader_{document.name}"
    document.sql(f"CREATE ROLE {role} LOGIN; SELECT ai.grant_vectorizer_usage('{role}')")
    try:
        document.sql("CREATE TABLE other (id int PRIMARY KEY, body text)")
        document.sql(f"SELECT ai.drop_vectorizer('{NAME}', drop_all => true)")
        vectorizer.create(document, stub.url, "other", grant_to=f"ai.grant_to('{role}')")
        vectorizer.create(document, stub.url)
        settles(lambda: [health(document, user=role)[part] for part in ("name", "state")],
                ["public_other_embedding_store", "idle"])
        assert health(document, user=role)["worker_pid"] == the_worker(document)
        eventually(lambda: process(document, "worker")["last_heartbeat"], what="a heartbeat")
        document.sql("UPDATE ai.vectorizer_worker_process SET last_error_message = 'of some row'")
        errors = "SELECT last_error FROM ai.vectorizer_worker_status() WHERE process = 'worker'"
        assert document.sql(errors, user=role) == [(None,)]
        assert document.sql(errors) == [("of some row",)]
    finally:
        document.sql(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_a_view_in_the_place_of_a_queue_is_not_read(db, stub):
    """Whoever watches would run what the owner put there."""
    role = f"mallory_{db.name}"
    db.sql(f"CREATE ROLE {role} LOGIN; SELECT ai.grant_vectorizer_usage('{role}'); GRANT CREATE ON DATABASE {db.name} TO {role}")
    try:
        db.sql("CREATE SCHEMA s; CREATE TABLE s.document (id int PRIMARY KEY, body text)", user=role)
        vectorizer.create(db, stub.url, "s.document", user=role, queue_schema="'s'",
                          queue_table="'queue'", embedding="ai.embedding_openai('m', 8)")
        db.sql("""
            CREATE TABLE s.seen (who text);
            CREATE FUNCTION s.spy() RETURNS timestamptz LANGUAGE plpgsql AS
            $$ BEGIN INSERT INTO s.seen VALUES (current_user); RETURN now(); END $$;
            ALTER TABLE s.queue RENAME TO aside;
            CREATE VIEW s.queue AS SELECT 1 AS id, s.spy() AS queued_at
        """, user=role)
        db.sql("SELECT * FROM ai.vectorizer_health")
        assert db.sql("SELECT who FROM s.seen") == []
    finally:
        db.sql(f"DELETE FROM ai.vectorizer; DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


def test_a_full_queue_is_not_read_to_its_end(document):
    document.sql(f"SELECT ai.disable_vectorizer_schedule('{NAME}')")
    document.sql("INSERT INTO ai._vectorizer_q_1 (id) SELECT generate_series(1, 300000)")
    document.sql("INSERT INTO ai._vectorizer_work_1 (id, available_at) SELECT i, now() + (i - 200000) * interval '1 s'"
                 " FROM generate_series(1, 300000) i")
    document.sql("INSERT INTO ai._vectorizer_q_failed_1 (id) SELECT generate_series(1, 300000)")
    reads = """SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::int
               FROM pg_stat_xact_user_tables WHERE relname LIKE '\\_vectorizer\\_%\\_1'"""
    with document.connect(autocommit=False) as session:
        [counted] = session.execute("SELECT (pending_items, failed_items)::text FROM ai.vectorizer_health").fetchone()
        [rows_read] = session.execute(reads).fetchone()
    assert counted == "(10000,10000)"
    assert 10000 <= rows_read <= 4 * 10001


# pgai's tables


def test_heartbeats_go_on_and_say_what_was_done(cluster_factory, stub):
    cluster = cluster_factory(conf={"pgai_rs.heartbeat_interval": "1s", "pgai_rs.retry_backoff": "100ms"})
    db = cluster.create_database("beating")
    db.sql(f"CREATE EXTENSION pgai_rs CASCADE; {TABLE}; INSERT INTO document VALUES (1, 'a'), (2, 'b')")
    vectorizer.create(db, stub.url)
    stub.fail(math.inf, status=400, when=lambda request: "bad" in request.inputs)
    db.sql("INSERT INTO document VALUES (3, 'bad')")
    beat = "SELECT to_jsonb(p) FROM ai.vectorizer_worker_process p"
    eventually(lambda: db.sql(beat), what="a heartbeat")
    settles(lambda: [db.value(beat)[part] for part in ("success_count", "error_count")], [2, 1])
    [first] = [db.value(beat)]
    assert first["pid"] == the_worker(db) and first["version"] and "rejected" in first["last_error_message"]
    eventually(lambda: db.value(beat)["heartbeat_count"] > first["heartbeat_count"], what="another heartbeat")
    [progress] = db.sql("SELECT to_jsonb(p) FROM ai.vectorizer_worker_progress p")
    assert [progress[0][part] for part in ("vectorizer_id", "success_count", "error_count")] == [1, 2, 1]
    assert progress[0]["last_success_process_id"] == progress[0]["last_error_process_id"] == first["id"]
    assert health(db)["last_success_at"]


def test_processes_of_the_past_do_not_pile_up(document):
    first = the_worker(document)
    eventually(lambda: process(document, "worker")["last_heartbeat"], what="a heartbeat")
    document.sql("INSERT INTO ai.vectorizer_worker_process (version, expected_heartbeat_interval, last_heartbeat)"
                 " SELECT 'old', '1 s', now() - i * interval '1 day' FROM generate_series(1, 500) i")
    document.sql("SELECT pg_terminate_backend(%s)", [first])
    settles(lambda: document.value("SELECT count(*) FROM ai.vectorizer_worker_process"), 100)
    assert document.value("SELECT pid FROM ai.vectorizer_worker_process ORDER BY started DESC LIMIT 1") == the_worker(document)


def test_pgais_functions_write_them(document):
    with document.connect() as session:
        one = lambda query, *arguments: session.execute(query, arguments).fetchone()[0]  # noqa: E731
        worker = one("SELECT ai._worker_start(version => '0.12.1', expected_heartbeat_interval => '5 m')")
        for count, message in ((3, None), (1, "broken")):
            one("SELECT ai._worker_heartbeat(%s, %s, 2, %s)", worker, count, message)
            one("SELECT ai._worker_progress(%s, 1, %s, %s)", worker, count, message)
        kept = one("SELECT to_jsonb(p) FROM ai.vectorizer_worker_process p WHERE id = %s", worker)
        progress = one("SELECT to_jsonb(p) FROM ai.vectorizer_worker_progress p")
        same = one("SELECT last_heartbeat = last_error_at FROM ai.vectorizer_worker_process WHERE id = %s", worker)
    counts = ("heartbeat_count", "success_count", "error_count", "last_error_message", "version")
    assert [kept[part] for part in counts] == [2, 4, 4, "broken", "0.12.1"] and same
    assert [progress[part] for part in ("success_count", "error_count", "last_error_message")] == [4, 1, "broken"]
    assert progress["last_success_process_id"] == progress["last_error_process_id"] == str(worker)
    document.sql("SELECT ai.drop_vectorizer(1)")
    assert document.sql("SELECT * FROM ai.vectorizer_worker_progress") == []


def test_pgais_programs_find_the_catalog(document):
    version = document.value("SELECT version FROM ai.pgai_lib_version WHERE name = 'ai'")
    assert version == document.value("SELECT config ->> 'version' FROM ai.vectorizer")
