"""Texts that are kept: what the parser made of a document can be seen, and another chunking parses nothing again."""

import json

import psycopg
import pytest
from support import documents, s3_proxy, vectorizer
from support.wait import eventually, settles

TABLE = "CREATE TABLE document (id int PRIMARY KEY, uri text, updated_at timestamptz)"
NAME = "public_document_embedding_store"
KEPT = "ai.parsing_auto(keep_text => true)"
MANUAL = documents.docx(
    "Safety", "Unplug the machine first.", "Cleaning", "Wipe it with a dry cloth.",
    title="The manual", styles={0: "Heading1", 2: "Heading1"},
)
REPORT = documents.pdf("The year began well.", "It ended better.", title="The report")
REPORT_TEXT = "The year began well.\n\nIt ended better."
OBJECTS = {"manual.docx": MANUAL, "report.pdf": REPORT, "notes.md": b"# Notes\n\nOne|two.", "plain.txt": b"three|four"}

CHUNKS = "SELECT id, chunk_seq, chunk, citation FROM {} ORDER BY id, chunk_seq"
TEXTS = "SELECT id, parsed_text, parsed_at FROM ai._vectorizer_origin_1 WHERE parsed_text IS NOT NULL ORDER BY id"
SEEN = "SELECT type, format, metadata, pages, content, parsed_by FROM ai.parsed_document(%s::text, %s::jsonb)"
BY_HEADINGS = "ai.chunking_markdown(40, headings => false)"


@pytest.fixture
def proxy(s3):
    """A way to S3 on which one sees what is fetched."""
    with s3_proxy.before(s3) as proxy:
        yield proxy


@pytest.fixture
def loaded(db, bucket, stub, proxy):
    """A vectorizer of objects whose texts are kept; by their keys, what their rows have."""
    db.sql(TABLE)
    for number, (key, body) in enumerate(OBJECTS.items(), start=1):
        db.sql("INSERT INTO document VALUES (%s, %s)", [number, bucket.put(key, body)])
    create(db, stub, proxy, destination="ai.destination_table(citation => true)")
    vectorizer.idle(db)
    return {key: number for number, key in enumerate(OBJECTS, start=1)}


def create(db, stub, proxy, **arguments) -> int:
    loading = f"ai.loading_uri('uri', endpoint => '{proxy.url}', url_style => 'path')"
    return vectorizer.create(db, stub.url, **({"loading": loading, "parsing": KEPT} | arguments))


def seen(db, key, name: str = NAME, **options) -> list[tuple]:
    return db.sql(SEEN, [name, json.dumps(key)], **options)


def change(db, part: str, expression: str) -> None:
    """Changes a part of the vectorizer's config, and has all rows processed."""
    db.sql(f"UPDATE ai.vectorizer SET config = jsonb_set(config, '{{{part}}}', {expression}) WHERE id = 1")
    db.sql("SELECT ai.resync(1, all_rows => true)")
    vectorizer.idle(db)


def test_one_sees_what_the_parser_made_of_each_document(db, bucket, loaded):
    parse = "SELECT type, format, metadata, pages, content FROM ai.parse_document(%s::text)"
    for key, number in loaded.items():
        [(*shown, parsed_by)] = seen(db, {"id": number})
        assert [tuple(shown)] == db.sql(parse, [bucket.uri(key)])
        assert parsed_by.startswith("pgai_rs_parser ")
    by_id = "SELECT content, parsed_at BETWEEN now() - interval '1 hour' AND now() FROM ai.parsed_document(1, '{\"id\": \"2\"}')"
    assert db.sql(by_id) == [(REPORT_TEXT, True)]
    assert seen(db, {"id": 99}) == []


def test_another_chunking_fetches_and_parses_nothing_again(db, stub, proxy, loaded):
    before = db.sql(TEXTS)
    assert len(before) == len(OBJECTS)
    assert {status for _, status in proxy.answers} == {200}
    proxy.answers.clear()

    change(db, "chunking", BY_HEADINGS)
    assert [status for _, status in proxy.answers] == [304] * len(OBJECTS)
    assert db.sql(TEXTS) == before
    stub.forget()

    # As if it had been declared like that.
    create(db, stub, proxy, destination="ai.destination_table('fresh', citation => true)", chunking=BY_HEADINGS)
    vectorizer.idle(db)
    assert db.sql(CHUNKS.format("document_embedding_store")) == db.sql(CHUNKS.format("fresh_store"))

    # And nothing is read where nothing has changed.
    proxy.answers.clear()
    db.sql("SELECT ai.resync(1, all_rows => true)")
    vectorizer.idle(db)
    assert [status for _, status in proxy.answers] == [304] * len(OBJECTS)


def test_it_is_the_kept_text_that_is_cut(db, loaded):
    db.sql("UPDATE ai._vectorizer_origin_1 SET parsed_text = 'Quite another text.' WHERE id = 1")
    change(db, "chunking", "ai.chunking_none()")
    assert db.value("SELECT chunk FROM document_embedding_store WHERE id = 1") == "Quite another text."


def test_a_text_that_somebody_has_broken_is_made_anew(db, loaded):
    # Its pages begin behind its end.
    db.sql("UPDATE ai._vectorizer_origin_1 SET parsed_text = 'x' WHERE id = 2")
    db.sql("UPDATE ai._vectorizer_origin_1 SET parsed_from = 'x' WHERE id = 3")
    assert seen(db, {"id": 2}) == []
    change(db, "chunking", "ai.chunking_none()")
    assert db.value("SELECT chunk FROM document_embedding_store WHERE id = 2") == REPORT_TEXT
    assert [row[4] for row in seen(db, {"id": 2})] == [REPORT_TEXT]


def test_a_changed_object_is_parsed_again(db, bucket, loaded):
    bucket.put("notes.md", "# Other notes")
    db.sql("UPDATE document SET updated_at = now() WHERE id = 3")
    settles(lambda: [row[4] for row in seen(db, {"id": 3})], ["# Other notes"])
    assert db.sql("SELECT chunk FROM document_embedding_store WHERE id = 3") == [("# Other notes",)]


def test_another_parser_parses_again_and_embeds_nothing_that_is_the_same(db, stub, proxy, loaded):
    before = dict((id, at) for id, _, at in db.sql(TEXTS))
    proxy.answers.clear()
    stub.forget()
    # As another version of the parser would have left it.
    db.sql("UPDATE ai._vectorizer_origin_1 SET parsed_from = sha256('before') WHERE id = 2")
    db.sql("SELECT ai.resync(1, all_rows => true)")
    vectorizer.idle(db)
    assert sorted(status for _, status in proxy.answers) == [200] + [304] * (len(OBJECTS) - 1)
    after = dict((id, at) for id, _, at in db.sql(TEXTS))
    assert {id for id in after if after[id] != before[id]} == {2}
    assert stub.embedded.total() == 0


def test_a_text_goes_with_its_row(db, bucket, loaded):
    db.sql("DELETE FROM document WHERE id = 1; UPDATE document SET uri = NULL WHERE id = 2; UPDATE document SET id = 33 WHERE id = 3")
    vectorizer.idle(db)
    assert [id for id, *_ in db.sql(TEXTS)] == [4, 33]
    # Past the triggers.
    db.sql("SET session_replication_role = replica; DELETE FROM document WHERE id = 4")
    assert seen(db, {"id": 4}) == []
    db.sql("SELECT ai.resync(1)")
    settles(lambda: [id for id, *_ in db.sql(TEXTS)], [33])
    db.sql("TRUNCATE document")
    assert db.sql(TEXTS) == []


def test_documents_in_a_column_are_known_by_their_content(db, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body bytea, label text)")
    db.sql("INSERT INTO document VALUES (1, %s), (2, 'one|two'), (3, NULL), (4, '')", [REPORT])
    vectorizer.create(db, stub.url, parsing=KEPT, formatting="ai.formatting_python_template('$label: $chunk')")
    vectorizer.idle(db)
    assert [row[4] for key in (1, 2, 3, 4) for row in seen(db, {"id": key})] == [REPORT_TEXT, "one|two"]

    db.sql("UPDATE ai._vectorizer_origin_1 SET parsed_text = 'another|text' WHERE id = 2")
    before = db.sql(TEXTS)
    change(db, "chunking", "ai.chunking_none()")
    chunks = "SELECT chunk FROM document_embedding_store ORDER BY id, chunk_seq"
    assert db.sql(chunks) == [(f"None: {REPORT_TEXT}",), ("None: another|text",)]
    # It is the document that counts, and not the row.
    db.sql("UPDATE document SET label = 'a' WHERE id = 2")
    settles(lambda: db.sql(chunks)[1:], [("a: another|text",)])
    vectorizer.idle(db)
    assert db.sql(TEXTS) == before

    db.sql("UPDATE document SET body = 'three' WHERE id = 2; DELETE FROM document WHERE id = 1")
    settles(lambda: [text for _, text, _ in db.sql(TEXTS)], ["three"])
    assert db.sql(chunks) == [("a: three",)]


def test_texts_are_kept_beside_a_column_of_vectors(db, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body bytea)")
    db.sql("INSERT INTO document VALUES (1, %s), (2, '')", [REPORT])
    destination, chunking = "ai.destination_column('embedding')", "ai.chunking_none()"
    vectorizer.create(db, stub.url, parsing=KEPT, destination=destination, chunking=chunking, name="'v'")
    vectorizer.idle(db)
    assert [row[4] for row in seen(db, {"id": 1}, "v")] == [REPORT_TEXT]
    # Long enough for both of its pages.
    db.sql("UPDATE ai._vectorizer_origin_1 SET parsed_text = 'another text for its two pages'")
    change(db, "formatting,template", "'\"text: $chunk\"'")
    assert "text: another text for its two pages" in stub.embedded


def test_what_is_no_longer_to_be_kept_is_removed(db, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body bytea)")
    db.sql("INSERT INTO document VALUES (1, %s), (2, 'two')", [REPORT])
    vectorizer.create(db, stub.url, parsing=KEPT)
    vectorizer.idle(db)
    change(db, "parsing", "ai.parsing_auto()")
    assert db.sql(TEXTS) == []
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="does not keep the texts") as caught:
        seen(db, {"id": 1})
    assert "keep_text => true" in caught.value.diag.message_hint
    # And it can be kept again.
    change(db, "parsing", KEPT)
    assert [text for _, text, _ in db.sql(TEXTS)] == [REPORT_TEXT, "two"]


def test_texts_can_be_kept_later_on(db, stub, proxy, bucket):
    db.sql(TABLE)
    db.sql("INSERT INTO document VALUES (1, %s)", [bucket.put("report.pdf", REPORT)])
    create(db, stub, proxy, parsing="ai.parsing_auto()")
    vectorizer.idle(db)
    stub.forget()
    change(db, "parsing", KEPT)
    assert [row[4] for row in seen(db, {"id": 1})] == [REPORT_TEXT]
    assert stub.embedded.total() == 0
    change(db, "parsing", "ai.parsing_auto()")
    assert db.sql(TEXTS) == []


def test_a_vectorizer_without_a_table_for_texts_says_so(db, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body bytea); INSERT INTO document VALUES (1, 'one')")
    vectorizer.create(db, stub.url)
    vectorizer.idle(db)
    db.sql(f"UPDATE ai.vectorizer SET config = jsonb_set(config, '{{parsing}}', {KEPT})")
    stopped = "SELECT hint FROM ai.vectorizer_health WHERE reason ~ 'no table in which it could keep texts'"
    [(hint,)] = eventually(lambda: db.sql(stopped), what="the vectorizer to be stopped")
    assert "create it again with keep_text" in hint
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="no table"):
        seen(db, {"id": 1})
    # What changes meanwhile is not missed.
    db.sql("INSERT INTO document VALUES (2, 'two')")
    db.sql("UPDATE ai.vectorizer SET config = jsonb_set(config, '{parsing}', ai.parsing_auto())")
    settles(lambda: db.sql("SELECT chunk FROM document_embedding_store ORDER BY id"), [("one",), ("two",)])


def test_keys_may_have_the_names_of_the_columns_of_texts(db, stub):
    db.sql(
        "CREATE TABLE document (parsed_text int, parsed_at date, body bytea, PRIMARY KEY (parsed_at, parsed_text))"
        " PARTITION BY RANGE (parsed_at); CREATE TABLE p PARTITION OF document DEFAULT"
    )
    db.sql("INSERT INTO document VALUES (7, '2026-01-02', %s), (8, '2026-01-02', 'two')", [REPORT])
    vectorizer.create(db, stub.url, parsing=KEPT)
    vectorizer.idle(db)
    key = {"parsed_text": 7, "parsed_at": "2026-01-02"}
    assert [row[4] for row in seen(db, key)] == [REPORT_TEXT]
    db.sql("ALTER TABLE document RENAME COLUMN parsed_text TO number; UPDATE document SET number = 9 WHERE number = 7")
    renamed = {"number": 9, "parsed_at": "2026-01-02"}
    settles(lambda: [row[4] for row in seen(db, renamed)], [REPORT_TEXT])
    db.sql("DELETE FROM document WHERE number = 9")
    assert seen(db, renamed) == []


def test_a_text_column_needs_no_kept_text(db, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="cannot use keep_text with a text column") as caught:
        vectorizer.create(db, stub.url, parsing=KEPT)
    assert caught.value.diag.message_hint
    vectorizer.create(db, stub.url)
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        seen(db, {"id": 1})


@pytest.mark.parametrize("key", ['{"id": "x"}', '{"no": 1}', "{}", '"1"', '[{"id": 1}]', '{"id": null}'])
def test_a_key_that_is_none_is_an_error_with_a_hint(db, stub, key):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body bytea)")
    vectorizer.create(db, stub.url, parsing=KEPT)
    with pytest.raises(psycopg.errors.DataError) as caught:
        db.sql("SELECT * FROM ai.parsed_document(1, %s::jsonb)", [key])
    assert "primary key" in caught.value.diag.message_hint


@pytest.fixture
def readers(db, stub):
    """Two roles, and documents of each."""
    names = [f"{who}_{db.name}" for who in ("ann", "ben")]
    db.sql("CREATE TABLE document (id int PRIMARY KEY, owner name, body bytea)")
    for name in names:
        db.sql(f"CREATE ROLE {name} LOGIN; GRANT USAGE ON SCHEMA ai TO {name}")
    db.sql("INSERT INTO document VALUES (1, %s, 'hers'), (2, %s, 'his')", names)
    vectorizer.create(db, stub.url, parsing=KEPT)
    vectorizer.idle(db)
    yield names
    for name in names:
        db.sql(f"DROP OWNED BY {name}; DROP ROLE {name}")


def test_only_who_may_read_the_texts_sees_them(db, readers):
    ann, _ = readers
    with pytest.raises(psycopg.errors.NoDataFound):
        seen(db, {"id": 1}, user=ann)
    for granted in ("document_embedding", "document"):
        db.sql(f"GRANT SELECT ON {granted} TO {ann}")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied for the texts") as caught:
            seen(db, {"id": 1}, user=ann)
        assert "GRANT SELECT ON public.document, ai._vectorizer_origin_1" in caught.value.diag.message_hint
    db.sql(f"GRANT SELECT ON ai._vectorizer_origin_1 TO {ann}")
    assert [row[4] for row in seen(db, {"id": 1}, user=ann)] == ["hers"]


def test_row_security_hides_texts(db, readers):
    ann, ben = readers
    db.sql(f"GRANT SELECT ON document, ai._vectorizer_origin_1 TO {ann}, {ben}")
    db.sql("ALTER TABLE document ENABLE ROW LEVEL SECURITY; CREATE POLICY mine ON document USING (owner = current_user)")
    for reader, mine, others, text in [(ann, 1, 2, "hers"), (ben, 2, 1, "his")]:
        assert [row[4] for row in seen(db, {"id": mine}, user=reader)] == [text]
        assert seen(db, {"id": others}, user=reader) == []
        assert db.sql("SELECT parsed_text FROM ai._vectorizer_origin_1", user=reader) == [(text,)]
    # The worker goes on, and the owner sees all.
    db.sql("UPDATE document SET body = 'hers again' WHERE id = 1")
    settles(lambda: [row[4] for row in seen(db, {"id": 1})], ["hers again"])


def test_nothing_of_the_owners_runs_as_who_looks(db):
    owner = f"owner_of_{db.name}"
    db.sql(f"CREATE ROLE {owner} LOGIN; SELECT ai.grant_vectorizer_usage('{owner}'); GRANT CREATE ON SCHEMA public TO {owner}")
    db.sql(
        """
        CREATE FUNCTION note() RETURNS bool LANGUAGE plpgsql AS $$
        BEGIN
            IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN RAISE EXCEPTION 'caught'; END IF;
            RETURN true;
        END $$;
        CREATE DOMAIN number AS int CHECK (public.note());
        CREATE TABLE document (id number PRIMARY KEY, body bytea);
        """,
        user=owner,
    )
    embedding = "ai.embedding_openai('m', 8)"
    vectorizer.create(db, "", user=owner, embedding=embedding, parsing=KEPT, enqueue_existing="false")
    db.sql("SELECT ai.disable_vectorizer_schedule(1)")
    outline = '{"format": "text", "parser": "by hand"}'
    db.sql("INSERT INTO document VALUES (1, 'one')", user=owner)
    db.sql("INSERT INTO ai._vectorizer_origin_1 VALUES (1, 'kept', %s, 'x', now())", [outline], user=owner)
    with pytest.raises(psycopg.errors.RaiseException, match="caught"):
        db.sql("SELECT 1::number")
    assert seen(db, {"id": 1}) == [("text", "text", {}, [], "kept", "by hand")]
    db.sql("ALTER TABLE document ENABLE ROW LEVEL SECURITY; CREATE POLICY noted ON document USING (public.note())", user=owner)
    assert seen(db, {"id": 1}) == [("text", "text", {}, [], "kept", "by hand")]


def test_a_dump_has_the_texts(cluster, db, loaded):
    dump = cluster.run("pg_dump", db.name)
    copy = cluster.create_database(f"{db.name}_restored")
    try:
        cluster.run("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={copy.name}", input=dump)
        vectorizer.restored(copy)
        assert copy.sql(TEXTS) == db.sql(TEXTS)
        before = copy.sql(TEXTS)
        change(copy, "chunking", "ai.chunking_none()")
        assert copy.value("SELECT chunk FROM document_embedding_store WHERE id = 2") == REPORT_TEXT
        assert copy.sql(TEXTS) == before
    finally:
        copy.drop()
