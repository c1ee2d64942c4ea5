"""One tenant's error, schedule, lock or key must not end anybody else's turn, nor a look at how all are doing.

Mallory and Alice share a database. What Mallory could no longer declare stands in the catalog as an older version let it in.
"""

import json
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from support import egress, vectorizer
from support.tenant import Tenant
from support.wait import eventually, settles

# Of a session that would otherwise hang for ever.
TOO_LONG = "SET statement_timeout = '20s'"
HEALTH = "SELECT name::text, state FROM ai.vectorizer_health ORDER BY id"
# Deeper than what is stored around it can be read.
DEEP = 126


@pytest.fixture
def shared(cluster_factory, stub):
    """A database that two share, on a cluster of its own."""
    conf = egress.settings(stub.url) | {"pgai_rs.owner_statement_timeout": "500ms", "pgai_rs.heartbeat_interval": "1s"}
    db = cluster_factory(conf=conf).create_database("shared")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    mallory, alice = Tenant(db, "mallory", stub.url), Tenant(db, "alice", stub.url)
    for tenant in [mallory, alice]:
        tenant.vectorizer()
    return db, mallory, alice


def server_version(db) -> int:
    return db.value("SELECT current_setting('server_version_num')::int") // 10_000


def within_time(db, query: str, user: str = "postgres") -> list[tuple]:
    with db.connect(user=user) as session:
        session.execute(TOO_LONG)
        return session.execute(query).fetchall()


# Keys


def with_keyless_rows(db) -> None:
    """A table that inherits, where a key can be NULL."""
    db.sql("CREATE TABLE document (id text PRIMARY KEY, body text); CREATE TABLE child () INHERITS (document)")
    if server_version(db) >= 18:
        # A key's constraint is inherited, unless its table's owner says otherwise.
        db.sql("ALTER TABLE document ALTER CONSTRAINT document_id_not_null NO INHERIT")
    db.sql("ALTER TABLE child ALTER id DROP NOT NULL")


def in_step(db) -> None:
    """What has a key is embedded, and what has none is not."""
    known = [row for row in vectorizer.rows(db) if row["id"] is not None]
    settles(lambda: vectorizer.stored(db, ["id"]), vectorizer.expected(known, ["id"]), what="the store")
    vectorizer.idle(db)


def test_a_row_without_a_key_is_told_and_passed_over(db, stub):
    with_keyless_rows(db)
    vectorizer.create(db, stub.url)
    told = []
    with db.connect() as session:
        session.add_notice_handler(lambda notice: told.append((notice.severity, notice.message_primary, notice.message_hint)))
        for statement in [
            "INSERT INTO child VALUES (NULL, 'without a key'), ('a', 'with one')",
            "UPDATE child SET body = 'by the child' WHERE id IS NULL",
            "UPDATE document SET body = body || ' by its parent'",
            "UPDATE child SET id = 'b' WHERE id IS NULL",
            "UPDATE child SET id = NULL WHERE id = 'a'",
            "INSERT INTO child VALUES (NULL, 'another'), (NULL, 'one more')",
            "DELETE FROM document WHERE id IS NULL",
            "INSERT INTO child VALUES (NULL, 'left'); TRUNCATE ONLY document",
            "TRUNCATE document",
        ]:
            session.execute(statement)
            in_step(db)
    [(severity, message, hint)] = told
    assert severity == "WARNING" and "public.child" in message and "NULL" in message and "SET NOT NULL" in hint
    vectorizer.comes_to(db, "idle")


def test_rows_without_a_key_that_were_there_are_passed_over(db, stub):
    with_keyless_rows(db)
    db.sql("CREATE TABLE later (id text, body text); INSERT INTO child VALUES (NULL, 'x'), ('a', 'a')")
    vectorizer.create(db, stub.url)
    in_step(db)
    db.sql("SELECT ai.resync(1, all_rows => true)")
    db.sql("SELECT ai.resync(1)")
    in_step(db)


# Schedules

ENDLESS = {
    "longer than time": ("170000000 years", "2020-01-01"),
    "no longer than time, twice": ("200000 years", None),
    "never": ("1 day", "infinity"),
    "always": ("1 day", "-infinity"),
    "before all times": ("1 day", "4713-01-01 BC"),
    "backwards": ("-1 month 30 days 1 second", None),
}


def schedule(every: str, start: str | None) -> dict:
    config = {"config_type": "scheduling", "implementation": "timescaledb", "schedule_interval": every}
    return config | ({"initial_start": start} if start else {})


@pytest.mark.parametrize("which", ENDLESS)
def test_a_schedule_without_a_next_time_is_refused(db, stub, which):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    written = f"'{json.dumps(schedule(*ENDLESS[which]))}'::jsonb"
    with pytest.raises(psycopg.errors.DataError, match="schedule_interval|initial_start"):
        vectorizer.create(db, stub.url, scheduling=written)
    number = vectorizer.create(db, stub.url)
    with pytest.raises(psycopg.errors.DataError, match="schedule_interval|initial_start"):
        db.sql(f"SELECT ai.set_scheduling({number}, {written})")


@pytest.mark.parametrize("which", ENDLESS)
def test_a_schedule_without_a_next_time_stops_its_own_vectorizer_alone(shared, which):
    db, mallory, alice = shared
    mallory.insert(1)
    eventually(lambda: mallory.rows() == [1], what="the row to be written")
    db.sql(
        "UPDATE ai.vectorizer SET config = jsonb_set(config, '{scheduling}', %s::jsonb) WHERE id = %s",
        [json.dumps(schedule(*ENDLESS[which])), mallory.ids["document"]],
    )
    for _ in range(3):
        mallory.sql(f"SELECT ai.execute_vectorizer({mallory.ids['document']})")
    mallory.insert(2)
    hint = mallory.comes_to("paused", "initial_start" if which in ("never", "always", "before all times") else "schedule_interval")
    assert "ai.set_scheduling" in hint or "5 minutes" in hint
    for row in range(1, 4):
        alice.is_served(row)
    settles(lambda: db.sql("SELECT FROM ai._vectorizer_run_request"), [], what="the requests to be taken")
    mallory.sql(f"SELECT ai.set_scheduling({mallory.ids['document']}, ai.scheduling_none())")
    eventually(lambda: mallory.rows() == [1, 2], what="the row to be written under a schedule that is one")


# Configs


def test_a_config_too_deep_to_be_read_is_refused(shared):
    db, mallory, alice = shared
    deep = '{"implementation": "none", "config_type": "scheduling", "x": ' + "[" * DEEP + "]" * DEEP + "}"
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="JSON"):
        mallory.vectorizer("deep", scheduling=f"'{deep}'")
    alice.is_served(1)
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="JSON"):
        mallory.sql(f"SELECT ai.set_scheduling({mallory.ids['document']}, '{deep}')")
    alice.is_served(2)


def test_a_config_that_cannot_be_read_stops_its_own_vectorizer_alone(shared):
    db, mallory, alice = shared
    mallory.is_served(1)
    deep = "[" * DEEP + "]" * DEEP
    db.sql(
        "UPDATE ai.vectorizer SET config = jsonb_set(config, '{scheduling,x}', %s::jsonb) WHERE id = %s",
        [f"[[[{deep}]]]", mallory.ids["document"]],
    )
    mallory.comes_to("not_served", "could not read")
    alice.is_served(1)


# What the worker says


def test_what_cannot_be_said_of_one_vectorizer_is_said_of_the_others(shared):
    db, mallory, alice = shared
    for tenant in [mallory, alice]:
        tenant.is_served(1)
    db.sql(f"""
        CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN IF NEW.vectorizer_id = {mallory.ids["document"]} THEN RAISE 'not this one'; END IF; RETURN NEW; END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON ai._vectorizer_worker_condition FOR EACH ROW EXECUTE FUNCTION public.refuse()
    """)
    for tenant in [mallory, alice]:
        tenant.on_store("RAISE 'not written';")
        db.sql(f"SET session_replication_role = replica; ALTER TABLE {tenant.name}.document RENAME body TO other")
    alice.comes_to("not_served", "does not exist")


# Buckets


def source(db, bucket, name: str) -> int:
    return db.value(f"SELECT ai.create_s3_source('{name}', '{bucket.uri(name + '/')}', schedule => '1 second')")


def listed(db, name: str, *keys: str) -> bool:
    return sorted(uri.rpartition("/")[2] for [uri] in db.sql(f"SELECT uri FROM {name}")) == sorted(keys)


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE ai.s3_source SET schedule = '300000 years' WHERE id = 1",
        "UPDATE ai._s3_source_state SET next_run = 'infinity' WHERE id = 1",
        """UPDATE ai.s3_source SET config = '{"include": 5}' WHERE id = 1""",
        "UPDATE ai.s3_source SET config = jsonb_set(config, '{x}', (repeat('[', 200) || repeat(']', 200))::jsonb) WHERE id = 1",
    ],
    ids=["a schedule longer than time", "a time that never comes", "a config that means nothing", "a config too deep"],
)
def test_a_source_that_cannot_be_reckoned_with_stops_itself_alone(db, bucket, harm):
    for name in ["mine", "theirs"]:
        source(db, bucket, name)
        bucket.put(f"{name}/a", "1")
        eventually(lambda: listed(db, name, "a"), what=f"{name} to be listed")
    db.sql(harm)
    bucket.put("theirs/b", "1")
    eventually(lambda: listed(db, "theirs", "a", "b"), what="the other source to be listed")
    if "config" in harm:
        look = "SELECT last_state, error_code, error FROM ai.s3_source_status WHERE id = 1"
        settles(lambda: db.sql(look)[0][:2], ("failed", "invalid_config"))
        assert "could not read" in db.sql(look)[0][2]
    else:
        # Each run has an end, and there are no more of them than there should be.
        run = db.value("SELECT ai.sync_s3_source(1)")
        eventually(lambda: db.sql("SELECT FROM ai.s3_source_runs WHERE run = %s AND state = 'succeeded'", [run]))
        last = db.value("SELECT max(run) FROM ai.s3_source_runs WHERE id = 1")
        bucket.put("theirs/c", "1")
        eventually(lambda: listed(db, "theirs", "a", "b", "c"), what="the other source to be listed again")
        if "schedule" in harm:
            assert db.value("SELECT max(run) FROM ai.s3_source_runs WHERE id = 1") == last


@pytest.mark.parametrize("every", ["300000 years", "-1 month 31 days", "infinity"])
def test_a_schedule_of_a_source_has_a_next_time(db, bucket, every):
    if every == "infinity" and server_version(db) < 17:
        pytest.skip("no interval is infinite")
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="schedule (and each part of it )?must"):
        db.sql(f"SELECT ai.create_s3_source('document', '{bucket.uri('')}', schedule => '{every}')")


# Whoever looks


SLOW = """
    CREATE TABLE mallory.run (as_whom name);
    CREATE FUNCTION mallory.sleep() RETURNS int LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_sleep(1000000); RETURN 1; END $$;
    CREATE FUNCTION mallory.slow(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN mallory.sleep(); END $$;
"""


def test_nothing_of_a_queues_owner_holds_up_whoever_looks(shared):
    """Expressions of statistics are reckoned out when a query is planned."""
    db, mallory, alice = shared
    mallory.sql(SLOW)
    for kind in ["q", "work", "q_failed"]:
        table = f"ai._vectorizer_{kind}_{mallory.ids['document']}"
        mallory.sql(f"CREATE STATISTICS mallory.s_{kind} ON (id + mallory.slow(1)), (id * 2) FROM {table}")
    alice.is_served(1)
    names = ["mallory_document_embedding_store", "alice_document_embedding_store"]
    assert [name for name, _ in within_time(db, HEALTH)] == names
    # A queue whose time is over before it is read has no number, for once.
    pending = "SELECT id, pending_items FROM ai.vectorizer_status ORDER BY id"
    settles(lambda: within_time(db, pending), [(1, 0), (2, 0)])
    # Hers is paused as soon as the worker has planned a query on her queue.
    assert [name for name, _ in within_time(db, HEALTH, user="mallory")] == names[:1]
    assert within_time(db, "SELECT ai.vectorizer_queue_pending(1, true)", user="mallory") == [(0,)]


def test_many_locked_queues_hold_up_whoever_looks_for_a_bounded_time(shared):
    db, mallory, alice = shared
    many = 40
    for number in range(many):
        mallory.vectorizer(f"locked_{number}")
    alice.is_served(1)
    hers = [f"mallory_{table}_embedding_store" for table in mallory.ids]
    tables = ", ".join(f"ai._vectorizer_work_{number}" for number in mallory.ids.values())
    with db.connect(user="mallory", autocommit=False) as session:
        session.execute(f"LOCK TABLE {tables}")
        wanted = {"alice_document_embedding_store": "idle"} | {name: "locked" for name in hers}
        settles(lambda: dict(within_time(db, HEALTH)), wanted)
        known = "SELECT name::text, pending_items FROM ai.vectorizer_status WHERE pending_items IS NOT NULL"
        settles(lambda: within_time(db, known), [("alice_document_embedding_store", 0)])
        session.rollback()


@pytest.mark.parametrize("view", ["ai.vectorizer_health", "ai.vectorizer_status"])
def test_who_looks_may_stop_at_any_time(shared, view):
    """The time that a queue has does not take the place of the user's own, nor of a cancellation."""
    db, mallory, alice = shared
    with db.connect(user="mallory", autocommit=False) as session:
        session.execute(f"LOCK TABLE ai._vectorizer_work_{mallory.ids['document']}")
        with db.connect() as watcher:
            watcher.execute("SET statement_timeout = '100ms'")
            with pytest.raises(psycopg.errors.QueryCanceled, match="statement timeout"):
                watcher.execute(f"SELECT * FROM {view}")
            watcher.execute(TOO_LONG)
            # And then it waits as long as it always does, and no flag of before is left.
            assert len(watcher.execute(f"SELECT * FROM {view}").fetchall()) == 2
            assert watcher.execute("SELECT pg_sleep(1.5)::text").fetchone() == ("",)
        session.rollback()


def test_who_looks_may_cancel_at_any_time(shared):
    """A cancellation is not taken for the end of a queue's time."""
    db, mallory, alice = shared
    waiting = "SELECT FROM pg_locks WHERE pid = %s AND NOT granted"
    with db.connect(user="mallory", autocommit=False) as session, db.connect() as watcher, ThreadPoolExecutor() as other:
        session.execute(f"LOCK TABLE ai._vectorizer_work_{mallory.ids['document']}")
        for view in ["ai.vectorizer_health", "ai.vectorizer_status"]:
            # Many looks, of which the first is enough to wait.
            look = other.submit(watcher.execute, f"SELECT count(v.*) FROM generate_series(1, 30) i, LATERAL (SELECT * FROM {view} OFFSET i * 0) v")
            eventually(lambda: db.sql(waiting, [watcher.info.backend_pid]), what="a look to wait for the lock")
            watcher.cancel()
            with pytest.raises(psycopg.errors.QueryCanceled, match="user request"):
                look.result()
        session.rollback()


def test_a_monitor_that_looks_again_and_again_in_one_statement_has_time_for_each_look(shared):
    """What one look has spent on a locked queue is not taken from the next."""
    db, mallory, alice = shared
    alice.is_served(1)
    inbox = f"ai._vectorizer_q_{alice.ids['document']}"
    with db.connect(user="mallory", autocommit=False) as locker, db.connect(autocommit=False) as old, db.connect() as watcher:
        # Dead rows, which take longer to pass by than the time that is left when all is used up.
        old.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT FROM ai.vectorizer")
        with db.connect(autocommit=False) as fills:
            fills.execute(f"INSERT INTO {inbox} (id) SELECT 0 FROM generate_series(1, 1500000)")
            fills.rollback()
        locker.execute(f"LOCK TABLE ai._vectorizer_work_{mallory.ids['document']}")
        watcher.execute("SET statement_timeout = '2min'")
        states = []
        watcher.add_notice_handler(lambda notice: states.append(notice.message_primary))
        watcher.execute("""
            DO $$
            DECLARE now text;
            BEGIN
                FOR look IN 1 .. 7 LOOP
                    SELECT string_agg(state, ' ' ORDER BY id) INTO now FROM ai.vectorizer_health;
                    RAISE NOTICE '%', now;
                END LOOP;
            END $$
        """)
        # The worker may have needed longer for the dead rows than an owner's statement may take.
        assert len(states) == 7 and set(states) <= {"locked idle", "locked paused"}
        locker.rollback()


# Alterations


def test_a_time_for_which_old_vectors_are_kept_that_leads_beyond_all_times_stops_nobody(shared):
    db, mallory, alice = shared
    mallory.is_served(0)
    other = "ai.embedding_openai('stub', 4, base_url => '%s')" % mallory.url
    name = db.value("SELECT name::text FROM ai.vectorizer WHERE id = %s", [mallory.ids["document"]])
    mallory.sql(f"SELECT ai.alter_vectorizer('{name}', embedding => {other}, keep_old => '1 day', switch_when_ready => false)")
    assert db.sql("SELECT state, kept_until FROM ai.vectorizer_alterations") == [("building", None)]
    mallory.sql(f"SELECT ai.switch_vectorizer('{name}')")
    assert db.value("SELECT kept_until BETWEEN now() + '23 hours' AND now() + '25 hours' FROM ai.vectorizer_alterations")
    # A dump, or a version that did not look, may have brought it.
    db.sql("UPDATE ai._vectorizer_alteration SET keep_old = '4000000 months -120000000 days'")
    for row in range(1, 3):
        alice.is_served(row)
    assert db.value("SELECT count(*) FROM ai.vectorizer_alterations") <= 1


def test_a_row_of_the_catalog_that_is_kept_locked_keeps_no_rename_of_others_waiting(shared):
    db, mallory, alice = shared
    # A name that the catalog does not have yet, because its row was locked.
    with db.connect(user="mallory", autocommit=False) as session:
        session.execute("SELECT ai.disable_vectorizer_schedule(%s)", [mallory.ids["document"]])
        mallory.sql("SET lock_timeout = '20s'; ALTER TABLE mallory.document RENAME TO renamed")
        alice.sql("SET lock_timeout = '20s'; ALTER TABLE alice.document RENAME TO renamed")
        names = "SELECT source_schema::text || '.' || source_table FROM ai.vectorizer ORDER BY 1"
        assert db.sql(names) == [("alice.renamed",), ("mallory.document",)]
        # However long that takes.
        beats = "SELECT heartbeat_count FROM ai.vectorizer_worker_process ORDER BY last_heartbeat DESC LIMIT 1"
        before = db.value(beats)
        eventually(lambda: db.value(beats) >= before + 3, what="three heartbeats")
        session.rollback()

    # The worker makes up for it.
    settles(lambda: db.sql(names), [("alice.renamed",), ("mallory.renamed",)])
