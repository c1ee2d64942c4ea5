"""Patterns, templates, globs and configs that are made to take the server's time, memory or stack."""

import os

import psycopg
import pytest
from support import vectorizer
from support.wait import eventually, settles

KILOBYTE = 1 << 10
# It looks through all of the text at each of its letters.
QUADRATIC = "(?=[^z]*z)a"
ROUND_AND_ROUND = "(?:(){999999999}){999999999}"
CLASSES = r"(SELECT array_agg('[\w' || chr(n) || ']') FROM generate_series(4352, 4851) n)"


@pytest.fixture
def mallory(db):
    """A role with nothing but USAGE on ai."""
    name = f"mallory_{db.name}"
    db.sql(f"CREATE ROLE {name} LOGIN; GRANT USAGE ON SCHEMA ai TO {name}")
    yield name
    db.sql(f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}")


@pytest.fixture(autouse=True)
def the_server_goes_on(db):
    """A process that crashes takes all others along."""
    with db.connect() as witness:
        yield
        witness.execute("SELECT 1")


def refusal(db, role: str, statement: str) -> psycopg.errors.Diagnostic:
    with pytest.raises(psycopg.Error) as caught:
        db.sql(statement, user=role)
    return caught.value.diag


def by_pattern(pattern: str, text: str = "'x'") -> str:
    return f"SELECT count(*) FROM ai.chunk_text({text}, 10, 0, {pattern}, true)"


@pytest.mark.parametrize(
    "statement, message",
    [
        (by_pattern(r"repeat('(?=\w{150})', 1000)"), "too long regular expression"),
        (f"SELECT count(*) FROM ai.chunk_text_recursively('x', 10, 0, {CLASSES}, true)", "more than the 2 MB allowed"),
        ("SELECT count(*) FROM ai.chunk_text_recursively('x', 10, 0, array_fill('x'::text, ARRAY[501]))", "too many separators"),
        (by_pattern(f"repeat('x', {300 * KILOBYTE})"), "JSON too large"),
        (f"SELECT ai._validate_chunking(ai.chunking_character_text_splitter(10, 0, repeat('x', {5 * KILOBYTE}), true))", "too long"),
        (f"SELECT ai._validate_embedding(jsonb_build_object('options', repeat('x', {300 * KILOBYTE})))", "JSON too large"),
        (f"SELECT ai._validate_processing(jsonb_agg(1)) FROM generate_series(1, {300 * KILOBYTE})", "JSON too large"),
    ],
)
def test_what_is_too_large_is_refused_before_it_is_read(db, mallory, statement, message):
    diagnostic = refusal(db, mallory, statement)
    assert diagnostic.sqlstate == "54000" and message in diagnostic.message_primary, diagnostic.message_primary
    assert diagnostic.message_hint


@pytest.mark.parametrize("pattern, text", [(QUADRATIC, "repeat('a', 100000)"), (ROUND_AND_ROUND, "'aaa'")])
def test_a_search_has_so_many_steps(db, mallory, pattern, text):
    diagnostic = refusal(db, mallory, by_pattern(f"'{pattern}'", text))
    assert "takes too long on this text: one search takes more than" in diagnostic.message_primary


@pytest.mark.parametrize(
    "statement",
    [
        by_pattern(f"'{QUADRATIC}'", "repeat('a', 10000000)"),
        # Nothing comes of it: chunks of whitespace are dropped.
        "SELECT count(*) FROM ai.chunk_text_recursively(repeat(' ', 4000000), 1000000, 999999, ARRAY[''])",
    ],
)
def test_a_text_whose_cutting_is_cancelled_is_not_cut_further(db, mallory, statement):
    with db.connect(user=mallory) as connection:
        threads = f"/proc/{connection.info.backend_pid}/task"
        before = len(os.listdir(threads))
        connection.execute("SET statement_timeout = '100ms'")
        for _ in range(3):
            with pytest.raises(psycopg.errors.QueryCanceled):
                connection.execute(statement)
        eventually(lambda: len(os.listdir(threads)) == before, what="the end of its threads")


def test_a_template_is_no_longer_than_it_may_be(db, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    with pytest.raises(psycopg.errors.ProgramLimitExceeded, match="template too long"):
        vectorizer.create(db, stub.url, formatting="ai.formatting_python_template('$chunk' || repeat('$id', 30000))")
    longest = "ai.formatting_python_template('$chunk' || repeat('$id', 21000))"
    vectorizer.create(db, stub.url, formatting=longest)
    db.sql("INSERT INTO document VALUES (1, 'x')")
    vectorizer.idle(db)
    assert db.value("SELECT chunk FROM document_embedding_store") == "x" + "1" * 21_000


def test_a_config_is_no_larger_than_it_may_be(db, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    part = f"jsonb_build_object('unknown', repeat('x', {200 * KILOBYTE}))"
    with pytest.raises(psycopg.errors.ProgramLimitExceeded, match="vectorizer config too large"):
        vectorizer.create(db, stub.url, processing=f"ai.processing_default() || {part}", chunking=f"ai.chunking_none() || {part}")


def test_a_config_does_not_grow_beyond_it_by_an_alteration(db, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    # Counted as it is compared, without the spaces that Postgres writes.
    size = """SELECT length(replace(replace(config::text, '": ', '":'), ', "', ',"')) FROM ai.vectorizer"""
    part = "ai.processing_default() || jsonb_build_object('unknown', repeat('x', %d))"
    vectorizer.create(db, stub.url, processing=part % 100)
    left = 256 * KILOBYTE - db.value(size)
    db.sql("SELECT ai.drop_vectorizer(1, drop_all => true)")

    vectorizer.create(db, stub.url, processing=part % (100 + left - 20))
    with pytest.raises(psycopg.errors.ProgramLimitExceeded, match="vectorizer config too large"):
        db.sql("SELECT ai.alter_vectorizer(id, search => ai.search_hybrid()) FROM ai.vectorizer")
    assert db.value(size) == 256 * KILOBYTE - 20


def test_a_config_that_is_too_large_stops_its_own_vectorizer_alone(db, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text); CREATE TABLE other (id int PRIMARY KEY, body text)")
    vectorizer.create(db, stub.url)
    vectorizer.create(db, stub.url, source="other")
    # Written by a superuser, by another version, or restored.
    db.sql("UPDATE ai.vectorizer SET config = config || jsonb_build_object('more', repeat('x', 2000000)) WHERE id = 1")
    look = "SELECT state, reason FROM ai.vectorizer_health WHERE id = 1"
    [[_, reason]] = eventually(lambda: [row for row in db.sql(look) if row[0] == "not_served"], what="it to rest")
    assert "could not read the config" in reason and "too large" in reason
    db.sql("INSERT INTO other VALUES (1, 'beside it')")
    vectorizer.in_step(db, ["id"], source="other", store="other_embedding_store")


NESTED = "ARRAY[repeat('{', 100000) || repeat('}', 100000)]"


@pytest.mark.parametrize("argument", ["include", "exclude"])
@pytest.mark.parametrize("globs, limit", [(NESTED, "more than 1024 bytes"), ("ARRAY[repeat('{', 500) || repeat('}', 500)]", "16 braces")])
def test_globs_are_bounded(db, argument, globs, limit):
    with pytest.raises(psycopg.errors.InvalidParameterValue, match=limit) as caught:
        db.sql(f"SELECT ai.create_s3_source('listed', 's3://b/', {argument} => {globs}, schedule => NULL)")
    assert len(caught.value.diag.message_primary) < 500


def test_globs_that_are_there_already_are_bounded_too(db):
    db.sql("SELECT ai.create_s3_source('listed', 's3://b/', name => 'listed', schedule => NULL)")
    db.sql(f"UPDATE ai.s3_source SET config = jsonb_set(config, '{{include}}', to_jsonb({NESTED}))")
    db.sql("SELECT ai.sync_s3_source('listed')")
    look = "SELECT last_state, error_code FROM ai.s3_source_status"
    settles(lambda: db.sql(look), [("failed", "invalid_glob")], what="the refusal")
