"""What strangers build on the extension's own tables, for which USAGE on the schema is enough."""

import pytest
from support import altering, vectorizer

# Definitions that need no right to a queue but USAGE on its schema.
BUILT = {
    "view": "CREATE VIEW {eve}.v AS SELECT FROM {table}",
    "view of the row": "CREATE VIEW {eve}.v AS SELECT t FROM {table} t",
    "function": "CREATE FUNCTION {eve}.f() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM {table}; END",
    "table of its row type": "CREATE TABLE {eve}.t (r {table}, mine int)",
}


@pytest.fixture
def eve(db):
    role = f"eve_{db.name}"
    db.sql(f"CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA ai TO {role}; CREATE SCHEMA {role} AUTHORIZATION {role}")
    yield role
    db.sql(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


TABLES = ["_vectorizer_q_1", "_vectorizer_work_1", "_vectorizer_q_failed_1"]


def said(db, statement: str) -> list[tuple]:
    """What a statement has told: severity, message and hint."""
    told = []
    with db.connect() as session:
        session.add_notice_handler(lambda notice: told.append((notice.severity, notice.message_primary, notice.message_hint)))
        session.execute(statement)
    return told


def gone(db) -> bool:
    """Whether the vectorizer has left nothing of its queue."""
    left = db.sql("SELECT FROM pg_class WHERE relnamespace = 'ai'::regnamespace AND relname = ANY (%s)", [TABLES])
    return db.sql("SELECT FROM ai.vectorizer") == [] and left == []


@pytest.mark.parametrize("end", ["SELECT ai.drop_vectorizer(1)", "DROP TABLE document CASCADE"], ids=["drop_vectorizer", "drop table"])
@pytest.mark.parametrize("what", BUILT)
def test_what_a_stranger_builds_on_a_queue_keeps_it_for_nobody(db, stub, eve, what, end):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    vectorizer.create(db, stub.url)
    for number, table in enumerate(TABLES):
        built = BUILT[what].format(eve=eve, table=f"ai.{table}")
        for name in ("v", "f", "t"):
            built = built.replace(f"{eve}.{name}", f"{eve}.{name}{number}")
        db.sql(built, user=eve)
    db.sql(end)
    assert gone(db)


def test_what_a_reader_has_built_on_a_queue_stays_and_the_vectorizer_goes(db, stub, eve):
    """A view on the failures of several vectorizers, for instance."""
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    vectorizer.create(db, stub.url)
    db.sql(f"GRANT SELECT ON ai._vectorizer_q_failed_1 TO {eve}")
    db.sql(f"CREATE VIEW {eve}.v AS SELECT id FROM ai._vectorizer_q_failed_1", user=eve)
    told = said(db, "SELECT ai.drop_vectorizer(1)")
    [[message, hint]] = [(message, hint) for severity, message, hint in told if severity == "WARNING"]
    assert "table ai._vectorizer_q_failed_1 of vectorizer 1 is left in place" in message
    assert "DROP TABLE ai._vectorizer_q_failed_1 CASCADE" in hint
    assert db.sql("SELECT FROM ai.vectorizer") == [] and db.sql(f"SELECT * FROM {eve}.v", user=eve) == []
    db.sql("DROP TABLE document CASCADE; DROP TABLE ai._vectorizer_q_failed_1 CASCADE")
    assert gone(db)


def test_what_a_stranger_builds_on_words_keeps_them_for_nobody(db, stub, eve):
    db.sql(f"CREATE TABLE document (id int PRIMARY KEY, body text); GRANT USAGE ON SCHEMA public TO {eve}")
    vectorizer.create(db, stub.url, search="ai.search_hybrid()")
    words = "public.document_embedding_store_words"
    db.sql(f"CREATE VIEW {eve}.v AS SELECT FROM {words}", user=eve)
    db.sql("SELECT ai.alter_vectorizer('public_document_embedding_store', search => ai.search_hybrid('english'))")
    db.sql(f"CREATE OR REPLACE VIEW {eve}.v AS SELECT FROM {words}", user=eve)
    db.sql("SELECT ai.drop_vectorizer(1, drop_all => true)")
    assert gone(db) and db.value("SELECT to_regclass(%s)", [words]) is None


def test_what_a_stranger_builds_on_seen_keys_keeps_a_source_for_nobody(db, eve):
    db.sql("SELECT ai.create_s3_source('document', 's3://bucket/', name => 'listed', schedule => NULL)")
    db.sql(f"CREATE VIEW {eve}.v AS SELECT FROM ai._s3_source_seen_1", user=eve)
    db.sql("SELECT ai.drop_s3_source(1)")
    assert db.sql("SELECT FROM ai.s3_source") == [] and db.value("SELECT to_regclass('ai._s3_source_seen_1')") is None


def test_what_is_left_of_an_altered_vectorizer_goes_whatever_a_stranger_builds_on_it(db, stub, eve):
    altering.document(db, stub)
    altering.alter(db, embedding=altering.model(stub.url), keep_old="interval '1 hour'")
    altering.switches(db)
    for number in (1, 2):
        for stem in ("_vectorizer_q_", "_vectorizer_work_", "_vectorizer_q_failed_"):
            db.sql(f"CREATE VIEW {eve}.v{stem}{number} AS SELECT FROM ai.{stem}{number}", user=eve)
    db.sql("UPDATE ai._vectorizer_alteration SET keep_old = interval '0'")
    altering.over(db)
    db.sql("INSERT INTO document (id, body) VALUES (100, 'more')")
    vectorizer.in_step(db, ["id"])
    assert altering.leftovers(db) == []
