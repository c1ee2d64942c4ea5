"""A role that takes more than its part, or names before others need them."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from support import egress, vectorizer
from support.wait import eventually


@pytest.fixture
def mallory(db):
    """A role with nothing but USAGE on ai, a schema of its own, and the right to ask the stub."""
    name = f"mallory_{db.name}"
    db.sql(f"CREATE ROLE {name} LOGIN; SELECT ai.grant_vectorizer_usage('{name}'); CREATE SCHEMA m AUTHORIZATION {name}")
    yield name
    db.sql(f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}")


def declare(db, role: str, table: str, **arguments: str) -> int:
    db.sql(f"CREATE TABLE IF NOT EXISTS m.{table} (id int PRIMARY KEY, body text)", user=role)
    embedding = "ai.embedding_openai('text-embedding-3-small', 8)"
    return vectorizer.create(db, "", source=f"m.{table}", user=role, embedding=embedding, **arguments)


def test_a_role_has_no_more_vectorizers_than_it_may(db, mallory):
    db.sql(f"ALTER ROLE {mallory} SET pgai_rs.max_vectorizers_per_role = 2")
    for number in (1, 2):
        declare(db, mallory, f"t{number}")
    with pytest.raises(psycopg.errors.ConfigurationLimitExceeded, match="too many vectorizers for this"):
        declare(db, mallory, "t3")
    db.sql("SELECT ai.drop_vectorizer('m_t1_embedding_store')", user=mallory)
    # What is refused takes no id away from others.
    assert declare(db, mallory, "t3") == 3


def test_a_role_has_no_more_vectorizers_by_way_of_the_worker(db, mallory, stub):
    """Her trigger runs in a session of a superuser's, for whom nothing of hers is set."""
    db.sql(f"ALTER ROLE {mallory} SET pgai_rs.max_vectorizers_per_role = 1")
    egress.allow(db.cluster, stub.url)
    try:
        db.sql("CREATE TABLE m.t (id int PRIMARY KEY, body text); CREATE TABLE m.more (id int PRIMARY KEY, body text)", user=mallory)
        vectorizer.create(db, stub.url, "m.t", user=mallory)
        db.sql("""
            CREATE TABLE m.answer (said text);
            CREATE FUNCTION m.declare() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                PERFORM ai.create_vectorizer('m.more'::regclass, loading => ai.loading_column('body'),
                                             embedding => ai.embedding_openai('text-embedding-3-small', 8));
                INSERT INTO m.answer VALUES ('declared');
                RETURN NULL;
            EXCEPTION WHEN OTHERS THEN
                INSERT INTO m.answer VALUES (SQLERRM);
                RETURN NULL;
            END $$;
            CREATE TRIGGER declare AFTER INSERT ON m.t_embedding_store EXECUTE FUNCTION m.declare();
            INSERT INTO m.t VALUES (1, 'text')
        """, user=mallory)
        eventually(lambda: db.sql("SELECT FROM m.answer"), what="the trigger to run")
        assert db.sql("SELECT DISTINCT said FROM m.answer") == [("too many vectorizers for this role",)]
    finally:
        egress.allow_nothing(db.cluster)


@pytest.mark.parametrize("whose", ["role", "database"])
def test_there_are_no_more_s3_sources_than_there_may_be(db, mallory, whose):
    egress.allow_objects(db.cluster, "s3://")
    try:
        of = {"role": f"ROLE {mallory}", "database": f"DATABASE {db.name}"}[whose]
        db.sql(f"ALTER {of} SET pgai_rs.max_s3_sources_per_{whose} = 2")
        add = lambda name, role=mallory: db.sql(f"SELECT ai.create_s3_source('m.{name}', 's3://b/{name}/', schedule => NULL)", user=role)  # noqa: E731
        add("one"), add("two")
        with pytest.raises(psycopg.errors.ConfigurationLimitExceeded, match=f"too many S3 sources for this {whose}"):
            add("three")
        # Superusers have no limit, and do not count.
        add("four", "postgres")
        db.sql("SELECT ai.drop_s3_source('m_one')", user=mallory)
        add("three")
    finally:
        egress.allow_nothing(db.cluster)


# What an owner may do to tables of her own, without which a vectorizer does nothing and costs its part of each look.
LOST = [
    "DROP TRIGGER _vectorizer_src_trg_1_truncate ON m.t1",
    "DROP TABLE ai._vectorizer_q_failed_1",
    "DROP TABLE ai._vectorizer_q_1, ai._vectorizer_work_1",
]


@pytest.mark.parametrize("lost", LOST)
def test_a_vectorizer_counts_that_has_lost_something(db, mallory, lost):
    db.sql(f"ALTER ROLE {mallory} SET pgai_rs.max_vectorizers_per_role = 1")
    declare(db, mallory, "t1")
    db.sql(lost, user=mallory)
    with pytest.raises(psycopg.errors.ConfigurationLimitExceeded, match="too many vectorizers for this role"):
        declare(db, mallory, "t2")
    db.sql("SELECT ai.drop_vectorizer(1)", user=mallory)
    declare(db, mallory, "t2")


def test_a_vectorizer_that_has_lost_all_its_tables_is_none(db, mallory):
    """Nobody is its owner any more, whose it would count as. It goes with its source, but for whoever keeps that from being done."""
    db.sql(f"ALTER ROLE {mallory} SET pgai_rs.max_vectorizers_per_role = 1")
    declare(db, mallory, "t1")
    queue = "ai._vectorizer_q_1, ai._vectorizer_work_1, ai._vectorizer_q_failed_1"
    with db.connect(autocommit=False) as session:
        session.execute("SELECT FROM ai.vectorizer FOR UPDATE")
        db.sql(f"SET lock_timeout = '100ms'; DROP TABLE m.t1 CASCADE; DROP TABLE m.t1_embedding_store, {queue}", user=mallory)
    assert db.sql("SELECT id FROM ai.vectorizer") == [(1,)]
    declare(db, mallory, "t2")
    assert db.sql("SELECT id FROM ai.vectorizer") == [(2,)]


@pytest.fixture
def listed(db, mallory):
    """Two S3 sources of Mallory's, who may have no more."""
    egress.allow_objects(db.cluster, "s3://")
    db.sql(f"ALTER ROLE {mallory} SET pgai_rs.max_s3_sources_per_role = 2")
    yield [lists(db, mallory, name) for name in ("one", "two")]
    egress.allow_nothing(db.cluster)


def lists(db, role: str, name: str) -> int:
    return db.value(f"SELECT ai.create_s3_source('m.{name}', 's3://b/{name}/', schedule => NULL)", user=role)


@pytest.mark.parametrize("lost", ["m.one", "ai._s3_source_seen_1"])
def test_a_source_counts_that_has_lost_a_table(db, mallory, listed, lost):
    db.sql(f"DROP TABLE {lost}", user=mallory)
    with pytest.raises(psycopg.errors.ConfigurationLimitExceeded, match="too many S3 sources for this role"):
        lists(db, mallory, "three")
    db.sql("SELECT ai.drop_s3_source(1)", user=mallory)
    lists(db, mallory, "three")


LOSES_BOTH = ["DROP TABLE m.one; DROP TABLE ai._s3_source_seen_1", "DROP TABLE ai._s3_source_seen_1; DROP TABLE m.one",
              "DROP TABLE ai._s3_source_seen_1, m.one"]


@pytest.mark.parametrize("statements", LOSES_BOTH)
def test_a_source_that_has_lost_both_its_tables_is_no_source(db, mallory, listed, statements):
    """Nobody is its owner any more, whose it would count as."""
    db.sql(statements, user=mallory)
    assert db.sql("SELECT id FROM ai.s3_source") == [(2,)]
    lists(db, mallory, "three")


@pytest.mark.parametrize("what", ["vectorizers", "S3 sources"])
def test_what_is_declared_at_once_counts_as_well(db, mallory, what):
    """In transactions that do not see each other. Nobody but the role itself waits."""
    egress.allow_objects(db.cluster, "s3://")
    bob = f"bob_{db.name}"
    db.sql(f"CREATE ROLE {bob} LOGIN; SELECT ai.grant_vectorizer_usage('{bob}'); GRANT ALL ON SCHEMA m TO {bob}")
    of = {"vectorizers": "vectorizers", "S3 sources": "s3_sources"}[what]
    db.sql(f"ALTER ROLE {mallory} SET pgai_rs.max_{of}_per_role = 1; ALTER ROLE {bob} SET pgai_rs.max_{of}_per_role = 1")
    for name, role in {"one": mallory, "two": mallory, "three": bob}.items():
        db.sql(f"CREATE TABLE m.{name} (id int PRIMARY KEY, body text)", user=role)
    statement = {
        "vectorizers": "SELECT ai.create_vectorizer('m.{0}'::regclass, loading => ai.loading_column('body'),"
                       " embedding => ai.embedding_openai('text-embedding-3-small', 8))",
        "S3 sources": "SELECT ai.create_s3_source('m.{0}_', 's3://b/{0}/', schedule => NULL)",
    }[what]
    try:
        with db.connect(user=mallory, autocommit=False) as session, ThreadPoolExecutor() as other:
            session.execute(statement.format("one"))
            second = other.submit(db.sql, statement.format("two"), user=mallory)
            waits = f"SELECT FROM pg_stat_activity WHERE usename = '{mallory}' AND wait_event_type = 'Lock'"
            eventually(lambda: second.done() or db.sql(waits), what="the second one to wait for the first")
            db.sql(statement.format("three"), user=bob)
            session.commit()
            with pytest.raises(psycopg.errors.ConfigurationLimitExceeded, match=f"too many {what} for this role"):
                second.result()
    finally:
        egress.allow_nothing(db.cluster)
        db.sql(f"DROP OWNED BY {bob} CASCADE; DROP ROLE {bob}")


def test_a_role_cannot_raise_its_own_limit(db, mallory):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        db.sql("SET pgai_rs.max_vectorizers_per_role = 1000", user=mallory)


def test_a_name_taken_in_advance_is_no_answer_to_somebody_else(db, stub, mallory):
    declare(db, mallory, "t", name="'wanted'")
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    with pytest.raises(psycopg.errors.DuplicateObject) as caught:
        vectorizer.create(db, stub.url, name="'wanted'", if_not_exists="true")
    assert caught.value.diag.message_detail == "Its source is another table."
    # Whose it is gets the same answer as ever.
    assert declare(db, mallory, "t", name="'wanted'", if_not_exists="true") == 1


def test_counting_what_is_pending_reads_the_queue_alone(db, mallory):
    declare(db, mallory, "t")
    # What inherits from a table can be a foreign one, which runs whatever its server does for whoever counts.
    vectorizer.idle(db)
    # Paused, for the worker works on what inherits.
    db.sql("SELECT ai.disable_vectorizer_schedule(1)", user=mallory)
    db.sql("CREATE TABLE m.more () INHERITS (ai._vectorizer_q_1); INSERT INTO m.more (id) VALUES (1), (2)", user=mallory)
    assert db.sql("SELECT ai.vectorizer_queue_pending(1, true), pending_items FROM ai.vectorizer_status") == [(0, 0)]


def test_nobody_asks_a_model_at_the_expense_of_another(db, stub, mallory):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    vectorizer.create(db, stub.url)
    for who in ("1", "'public_document_embedding_store'"):
        # Who does not see it is answered as if there were none, and who does is refused.
        assert db.sql(f"SELECT ai.vectorizer_embed({who}, 'question')", user=mallory) == [(None,)]
    db.sql(f"GRANT SELECT ON document TO {mallory}")
    for who in ("1", "'public_document_embedding_store'"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="the model of vectorizer"):
            db.sql(f"SELECT ai.vectorizer_embed({who}, 'question')", user=mallory)
    assert stub.embedded["question"] == 0
    # Who may search may ask, be it through the view alone.
    db.sql(f"GRANT SELECT ON document_embedding TO {mallory}")
    assert db.value("SELECT ai.vectorizer_embed(1, 'question') IS NOT NULL", user=mallory)


def test_counting_what_is_pending_evaluates_nothing_as_whoever_counts(db, mallory):
    declare(db, mallory, "t")
    db.sql("""
        CREATE TABLE m.evaluated (as_whom name);
        CREATE FUNCTION m.note() RETURNS int LANGUAGE plpgsql AS
            $$ BEGIN INSERT INTO m.evaluated VALUES (current_user); RETURN 1; END $$;
        CREATE FUNCTION m.one(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN m.note(); END $$;
        -- Which planning a query reckons out beforehand.
        CREATE STATISTICS m.s ON (id + m.one(1)), (id * 2) FROM ai._vectorizer_q_1;
        TRUNCATE m.evaluated;
    """, user=mallory)
    assert db.sql("SELECT pending_items FROM ai.vectorizer_status") == [(0,)]
    db.sql("SELECT * FROM ai.vectorizer_health")
    assert db.sql("SELECT DISTINCT as_whom FROM m.evaluated WHERE as_whom <> %s", [mallory]) == []
    # Whoever reads it without that care does evaluate it.
    db.sql("SELECT count(*) FROM ai._vectorizer_q_1")
    assert db.sql("SELECT DISTINCT as_whom FROM m.evaluated WHERE as_whom <> %s", [mallory]) == [("postgres",)]


@pytest.mark.parametrize("time", ["infinity", "-infinity"])
def test_a_change_of_no_time_hides_no_vectorizer_from_who_watches_all(db, mallory, time):
    number = declare(db, mallory, "document")
    # Once that is committed, the worker leaves the queue alone.
    db.sql(f"SELECT ai.disable_vectorizer_schedule({number})", user=mallory)
    db.sql(f"INSERT INTO ai._vectorizer_q_{number} (id, queued_at) VALUES (1, '{time}')", user=mallory)
    assert db.sql("SELECT pending_items, oldest_pending_age FROM ai.vectorizer_health") == [(1, None)]
    assert db.value("SELECT count(*) > 0 FROM ai.metrics")
