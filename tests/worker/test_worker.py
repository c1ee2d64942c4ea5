"""The workers, from outside: they come, go and come back by themselves."""

import math

import pytest
from support import vectorizer
from support.stub import blackhole
from support.wait import eventually, settles
from support.worker import the_worker, workers

TABLE = "CREATE TABLE document (id int PRIMARY KEY, body text, uri text)"
# A wait for work in flight would last as long as the model is held; one for a transaction of the worker is short.
BEFORE_THE_ANSWER = "SET lock_timeout = '20s'"


def test_comes_with_the_extension_and_goes_with_it(db):
    first = the_worker(db)
    db.sql("DROP EXTENSION pgai_rs CASCADE")
    db.cluster.configure(pgai_rs__poll_interval="100ms")
    eventually(lambda: not workers(db.cluster, db.name), what="the worker to leave")
    db.cluster.configure(pgai_rs__poll_interval=None)
    db.sql("CREATE EXTENSION pgai_rs")
    assert the_worker(db) != first


def test_an_extension_that_is_dropped_and_made_anew_works(db, stub):
    the_worker(db)
    db.sql("BEGIN; DROP EXTENSION pgai_rs CASCADE; CREATE EXTENSION pgai_rs; COMMIT")
    db.sql(TABLE)
    vectorizer.create(db, stub.url)
    db.sql("INSERT INTO document VALUES (1, 'a')")
    vectorizer.in_step(db, ["id"])


def test_a_copied_database_gets_its_own(db, cluster):
    the_worker(db)
    copy = f"{db.name}_copy"
    cluster.configure(pgai_rs__poll_interval="200ms")
    cluster.sql(f"CREATE DATABASE {copy} TEMPLATE {db.name}")
    try:
        eventually(lambda: workers(cluster, copy), what="a worker in the copy")
        eventually(lambda: workers(cluster, db.name), what="a worker in the original")
    finally:
        cluster.configure(pgai_rs__poll_interval=None)
        cluster.sql(f"DROP DATABASE {copy} WITH (FORCE)")


def test_gets_out_of_the_way_of_statements_that_need_the_database_alone(db, cluster):
    the_worker(db)
    cluster.sql(f"ALTER DATABASE {db.name} RENAME TO {db.name}_renamed")
    cluster.sql(f"DROP DATABASE {db.name}_renamed")


def test_one_that_is_still_connecting_gets_out_of_the_way_as_well(cluster_factory):
    """It can't be told yet, and finds out by itself."""
    cluster = cluster_factory(conf={"post_auth_delay": "2"})
    at_once = {"options": "-c post_auth_delay=0"}
    on_its_way = """SELECT FROM pg_locks JOIN pg_database d ON d.oid = objid
                    WHERE classid = 'pg_database'::regclass AND datname = 'connecting' AND mode = 'RowExclusiveLock'
                    UNION ALL SELECT FROM pg_stat_activity WHERE backend_type = 'pgai_rs worker' AND datname = 'connecting'"""
    with cluster.connect(**at_once) as session:
        session.execute("CREATE DATABASE connecting")
        with cluster.connect("connecting", **at_once) as owner:
            owner.execute("CREATE EXTENSION pgai_rs CASCADE")
        eventually(lambda: session.execute(on_its_way).fetchall(), what="a worker")
        session.execute("DROP DATABASE connecting")


def test_databases_can_be_chosen(cluster_factory):
    cluster = cluster_factory(conf={"pgai_rs.databases": "wanted", "pgai_rs.poll_interval": "200ms"})
    other, wanted = cluster.create_database("other"), cluster.create_database("wanted")
    for database in (other, wanted):
        database.sql("CREATE EXTENSION pgai_rs CASCADE")
    the_worker(wanted)
    assert workers(cluster, "other") == []
    cluster.configure(pgai_rs__databases="other")
    the_worker(other)
    eventually(lambda: not workers(cluster, "wanted"), what="the worker to leave")
    cluster.configure(pgai_rs__databases=None)
    eventually(lambda: [len(workers(cluster, name)) for name in ("other", "wanted")] == [1, 1], what="one in each")


def test_without_preload_it_says_so_and_can_be_started(cluster_factory, stub):
    cluster = cluster_factory(conf={"shared_preload_libraries": ""})
    db = cluster.create_database("late")
    notices = []
    with db.connect() as connection:
        connection.add_notice_handler(lambda n: notices.append((n.severity, n.message_primary, n.message_hint)))
        connection.execute("CREATE EXTENSION pgai_rs CASCADE")
    [(message, hint)] = [(message, hint) for severity, message, hint in notices if severity == "WARNING"]
    assert "not preloaded" in message
    assert "shared_preload_libraries" in hint and "ai.start_worker()" in hint
    pid = db.value("SELECT ai.start_worker()")
    assert workers(cluster, "late") == [pid] == [db.value("SELECT ai.start_worker()")]
    db.sql(TABLE)
    vectorizer.create(db, stub.url)
    db.sql("INSERT INTO document VALUES (1, 'a|b')")
    vectorizer.in_step(db, ["id"])


def test_there_is_one_worker_however_often_it_is_started(db, stub):
    first = the_worker(db)
    assert db.value("SELECT ai.start_worker()") == first
    assert workers(db.cluster, db.name) == [first]


@pytest.mark.parametrize("hanging", ["model", "S3"])
def test_stops_at_once_while_others_hang(cluster_factory, stub, hanging):
    """A worker that waited would end with the request's timeout of an hour."""
    with blackhole() as url:
        slow = {"pgai_rs.embedding_timeout": "1h", "pgai_rs.load_timeout": "1h", "pgai_rs.aws_endpoint_url": url}
        cluster = cluster_factory(conf=slow)
        db = cluster.create_database("stopping")
        db.sql("CREATE EXTENSION pgai_rs CASCADE")
        db.sql(TABLE)
        column = {"loading": "ai.loading_uri('uri')"} if hanging == "S3" else {}
        vectorizer.create(db, f"{url}/v1", **column)
        db.sql("INSERT INTO document VALUES (1, 'a', 's3://bucket/key')")
        held = "SELECT count(*) FROM ai._vectorizer_work_1 WHERE lease IS NOT NULL"
        eventually(lambda: db.value(held) == 1, what="the row to be in flight")
        cluster.stop("fast")
        assert "terminated by signal" not in cluster.log_text()


def test_no_transaction_is_open_while_the_model_thinks(db, stub):
    db.sql(TABLE)
    vectorizer.create(db, stub.url)
    pid = the_worker(db)
    with stub.held():
        db.sql("INSERT INTO document SELECT i, 'row ' || i FROM generate_series(1, 500) i")
        eventually(lambda: stub.waiting, what="the model to be asked")
        # It looks for more work meanwhile, in short transactions. None stays open.
        for _ in range(50):
            eventually(lambda: idle_outside_transaction(db, pid), what="no transaction to be open")
    vectorizer.in_step(db, ["id"])


def idle_outside_transaction(db, pid: int) -> bool:
    return db.value("SELECT xact_start IS NULL AND backend_xmin IS NULL FROM pg_stat_activity WHERE pid = %s", [pid])


def test_users_do_not_wait_for_work_in_flight(db, stub):
    db.sql(TABLE)
    vectorizer.create(db, stub.url)
    db.sql("INSERT INTO document SELECT i, 'row ' || i FROM generate_series(1, 10) i")
    with stub.held():
        eventually(lambda: stub.waiting, what="the model to be asked")
        with db.connect() as connection:
            connection.execute(BEFORE_THE_ANSWER)
            connection.execute("UPDATE document SET body = 'changed' WHERE id = 1")
            connection.execute("DELETE FROM document WHERE id = 2")
            connection.execute("UPDATE document SET id = 100 WHERE id = 3")
            connection.execute("ALTER TABLE document ADD COLUMN more int")
    vectorizer.in_step(db, ["id"])


def test_truncate_and_drop_do_not_wait_for_work_in_flight(db, stub):
    db.sql(TABLE)
    vectorizer.create(db, stub.url)
    db.sql("INSERT INTO document SELECT i, 'row ' || i FROM generate_series(1, 10) i")
    with stub.held():
        eventually(lambda: stub.waiting, what="the model to be asked")
        with db.connect() as connection:
            connection.execute(BEFORE_THE_ANSWER)
            connection.execute("TRUNCATE document")
            connection.execute("SELECT ai.drop_vectorizer(1, drop_all => true)")
    assert db.sql("SELECT * FROM ai.vectorizer") == []
    the_worker(db)


WHILE_IN_FLIGHT = {
    "the vectorizer is dropped": "SELECT ai.drop_vectorizer('doomed')",
    "vectorizer and store are dropped": "SELECT ai.drop_vectorizer('doomed', drop_all => true)",
    "the source is dropped": "DROP TABLE document CASCADE",
    "the loaded column is dropped": "ALTER TABLE document DROP COLUMN body CASCADE",
    "the loaded column changes its type": "DROP VIEW document_embedding; ALTER TABLE document ALTER body TYPE bytea"
    " USING convert_to(body, 'UTF8')",
    "the store is dropped": "DROP TABLE document_embedding_store CASCADE",
}


@pytest.mark.parametrize("statement", WHILE_IN_FLIGHT.values(), ids=WHILE_IN_FLIGHT.keys())
def test_while_work_is_in_flight(db, stub, statement):
    """Whatever becomes of one vectorizer, the same worker goes on with another."""
    db.sql(TABLE)
    db.sql("CREATE TABLE other (id int PRIMARY KEY, body text)")
    vectorizer.create(db, stub.url, name="'doomed'")
    vectorizer.create(db, stub.url, "other")
    worker = the_worker(db)
    with stub.held():
        db.sql("INSERT INTO document SELECT i, 'row ' || i FROM generate_series(1, 10) i")
        eventually(lambda: stub.waiting, what="the model to be asked")
        with db.connect() as connection:
            connection.execute(BEFORE_THE_ANSWER)
            connection.execute(statement)
    db.sql("INSERT INTO other VALUES (1, 'a|b')")
    wanted = vectorizer.expected(vectorizer.rows(db, "other"), ["id"])
    settles(lambda: vectorizer.stored(db, ["id"], "other_embedding_store"), wanted)
    assert the_worker(db) == worker


def test_the_extension_is_dropped_while_work_is_in_flight(db, stub):
    db.sql(TABLE)
    vectorizer.create(db, stub.url)
    with stub.held():
        db.sql("INSERT INTO document SELECT i, 'row ' || i FROM generate_series(1, 10) i")
        eventually(lambda: stub.waiting, what="the model to be asked")
        db.sql("DROP EXTENSION pgai_rs CASCADE")
    assert db.value("SELECT count(*) FROM document_embedding_store") == 0
    eventually(lambda: not workers(db.cluster, db.name), what="the worker to leave", timeout=60)
    db.sql("CREATE EXTENSION pgai_rs")
    the_worker(db)


def test_a_killed_worker_loses_and_doubles_nothing(cluster_factory, stub):
    cluster = cluster_factory()
    db = cluster.create_database("killed")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    db.sql(TABLE)
    vectorizer.create(db, stub.url)
    with stub.held():
        db.sql("INSERT INTO document SELECT i, 'row ' || i FROM generate_series(1, 100) i")
        eventually(lambda: stub.waiting, what="the model to be asked")
        cluster.kill_child(the_worker(db))
    eventually(lambda: workers(cluster, "killed"), what="a new worker", ignoring=(Exception,))
    vectorizer.in_step(db, ["id"])


def test_a_terminated_worker_comes_back(db, stub):
    db.sql(TABLE)
    vectorizer.create(db, stub.url)
    first = the_worker(db)
    db.sql("SELECT pg_terminate_backend(%s)", [first])
    eventually(lambda: workers(db.cluster, db.name) not in ([], [first]), what="another worker")
    db.sql("INSERT INTO document VALUES (1, 'a')")
    vectorizer.in_step(db, ["id"])


def test_one_providers_outage_leaves_the_others_alone(db, stub):
    stub.fail(math.inf, status=503)
    db.sql(TABLE)
    vectorizer.create(db, stub.url, destination="ai.destination_table('ill')")
    with blackhole() as url:
        vectorizer.create(db, f"{url}/v1", destination="ai.destination_table('hung')")
        well = type(stub)()
        try:
            vectorizer.create(db, well.url, destination="ai.destination_table('well')")
            db.sql("INSERT INTO document SELECT i, 'row ' || i FROM generate_series(1, 50) i")
            eventually(lambda: len(vectorizer.stored(db, ["id"], "well_store")) == 50, what="the healthy one")
        finally:
            well.close()


def test_a_database_with_hostile_defaults(cluster_factory, stub):
    cluster = cluster_factory()
    db = cluster.create_database("hostile")
    for setting in [
        "default_transaction_isolation = 'serializable'",
        "default_transaction_read_only = on",
        "search_path = ''",
        "DateStyle = 'SQL, DMY'",
        "statement_timeout = '1ms'",
        "lock_timeout = '1ms'",
        "idle_in_transaction_session_timeout = '1ms'",
        "idle_session_timeout = '1ms'",
        "extra_float_digits = -15",
    ]:
        cluster.sql(f"ALTER DATABASE hostile SET {setting}")
    options = {
        "options": "-c default_transaction_read_only=off -c search_path=public -c statement_timeout=0 -c lock_timeout=0"
        " -c idle_in_transaction_session_timeout=0 -c idle_session_timeout=0"
    }
    with db.connect(**options) as connection:
        connection.execute("SET default_transaction_isolation = 'read committed'")
        connection.execute("CREATE EXTENSION vector SCHEMA public; CREATE EXTENSION pgai_rs")
        connection.execute("CREATE TABLE document (id timestamptz PRIMARY KEY, body text)")
        connection.execute(
            "SELECT ai.create_vectorizer('document', loading => ai.loading_column('body'),"
            f" embedding => ai.embedding_openai('stub', 8, base_url => '{stub.url}'))"
        )
        connection.execute("INSERT INTO document VALUES ('2024-03-02 01:02:03.456', 'dated')")
        look = "SELECT count(*) FROM document_embedding_store JOIN document USING (id)"
        eventually(lambda: connection.execute(look).fetchone() == (1,), what="the row to be embedded")
