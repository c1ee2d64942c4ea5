"""ai.explain_search tells what each step of a search has found, how, and with which model, and shows nobody more than ai.search."""

import psycopg
import pytest
from support import vectorizer, vectors
from support.index import STORE, by_index
from support.tenant import may_read, reading, with_rows
from support.wait import eventually

WORDS = f"{STORE}_words"
VECTOR = f"'{vectors.as_json('row 7', 8)}'::vector"
READY = "SELECT bool_and(words_ready) FROM ai._vectorizer_binding"


def declare(db, stub, rows: int = 30, **arguments: str) -> None:
    """Rows whose texts have their numbers, in a vectorizer `rows`."""
    db.sql("CREATE TABLE document (id int PRIMARY KEY, kind int, body text)")
    db.sql(f"INSERT INTO document SELECT i, i %% 3, 'row ' || i FROM generate_series(1, {rows}) i", [])
    vectorizer.create(db, stub.url, name="'rows'", **({"indexing": "ai.indexing_none()"} | arguments))
    vectorizer.in_step(db, ["id"])
    stub.forget()


@pytest.fixture
def rows(db, stub):
    declare(db, stub)
    return db


@pytest.fixture
def hybrid(db, stub):
    declare(db, stub, search="ai.search_hybrid('simple')")
    eventually(lambda: db.value(READY), what="the words to be complete")
    return db


def explained(session, arguments: str, **options) -> list[dict]:
    """The steps, without their times."""
    query = f"SELECT to_jsonb(e) - 'milliseconds' FROM ai.explain_search({arguments}) e WHERE milliseconds >= 0 ORDER BY number"
    execute = session.sql if hasattr(session, "sql") else lambda query: session.execute(query).fetchall()
    steps = [step for [step] in execute(query, **options)]
    assert [step.pop("number") for step in steps] == [*range(1, len(steps) + 1)]
    return [{name: value for name, value in step.items() if value is not None} for step in steps]


def names(steps: list[dict]) -> list[str]:
    return [step["step"] for step in steps]


def the(name: str, steps: list[dict]) -> dict:
    [step] = [step for step in steps if step["step"] == name]
    return step


# The modes


def test_a_search_by_vectors(rows, stub):
    steps = explained(rows, "'rows', 'row 7', 4")
    assert steps == [
        {"step": "prepare"},
        {"step": "embed", "model": "stub", "tokens": 2, "detail": {"provider": "openai"}},
        {"step": "vector", "candidates": 4, "rows": 4, "detail": {"exact": "the vectors have no index"}},
        {"step": "choose", "candidates": 4, "rows": 4},
    ]
    # It has really been done.
    assert stub.embedded == {"row 7": 1}


def test_a_vector_needs_no_model(rows, stub):
    assert names(explained(rows, f"'rows', {VECTOR}")) == ["prepare", "vector", "choose"]
    assert names(explained(rows, f"(SELECT id FROM ai.vectorizer), {VECTOR}")) == ["prepare", "vector", "choose"]
    assert stub.requests == []


def test_a_search_by_words(hybrid, stub):
    hybrid.sql(f"VACUUM ANALYZE {WORDS}")
    with by_index(hybrid) as session:
        steps = explained(session, "'rows', 'row 7 nowhere', 4, mode => 'text'")
    assert steps == [
        {"step": "prepare"},
        {"step": "words", "rows": 3, "detail": {"chunks_with": {"row": 30, "7": 1, "nowhere": 0}}},
        {"step": "text", "candidates": 30, "rows": 30, "index": f"{WORDS}_words_idx"},
        {"step": "choose", "candidates": 30, "rows": 4},
    ]
    assert stub.requests == []


def test_a_search_by_both(hybrid):
    steps = explained(hybrid, "'rows', 'row 7', 4, text_weight => 2, fusion => 'ranks'")
    assert names(steps) == ["prepare", "embed", "words", "vector", "text", "fusion", "choose"]
    assert the("vector", steps)["rows"] == the("text", steps)["rows"] == 30
    assert the("fusion", steps) == {
        "step": "fusion", "candidates": 60, "rows": 30,
        "detail": {"fusion": "ranks", "vector_weight": 1, "text_weight": 2},
    }
    assert the("choose", steps)["rows"] == 4
    assert names(explained(hybrid, f"'rows', {VECTOR}, words => 'row 7'")) == [
        "prepare", "words", "vector", "text", "fusion", "choose"
    ]


# What it takes of a question and of what is found has bounds


def test_a_question_has_so_many_words_at_most(hybrid):
    question = " ".join(f"w{number}" for number in range(300))
    assert the("words", explained(hybrid, f"'rows', '{question}', mode => 'text'"))["rows"] == 256


def test_so_many_chunks_are_scored_at_most(hybrid):
    hybrid.sql("UPDATE document SET body = repeat('wing|', 5100) WHERE id = 1")
    vectorizer.in_step(hybrid, ["id"])
    step = the("text", explained(hybrid, "'rows', 'wing', mode => 'text'"))
    assert step["candidates"] == 5_000


def test_what_the_least_score_and_documents_leave(rows):
    best = rows.value("SELECT score FROM ai.search('rows', 'row 7', 3) ORDER BY rank DESC LIMIT 1")
    steps = explained(rows, f"'rows', 'row 7', min_score => {best!r}")
    assert (the("vector", steps)["rows"], the("choose", steps)["rows"]) == (10, 3)

    rows.sql("UPDATE document SET body = 'row 7|row 7|row 7|row 7|row 7|row 7|row 7|row 7|row 7|row 7|row 7' WHERE id = 7")
    vectorizer.in_step(rows, ["id"])
    steps = explained(rows, "'rows', 'row 7', 2, per_document => 1")
    # The first eight are of one document, and so more are looked at.
    assert [(step["candidates"], step["rows"]) for step in steps if step["step"] == "vector"] == [(8, 8), (32, 32)]
    assert [(step["rows"], step.get("detail")) for step in steps if step["step"] == "choose"] == [(1, {"too_few": True}), (2, None)]


@pytest.mark.parametrize(("choice", "most"), [("per_document => 1", 50_000), ("per_document => 1, diversity => 0.5", 10_000)])
def test_rows_are_chosen_among_so_many_chunks_at_most(db, stub, choice, most):
    """Each takes memory of the session, and here all but one of the nearest are of one document."""
    declare(db, stub, rows=2)
    db.sql(f"""INSERT INTO {STORE} (id, chunk_seq, chunk, embedding)
               SELECT 1, n, 'row 1', embedding FROM {STORE}, generate_series(1, {most}) n WHERE id = 1""")
    db.sql(f"VACUUM ANALYZE {STORE}")
    steps = explained(db, f"'rows', 'row 1', 2, {choice}")
    assert max(step["candidates"] for step in steps if step["step"] == "choose") == most
    assert db.sql(f"SELECT key ->> 'id' FROM ai.search('rows', 'row 1', 2, {choice})") == [("1",)]


def test_a_filter_holds_in_each_arm(hybrid):
    steps = explained(hybrid, "'rows', 'row 7', filter => 'kind = $1', filter_args => ARRAY['1']")
    assert [the(name, steps)["rows"] for name in ("vector", "text", "fusion", "choose")] == [10, 10, 10, 10]


def test_what_a_model_has_ranked(hybrid, stub):
    steps = explained(hybrid, f"'rows', 'row 7', 4, rerank => ai.rerank_tei('{stub.url}', candidates => 12)")
    assert names(steps) == ["prepare", "embed", "words", "vector", "text", "fusion", "candidates", "rerank", "choose"]
    assert the("candidates", steps) == {"step": "candidates", "candidates": 30, "rows": 12}
    tokens = sum(2 + len(text.encode()) // 4 + (len(text.encode()) % 4 > 0) for request in stub.ranked for text in request.inputs)
    assert the("rerank", steps) == {
        "step": "rerank", "candidates": 12, "rows": 12, "model": "tei", "tokens": tokens, "detail": {"provider": "tei"},
    }
    assert the("choose", steps) == {"step": "choose", "candidates": 12, "rows": 4}


# The index


def test_the_index_and_its_settings(rows):
    rows.sql(f"CREATE INDEX mine ON {STORE} USING hnsw (embedding vector_cosine_ops)")
    with by_index(rows, "SET hnsw.ef_search = 5") as session:
        found = the("vector", explained(session, f"'rows', {VECTOR}, 10"))
        assert (found["index"], found["rows"]) == ("mine", 10)
        assert found["detail"]["hnsw.ef_search"] == "20"
        assert found["detail"]["hnsw.iterative_scan"] == "relaxed_order"
        # What the session has set holds again.
        assert session.execute("SHOW hnsw.ef_search").fetchone() == ("5",)

        exactly = the("vector", explained(session, f"'rows', {VECTOR}, 10, exact => true"))
        assert "index" not in exactly and exactly["detail"] == {"exact": "exact => true"}
    with rows.connect() as session:
        session.execute("SET enable_indexscan = off")
        planned = the("vector", explained(session, f"'rows', {VECTOR}, 10"))
        assert planned["detail"] == {"exact": "Postgres has planned it without an index"}


def test_an_index_of_bits(rows):
    rows.sql(f"CREATE INDEX mine ON {STORE} USING hnsw ((binary_quantize(embedding)::bit(8)) bit_hamming_ops)")
    with by_index(rows) as session:
        found = the("vector", explained(session, f"'rows', {VECTOR}, 2"))
    assert found["index"] == "mine" and found["detail"]["precision"] == "bit"
    # As many as are looked at.
    assert found["candidates"] == int(found["detail"]["hnsw.ef_search"])


def test_an_index_that_gives_up(db, stub):
    declare(db, stub, rows=200)
    db.sql(f"CREATE INDEX mine ON {STORE} USING hnsw (embedding vector_cosine_ops)")
    last = db.value(f"SELECT id FROM {STORE} ORDER BY embedding <=> {VECTOR} DESC LIMIT 1")
    settings = "SET enable_sort = off; SET enable_bitmapscan = off; SET hnsw.max_scan_tuples = 1; SET hnsw.ef_search = 1"
    with by_index(db, settings) as session:
        steps = explained(session, f"'rows', {VECTOR}, 1, filter => 'id + 0 = {last}'")
    [by_mine, exactly] = [step for step in steps if step["step"] == "vector"]
    assert (by_mine["index"], by_mine["rows"]) == ("mine", 0)
    assert exactly["rows"] == 1
    assert exactly["detail"] == {"exact": "the index gave up before it had found enough"}


@pytest.mark.parametrize(("definition", "reason"), [
    ("(embedding vector_cosine_ops) WHERE id > 3", 'index "mine" is on a part of the rows'),
    ("((embedding::vector(8)::halfvec(8)::vector(8)) vector_cosine_ops)", 'index "mine" is on another expression than a search has'),
])
def test_an_index_that_does_not_serve(rows, definition, reason):
    rows.sql(f"CREATE INDEX mine ON {STORE} USING hnsw {definition}")
    assert the("vector", explained(rows, f"'rows', {VECTOR}"))["detail"] == {"exact": reason}


def test_an_index_under_construction(db, stub):
    declare(db, stub)
    db.sql(f"CREATE INDEX mine ON {STORE} USING hnsw (embedding vector_cosine_ops)")
    db.sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'mine'::regclass")
    found = the("vector", explained(db, f"'rows', {VECTOR}"))
    assert found["detail"] == {"exact": 'index "mine" is being built, or its build has failed'}


# Nothing to be found, and nobody there


def test_an_empty_store(db, stub):
    declare(db, stub, rows=0, search="ai.search_hybrid('simple')")
    eventually(lambda: db.value(READY), what="the words to be complete")
    steps = explained(db, f"'rows', 'row 7', rerank => ai.rerank_tei('{stub.url}')")
    assert [step["rows"] for step in steps if "rows" in step] == [2, 0, 0, 0, 0, 0, 0]
    assert stub.ranked == []
    assert the("rerank", steps)["tokens"] == 0


def test_without_a_question_there_are_no_steps(rows):
    for arguments in ("'rows', NULL::text", "'rows', NULL::vector", "ARRAY['rows'], NULL::text"):
        assert rows.value(f"SELECT count(*) FROM ai.explain_search({arguments}) WHERE step <> 'prepare'") == 0


def test_a_model_that_is_down(rows, stub):
    stub.fail(1, status=400)
    with pytest.raises(psycopg.errors.ExternalRoutineException):
        explained(rows, "'rows', 'row 7'")


def test_a_reranker_that_is_down(rows):
    nobody = "rerank => ai.rerank_tei('http://127.0.0.1:1'%s)"
    with pytest.raises(psycopg.errors.ExternalRoutineException, match="could not connect"):
        explained(rows, f"'rows', 'row 7', {nobody % ''}")
    steps = explained(rows, "'rows', 'row 7', " + nobody % ", if_down => 'fused'")
    assert the("rerank", steps)["detail"] == {"provider": "tei", "is_down": True}
    assert "rows" not in the("rerank", steps)
    assert the("choose", steps)["rows"] == 10


@pytest.mark.parametrize(("arguments", "error"), [
    ("'nobodys', 'row 7'", psycopg.errors.UndefinedObject),
    ("NULL::text, 'row 7'", psycopg.errors.NullValueNotAllowed),
    ("'rows', ' '", psycopg.errors.InvalidParameterValue),
    ("'rows', 'row 7', 0", psycopg.errors.InvalidParameterValue),
    ("'rows', 'row 7', mode => 'guess'", psycopg.errors.InvalidParameterValue),
    ("'rows', 'row 7', mode => 'text'", psycopg.errors.ObjectNotInPrerequisiteState),
    ("'rows', 'row 7', filter => 'missing = 1'", psycopg.errors.UndefinedColumn),
    ("'rows', 'row 7', filter => 'true) OR (true'", psycopg.errors.SyntaxError),
    ("'rows', '[1,2]'::vector", psycopg.errors.DataException),
    ("'rows', 'row 7', rerank => '{}'", psycopg.errors.RaiseException),
    ("ARRAY['rows', NULL], 'row 7'", psycopg.errors.NullValueNotAllowed),
])
def test_what_is_wrong_for_a_search_is_wrong_here(rows, arguments, error):
    for function in ("search", "explain_search"):
        with pytest.raises(error):
            rows.sql(f"SELECT * FROM ai.{function}({arguments})")


# Several vectorizers


def test_several_vectorizers(hybrid, stub):
    hybrid.sql("CREATE TABLE other (id int PRIMARY KEY, body text); INSERT INTO other VALUES (7, 'row 7')")
    vectorizer.create(hybrid, stub.url, "other", name="'others'")
    vectorizer.in_step(hybrid, ["id"], source="other", store="other_embedding_store")
    stub.forget()

    steps = explained(hybrid, "ARRAY['rows', 'others'], 'row 7', 4")
    assert [(step.get("vectorizer"), step["step"]) for step in steps] == [
        *[("rows", step) for step in ("prepare", "embed", "words", "vector", "text", "fusion", "choose")],
        *[("others", step) for step in ("prepare", "embed", "vector", "choose")],
        (None, "fusion"),
    ]
    assert steps[8]["detail"] == {"provider": "openai", "remembered": True} and steps[8]["tokens"] == 0
    assert stub.embedded == {"row 7": 1}
    assert steps[-1] == {"step": "fusion", "candidates": 5, "rows": 4, "detail": {"fusion": "ranks"}}
    by_vectors = explained(hybrid, "ARRAY['rows', 'others'], 'row 7', 4, mode => 'vector'")
    assert by_vectors[-1]["detail"] == {"fusion": "scores"}


# Rights


@pytest.fixture
def owner(db, stub):
    with with_rows(db, stub, "owner", {1: "ann", 2: "ben", 3: "ben"}, search="ai.search_hybrid('simple')") as owner:
        eventually(lambda: db.value(READY), what="the words to be complete")
        yield owner


@pytest.fixture
def reader(db, owner):
    with reading(db, owner, "ann") as reader:
        yield reader


def counts(steps: list[dict]) -> set[int]:
    """All numbers of chunks that are told."""
    words = the("words", steps)["detail"]["chunks_with"].values()
    return {step[column] for step in steps for column in ("candidates", "rows") if column in step} | {*words}


def test_nobody_is_told_of_rows_that_are_hidden(db, owner, reader):
    may_read(owner, reader)
    owner.sql(f"ALTER TABLE {owner.name}.document ENABLE ROW LEVEL SECURITY")
    owner.sql(f"CREATE POLICY own ON {owner.name}.document USING (who || '_{db.name}' = current_user)")
    db.sql(f"VACUUM ANALYZE {owner.name}.document_embedding_store, {owner.name}.document_embedding_store_words")
    arguments = f"'rows', {VECTOR}, 1, words => 'hers his'"
    assert 3 in counts(explained(db, arguments))
    steps = explained(db, arguments, user=reader)
    assert [the(name, steps)["rows"] for name in ("vector", "text", "choose")] == [1, 1, 1]
    # The arms look for 60, and find one each; no chunk has the word "his".
    assert counts(steps) == {0, 1, 2, 60}


def test_who_may_not_search_is_told_nothing(db, owner, reader, stub):
    for arguments in (f"'rows', {VECTOR}", "'rows', 'row 7'", "ARRAY['rows'], 'row 7'"):
        with pytest.raises(psycopg.errors.UndefinedObject, match='"rows" does not exist'):
            explained(db, arguments, user=reader)
    owner.sql(f"GRANT SELECT ON {owner.name}.document_embedding_store TO {reader}")
    assert the("choose", explained(db, f"'rows', {VECTOR}, mode => 'vector'", user=reader))["rows"] == 3
    for arguments, of in (("mode => 'text', words => 'row'", "words"), ("filter => 'who IS NULL'", "document")):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match=of):
            db.sql(f"REVOKE SELECT ON {owner.name}.document_embedding_store_words FROM {reader}")
            explained(db, f"'rows', {VECTOR}, {arguments}", user=reader)
    rerank = f"rerank => '{{\"config_type\": \"rerank\", \"implementation\": \"tei\", \"base_url\": \"{stub.url}\"}}'"
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="rerank_tei"):
        explained(db, f"'rows', {VECTOR}, words => 'row', mode => 'vector', {rerank}", user=reader)
    assert stub.requests == []
