"""ai.search finds what a statement by hand would, and returns with it what it is cited by."""

import uuid

import psycopg
import pytest
from support import vectorizer, vectors
from support.asking import cancelled
from support.stub import blackhole
from support.wait import eventually

TABLE = "CREATE TABLE document (id int PRIMARY KEY, title text, body text)"
ROWS = "INSERT INTO document SELECT i, 'title ' || i, 'row ' || i FROM generate_series(1, 30) i"


@pytest.fixture
def searchable(db, stub):
    db.sql(TABLE)
    db.sql(ROWS)
    vectorizer.create(db, stub.url, name="'rows'")
    vectorizer.in_step(db, ["id"])
    stub.forget()
    return db


def question(text: str, dimensions: int = vectorizer.DIMENSIONS) -> str:
    """The vector of a text, as a user who has it already would write it."""
    return f"'{vectors.as_json(text, dimensions)}'::vector"


def ids(db, arguments: str, **options) -> list[int]:
    return [key["id"] for [key] in db.sql(f"SELECT key FROM ai.search({arguments}) ORDER BY rank", **options)]


def by_hand(db, text: str, operator: str = "<=>", most: int = 10) -> list[int]:
    order = f"embedding {operator} {question(text)}"
    return [row for [row] in db.sql(f"SELECT id FROM document_embedding ORDER BY {order} LIMIT {most}")]


# What is found


def test_it_finds_what_a_statement_by_hand_finds(searchable):
    found = searchable.sql(
        "SELECT rank, key, chunk_seq, chunk, uri, citation, distance, score FROM ai.search('rows', 'row 7', 3)"
    )
    nearest = searchable.sql(
        f"SELECT id, chunk, embedding <=> {question('row 7')} AS distance FROM document_embedding ORDER BY distance LIMIT 3"
    )
    assert [row[:6] for row in found] == [
        (rank, {"id": id}, 0, chunk, None, None) for rank, (id, chunk, _) in enumerate(nearest, start=1)
    ]
    assert [row[6] for row in found] == [distance for _, _, distance in nearest]
    assert [row[7] for row in found] == [1 - distance for _, _, distance in nearest]
    assert found[0][1] == {"id": 7}


@pytest.mark.parametrize("which", ["'rows'", "1"])
@pytest.mark.parametrize("what", ["'row 7'", question("row 7")])
def test_by_name_or_id_and_by_text_or_vector(searchable, which, what):
    assert ids(searchable, f"{which}, {what}") == by_hand(searchable, "row 7")


def test_a_row_joins_with_the_view(searchable):
    joined = searchable.sql("SELECT v.title FROM ai.search('rows', 'row 7', 2) JOIN document_embedding v USING (embedding_uuid) ORDER BY rank")
    assert joined[0] == ("title 7",) and len(joined) == 2


def test_the_model_is_asked_once_in_a_statement(searchable, stub):
    statement = "SELECT count(*) FROM document d, ai.search('rows', 'row 7', 1) s WHERE d.id < 5"
    assert searchable.value(statement) == 4
    assert stub.embedded == {"row 7": 1}
    # For each of other texts once more.
    statement = "SELECT q, key FROM unnest(ARRAY['row 3', 'row 4']) q, ai.search('rows', q, 1) ORDER BY q"
    assert searchable.sql(statement) == [("row 3", {"id": 3}), ("row 4", {"id": 4})]


def test_it_reads_on_the_snapshot_of_its_statement(searchable):
    statement = """
        WITH gone AS (DELETE FROM document RETURNING id), found AS (SELECT count(*) AS n FROM ai.search('rows', 'row 7', 30))
        SELECT n, (SELECT count(*) FROM gone) FROM found
    """
    assert searchable.sql(statement) == [(30, 30)]
    assert ids(searchable, "'rows', 'row 7'") == []


def test_a_vector_of_nothing_but_zeros_is_like_nothing(searchable):
    assert ids(searchable, "'rows', '[0,0,0,0,0,0,0,0]'::vector") == []


# k, min_score, per_document, diversity


def test_no_more_than_there_are(searchable):
    assert len(ids(searchable, "'rows', 'row 7', 10000")) == 30
    assert ids(searchable, "'rows', NULL::text") == []


def test_the_least_score(searchable):
    scores = [score for [score] in searchable.sql("SELECT score FROM ai.search('rows', 'row 7', 30) ORDER BY rank")]
    least = (scores[4] + scores[5]) / 2
    assert ids(searchable, f"'rows', 'row 7', 30, min_score => {least}") == by_hand(searchable, "row 7", most=5)
    assert ids(searchable, "'rows', 'row 7', min_score => 2") == []


def test_so_many_chunks_of_a_document(db, stub):
    db.sql(TABLE)
    # The chunks of one row are nearest, each a little less than the one before: more than are looked at at first.
    same = [f"chunk {i}" for i in range(200)]
    db.sql("INSERT INTO document VALUES (1, 'long', %s), (2, 'short', 'a|b'), (3, 'short', 'c')", ["|".join(same)])
    vectorizer.create(db, stub.url, name="'rows'")
    vectorizer.in_step(db, ["id"])
    near, far = question("near"), question("far")
    db.sql(f"UPDATE document_embedding_store SET embedding = {near} WHERE id = 1")
    db.sql(f"UPDATE document_embedding_store SET embedding = {far} WHERE id > 1")

    def documents(most: str) -> dict[int, int]:
        found = db.sql(f"SELECT key ->> 'id', count(*) FROM ai.search('rows', {near}, 3, per_document => {most}) GROUP BY 1")
        return {int(id): count for id, count in found}

    assert documents("NULL") == {1: 3}
    assert documents("1") == {1: 1, 2: 1, 3: 1}
    assert documents("2") == {1: 2, **{id: 1 for id in documents("2") if id > 1}}


def test_unlike_chunks_are_preferred(db, stub):
    db.sql(TABLE)
    db.sql("INSERT INTO document SELECT i, NULL, 'row ' || i FROM generate_series(1, 3) i")
    vectorizer.create(db, stub.url, name="'rows'")
    vectorizer.in_step(db, ["id"])
    # Two that are alike, and one that is as near as these, on the other side.
    for id, vector in [(1, "[1,0.1,0,0,0,0,0,0]"), (2, "[1,0.11,0,0,0,0,0,0]"), (3, "[1,-0.2,0,0,0,0,0,0]")]:
        db.sql(f"UPDATE document_embedding_store SET embedding = '{vector}' WHERE id = {id}")
    search = "'rows', '[1,0,0,0,0,0,0,0]'::vector, 2"
    assert ids(db, search) == ids(db, f"{search}, diversity => 0") == [1, 2]
    assert ids(db, f"{search}, diversity => 0.5") == [1, 3]
    assert ids(db, f"{search}, diversity => 0.5, per_document => 1") == [1, 3]


@pytest.mark.parametrize(
    ("arguments", "state", "message"),
    [
        ("NULL::text, 'x'", "22004", "vectorizer must not be null"),
        ("NULL::int4, 'x'", "22004", "vectorizer must not be null"),
        ("'nobody', 'x'", "42704", 'vectorizer "nobody" does not exist'),
        ("99, 'x'", "42704", "vectorizer with id 99 does not exist"),
        ("99, '[1]'::vector", "42704", "vectorizer with id 99 does not exist"),
        ("'rows', ''", "22023", "query must not be empty"),
        ("'rows', E' \\n'", "22023", "query must not be empty"),
        ("'rows', '[1,2,3]'::vector", "22000", "different vector dimensions 8 and 3"),
        ("'rows', 'x', NULL", "22004", "k must not be null"),
        ("'rows', 'x', 0", "22023", "k must be an integer between 1 and 10000"),
        ("'rows', 'x', 10001", "22023", "k must be an integer between 1 and 10000"),
        ("'rows', 'x', min_score => 'NaN'", "22023", "min_score must be finite"),
        ("'rows', 'x', min_score => '-Infinity'", "22023", "min_score must be finite"),
        ("'rows', 'x', per_document => 0", "22023", "per_document must be a positive integer"),
        ("'rows', 'x', diversity => -0.1", "22023", "diversity must be a number between 0 and 1"),
        ("'rows', 'x', diversity => 1.1", "22023", "diversity must be a number between 0 and 1"),
        ("'rows', 'x', diversity => 'NaN'", "22023", "diversity must be a number between 0 and 1"),
        ("'rows', 'x', filter_args => ARRAY['a']", "22023", "filter_args needs a filter"),
    ],
)
def test_what_can_not_be_meant_is_refused_before_the_model_is_asked(searchable, stub, arguments, state, message):
    with pytest.raises(psycopg.Error) as refusal:
        searchable.sql(f"SELECT * FROM ai.search({arguments})")
    assert (refusal.value.sqlstate, refusal.value.diag.message_primary) == (state, message)
    assert stub.requests == []


# Keys, columns and names


def test_a_key_keeps_its_values(db, stub):
    db.sql('CREATE TABLE document ("Of" numeric, id int8, body text, PRIMARY KEY (id, "Of"))')
    db.sql("INSERT INTO document VALUES (1.10, 9007199254740993, 'a'), (2.0, 7, 'b')")
    vectorizer.create(db, stub.url, name="'rows'")
    eventually(lambda: db.value("SELECT count(*) = 2 FROM document_embedding_store"), what="the rows to be embedded")
    assert db.value("SELECT key::text FROM ai.search('rows', 'a', 1)") == '{"Of": 1.10, "id": 9007199254740993}'


@pytest.mark.parametrize("source", ["_found", "_chunk", "found", "t"])
def test_names_that_a_statement_of_ours_has_too(db, stub, source):
    columns = "k0 int, distance int, seq int, vector int, uuid int, found int"
    db.sql(f"CREATE TABLE {source} ({columns}, body text, PRIMARY KEY (k0, distance, seq, vector, uuid))")
    db.sql(f"INSERT INTO {source} SELECT i, i, i, i, i, i, 'row ' || i FROM generate_series(1, 5) i")
    vectorizer.create(db, stub.url, source, name="'rows'")
    vectorizer.in_step(db, ["k0"], source=source, store=f"{source}_embedding_store")
    filter = f"{source}.distance = $1 AND k0 = vector AND found < 5"
    found = db.sql("SELECT key, chunk FROM ai.search('rows', 'row 1', filter => %s, filter_args => ARRAY['3'])", [filter])
    assert found == [({"k0": 3, "distance": 3, "seq": 3, "vector": 3, "uuid": 3}, "row 3")]


def test_a_column_of_vectors(db, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    db.sql("INSERT INTO document SELECT i, CASE WHEN i <= 20 THEN 'row ' || i END FROM generate_series(1, 25) i")
    destination = "ai.destination_column('vector')"
    vectorizer.create(db, stub.url, name="'rows'", destination=destination, chunking="ai.chunking_none()")
    eventually(lambda: db.value("SELECT count(vector) = 20 FROM document"), what="the rows to be embedded")
    found = db.sql("SELECT key, chunk_seq, chunk, embedding_uuid FROM ai.search('rows', 'row 7', 1)")
    assert found == [({"id": 7}, None, None, None)]
    # Rows without a vector are no neighbours.
    assert len(ids(db, "'rows', 'row 7', 25")) == 20
    assert ids(db, "'rows', 'row 7', filter => 'document.id > 19'") == [20]


def test_a_partitioned_source(db, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, title text, body text) PARTITION BY RANGE (id)")
    db.sql("CREATE TABLE low PARTITION OF document FOR VALUES FROM (0) TO (3); CREATE TABLE high PARTITION OF document DEFAULT")
    db.sql("INSERT INTO document SELECT i, NULL, 'row ' || i FROM generate_series(1, 5) i")
    vectorizer.create(db, stub.url, name="'rows'")
    vectorizer.in_step(db, ["id"])
    assert sorted(ids(db, "'rows', 'row 1', filter => 'document.id > 1'")) == [2, 3, 4, 5]


def test_where_it_stands(db, bucket, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, uri text)")
    loading, destination = "ai.loading_uri('uri')", "ai.destination_table(citation => true)"
    vectorizer.create(db, stub.url, name="'rows'", loading=loading, destination=destination)
    uri = bucket.put("a.txt", "first|second")
    db.sql("INSERT INTO document VALUES (1, %s)", [uri])
    eventually(lambda: db.value("SELECT count(*) = 2 FROM document_embedding_store"), what="the document to be embedded")
    found = db.sql("SELECT chunk, uri, citation FROM ai.search('rows', 'second', 1)")
    assert found == [("second", uri, {"start": 6, "end": 12})]


def test_the_key_may_be_the_address(db, bucket, stub):
    db.sql("CREATE TABLE document (uri text PRIMARY KEY)")
    vectorizer.create(db, stub.url, name="'rows'", loading="ai.loading_uri('uri')")
    uri = bucket.put("a.txt", "first")
    db.sql("INSERT INTO document VALUES (%s)", [uri])
    eventually(lambda: db.value("SELECT count(*) = 1 FROM document_embedding_store"), what="the document to be embedded")
    assert db.sql("SELECT key, uri FROM ai.search('rows', 'first')") == [({"uri": uri}, uri)]


# When something is not as it should be


def test_an_empty_store_has_no_rows(db, stub):
    db.sql(TABLE)
    vectorizer.create(db, stub.url, name="'rows'")
    assert ids(db, "'rows', 'row 7'") == []


def test_a_dropped_view_is_not_needed(searchable):
    searchable.sql("DROP VIEW document_embedding")
    assert ids(searchable, "'rows', 'row 7', 1, filter => 'title = ''title 7'''") == [7]


def test_what_is_renamed_goes_by_its_new_name(searchable):
    searchable.sql("ALTER TABLE document RENAME TO article; ALTER TABLE article RENAME COLUMN title TO headline")
    searchable.sql("ALTER TABLE document_embedding_store RENAME TO chunks; ALTER TABLE article ADD COLUMN late int DEFAULT 1")
    filter = "article.headline = ''title 7'' AND late = 1"
    assert ids(searchable, f"'rows', 'row 1', filter => '{filter}'") == [7]


def test_a_lost_store_is_said(searchable):
    searchable.sql("DROP TABLE document_embedding_store CASCADE")
    with pytest.raises(psycopg.Error, match="store .* does not exist"):
        ids(searchable, f"'rows', {question('x')}")


def test_a_model_that_does_not_answer(searchable, stub):
    stub.fail(100, status=401, error={"message": "bad key", "type": "invalid_request_error"})
    with pytest.raises(psycopg.Error) as refusal:
        ids(searchable, "'rows', 'row 7'")
    assert (refusal.value.sqlstate, bool(refusal.value.diag.message_hint)) == ("38000", True)
    # Who has the vector needs no model.
    assert ids(searchable, f"'rows', {question('row 7')}, 1") == [7]


def test_a_model_that_takes_too_long(cluster_factory, stub):
    with blackhole() as url:
        cluster = cluster_factory(conf={"pgai_rs.query_timeout": "200ms"})
        cluster.sql("CREATE EXTENSION pgai_rs CASCADE")
        cluster.sql(TABLE)
        embedding = f"ai.embedding_openai('m', 8, base_url => '{url}/v1')"
        cluster.sql(f"SELECT ai.create_vectorizer('document', loading => ai.loading_column('body'), embedding => {embedding})")
        with pytest.raises(psycopg.Error, match="did not answer within 200 ms"):
            cluster.sql("SELECT * FROM ai.search(1, 'x')")


def test_it_can_be_cancelled_while_the_model_is_asked(searchable, stub):
    def change():
        """Nobody who changes the table has to wait for the model."""
        searchable.sql("ALTER TABLE document_embedding_store ADD COLUMN note text")

    with searchable.connect() as connection:
        error = cancelled(connection, stub, "SELECT * FROM ai.search('rows', 'x')", change)
    assert isinstance(error, psycopg.errors.QueryCanceled)
    assert ids(searchable, "'rows', 'row 7', 1") == [7]


def test_a_row_has_the_types_that_are_declared(searchable):
    [row] = searchable.sql("SELECT * FROM ai.search('rows', 'row 7', 1)")
    assert [type(value) for value in row] == [int, float, float, dict, int, str, type(None), type(None), uuid.UUID, dict]
