"""One bad row among many: the others finish as if it were not there, and it says what is wrong with it."""

import math
from dataclasses import dataclass, field

import pytest
from support import vectorizer
from support.cluster import Cluster
from support.wait import eventually, settles

ROWS = 300
BAD = 111
TEXT = "id int PRIMARY KEY, body text"
BYTES = "id int PRIMARY KEY, body bytea"


@dataclass
class Poison:
    """A bad row: what its column holds, how the model takes it, and what is said about it in the end."""

    step: str
    code: str
    body: object = "bad"
    columns: str = TEXT
    # What the stub does with requests that hold the bad row's text.
    fault: dict = field(default_factory=dict)
    # How often it is tried.
    attempts: int = 1


KINDS = {
    "refused input": Poison("embedding", "input_refused", fault={"status": 400}),
    "chunk above the context": Poison(
        "embedding",
        "input_refused",
        body="bad " * 10_000,
        fault={
            "status": 400,
            "error": {"message": "maximum context length is 8192 tokens", "type": "invalid_request_error"},
        },
    ),
    # At its last try it is alone, and told from an outage by something harmless that the model takes.
    "input that breaks the model": Poison("embedding", "provider_failed_on_input", fault={"status": 500}, attempts=3),
    "input without a vector": Poison("embedding", "bad_response", fault={"spoil": "nan", "of": "bad"}, attempts=3),
    "bytes of no known kind": Poison("parsing", "unsupported_type", body=bytes(range(256)), columns=BYTES),
    "too large": Poison("loading", "too_large", body="x" * ((1 << 20) + 1)),
    "row that the store refuses": Poison("writing", "not_writable", attempts=3),
}


@pytest.fixture(scope="module")
def impatient(bindir, workdir, server_env):
    """A cluster that tries a row three times, without a long pause."""
    conf = {
        "pgai_rs.max_retries": "2",
        "pgai_rs.retry_backoff": "10ms",
        "pgai_rs.embedding_backoff": "10ms",
        "pgai_rs.max_document_size": "1MB",
        "pgai_rs.max_errors": "50",
    }
    cluster = Cluster(bindir, workdir / "poison", conf=conf, env=server_env).create()
    try:
        yield cluster.start()
    finally:
        cluster.remove()


@pytest.fixture
def source(impatient, request):
    database = impatient.create_database(f"poison_{abs(hash(request.node.name))}")
    try:
        database.sql("CREATE EXTENSION pgai_rs CASCADE")
        yield database
    finally:
        database.drop()


def the_others() -> list[tuple]:
    return sorted((number, f"row {number}") for number in range(1, ROWS + 1) if number != BAD)


def set_aside(db) -> tuple:
    """The one row of the failed queue, which has a reason and a hint."""
    look = "SELECT id, failure_step, failure_code, attempts, failure_message, failure_hint FROM ai._vectorizer_q_failed_1"
    [[*row, message, hint]] = eventually(lambda: db.sql(look), what="the bad row to be set aside")
    assert message and hint
    return tuple(row)


def named_once(db, code: str) -> None:
    """The bad row has one error, whatever came before it was set aside."""
    look = "SELECT details FROM ai.vectorizer_errors WHERE details ->> 'key' IS NOT NULL"
    [[details]] = eventually(lambda: db.sql(look), what="the bad row's error")
    assert (details["key"], details["code"], details["is_retryable"]) == ({"id": str(BAD)}, code, False)
    assert details["hint"] and details["error_reason"]


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_bad_row_is_set_aside_and_harms_no_other(source, stub, kind):
    source.sql(f"CREATE TABLE document ({kind.columns})")
    text = "convert_to('row ' || i, 'UTF8')" if kind.columns is BYTES else "'row ' || i"
    source.sql(f"INSERT INTO document SELECT i, {text} FROM generate_series(1, {ROWS}) i")
    source.sql("UPDATE document SET body = %s WHERE id = %s", [kind.body, BAD])
    if kind.fault:
        text = str(kind.body).strip()
        stub.fail(math.inf, when=lambda request: text in request.inputs, **kind.fault)
    with stub.held():
        vectorizer.create(source, stub.url)
        if kind.step == "writing":
            source.sql(f"ALTER TABLE document_embedding_store ADD CHECK (id <> {BAD}) NOT VALID")
    assert set_aside(source) == (BAD, kind.step, kind.code, kind.attempts)
    named_once(source, kind.code)
    settles(lambda: sorted(source.sql("SELECT id, chunk FROM document_embedding_store")), the_others())
    vectorizer.idle(source)


# What becomes of an object, and what is said about it.
OBJECTS = {
    "gone": (None, "loading", "no_such_key"),
    "not of the kind that its name says": (b"%PDF-1.7 ...", "parsing", "damaged_document"),
    "a picture": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "parsing", "unsupported_type"),
}


@pytest.mark.parametrize("body, step, code", OBJECTS.values(), ids=OBJECTS)
def test_a_bad_object_is_set_aside_and_harms_no_other(source, bucket, stub, body, step, code):
    source.sql("CREATE TABLE document (id int PRIMARY KEY, uri text)")
    uris = [(number, bucket.put(f"{number}.txt", f"row {number}")) for number in range(1, ROWS + 1)]
    if body is None:
        bucket.delete(f"{BAD}.txt")
    else:
        bucket.put(f"{BAD}.txt", body)
    with source.connect() as connection, connection.cursor() as cursor:
        cursor.executemany("INSERT INTO document VALUES (%s, %s)", uris)
    vectorizer.create(source, stub.url, loading="ai.loading_uri('uri')")
    assert set_aside(source) == (BAD, step, code, 1)
    named_once(source, code)
    settles(lambda: sorted(source.sql("SELECT id, chunk FROM document_embedding_store")), the_others())


@pytest.mark.parametrize("text", ["<|endoftext|>", "<|fim_prefix|> and <|endofprompt|>", "[CLS] [SEP] </s>"])
def test_what_looks_like_a_special_token_is_text(source, stub, text):
    source.sql(f"CREATE TABLE document ({TEXT}); INSERT INTO document VALUES (1, 'a'), (3, 'c')")
    source.sql("INSERT INTO document VALUES (2, %s)", [text * 2000])
    model = f"ai.embedding_openai('text-embedding-3-small', {vectorizer.DIMENSIONS}, base_url => '{stub.url}')"
    vectorizer.create(source, stub.url, embedding=model, chunking="ai.chunking_none()")
    chunks = "SELECT id, chunk FROM document_embedding_store ORDER BY id"
    settles(lambda: source.sql(chunks), [(1, "a"), (2, text * 2000), (3, "c")])
    # What is sent is what the model reads of it.
    assert all(len(part) <= len(text * 2000) for request in stub.requests for part in request.inputs)
    assert source.sql("SELECT * FROM ai._vectorizer_q_failed_1") == []


def test_a_template_without_its_column_stops_its_own_vectorizer_only(source, stub):
    source.sql("CREATE TABLE titled (id int PRIMARY KEY, body text, title text)")
    source.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    template = "ai.formatting_python_template('$title: $chunk')"
    vectorizer.create(source, stub.url, "titled", formatting=template)
    source.sql("ALTER TABLE titled DROP COLUMN title CASCADE; INSERT INTO titled VALUES (1, 'a')")
    vectorizer.create(source, stub.url)
    source.sql(f"INSERT INTO document SELECT i, 'row ' || i FROM generate_series(1, {ROWS}) i")
    settles(lambda: len(source.sql("SELECT * FROM document_embedding_store")), ROWS)
    look = "SELECT details FROM ai.vectorizer_errors WHERE id = 1"
    [[details]] = eventually(lambda: source.sql(look), what="the error of the template")
    assert (details["step"], details["code"]) == ("formatting", "unknown_placeholder")
    assert source.sql("SELECT id, failure_code FROM ai._vectorizer_q_failed_1") == [(1, "unknown_placeholder")]


def test_many_bad_rows_leave_a_bounded_number_of_errors(source, stub):
    source.sql(f"CREATE TABLE document ({TEXT})")
    source.sql(f"INSERT INTO document SELECT i, CASE i % 3 WHEN 0 THEN 'bad ' ELSE 'row ' END || i FROM generate_series(1, {ROWS}) i")
    stub.fail(math.inf, when=lambda request: any("bad" in text for text in request.inputs), status=400)
    vectorizer.create(source, stub.url)
    failed = "SELECT count(*) FROM ai._vectorizer_q_failed_1"
    settles(lambda: source.value(failed), ROWS // 3)
    settles(lambda: source.value("SELECT count(*) FROM document_embedding_store"), ROWS - ROWS // 3)
    kept = "SELECT count(*), count(DISTINCT details -> 'key') FROM ai.vectorizer_errors"
    assert source.sql(kept) == [(50, 50)]
