"""Documents of binary formats: what becomes of them, and of those that can't be read."""

import psycopg
import pytest
from support import documents, vectorizer
from support.wait import eventually, settles

TABLE = "CREATE TABLE document (id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY, uri text, updated_at timestamptz)"
FROM_S3 = "ai.loading_uri(column_name => 'uri')"
MANUAL = documents.docx(
    "Safety", "Unplug the machine first.", "Cleaning", "Wipe it with a dry cloth.",
    title="The manual", styles={0: "Heading1", 2: "Heading1"},
)
REPORT = documents.pdf("The year began well.", "It ended better.", title="The report")
CHUNKS = "SELECT chunk FROM document_embedding_store ORDER BY id, chunk_seq"


def load(db, bucket, stub, objects: dict[str, bytes], **arguments: str) -> None:
    """Creates a vectorizer of these objects, a row each in their order."""
    db.sql(TABLE)
    for key, body in objects.items():
        db.sql("INSERT INTO document (uri) VALUES (%s)", [bucket.put(key, body)])
    vectorizer.create(db, stub.url, loading=FROM_S3, **arguments)


def test_documents_become_markdown(db, bucket, stub):
    objects = {
        "manual.docx": MANUAL,
        "report.pdf": REPORT,
        "page.html": b"<html><body><h1>Prices</h1><p>All include <b>tax</b>.</p></body></html>",
        "list.csv": b"name,price\nspade,12\nrake,9\n",
        "letter.rtf": rb"{\rtf1\ansi Dear all,\par hello.\par}",
    }
    load(db, bucket, stub, objects, chunking="ai.chunking_none()")
    settles(
        lambda: [chunk for [chunk] in db.sql(CHUNKS)],
        [
            "# Safety\n\nUnplug the machine first.\n\n# Cleaning\n\nWipe it with a dry cloth.",
            "The year began well.\n\nIt ended better.",
            "# Prices\n\nAll include **tax**.",
            "| name | price |\n| --- | --- |\n| spade | 12 |\n| rake | 9 |",
            "Dear all,\n\nhello.",
        ],
    )
    vectorizer.idle(db)


def test_a_document_in_a_column_is_known_by_its_content(db, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body bytea)")
    db.sql("INSERT INTO document VALUES (1, %s), (2, 'plain')", [REPORT])
    vectorizer.create(db, stub.url, chunking="ai.chunking_none()")
    settles(lambda: db.sql(CHUNKS), [("The year began well.\n\nIt ended better.",), ("plain",)])


def test_text_in_another_encoding_is_read(db, bucket, stub):
    text = "Größe und Straße, über Äcker und Öfen; weiß, süß und schön."
    load(db, bucket, stub, {"latin.txt": text.encode("windows-1252")}, chunking="ai.chunking_none()")
    settles(lambda: db.sql(CHUNKS), [(text,)])


# What can't be read, and why.
UNREADABLE = {
    "a picture": ("a.png", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "unsupported_type"),
    "a PDF that is cut off": ("a.pdf", b"%PDF-1.7 ...", "damaged_document"),
    "a PDF without text": ("b.pdf", documents.pdf(""), "empty_document"),
    "a Word document that is cut off": ("a.docx", MANUAL[: len(MANUAL) // 2], "damaged_document"),
    "a name that is not kept": ("c.pdf", b"just words", "damaged_document"),
}


@pytest.mark.parametrize("key, body, code", UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_set_aside_with_a_reason(db, bucket, stub, key, body, code):
    load(db, bucket, stub, {key: body, "good.docx": MANUAL}, chunking="ai.chunking_none()")
    [[details]] = eventually(lambda: db.sql("SELECT details FROM ai.vectorizer_errors"), what="an error row")
    assert (details["code"], details["key"], details["is_retryable"]) == (code, {"id": "1"}, False)
    assert details["hint"]
    settles(lambda: [chunk.startswith("# Safety") for [chunk] in db.sql(CHUNKS)], [True])
    vectorizer.idle(db)


def test_a_document_tells_its_title_pages_and_headings_to_a_template(db, bucket, stub):
    template = "ai.formatting_python_template('$title|$page|$headings|$chunk')"
    chunking = "ai.chunking_markdown(37, headings => false)"
    load(db, bucket, stub, {"manual.docx": MANUAL, "report.pdf": REPORT}, formatting=template, chunking=chunking)
    settles(
        lambda: [chunk for [chunk] in db.sql(CHUNKS)],
        [
            "The manual||Safety|# Safety\n\nUnplug the machine first.",
            "The manual||Cleaning|# Cleaning\n\nWipe it with a dry cloth.",
            "The report|1||The year began well.",
            "The report|2||It ended better.",
        ],
    )


def test_a_column_of_the_source_comes_before_the_document_in_a_template(db, bucket, stub):
    db.sql(TABLE)
    db.sql("ALTER TABLE document ADD title text")
    db.sql("INSERT INTO document (uri, title) VALUES (%s, 'mine')", [bucket.put("manual.docx", MANUAL)])
    template = "ai.formatting_python_template('$title: $chunk')"
    vectorizer.create(db, stub.url, loading=FROM_S3, formatting=template, chunking="ai.chunking_none()")
    eventually(lambda: db.sql(CHUNKS) and db.sql(CHUNKS)[0][0].startswith("mine: # Safety"), what="the row's title")


def test_only_documents_have_titles(db, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    with pytest.raises(psycopg.errors.InvalidParameterValue, match='column "page" in the template does not exist'):
        vectorizer.create(db, stub.url, formatting="ai.formatting_python_template('$page $chunk')")


def test_chunks_can_be_cited(db, bucket, stub):
    destination = "ai.destination_table(citation => true)"
    chunking = "ai.chunking_markdown(50, headings => false)"
    load(db, bucket, stub, {"manual.docx": MANUAL, "report.pdf": REPORT}, destination=destination, chunking=chunking)
    settles(
        lambda: db.sql("SELECT id, chunk_seq, citation FROM document_embedding ORDER BY id, chunk_seq"),
        [
            (1, 0, {"headings": ["Safety"], "start": 0, "end": 35}),
            (1, 1, {"headings": ["Cleaning"], "start": 37, "end": 74}),
            (2, 0, {"page": 1, "last_page": 2, "start": 0, "end": 38}),
        ],
    )


def test_a_chunk_that_moves_keeps_its_vector_and_gets_its_new_place(db, bucket, stub):
    destination = "ai.destination_table(citation => true)"
    load(db, bucket, stub, {"a.txt": b"one|two|three"}, destination=destination)
    rows = "SELECT chunk, embedding_uuid, citation FROM document_embedding_store ORDER BY chunk_seq"
    before = {chunk: uuid for chunk, uuid, _ in eventually(lambda: db.sql(rows), what="the chunks")}
    stub.forget()

    bucket.put("a.txt", b"zero|two|three")
    db.sql("UPDATE document SET updated_at = now()")
    settles(
        lambda: db.sql(rows)[1:],
        [("two", before["two"], {"start": 5, "end": 8}), ("three", before["three"], {"start": 9, "end": 14})],
    )
    assert stub.embedded == {"zero": 1}


def test_a_document_can_be_seen_before_it_is_trusted(db, bucket):
    seen = "SELECT type, format, metadata->>'title', pages, content FROM ai.parse_document"
    pages = [{"page": 1, "start": 0}, {"page": 2, "start": 22}]
    expected = [("pdf", "markdown", "The report", pages, "The year began well.\n\nIt ended better.")]
    assert db.sql(f"{seen}(%s::bytea)", [REPORT]) == expected
    assert db.sql(f"{seen}(%s::text)", [bucket.put("report.pdf", REPORT)]) == expected
    assert db.sql(f"{seen}(NULL::bytea)") == []
    assert db.sql(
        "SELECT seq, chunk, citation FROM ai.chunk_document(%s::bytea, ai.chunking_markdown(50))", [MANUAL]
    ) == [
        (0, "# Safety\n\nUnplug the machine first.", {"headings": ["Safety"], "start": 0, "end": 35}),
        (1, "# Cleaning\n\nWipe it with a dry cloth.", {"headings": ["Cleaning"], "start": 37, "end": 74}),
    ]


def test_a_document_that_cannot_be_read_says_so_at_once(db):
    with pytest.raises(psycopg.errors.DataException, match="which is not supported") as caught:
        db.sql("SELECT * FROM ai.parse_document('\\x89504e470d0a1a0a00'::bytea)")
    assert "unsupported_type" in caught.value.diag.message_detail and caught.value.diag.message_hint


def test_a_role_sees_no_object_that_it_may_not_load(db, bucket):
    uri, reader = bucket.put("report.pdf", REPORT), f"reader_of_{db.name}"
    db.sql(f"CREATE ROLE {reader} LOGIN; GRANT USAGE ON SCHEMA ai TO {reader}")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        db.sql("SELECT * FROM ai.parse_document(%s::bytea)", [REPORT], user=reader)
    for signature in ["parse_document(bytea, text, text)", "parse_document(text, jsonb)", "chunk_document(text, jsonb, jsonb)"]:
        db.sql(f"GRANT EXECUTE ON FUNCTION ai.{signature} TO {reader}")
    by_hand = """{"config_type": "loading", "implementation": "uri", "column_name": "u", "retries": 1}"""
    for statement, arguments in [
        ("SELECT * FROM ai.parse_document(%s::text)", [uri]),
        ("SELECT * FROM ai.chunk_document(%s::text)", [uri]),
        ("SELECT * FROM ai.parse_document(%s::text, %s::jsonb)", [uri, by_hand]),
    ]:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            db.sql(statement, arguments, user=reader)
    assert db.sql("SELECT type FROM ai.parse_document(%s::bytea)", [REPORT], user=reader) == [("pdf",)]
