"""ai.search finds chunks by their words as well, and fuses what words and vectors find."""

import math
import re

import psycopg
import pytest
from support import vectorizer, vectors
from support.wait import eventually

TEXTS = [
    "the wing of the aircraft bends",
    "the aircraft climbs and the wing lifts the aircraft",
    "a wing",
    "birds fold a wing, and fly on the other wing of the storm in the night over the sea",
    "boundary layers of air",
    "the sea at night",
    "air over water",
]
# What `to_tsvector('simple', …)` makes of them, so that the test needs no stemmer of its own.
HYBRID = {"search": "ai.search_hybrid('simple')"}
READY = "SELECT bool_and(words_ready) FROM ai._vectorizer_binding"


@pytest.fixture
def searchable(db, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, title text, body text)")
    for id, text in enumerate(TEXTS, start=1):
        db.sql("INSERT INTO document VALUES (%s, %s, %s)", [id, f"title {id}", text])
    vectorizer.create(db, stub.url, name="'rows'", **HYBRID)
    vectorizer.in_step(db, ["id"])
    eventually(lambda: db.value(READY), what="the words to be complete")
    stub.forget()
    return db


def found(db, arguments: str, **options) -> list[tuple[int, float]]:
    rows = db.sql(f"SELECT (key ->> 'id')::int, score FROM ai.search('rows', {arguments}) ORDER BY rank", **options)
    return [(id, score) for id, score in rows]


def ids(db, arguments: str, **options) -> list[int]:
    return [id for id, _ in found(db, arguments, **options)]


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def bm25(question: str, texts: list[str]) -> dict[int, float]:
    """The scores by the book: Robertson and Zaragoza, with the weights of Lucene."""
    split = [words(text) for text in texts]
    mean = sum(map(len, split)) / len(split)
    scores = {}
    for id, text in enumerate(split, start=1):
        score = 0.0
        for word in set(words(question)):
            having = sum(word in other for other in split)
            idf = math.log(1 + (len(split) - having + 0.5) / (having + 0.5))
            times = text.count(word)
            score += idf * times / (times + 1.2 * (0.25 + 0.75 * len(text) / mean))
        if score:
            scores[id] = score
    return scores


# By words


@pytest.mark.parametrize("analyzed", [False, True])
@pytest.mark.parametrize("question", ["wing", "the aircraft wing", "night air", "the storm of the sea", "it''s a \\ wing & | !"])
def test_words_are_scored_by_the_book(searchable, question, analyzed):
    if analyzed:
        searchable.sql("ANALYZE document_embedding_store_words")
    expected = bm25(question.replace("''", "'"), TEXTS)
    by_words = found(searchable, f"'{question}', mode => 'text'")
    assert dict(by_words) == pytest.approx(expected)
    assert [score for _, score in by_words] == sorted((score for _, score in by_words), reverse=True)


def test_words_need_no_model(searchable, stub):
    assert ids(searchable, "'storm', mode => 'text'") == [4]
    assert stub.requests == []
    assert searchable.sql("SELECT distance FROM ai.search('rows', 'storm', mode => 'text')") == [(None,)]


def test_a_question_without_words_finds_none(searchable):
    assert ids(searchable, "'?!', mode => 'text'") == []
    assert ids(searchable, "'unheard', mode => 'text'") == []
    assert len(ids(searchable, "'?!', mode => 'hybrid'")) == len(TEXTS)


def test_words_of_the_language_are_found_in_all_their_forms(db, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    db.sql("INSERT INTO document VALUES (1, 'the wings of storms'), (2, 'a storm')")
    vectorizer.create(db, stub.url, name="'rows'", search="ai.search_hybrid('english')")
    vectorizer.in_step(db, ["id"])
    assert ids(db, "'the storming wing', mode => 'text'") == [1, 2]
    assert ids(db, "'the of a', mode => 'text'") == []


# By both


def test_both_are_fused_by_their_ranks(searchable):
    by_ranks = "'the wing', mode => 'hybrid', fusion => 'ranks', text_weight => 1"
    rows = searchable.sql(f"SELECT score, arms FROM ai.search('rows', {by_ranks}) ORDER BY rank")
    assert len(rows) == len(TEXTS)
    for score, arms in rows:
        assert score == pytest.approx(sum(1 / (60 + arm["rank"]) for arm in arms.values()))
    assert [score for score, _ in rows] == sorted((score for score, _ in rows), reverse=True)

    by_vector = ids(searchable, "'the wing', mode => 'vector'")
    by_words = ids(searchable, "'the wing', mode => 'text'")
    ranks = {id: 0.0 for id in by_vector}
    for order in (by_vector, by_words):
        for rank, id in enumerate(order, start=1):
            ranks[id] += 1 / (60 + rank)
    assert dict(found(searchable, by_ranks)) == pytest.approx(ranks)


@pytest.mark.parametrize(("given", "weight"), [("", 0.5), (", fusion => 'scores', text_weight => 2", 2)])
def test_both_are_fused_by_their_scores(searchable, given, weight):
    def stretched(scores: dict[int, float]) -> dict[int, float]:
        best, worst = max(scores.values()), min(scores.values())
        return {id: (score - worst) / (best - worst) for id, score in scores.items()}

    by_vector = stretched(dict(found(searchable, "'the wing', mode => 'vector'")))
    by_words = stretched(dict(found(searchable, "'the wing', mode => 'text'")))
    expected = {id: score + weight * by_words.get(id, 0) for id, score in by_vector.items()}
    fused = found(searchable, f"'the wing', mode => 'hybrid'{given}")
    assert dict(fused) == pytest.approx(expected)


def test_an_arm_without_weight_orders_nothing(searchable):
    by_vector, by_words = (ids(searchable, f"'the wing', mode => '{mode}'") for mode in ("vector", "text"))
    assert ids(searchable, "'the wing', text_weight => 0") == by_vector
    # The worst of an arm counts like one that it has not found.
    assert ids(searchable, "'the wing', vector_weight => 0")[: len(by_words) - 1] == by_words[:-1]


def test_a_row_says_what_each_arm_has_found(searchable):
    rows = searchable.sql("""
        SELECT h.arms, jsonb_strip_nulls(jsonb_build_object(
            'vector', (SELECT jsonb_build_object('rank', v.rank, 'score', v.score)
                       FROM ai.search('rows', 'storm at sea', mode => 'vector') v WHERE v.embedding_uuid = h.embedding_uuid),
            'text', (SELECT jsonb_build_object('rank', t.rank, 'score', t.score)
                     FROM ai.search('rows', 'storm at sea', mode => 'text') t WHERE t.embedding_uuid = h.embedding_uuid)))
        FROM ai.search('rows', 'storm at sea') h
    """)
    assert len(rows) == len(TEXTS)
    for arms, expected in rows:
        assert arms == expected


def test_hybrid_is_the_default_where_words_are_kept(searchable, db, stub):
    assert found(searchable, "'the wing'") == found(searchable, "'the wing', mode => 'hybrid'")
    searchable.sql("CREATE TABLE plain (id int PRIMARY KEY, body text); INSERT INTO plain VALUES (1, 'the wing')")
    vectorizer.create(db, stub.url, "plain", name="'plain'")
    vectorizer.in_step(db, ["id"], source="plain", store="plain_embedding_store")
    assert searchable.sql("SELECT arms FROM ai.search('plain', 'the wing')") == [({"vector": {"rank": 1, "score": 1}},)]


def test_a_vector_and_words_beside_it(searchable, stub):
    vector = f"'{vectors.as_json('the wing', vectorizer.DIMENSIONS)}'::vector"
    assert found(searchable, f"{vector}, words => 'the wing'") == found(searchable, "'the wing', mode => 'hybrid'")
    assert found(searchable, f"{vector}, words => 'the wing', mode => 'text'") == found(searchable, "'the wing', mode => 'text'")
    by_vector = found(searchable, "'the wing', mode => 'vector'")
    assert found(searchable, vector) == found(searchable, f"{vector}, words => 'x', mode => 'vector'") == by_vector
    stub.forget()
    assert ids(searchable, f"{vector}, words => 'the wing'")
    assert stub.requests == []


# With the other arguments


@pytest.mark.parametrize("mode", ["text", "hybrid"])
def test_a_filter_holds_for_words(searchable, mode):
    assert sorted(ids(searchable, f"'wing', filter => 'id > 2', mode => '{mode}'"))[0] == 3
    assert ids(searchable, f"'wing', filter => 'title = $1', filter_args => ARRAY['title 4'], mode => '{mode}'") == [4]


def test_so_many_of_a_document_and_a_least_score(db, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    db.sql("INSERT INTO document VALUES (1, 'wing|wing wing|a wing in the air'), (2, 'a wing over the wide sea')")
    vectorizer.create(db, stub.url, name="'rows'", **HYBRID)
    vectorizer.in_step(db, ["id"])
    assert ids(db, "'wing', mode => 'text'") == [1, 1, 1, 2]
    assert ids(db, "'wing', mode => 'text', per_document => 1") == [1, 2]
    assert ids(db, "'wing', mode => 'text', k => 2") == [1, 1]
    scores = [score for _, score in found(db, "'wing', mode => 'text'")]
    assert [score for _, score in found(db, f"'wing', mode => 'text', min_score => {scores[1]}")] == scores[:2]
    assert len(ids(db, "'wing', mode => 'hybrid', diversity => 0.5, k => 3")) == 3


def test_what_is_more_than_an_arm_looks_for_at_first(db, stub):
    """Sixty chunks of one document that are all better than that of another."""
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    db.sql("INSERT INTO document SELECT 1, string_agg('wing wing ' || i, '|') FROM generate_series(1, 300) i")
    db.sql("INSERT INTO document VALUES (2, 'one wing of very many words that make it a worse answer to the question')")
    vectorizer.create(db, stub.url, name="'rows'", **HYBRID)
    vectorizer.in_step(db, ["id"])
    assert ids(db, "'wing', 2, per_document => 1, mode => 'text'") == [1, 2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("'x', mode => 'both'", 'unrecognized mode: "both"'),
        ("'x', mode => ''", 'unrecognized mode: ""'),
        ("'x', fusion => 'sum'", 'unrecognized fusion: "sum"'),
        ("'x', vector_weight => -1", "vector_weight must be a number between 0 and"),
        ("'x', text_weight => 'NaN'", "text_weight must be a number between 0 and"),
        ("'x', text_weight => 'Infinity'", "text_weight must be a number between 0 and"),
        ("' ', mode => 'text'", "query must not be empty"),
        ("'[1,2,3,4,5,6,7,8]'::vector, mode => 'text'", "a search for words needs a text"),
        ("'[1,2,3,4,5,6,7,8]'::vector, mode => 'hybrid', words => ' '", "a search for words needs a text"),
    ],
)
def test_what_cannot_be_meant_is_refused(searchable, arguments, message):
    with pytest.raises(psycopg.errors.InvalidParameterValue, match=message):
        ids(searchable, arguments)


def test_where_no_words_are_kept_it_says_how_to(db, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    vectorizer.create(db, stub.url, name="'rows'")
    for mode in ("text", "hybrid"):
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="does not keep the words") as raised:
            ids(db, f"'x', mode => '{mode}'")
        assert "ai.search_hybrid()" in raised.value.diag.message_hint


def test_an_empty_store_has_no_answers(db, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    vectorizer.create(db, stub.url, name="'rows'", **HYBRID)
    for mode in ("text", "hybrid"):
        assert ids(db, f"'wing', mode => '{mode}'") == []


def test_what_changes_is_found_as_it_is(searchable):
    """In one session, which keeps what it has read of the catalog."""
    with searchable.connect() as session:

        def of_session(question: str, mode: str = "text") -> list[int]:
            rows = session.execute("SELECT (key ->> 'id')::int FROM ai.search('rows', %s, mode => %s)", [question, mode])
            return [id for [id] in rows.fetchall()]

        assert of_session("storm") == of_session("storm") == of_session("storm") == [4]
        searchable.sql("UPDATE document SET body = 'a storm of leaves' WHERE id = 7")
        eventually(lambda: sorted(of_session("storm")) == [4, 7], what="the new text to be found")
        searchable.sql("DELETE FROM document WHERE id = 4")
        assert of_session("storm") == [7]
        searchable.sql("ALTER TABLE document_embedding_store RENAME TO other; ALTER SCHEMA ai OWNER TO postgres")
        assert of_session("storm") == [7]
        searchable.sql("SELECT ai.alter_vectorizer('rows', search => ai.search_none())")
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
            of_session("storm")
        assert len(of_session("storm", "vector")) == len(TEXTS) - 1


def test_a_search_for_words_can_be_cancelled(db, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    vectorizer.create(db, stub.url, name="'rows'", **HYBRID)
    db.sql("INSERT INTO document VALUES (1, 'wing')")
    vectorizer.in_step(db, ["id"])
    with db.connect() as session:
        session.execute("SET statement_timeout = '500ms'")
        with pytest.raises(psycopg.errors.QueryCanceled):
            session.execute("SELECT * FROM ai.search('rows', 'wing', mode => 'text', filter => 'pg_sleep(600) IS NOT NULL')")


# Evaluated


def test_each_mode_is_evaluated(searchable):
    searchable.sql("CREATE TABLE judged (query text, key jsonb)")
    searchable.sql("""INSERT INTO judged VALUES ('storm', '{"id": 4}'), ('boundary layers', '{"id": 5}')""")
    rows = searchable.sql("SELECT mode, queries, mrr, index_recall FROM ai.evaluate_search('rows', 'judged')")
    assert [mode for mode, *_ in rows] == ["vector", "text", "hybrid"]
    assert [queries for _, queries, *_ in rows] == [2, 2, 2]
    assert rows[1][2:] == (1, None)
    assert rows[0][3] == 1


# Whose rights


@pytest.fixture
def reader(searchable):
    name = f"reader_{searchable.name}"
    searchable.sql(f"CREATE ROLE {name} LOGIN; GRANT USAGE ON SCHEMA ai TO {name}")
    yield name
    searchable.sql(f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}")


def test_who_may_not_read_the_words_is_told(searchable, reader):
    searchable.sql(f"GRANT SELECT ON document_embedding TO {reader}")
    assert len(ids(searchable, "'storm'", user=reader)) == len(TEXTS)
    assert ids(searchable, "'storm'", user=reader) == ids(searchable, "'storm', mode => 'vector'", user=reader)
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied for the words") as raised:
        ids(searchable, "'storm', mode => 'text'", user=reader)
    assert "GRANT SELECT ON public.document_embedding_store_words" in raised.value.diag.message_hint
    searchable.sql(f"GRANT SELECT ON document_embedding_store_words TO {reader}")
    assert ids(searchable, "'storm', mode => 'text'", user=reader) == [4]


def test_row_security_holds_for_words(searchable, reader):
    searchable.sql("CREATE POLICY even ON document USING (id % 2 = 0); ALTER TABLE document ENABLE ROW LEVEL SECURITY")
    tables = "document, document_embedding, document_embedding_store, document_embedding_store_words"
    searchable.sql(f"GRANT SELECT ON {tables} TO {reader}")
    even = {index: text for index, text in enumerate(TEXTS, start=1) if index % 2 == 0}
    assert ids(searchable, "'wing aircraft', mode => 'text'", user=reader) == [2, 4]
    assert set(ids(searchable, "'wing aircraft'", user=reader)) == set(even)
    # Nothing of the others shows in a score.
    scores = dict(found(searchable, "'wing aircraft', mode => 'text'", user=reader))
    searchable.sql("UPDATE document SET body = 'nothing of it at all' WHERE id % 2 = 1")
    vectorizer.in_step(searchable, ["id"])
    assert dict(found(searchable, "'wing aircraft', mode => 'text'", user=reader)) == scores
