"""A role that spends more in a day than it may: tokens of models, bytes of objects."""

import time
from types import SimpleNamespace

import psycopg
import pytest
from support import egress, vectorizer
from support.wait import eventually, settles

MEGABYTE = 1 << 20
A_DAY = 86400
# The seconds that a test may take.
A_TEST = 180


@pytest.fixture
def shared(cluster_factory, stub):
    """A database whose worker writes down each second what was spent, and two roles in it: shared(bucket)."""

    # Quotas are of a day in UTC: a test that midnight would cut in two begins after it.
    eventually(lambda: time.time() % A_DAY < A_DAY - A_TEST, timeout=A_TEST + 10, what="the next day")

    def make(**conf):
        conf = egress.settings(stub.url) | {"pgai_rs.heartbeat_interval": "1s", "pgai_rs.load_concurrency": 1} | conf
        cluster = cluster_factory(conf=conf)
        db = cluster.create_database("shared")
        db.sql("CREATE EXTENSION pgai_rs CASCADE")
        for role in ("mallory", "alice"):
            db.sql(f"CREATE ROLE {role} LOGIN; SELECT ai.grant_vectorizer_usage('{role}')")
            db.sql(f"CREATE SCHEMA AUTHORIZATION {role}")
        return SimpleNamespace(cluster=cluster, db=db, url=stub.url)

    return make


def declare(shared, role: str, **arguments: str) -> int:
    shared.db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)", user=role)
    return vectorizer.create(shared.db, shared.url, f"{role}.document", user=role, **arguments)


def insert(shared, role: str, rows: range) -> None:
    """Rows of one token each, as tokens are estimated."""
    shared.db.sql(f"INSERT INTO {role}.document SELECT n, 'r' || n FROM generate_series({rows.start}, {rows.stop - 1}) n")


def embedded(shared, role: str) -> int:
    return shared.db.value(f"SELECT count(*) FROM {role}.document_embedding_store")


def reason(shared, number: int) -> str:
    rows = shared.db.sql("SELECT reason FROM ai.vectorizer_health WHERE id = %s", [number])
    return (rows[0][0] or "") if rows else ""


def spent(shared) -> dict[str, tuple[int, int]]:
    """Tokens and bytes of each role that are written down."""
    return {role: (tokens, size) for role, tokens, size in shared.db.sql(
        "SELECT role::regrole::text, sum(tokens)::int8, sum(bytes)::int8 FROM ai._spent GROUP BY role")}


def test_a_role_sends_no_more_tokens_than_it_may_in_a_day(shared):
    shared = shared()
    shared.db.sql("ALTER ROLE mallory SET pgai_rs.max_daily_tokens_per_role = 3")
    number = declare(shared, "mallory")
    insert(shared, "mallory", range(1, 11))
    eventually(lambda: "daily quota of 3 tokens exceeded for the owner" in reason(shared, number),
               what="the vectorizer to wait")
    settles(lambda: embedded(shared, "mallory"), 3)

    # Whose quota is not used up goes on.
    declare(shared, "alice")
    insert(shared, "alice", range(1, 6))
    settles(lambda: embedded(shared, "alice"), 5)
    settles(lambda: spent(shared), {"mallory": (3, 0), "alice": (5, 0)})
    assert embedded(shared, "mallory") == 3

    # No row has lost a try for it.
    assert shared.db.value(f"SELECT max(attempts) FROM ai._vectorizer_work_{number}") <= 1
    assert shared.db.value(f"SELECT count(*) FROM ai._vectorizer_q_failed_{number}") == 0
    shared.db.sql("ALTER ROLE mallory SET pgai_rs.max_daily_tokens_per_role = 1000")
    settles(lambda: embedded(shared, "mallory"), 10, timeout=60)


def test_what_was_spent_is_spent_after_a_restart(shared):
    shared = shared()
    shared.db.sql("ALTER ROLE mallory IN DATABASE shared SET pgai_rs.max_daily_tokens_per_role = 3")
    number = declare(shared, "mallory")
    insert(shared, "mallory", range(1, 4))
    settles(lambda: spent(shared), {"mallory": (3, 0)})

    shared.cluster.restart()
    insert(shared, "mallory", range(4, 6))
    eventually(lambda: "quota of 3 tokens" in reason(shared, number), what="the vectorizer to wait")
    assert embedded(shared, "mallory") == 3


def test_a_database_has_a_quota_for_all_its_roles_together(shared):
    shared = shared()
    shared.db.sql("ALTER DATABASE shared SET pgai_rs.max_daily_tokens_per_database = 3")
    declare(shared, "mallory")
    number = declare(shared, "alice")
    insert(shared, "mallory", range(1, 4))
    settles(lambda: embedded(shared, "mallory"), 3)
    # Limits that are set for a database are looked at with the next heartbeat.
    settles(lambda: spent(shared), {"mallory": (3, 0)})

    insert(shared, "alice", range(1, 4))
    eventually(lambda: "daily quota of 3 tokens exceeded for the database" in reason(shared, number),
               what="alice's vectorizer to wait")
    assert embedded(shared, "alice") == 0


def test_a_quota_that_a_database_does_not_have_any_more_ends(shared):
    """Also one under which the worker has started."""
    shared = shared(**{"pgai_rs.poll_interval": "1s"})
    shared.db.sql("ALTER DATABASE shared SET pgai_rs.max_daily_tokens_per_database = 3")
    shared.cluster.restart()
    number = declare(shared, "mallory")
    insert(shared, "mallory", range(1, 4))
    settles(lambda: spent(shared), {"mallory": (3, 0)})
    insert(shared, "mallory", range(4, 6))
    eventually(lambda: "daily quota of 3 tokens exceeded for the database" in reason(shared, number), what="the vectorizer to wait")

    shared.db.sql("ALTER DATABASE shared RESET pgai_rs.max_daily_tokens_per_database")
    settles(lambda: embedded(shared, "mallory"), 5)
    shared.db.sql("ALTER DATABASE shared SET pgai_rs.max_daily_tokens_per_database = 6")
    insert(shared, "mallory", range(6, 9))
    eventually(lambda: "daily quota of 6 tokens exceeded for the database" in reason(shared, number), what="the vectorizer to wait again")
    # What was spent before is not forgotten.
    assert embedded(shared, "mallory") == 6


def test_what_was_spent_is_written_before_the_worker_starts_again(shared):
    """For new settings of its database."""
    shared = shared(**{"pgai_rs.poll_interval": "1s", "pgai_rs.heartbeat_interval": "1h"})
    declare(shared, "mallory")
    insert(shared, "mallory", range(1, 4))
    settles(lambda: embedded(shared, "mallory"), 3)
    shared.db.sql("ALTER DATABASE shared SET pgai_rs.max_daily_tokens_per_database = 3")
    settles(lambda: spent(shared), {"mallory": (3, 0)})


def test_what_is_set_for_a_database_holds_while_its_worker_runs(shared, bucket):
    """Setting it, and resetting it."""
    shared = shared(**{"pgai_rs.poll_interval": "1s"})
    allow = f"ALTER DATABASE shared SET pgai_rs.allowed_uris = '{bucket.uri('')}'"
    shared.db.sql(allow)
    number = declare(shared, "mallory", loading="ai.loading_uri('body')")
    for key in range(3):
        bucket.put(f"{key}.txt", "text")
    add = "INSERT INTO mallory.document VALUES (%s, %s)"
    shared.db.sql(add, [0, bucket.uri("0.txt")])
    settles(lambda: embedded(shared, "mallory"), 1)
    shared.db.sql("ALTER DATABASE shared RESET pgai_rs.allowed_uris")
    eventually(lambda: "pgai_rs.allowed_uris" in reason(shared, number) or "allowed on this server" in reason(shared, number),
               what="the vectorizer to stop")
    shared.db.sql(add, [1, bucket.uri("1.txt")])
    shared.db.sql(allow)
    settles(lambda: embedded(shared, "mallory"), 2)


def test_model_servers_and_keys_are_allowed_for_a_database(shared):
    shared = shared(**{"pgai_rs.allowed_base_urls": "", "pgai_rs.api_key_names": "OPENAI_API_KEY", "pgai_rs.poll_interval": "1s"})
    shared.db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)", user="mallory")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="base_url"):
        vectorizer.create(shared.db, shared.url, "mallory.document", user="mallory")
    lists = egress.settings(shared.url)
    for name, value in lists.items():
        shared.db.sql(f"ALTER DATABASE shared SET {name} = '{value}'")
    number = vectorizer.create(shared.db, shared.url, "mallory.document", user="mallory")
    insert(shared, "mallory", range(1))
    settles(lambda: embedded(shared, "mallory"), 1)
    for name in lists:
        shared.db.sql(f"ALTER DATABASE shared RESET {name}")
    insert(shared, "mallory", range(1, 2))
    eventually(lambda: "base_url" in reason(shared, number), what="the vectorizer to stop")
    assert embedded(shared, "mallory") == 1


def test_only_superusers_say_what_is_allowed(shared):
    """Each list alike, for the cluster or for a database, and nobody for themselves."""
    db = shared().db
    db.sql("CREATE ROLE owner LOGIN CREATEROLE; ALTER DATABASE shared OWNER TO owner; GRANT mallory TO owner WITH ADMIN OPTION")
    lists = db.sql("SELECT name, context FROM pg_settings WHERE name LIKE 'pgai_rs.allowed%' OR name = 'pgai_rs.api_key_names'")
    assert len(lists) >= 5 and {context for _, context in lists} == {"superuser"}
    for name, _ in lists:
        for statement in [f"SET {name} = 'a'", f"ALTER ROLE mallory SET {name} = 'a'", f"ALTER DATABASE shared SET {name} = 'a'"]:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                db.sql(statement, user="owner")


def test_superusers_have_no_quota(shared):
    shared = shared(**{"pgai_rs.max_daily_tokens_per_role": 0, "pgai_rs.max_daily_tokens_per_database": 0})
    shared.db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    vectorizer.create(shared.db, shared.url)
    shared.db.sql("INSERT INTO document VALUES (1, 'one')")
    vectorizer.in_step(shared.db, ["id"])
    assert shared.db.value("SELECT ai.vectorizer_embed(1, 'question') IS NOT NULL")


def test_a_role_loads_no_more_bytes_than_it_may_in_a_day(shared, bucket):
    shared = shared(**{"pgai_rs.allowed_uris": f"s3://{bucket.name}/"})
    shared.db.sql("ALTER ROLE mallory SET pgai_rs.max_daily_bytes_per_role = '2MB'")
    for key in range(4):
        bucket.put(f"{key}.txt", "word " * (MEGABYTE // 5 + 1))
    number = declare(shared, "mallory", loading="ai.loading_uri('body')")
    for key in range(4):
        shared.db.sql("INSERT INTO mallory.document VALUES (%s, %s)", [key, bucket.uri(f"{key}.txt")])
    eventually(lambda: f"daily quota of {2 * MEGABYTE} bytes exceeded for the owner" in reason(shared, number),
               what="the vectorizer to wait")
    settles(lambda: shared.db.value("SELECT count(DISTINCT id) FROM mallory.document_embedding_store"), 2)
    settles(lambda: spent(shared)["mallory"][1] // MEGABYTE, 2)


def test_questions_count_and_a_rollback_gives_nothing_back(shared):
    shared = shared()
    number = declare(shared, "alice")
    shared.db.sql("""
        GRANT USAGE ON SCHEMA alice TO mallory; GRANT SELECT ON alice.document_embedding TO mallory;
        ALTER ROLE mallory SET pgai_rs.max_daily_tokens_per_role = 2
    """)
    question = "SELECT ai.vectorizer_embed(%s, %s) IS NOT NULL"
    with pytest.raises(psycopg.errors.ConfigurationLimitExceeded) as caught:
        shared.db.sql(question, [number, "a question of more than two tokens"], user="mallory")
    assert caught.value.diag.message_detail == "It has used 0 tokens today, and the request needs 9 more."

    for text in ("one", "two"):
        with shared.db.connect(user="mallory", autocommit=False) as session:
            assert session.execute(question, [number, text]).fetchall() == [(True,)]
            session.rollback()

    refused = pytest.raises(psycopg.errors.ConfigurationLimitExceeded, match="daily quota of 2 tokens exceeded for this role")
    with refused as caught:
        shared.db.sql(question, [number, "more"], user="mallory")
    assert "pgai_rs.max_daily_tokens_per_role" in caught.value.diag.message_hint
    # The worker has taken it over.
    settles(lambda: spent(shared), {"mallory": (2, 0)})
    with refused:
        shared.db.sql(question, [number, "more"], user="mallory")

    # Who asks pays: the owner's vectorizer goes on.
    insert(shared, "alice", range(1, 3))
    settles(lambda: embedded(shared, "alice"), 2)


def test_nobody_writes_off_what_was_spent(shared):
    shared = shared()
    declare(shared, "mallory")
    insert(shared, "mallory", range(1, 3))
    settles(lambda: spent(shared), {"mallory": (2, 0)})
    for rights in ("pg_write_all_data", "pg_read_all_data"):
        shared.db.sql(f"GRANT {rights} TO mallory")
    shared.db.sql("DELETE FROM ai._spent; UPDATE ai._spent SET tokens = 0", user="mallory")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        shared.db.sql("INSERT INTO ai._spent VALUES ('mallory'::regrole, current_date + 1, -9, -9)", user="mallory")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        shared.db.sql("SET pgai_rs.max_daily_tokens_per_role = 9", user="mallory")
    assert spent(shared) == {"mallory": (2, 0)}


def test_a_database_has_no_more_vectorizers_than_it_may(shared):
    shared = shared()
    shared.db.sql("ALTER DATABASE shared SET pgai_rs.max_vectorizers_per_database = 1")
    declare(shared, "mallory")
    with pytest.raises(psycopg.errors.ConfigurationLimitExceeded, match="too many vectorizers for this database"):
        declare(shared, "alice")


def test_who_asks_in_the_worker_asks_at_their_own_expense(shared):
    """The session there is a superuser's, but not what a trigger of the owner's does."""
    shared = shared()
    shared.db.sql("ALTER ROLE mallory SET pgai_rs.max_daily_tokens_per_role = 5")
    declare(shared, "mallory")
    shared.db.sql(f"""
        CREATE TABLE mallory.answer (state text);
        CREATE FUNCTION mallory.ask() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM ai.openai_embed('stub', repeat('x', 4000), client_config => '{{"base_url": "{shared.url}"}}', dimensions => 3);
            INSERT INTO mallory.answer VALUES ('answered');
            RETURN NULL;
        EXCEPTION WHEN OTHERS THEN
            INSERT INTO mallory.answer VALUES (SQLSTATE || ' ' || SQLERRM);
            RETURN NULL;
        END $$;
        CREATE TRIGGER ask AFTER INSERT ON mallory.document_embedding_store EXECUTE FUNCTION mallory.ask()
    """, user="mallory")
    insert(shared, "mallory", range(1, 2))
    eventually(lambda: shared.db.sql("SELECT state FROM mallory.answer"), what="the trigger to run")
    [[state]] = shared.db.sql("SELECT DISTINCT state FROM mallory.answer")
    assert "daily quota of 5 tokens exceeded for this role" in state
