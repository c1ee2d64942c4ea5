"""Workers that are started by hand, by several sessions at once."""

from concurrent.futures import ThreadPoolExecutor

from support.worker import workers

SESSIONS = 6


def test_sessions_that_start_a_worker_at_once_start_one(cluster_factory):
    """Each that is started comes back after its end, whatever becomes of the others."""
    cluster = cluster_factory(conf={"shared_preload_libraries": ""})
    db = cluster.create_database("late")
    db.sql("""
        CREATE EXTENSION pgai_rs CASCADE; CREATE ROLE mallory LOGIN;
        SELECT ai.grant_vectorizer_usage('mallory', admin => true)
    """)
    with ThreadPoolExecutor(SESSIONS) as sessions:
        pids = list(sessions.map(lambda _: db.value("SELECT ai.start_worker()", user="mallory"), range(SESSIONS)))
    assert workers(cluster, "late") == [pids[0]] and set(pids) == {pids[0]}


def test_a_transaction_that_has_started_a_worker_keeps_nobody_from_asking_for_it(cluster_factory):
    db = cluster_factory(conf={"shared_preload_libraries": ""}).create_database("late")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    with db.connect(autocommit=False) as session:
        [pid] = session.execute("SELECT ai.start_worker()").fetchone()
        assert db.value("SELECT ai.start_worker()") == pid
