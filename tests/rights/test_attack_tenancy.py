"""What a role that nobody trusts does to the others who share the worker.

Mallory has USAGE on `ai` and a schema of her own; Alice is her neighbour in the same database. One test a threat.
"""

import pytest
from support import egress, vectorizer
from support.index import builders
from support.tenant import NO_LOCK_FREE, Tenant
from support.wait import eventually, settles

# Milliseconds; short, so that the tests are.
LIMIT = 500


@pytest.fixture
def shared(cluster_factory, stub):
    """A database that two share, on a cluster of its own: shared(**settings)."""

    def make(**settings):
        conf = egress.settings(stub.url) | {"pgai_rs.owner_statement_timeout": f"{LIMIT}ms"}
        db = cluster_factory(conf=conf | settings).create_database("shared")
        db.sql("CREATE EXTENSION pgai_rs CASCADE")
        mallory, alice = Tenant(db, "mallory", stub.url), Tenant(db, "alice", stub.url)
        for tenant in [mallory, alice]:
            tenant.vectorizer()
            # The worker works for it, and not only will: it has read what an attack is about to change.
            tenant.is_served(0)
            tenant.sql(f"DELETE FROM {tenant.name}.document")
        return db, mallory, alice

    return make


def worker(db) -> int:
    return db.value("SELECT pid FROM pg_stat_activity WHERE backend_type = 'pgai_rs worker' AND datname = current_database()")


def session_locks(db) -> int:
    return db.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")


# Time


def test_a_trigger_that_sleeps_holds_up_its_own_vectorizer_alone(shared):
    _, mallory, alice = shared()
    mallory.on_store("PERFORM pg_sleep(3600);")
    mallory.insert(1)
    hint = mallory.comes_to("paused", f"canceled statements of its owner after {LIMIT} ms")
    assert "pgai_rs.owner_statement_timeout" in hint and "Triggers" in hint
    for row in range(1, 6):
        alice.is_served(row)
    assert mallory.health()[0] == "paused"

    # It goes on when it is mended.
    mallory.sql("DROP TRIGGER attack ON mallory.document_embedding_store; SELECT ai.execute_vectorizer(1)")
    eventually(lambda: mallory.rows() == [1], what="the row to be written")
    mallory.comes_to("idle", "up to date")


def test_a_trigger_that_catches_its_cancellation_ends_the_worker_once(shared):
    db, mallory, alice = shared()
    mallory.on_store("""
        LOOP
            BEGIN PERFORM pg_sleep(3600); EXCEPTION WHEN query_canceled OR OTHERS THEN NULL; END;
        END LOOP;
    """)
    before = worker(db)
    mallory.insert(1)
    hint = mallory.comes_to("not_served", "could not be stopped")
    assert "query_canceled" in hint
    eventually(lambda: worker(db) not in (None, before), what="another worker")
    other = worker(db)
    for row in range(1, 6):
        alice.is_served(row)
    assert worker(db) == other
    assert mallory.health()[0] == "not_served"


def test_a_trigger_on_ones_own_work_table_that_sleeps_holds_up_nobody_else(shared):
    _, mallory, alice = shared()
    mallory.sql("""
        CREATE FUNCTION mallory.sleep() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_sleep(3600); RETURN NULL; END $$;
        CREATE TRIGGER attack BEFORE UPDATE ON ai._vectorizer_work_1 EXECUTE FUNCTION mallory.sleep()
    """)
    mallory.insert(1)
    mallory.comes_to("paused", "canceled statements")
    for row in range(1, 6):
        alice.is_served(row)


def test_a_trigger_that_sleeps_when_ones_batch_ends_holds_up_nobody_else(shared, stub):
    db, mallory, alice = shared()
    mallory.sql("CREATE TABLE mallory.many (id int PRIMARY KEY, body text); INSERT INTO mallory.many SELECT n, 'row ' || n FROM generate_series(1, 3) n")
    by_batch = "ai.processing_default(backfill => 'batch')"
    number = mallory.ids["many"] = vectorizer.create(db, stub.url, "mallory.many", user="mallory", processing=by_batch)
    [batch] = eventually(stub.batches.all, what="the batch to be submitted")
    waiting = f"SELECT count(*) FROM ai._vectorizer_work_{number} WHERE available_at > now() + interval '1 day'"
    settles(lambda: db.value(waiting), 3)
    mallory.sql(f"""
        CREATE FUNCTION mallory.sleep() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_sleep(3600); RETURN NULL; END $$;
        CREATE TRIGGER attack BEFORE UPDATE ON ai._vectorizer_work_{number} EXECUTE FUNCTION mallory.sleep()
    """)
    stub.batches.finish(batch)
    mallory.comes_to("paused", "canceled statements", "many")
    for row in range(1, 6):
        alice.is_served(row)


def test_a_work_table_that_refuses_failures_ends_nobodys_turn(shared, stub):
    """Rows that fail are written down in it, and an error there is one vectorizer's."""
    db, mallory, alice = shared()
    mallory.sql("""
        CREATE FUNCTION mallory.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN IF NEW.lease IS NULL THEN RAISE EXCEPTION 'not with me'; END IF; RETURN NEW; END $$;
        CREATE TRIGGER attack BEFORE UPDATE ON ai._vectorizer_work_1 FOR EACH ROW EXECUTE FUNCTION mallory.refuse()
    """)
    mallory.on_store("RAISE 'not written';")
    mallory.insert(1)
    mallory.comes_to("paused", "not with me")
    alice.is_served(1)
    assert f"pgai_rs worker: not with me" not in db.cluster.log_text()


def test_a_view_in_place_of_ones_own_work_table_is_not_read(shared):
    _, mallory, alice = shared()
    mallory.sql("""
        CREATE SEQUENCE mallory.ran;
        CREATE FUNCTION mallory.spy() RETURNS boolean LANGUAGE plpgsql AS $$
        BEGIN PERFORM nextval('mallory.ran'); PERFORM pg_sleep(3600); RETURN true; END $$;
    """)
    # She may not create in ai; an old or a foreign queue can be anywhere.
    mallory.sql("CREATE TABLE mallory.other (id int PRIMARY KEY, body text)")
    mallory.ids["other"] = vectorizer.create(
        mallory.db, mallory.url, "mallory.other", user="mallory",
        queue_schema="'mallory'", queue_table="'inbox'",
    )
    work = f"mallory._vectorizer_work_{mallory.ids['other']}"
    # It can be written to, as the table can.
    mallory.sql(f"""
        ALTER TABLE {work} RENAME TO old_work;
        CREATE VIEW {work} AS SELECT * FROM mallory.old_work WHERE mallory.spy();
        INSERT INTO mallory.other VALUES (1, 'a')
    """)
    for row in range(1, 6):
        alice.is_served(row)
    # A transaction that is undone leaves nothing but this.
    assert mallory.sql("SELECT is_called FROM mallory.ran") == [(False,)]


def test_a_lock_on_ones_own_work_table_holds_up_nobody_else(shared):
    db, mallory, alice = shared()
    mallory.insert(1)
    eventually(lambda: mallory.rows() == [1])
    with db.connect(user="mallory", autocommit=False) as session:
        session.execute("LOCK TABLE ai._vectorizer_work_1")
        mallory.insert(2)
        mallory.comes_to("locked", "another transaction holds a lock on its queue")
        for row in range(1, 6):
            alice.is_served(row)
        assert mallory.rows() == [1]
        session.rollback()
    eventually(lambda: mallory.rows() == [1, 2], what="the row to be written when the lock is gone")


def test_waiting_for_locks_on_ones_own_tables_is_ones_own_time(shared):
    """She locks the tables of all her vectorizers, for each of which the worker would wait in each turn."""
    db, mallory, alice = shared(log_lock_waits="on", deadlock_timeout="10ms")
    many = 40
    for number in range(many):
        mallory.vectorizer(f"locked_{number}")
        mallory.insert(1, f"locked_{number}")
    for number in range(many):
        eventually(lambda: mallory.rows(f"locked_{number}") == [1], what="hers to be served")  # noqa: B023
    with db.connect(user="mallory", autocommit=False) as session:
        for number in range(many):
            session.execute(f"LOCK TABLE mallory.locked_{number}_embedding_store")
        with db.connect(user="mallory") as other:
            for number in range(many):
                other.execute(f"INSERT INTO mallory.locked_{number} VALUES (2, 'two')")
        position = db.cluster.log_position()
        alice.is_served(1)
        waits = db.cluster.log_text(since=position).count("still waiting for AccessShareLock on relation")
        session.rollback()
    # Without shares the worker would wait for each of hers before it comes to Alice's.
    assert waits < many / 2


def test_a_role_with_many_vectorizers_gets_no_more_turns_than_one_with_one(shared):
    """Each of hers takes its time and makes itself work again, so that all of them are always busy."""
    db, mallory, alice = shared()
    many, rows = 60, 8
    mallory.sql("CREATE SEQUENCE mallory.turns")
    for number in range(many):
        table = f"busy_{number}"
        mallory.vectorizer(table)
        mallory.on_store(
            f"PERFORM nextval('mallory.turns'), pg_sleep(0.1);"
            f"UPDATE mallory.{table} SET body = currval('mallory.turns')::text;",
            table,
            when="AFTER INSERT",
        )
    with db.connect(user="mallory") as session:
        for number in range(many):
            session.execute(f"INSERT INTO mallory.busy_{number} VALUES (1, 'begin')")
    turns = "SELECT last_value FROM mallory.turns"
    eventually(lambda: db.value(turns) > many, what="all of hers to be busy")

    before = db.value(turns)
    for row in range(1, rows + 1):
        alice.is_served(row)
    # Alice's rows take a turn to be claimed and one to be written. Without shares each of hers would have its own in both;
    # those that pass while this looks count as well.
    assert db.value(turns) - before < rows * many


# What outlives a transaction


def test_session_locks_are_gone_after_ones_turn(shared):
    db, mallory, alice = shared()
    mallory.on_store("PERFORM pg_advisory_lock(n), pg_advisory_lock_shared(n, n) FROM generate_series(1, 1000) n;")
    mallory.insert(1)
    eventually(lambda: mallory.rows() == [1], what="the row to be written")
    settles(lambda: session_locks(db), 0, what="the session's locks")
    alice.is_served(1)


def test_a_full_lock_table_is_free_again_and_is_not_filled_again_at_once(shared):
    """She takes all locks that there are, and then sleeps."""
    db, mallory, alice = shared(max_locks_per_transaction=10, max_connections=20)
    mallory.sql("CREATE SEQUENCE mallory.tries")
    mallory.on_store("""
        PERFORM nextval('mallory.tries');
        BEGIN
            LOOP i := i + 1; PERFORM pg_advisory_lock(i); END LOOP;
        EXCEPTION WHEN out_of_memory THEN
            PERFORM pg_advisory_lock(n) FROM generate_series(1, i - 50) n;
        END;
        PERFORM pg_sleep(3600);
    """)
    mallory.insert(1)
    mallory.comes_to("paused", "")
    # It is tried again from time to time, which takes all locks for as long as it may last.
    eventually(lambda: session_locks(db) == 0, what="the session's locks to go", ignoring=NO_LOCK_FREE)
    for row in range(1, 6):
        alice.is_served(row)
    mallory.comes_to("paused", "")


# What a trigger may try to leave behind. Whether it fails is not the point.
LEAVE = {
    "a setting": "PERFORM set_config('mallory.secret', 'left', false)",
    "a setting of the server": "SET work_mem = '77MB'",
    "a time zone": "SET TimeZone = 'Asia/Kathmandu'",
    "a search path": "PERFORM set_config('search_path', 'mallory', false)",
    "a role": "SET ROLE mallory",
    "a prepared statement": "EXECUTE 'PREPARE left_behind AS SELECT 1'",
    "a cursor": "EXECUTE 'DECLARE left_behind CURSOR WITH HOLD FOR SELECT 1'",
    "a temporary table": "CREATE TEMP TABLE left_behind (a int)",
    "a temporary function": "CREATE FUNCTION pg_temp.left_behind() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "a temporary type": "CREATE TYPE pg_temp.left_behind AS (a int)",
    "a temporary view": "CREATE VIEW pg_temp.left_behind_too AS SELECT 1 AS a",
    "a channel": "LISTEN left_behind",
    "a lock": "PERFORM pg_advisory_lock(77)",
    "a value of a sequence": "PERFORM nextval('mallory.cached')",
}

# What the neighbour finds in the same session.
FIND = """
    SELECT 'setting ' || current_setting('mallory.secret', true) WHERE current_setting('mallory.secret', true) <> ''
    UNION ALL SELECT 'work_mem' WHERE current_setting('work_mem') = '77MB'
    UNION ALL SELECT 'TimeZone' WHERE current_setting('TimeZone') = 'Asia/Kathmandu'
    UNION ALL SELECT 'search_path' WHERE current_setting('search_path') LIKE '%mallory%'
    UNION ALL SELECT 'user ' || u FROM unnest(ARRAY[current_user::text]) u WHERE u <> 'alice'
    UNION ALL SELECT 'statement ' || name FROM pg_prepared_statements WHERE name = 'left_behind'
    UNION ALL SELECT 'cursor ' || name FROM pg_cursors WHERE name = 'left_behind'
    UNION ALL SELECT 'temporary relation ' || relname FROM pg_class WHERE relnamespace = pg_my_temp_schema()
    UNION ALL SELECT 'temporary function ' || proname FROM pg_proc WHERE pronamespace = pg_my_temp_schema()
    UNION ALL SELECT 'temporary type ' || typname FROM pg_type WHERE typnamespace = pg_my_temp_schema()
    UNION ALL SELECT 'channel ' || c FROM pg_listening_channels() c
    UNION ALL SELECT 'lock' FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()
"""


@pytest.mark.parametrize("ends", ["committed", "failed"])
def test_nothing_is_left_of_ones_turn_for_the_next(shared, ends):
    db, mallory, alice = shared()
    mallory.sql("CREATE SEQUENCE mallory.cached CACHE 100; CREATE TABLE mallory.left_behind (what text)")
    tries = "".join(
        f"""BEGIN {statement}; INSERT INTO mallory.left_behind VALUES ('{what}');
            EXCEPTION WHEN OTHERS THEN NULL; END;"""
        for what, statement in LEAVE.items()
    )
    mallory.on_store(tries + ("RAISE 'failed';" if ends == "failed" else ""))
    alice.sql("CREATE TABLE alice.found (what text); CREATE TABLE alice.looked (pid int, last text)")
    alice.on_store(f"""
        INSERT INTO alice.found {FIND};
        BEGIN
            INSERT INTO alice.looked VALUES (pg_backend_pid(), lastval());
        EXCEPTION WHEN object_not_in_prerequisite_state THEN
            INSERT INTO alice.looked VALUES (pg_backend_pid(), NULL);
        END;
    """)
    mallory.insert(1)
    if ends == "committed":
        eventually(lambda: mallory.rows() == [1], what="the row to be written")
        done = {what for [what] in db.sql("SELECT what FROM mallory.left_behind")}
        # Else nothing was tried.
        assert {"a setting", "a lock", "a value of a sequence"} <= done
    else:
        eventually(lambda: "failed" in str(db.sql("SELECT details FROM ai.vectorizer_errors")), what="the row to fail")
    alice.is_served(1)
    assert db.sql("SELECT * FROM alice.found") == []
    assert db.sql("SELECT * FROM alice.looked") == [(worker(db), None)]


# Limits that the administrator has set


def test_the_limits_of_a_role_hold_in_its_turn_and_in_nobody_elses(shared):
    db, mallory, alice = shared()
    db.sql("""
        ALTER ROLE mallory SET work_mem = '1MB'; ALTER ROLE mallory SET temp_file_limit = '2MB';
        ALTER ROLE mallory SET hash_mem_multiplier = 1; ALTER ROLE mallory IN DATABASE shared SET lock_timeout = '50ms';
        ALTER ROLE mallory SET max_parallel_workers_per_gather = 0;
        ALTER ROLE mallory SET maintenance_work_mem = '10GB'; ALTER ROLE mallory SET "DateStyle" = 'SQL, DMY';
    """)
    names = ["work_mem", "temp_file_limit", "hash_mem_multiplier", "lock_timeout", "max_parallel_workers_per_gather",
             "maintenance_work_mem", "DateStyle"]
    for tenant in [mallory, alice]:
        tenant.sql(f"CREATE TABLE {tenant.name}.holds (name text, value text)")
        tenant.on_store(
            f"INSERT INTO {tenant.name}.holds SELECT n, current_setting(n) FROM unnest('{{{','.join(names)}}}'::text[]) n;"
        )

    def holds(tenant) -> dict[str, str]:
        return dict(db.sql(f"SELECT name, value FROM {tenant.name}.holds"))

    mallory.is_served(1)
    alice.is_served(1)
    usual = holds(alice)
    lower = {"work_mem": "1MB", "temp_file_limit": "2MB", "hash_mem_multiplier": "1", "lock_timeout": "50ms",
             "max_parallel_workers_per_gather": "0"}
    assert holds(mallory) == usual | lower
    assert usual["work_mem"] == "4MB" and usual["temp_file_limit"] == "-1"


def test_temporary_files_are_limited_to_what_a_role_may_have(shared):
    db, mallory, alice = shared(**{"pgai_rs.owner_statement_timeout": "60s"})
    db.sql("ALTER ROLE mallory SET temp_file_limit = '1MB'")
    mallory.on_store("PERFORM count(*) FROM (SELECT n, repeat('x', 100) FROM generate_series(1, 500000) n ORDER BY 2, 1) s;")
    mallory.insert(1)
    mallory.comes_to("paused", "temporary file size exceeds")
    alice.is_served(1)


def test_the_time_that_a_role_may_take_holds_if_it_is_shorter(shared):
    db, mallory, alice = shared()
    db.sql("ALTER ROLE mallory SET statement_timeout = '150ms'; ALTER ROLE alice SET statement_timeout = '1h'")
    mallory.on_store("PERFORM pg_sleep(3600);")
    # By somebody whose statements may take longer.
    db.sql("INSERT INTO mallory.document VALUES (1, 'row 1')")
    mallory.comes_to("paused", "canceled statements of its owner after 150 ms")
    alice.is_served(1)


# Indexes


def test_an_open_transaction_on_ones_own_store_keeps_nobody_elses_index_from_being_built(shared):
    db, mallory, alice = shared()
    for tenant in [mallory, alice]:
        tenant.vectorizer("indexed", indexing="ai.indexing_hnsw(min_rows => 1)")

    def index(tenant) -> list[tuple]:
        return db.sql(
            "SELECT indisvalid FROM pg_index WHERE indrelid = %s::regclass AND NOT indisunique",
            [f"{tenant.name}.indexed_embedding_store"],
        )

    with db.connect(user="mallory", autocommit=False) as session:
        session.execute("LOCK TABLE mallory.indexed_embedding_store IN ROW SHARE MODE")
        session.execute("LOCK TABLE mallory.indexed_embedding_store IN ROW EXCLUSIVE MODE")
        mallory.insert(1, "indexed")
        eventually(
            lambda: db.sql("SELECT FROM pg_stat_activity WHERE pid = ANY(%s) AND wait_event_type = 'Lock'", [builders(db)]),
            what="the build of hers to wait",
        )
        alice.insert(1, "indexed")
        settles(lambda: index(alice), [(True,)], what="the index of the other's")
        assert index(mallory) != [(True,)]
        session.rollback()
    settles(lambda: index(mallory), [(True,)], what="her own index, now that nobody is in its way")
