"""ai.search in several vectorizers at once."""

import psycopg
import pytest
from support import vectorizer, vectors
from support.wait import eventually

BOTH = "ARRAY['tickets', 'manuals']"


@pytest.fixture
def searchable(db, stub):
    """Tickets 1 to 5 and manuals 4 to 8, whose texts have their numbers."""
    for source, first in (("ticket", 1), ("manual", 4)):
        db.sql(f"CREATE TABLE {source} (id int PRIMARY KEY, body text)")
        db.sql(f"INSERT INTO {source} SELECT i, 'row ' || i FROM generate_series({first}, {first + 4}) i")
        create(db, stub.url, source)
    stub.forget()
    return db


def create(db, url: str, source: str, **more: str) -> None:
    vectorizer.create(db, url, source, name=f"'{source}s'", **more)
    vectorizer.in_step(db, ["id"], source=source, store=f"{source}_embedding_store")


def found(db, arguments: str, **options) -> list[tuple[str, int, float]]:
    rows = db.sql(f"SELECT vectorizer, (key ->> 'id')::int, score FROM ai.search({arguments}) ORDER BY rank", **options)
    return list(rows)


def in_each(db, arguments: str, **options) -> dict[str, list[tuple[str, int, float]]]:
    """What a search in each vectorizer alone finds."""
    return {
        name: [
            (name, id, score)
            for id, score in db.sql(
                f"SELECT (key ->> 'id')::int, score FROM ai.search('{name}', {arguments}) ORDER BY rank", **options
            )
        ]
        for name in ("tickets", "manuals")
    }


def interleaved(each: dict[str, list[tuple[str, int, float]]], most: int) -> list[tuple[str, int, float]]:
    """What reciprocal ranks make of it; of equals, those of the vectorizer that is named first come first."""
    ranked = [
        (name, id, 1 / (60 + rank)) for rows in each.values() for rank, (name, id, _) in enumerate(rows, start=1)
    ]
    return sorted(ranked, key=lambda row: -row[2])[:most]


def test_scores_of_one_model_are_compared(searchable):
    each = in_each(searchable, "'row 5', 10")
    by_score = sorted([*each["tickets"], *each["manuals"]], key=lambda row: -row[2])
    assert found(searchable, f"{BOTH}, 'row 5'") == by_score
    assert found(searchable, f"{BOTH}, 'row 5', 3") == by_score[:3]
    # The same text is in both, and of equals those come first whose vectorizer is named first.
    assert by_score[0][:2] == ("tickets", 5) and by_score[1][:2] == ("manuals", 5)
    other_way = found(searchable, "ARRAY['manuals', 'tickets'], 'row 5', 2")
    assert [row[:2] for row in other_way] == [("manuals", 5), ("tickets", 5)]


def test_a_row_has_all_that_one_of_its_vectorizer_has(searchable):
    columns = "distance, key, chunk_seq, chunk, uri, citation, embedding_uuid, arms"
    of_all = searchable.sql(f"SELECT rank, vectorizer, {columns} FROM ai.search({BOTH}, 'row 8', 1)")
    assert of_all == searchable.sql(f"SELECT 1, 'manuals', {columns} FROM ai.search('manuals', 'row 8', 1)")


def test_the_model_that_they_share_is_asked_once(searchable, stub):
    found(searchable, f"{BOTH}, 'row 5'")
    assert stub.embedded == {"row 5": 1}


def test_scores_of_different_models_are_not_compared(db, stub):
    for source, model in (("ticket", "stub"), ("manual", "another")):
        db.sql(f"CREATE TABLE {source} (id int PRIMARY KEY, body text)")
        db.sql(f"INSERT INTO {source} SELECT i, 'row ' || i FROM generate_series(1, 4) i")
        url = f"base_url => '{stub.url}'"
        create(db, stub.url, source, embedding=f"ai.embedding_openai('{model}', {vectorizer.DIMENSIONS}, {url})")
    stub.forget()

    each = in_each(db, "'row 2', 3")
    assert found(db, f"{BOTH}, 'row 2', 3") == interleaved(each, 3)
    assert stub.embedded == {"row 2": 4}


def test_the_distance_that_is_used_decides_what_is_compared(searchable):
    """An index that somebody has made is used, whatever operator class was declared."""
    each = in_each(searchable, "'row 5', 10")
    searchable.sql("CREATE INDEX mine ON manual_embedding_store USING hnsw (embedding vector_l2_ops)")
    by_another = in_each(searchable, "'row 5', 10")
    assert by_another["tickets"] == each["tickets"] and by_another["manuals"] != each["manuals"]
    assert found(searchable, f"{BOTH}, 'row 5'") == interleaved(by_another, 10)

    searchable.sql("CREATE INDEX mine_too ON ticket_embedding_store USING hnsw (embedding vector_l2_ops)")
    alike = in_each(searchable, "'row 5', 10")
    assert found(searchable, f"{BOTH}, 'row 5'") == sorted([*alike["tickets"], *alike["manuals"]], key=lambda row: -row[2])


def test_operator_classes_that_differ_where_no_index_is(db, stub):
    for source, opclass in (("ticket", "vector_cosine_ops"), ("manual", "vector_l2_ops")):
        db.sql(f"CREATE TABLE {source} (id int PRIMARY KEY, body text)")
        db.sql(f"INSERT INTO {source} SELECT i, 'row ' || i FROM generate_series(1, 4) i")
        create(db, stub.url, source, indexing=f"ai.indexing_hnsw(opclass => '{opclass}')")
    assert found(db, f"{BOTH}, 'row 2', 3") == interleaved(in_each(db, "'row 2', 3"), 3)


def test_words_that_are_not_found_leave_scores_that_cannot_be_compared(db, stub):
    """Where the words find nothing, a score is still one of the fusion."""
    for source in ("ticket", "manual"):
        db.sql(f"CREATE TABLE {source} (id int PRIMARY KEY, body text)")
        db.sql(f"INSERT INTO {source} SELECT i, 'row ' || i FROM generate_series(1, 4) i")
        create(db, stub.url, source, search="ai.search_hybrid('simple')")
    eventually(lambda: db.value("SELECT bool_and(words_ready) FROM ai._vectorizer_binding"), what="the words to be complete")
    each = in_each(db, "'nowhere', 4, mode => 'hybrid'")
    assert found(db, f"{BOTH}, 'nowhere', 8, mode => 'hybrid'") == interleaved(each, 8)


@pytest.mark.parametrize("mode", ["text", "hybrid"])
def test_scores_by_words_are_not_compared(db, stub, mode):
    for source, text in (("ticket", "word"), ("manual", "rare word")):
        db.sql(f"CREATE TABLE {source} (id int PRIMARY KEY, body text)")
        db.sql(f"INSERT INTO {source} SELECT i, '{text} ' || i FROM generate_series(1, 3) i")
        create(db, stub.url, source, search="ai.search_hybrid('simple')")
    eventually(lambda: db.value("SELECT bool_and(words_ready) FROM ai._vectorizer_binding"), what="the words to be complete")

    each = in_each(db, f"'rare word', 3, mode => '{mode}'")
    assert found(db, f"{BOTH}, 'rare word', 4, mode => '{mode}'") == interleaved(each, 4)


def test_scores_of_one_that_ranks_are_compared(searchable, stub):
    rerank = f"rerank => ai.rerank_tei('{stub.url}', if_down => 'fused')"
    each = in_each(searchable, f"'row 5', 10, {rerank}")
    by_score = sorted([*each["tickets"], *each["manuals"]], key=lambda row: -row[2])
    assert found(searchable, f"{BOTH}, 'row 5', 4, {rerank}") == by_score[:4]
    assert {score for *_, score in by_score} == {vectors.relevance("row 5", f"row {id}") for id in range(1, 9)}

    # One of the two has not been ranked: then neither score says anything beside the other.
    stub.fail(1, when=lambda request: request.question is not None, status=402)
    [first, second] = found(searchable, f"{BOTH}, 'row 5', 2, {rerank}")
    assert first[2] == second[2] == 1 / 61


def test_filter_and_documents_hold_for_each(searchable):
    assert {row[:2] for row in found(searchable, f"{BOTH}, 'row 5', filter => 'id = $1', filter_args => ARRAY['4']")} == {
        ("tickets", 4), ("manuals", 4)
    }
    searchable.sql("UPDATE ticket SET body = 'row 1 | row 2' WHERE id = 1")
    vectorizer.in_step(searchable, ["id"], source="ticket", store="ticket_embedding_store")
    once = found(searchable, f"{BOTH}, 'row 1', 10, per_document => 1")
    assert [row[:2] for row in once].count(("tickets", 1)) == 1


def test_a_vectorizer_counts_once(searchable):
    assert found(searchable, "ARRAY['tickets', 'manuals', 'tickets'], 'row 5'") == found(searchable, f"{BOTH}, 'row 5'")
    assert found(searchable, "ARRAY['tickets'], 'row 5'") == in_each(searchable, "'row 5', 10")["tickets"]
    assert found(searchable, "'{}'::text[], 'row 5'") == []


def test_only_so_many_are_searched_at_once(searchable):
    """Of names without end, it is refused before they are compared with each other."""
    names = "ARRAY(SELECT 'v' || i FROM generate_series(1, {}) i)"
    with pytest.raises(psycopg.errors.UndefinedObject, match='"v1" does not exist'):
        found(searchable, f"{names.format(100)}, 'row 5'")
    for many in (101, 1_000_000):
        with pytest.raises(psycopg.errors.InvalidParameterValue, match="more than 100 vectorizers at once"):
            found(searchable, f"{names.format(many)}, 'row 5'")


@pytest.mark.parametrize(("arguments", "error"), [
    ("ARRAY['tickets', 'nobodys'], 'row 5'", psycopg.errors.UndefinedObject),
    ("ARRAY['tickets', NULL], 'row 5'", psycopg.errors.NullValueNotAllowed),
    ("NULL::text[], 'row 5'", psycopg.errors.NullValueNotAllowed),
    (f"{BOTH}, 'row 5', 0", psycopg.errors.InvalidParameterValue),
    (f"{BOTH}, 'row 5', NULL", psycopg.errors.NullValueNotAllowed),
    (f"{BOTH}, 'row 5', mode => 'text'", psycopg.errors.ObjectNotInPrerequisiteState),
    (f"{BOTH}, 'row 5', filter => 'missing'", psycopg.errors.UndefinedColumn),
])
def test_what_is_wrong_for_one_is_wrong_for_all(searchable, arguments, error):
    with pytest.raises(error):
        found(searchable, arguments)


def test_what_a_role_may_not_read_is_not_searched(searchable):
    reader = f"reader_{searchable.name}"
    searchable.sql(f"CREATE ROLE {reader} LOGIN; GRANT USAGE ON SCHEMA ai TO {reader}")
    try:
        searchable.sql(f"GRANT SELECT ON ticket_embedding_store TO {reader}")
        assert found(searchable, "ARRAY['tickets'], 'row 5', 1", user=reader) == [("tickets", 5, pytest.approx(1))]
        with pytest.raises(psycopg.errors.UndefinedObject, match="manuals"):
            found(searchable, f"{BOTH}, 'row 5'", user=reader)
    finally:
        searchable.sql(f"DROP OWNED BY {reader}; DROP ROLE {reader}")
