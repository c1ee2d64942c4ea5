"""A database of pgai's is taken over as it is: nothing is embedded again, and there is a way back."""

import itertools
from collections import Counter

import psycopg
import pytest
from support import altering, egress, vectorizer
from support.pgai import Pgai
from support.vectors import vector
from support.wait import settles

_numbers = itertools.count(1)

MAKE_ROOM = "ALTER SCHEMA ai RENAME TO pgai; CREATE EXTENSION pgai_rs CASCADE"


@pytest.fixture(scope="module")
def pgai():
    return Pgai()


@pytest.fixture
def old(cluster, pgai):
    """A database with pgai and a table."""
    db = cluster.create_database(f"pgai_{next(_numbers)}")
    try:
        pgai.install(db)
        db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
        yield db
    finally:
        db.drop()


def move(db) -> list[tuple]:
    """Takes the database over, in one transaction."""
    with db.connect(autocommit=False) as session:
        session.execute(MAKE_ROOM)
        return session.execute("SELECT * FROM ai.migrate_from_pgai()").fetchall()


def pending(db, schema: str = "ai") -> list[tuple]:
    return db.sql(f"SELECT id FROM {schema}._vectorizer_q_1 ORDER BY 1")


def test_nothing_is_embedded_again(old, pgai, stub):
    vectorizer.create(old, stub.url)
    old.sql("INSERT INTO document VALUES (1, 'stays|as it is'), (2, 'stays|becomes another')")
    pgai.work(old)
    stored = old.sql("SELECT embedding_uuid, id, chunk_seq, chunk FROM document_embedding_store ORDER BY 2, 3")
    old.sql("INSERT INTO document VALUES (3, 'waits')")

    assert move(old) == [(1, "public_document_embedding_store", 1, 0)]
    vectorizer.in_step(old, ["id"])
    before = Counter({"stays": 2, "as it is": 1, "becomes another": 1, "waits": 1})
    assert stub.embedded == before
    old.sql("UPDATE document SET body = 'stays|is another' WHERE id = 2")
    vectorizer.in_step(old, ["id"])
    assert stub.embedded - before == {"is another": 1}
    kept = old.sql("SELECT embedding_uuid, id, chunk_seq, chunk FROM document_embedding_store ORDER BY 2, 3")
    assert set(stored) - set(kept) == {row for row in stored if row[3] == "becomes another"}
    assert len(old.sql("SELECT body, chunk FROM document_embedding")) == 5


def test_a_column_of_vectors_is_taken_over(old, pgai, stub):
    to_column = {"destination": "ai.destination_column('embedding')", "chunking": "ai.chunking_none()"}
    vectorizer.create(old, stub.url, **to_column)
    old.sql("INSERT INTO document VALUES (1, 'stays'), (2, 'becomes another')")
    pgai.work(old)
    assert move(old) == [(1, "public_document_embedding", 0, 0)]
    old.sql("UPDATE document SET body = 'is another' WHERE id = 2; UPDATE document SET id = 3 WHERE id = 1")
    settles(
        lambda: old.sql("SELECT body, embedding::real[] FROM document ORDER BY id"),
        [(text, vector(text, vectorizer.DIMENSIONS)) for text in ("is another", "stays")],
    )
    vectorizer.idle(old)
    assert old.sql("SELECT pending FROM ai.give_back_to_pgai()") == [(0,)]


def test_its_name_its_id_its_pause_and_its_grantees_stay(old, stub):
    old.sql("CREATE ROLE pgai_reader LOGIN")
    try:
        vectorizer.create(old, stub.url, name="'mine'", grant_to="ai.grant_to('pgai_reader')")
        old.sql("INSERT INTO document VALUES (1, 'a'); SELECT ai.disable_vectorizer_schedule(1)")
        old.sql("INSERT INTO ai._vectorizer_q_failed_1 (id, failure_step) VALUES (7, 'loading')")
        assert move(old) == [(1, "mine", 1, 1)]
        assert old.sql("SELECT name::text, disabled, pending_items FROM ai.vectorizer_status") == [("mine", True, 1)]
        assert old.sql("SELECT id, failure_step FROM ai._vectorizer_q_failed_1") == [(7, "loading")]
        assert old.value("SELECT count(*) FROM ai._vectorizer_q_1", user="pgai_reader") == 1
        old.sql("CREATE TABLE other (id int PRIMARY KEY, body text)")
        assert vectorizer.create(old, stub.url, "other") == 2
        old.sql("SELECT ai.enable_vectorizer_schedule('mine')")
        vectorizer.in_step(old, ["id"])
    finally:
        old.sql("DROP OWNED BY pgai_reader; DROP ROLE pgai_reader")


def test_what_a_superuser_owns_is_given_away_by_hand_alone(cluster_factory, pgai, stub):
    db = cluster_factory(conf=egress.settings(stub.url)).create_database("owned")
    pgai.install(db)
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    vectorizer.create(db, stub.url)
    db.sql("CREATE ROLE alice; ALTER TABLE document OWNER TO alice; INSERT INTO document VALUES (1, 'a')")
    # Whoever may write to pgai's catalog may have named them.
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState) as refusal:
        move(db)
    assert "belongs to postgres, and its source to alice" in refusal.value.diag.message_detail
    for table in ("document_embedding_store", "document_embedding", "ai._vectorizer_q_1", "ai._vectorizer_q_failed_1"):
        db.sql(f"ALTER TABLE {table} OWNER TO alice")
    move(db)
    settles(lambda: db.sql("SELECT chunk FROM document_embedding_store"), [("a",)])


def test_all_reasons_are_named_and_nothing_is_changed(old, stub):
    for number in range(3):
        old.sql(f"CREATE TABLE source_{number} (id int PRIMARY KEY, body text)")
        vectorizer.create(old, stub.url, f"source_{number}")
    vectorizer.create(old, stub.url, embedding="ai.embedding_litellm('sagemaker/x', 8)")
    old.sql("DROP TABLE source_0 CASCADE")
    old.sql("ALTER TABLE source_1 DROP CONSTRAINT source_1_pkey CASCADE")
    old.sql("DROP TABLE source_2_embedding_store CASCADE")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState) as refusal:
        move(old)
    reasons = refusal.value.diag.message_detail.splitlines()
    assert [reason.split(":")[0] for reason in reasons] == [
        "public_source_0_embedding_store",
        "public_source_1_embedding_store",
        "public_source_2_embedding_store",
        "public_document_embedding_store",
    ]
    for reason, words in zip(reasons, ["source_0 does not exist", "no primary key", "store_2 does not exist", "sagemaker"]):
        assert words.replace("store_2", "public.source_2_embedding_store") in reason
    assert old.sql("SELECT count(*) FROM ai.vectorizer") == [(4,)]


def test_beside_pgai_the_extension_says_how_to_move(old):
    with pytest.raises(psycopg.errors.DuplicateObject, match="pgai's objects") as refusal:
        old.sql("CREATE EXTENSION pgai_rs CASCADE")
    assert "migrate_from_pgai" in refusal.value.diag.message_hint


def test_only_an_administrator_may_move(old, stub):
    old.sql(MAKE_ROOM)
    old.sql("CREATE ROLE pgai_nobody LOGIN; GRANT USAGE ON SCHEMA ai, pgai TO pgai_nobody")
    try:
        for function in ["migrate_from_pgai", "give_back_to_pgai"]:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                old.sql(f"SELECT ai.{function}()", user="pgai_nobody")
    finally:
        old.sql("DROP OWNED BY pgai_nobody; DROP ROLE pgai_nobody")


def test_the_way_back(old, pgai, stub):
    vectorizer.create(old, stub.url)
    old.sql("INSERT INTO document VALUES (1, 'a'), (2, 'b')")
    pgai.work(old)
    move(old)
    old.sql("UPDATE document SET body = 'c' WHERE id = 2")
    vectorizer.in_step(old, ["id"])
    old.sql("SELECT ai.disable_vectorizer_schedule(1); UPDATE document SET body = 'd' WHERE id = 1")
    assert old.sql("SELECT pending FROM ai.give_back_to_pgai()") == [(1,)]
    old.sql("DROP EXTENSION pgai_rs; DROP SCHEMA ai; ALTER SCHEMA pgai RENAME TO ai")
    old.sql("INSERT INTO document VALUES (3, 'e')")
    assert pending(old) == [(1,), (3,)]
    pgai.work(old)
    assert vectorizer.stored(old, ["id"]) == vectorizer.expected(vectorizer.rows(old), ["id"])
    assert stub.embedded == dict.fromkeys("abcde", 1)


def test_there_is_no_way_back_for_vectors_of_another_model(old, pgai, stub):
    """pgai would write its own beside them."""
    vectorizer.create(old, stub.url)
    old.sql("INSERT INTO document VALUES (1, 'a')")
    pgai.work(old)
    move(old)
    vectorizer.in_step(old, ["id"])
    old.sql(f"SELECT ai.alter_vectorizer(1, embedding => {altering.model(stub.url)}, keep_old => '0')")
    altering.over(old)
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="of another model than pgai's config names"):
        old.sql("SELECT ai.give_back_to_pgai()")
