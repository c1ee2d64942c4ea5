"""Vectors in half precision, and indexes that know even less of them: asked for, or chosen where nothing else can be indexed."""

import psycopg
import pytest
from support import column, vectorizer, vectors
from support.index import STORE, by_index, scans, the_index
from support.wait import settles

TABLE = "CREATE TABLE document (id int PRIMARY KEY, body text)"
FILL = "INSERT INTO document SELECT i, 'row ' || i FROM generate_series(1, 200) i"
HALF = "ai.destination_table(vector_type => 'halfvec')"
BINARY = "ai.indexing_hnsw(10, quantization => 'binary')"


def declare(db, stub, dimensions: int = vectorizer.DIMENSIONS, **arguments: str) -> None:
    db.sql(TABLE)
    embedding = f"ai.embedding_openai('stub', {dimensions}, base_url => '{stub.url}')"
    vectorizer.create(db, stub.url, name="'rows'", **({"embedding": embedding, "indexing": "ai.indexing_none()"} | arguments))


def type_of(db, table: str = STORE, name: str = "embedding") -> str:
    look = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = %s::regclass AND attname = %s"
    return db.value(look, [table, name])


def stored_type(db) -> str | None:
    return db.value("SELECT config #>> '{destination,vector_type}' FROM ai.vectorizer ORDER BY id DESC LIMIT 1")


def nearest(db, text: str, dimensions: int, rows: int) -> list[int]:
    """The nearest rows, by comparing all of them."""
    order = f"(embedding <=> '{vectors.as_json(text, dimensions)}') + 0"
    return [id for [id] in db.sql(f"SELECT id FROM {STORE} ORDER BY {order} LIMIT {rows}")]


# Stored in half precision


def test_a_store_of_halfvec_is_kept_in_step(db, stub):
    declare(db, stub, destination=HALF)
    assert (type_of(db), type_of(db, "document_embedding")) == ("halfvec(8)",) * 2
    assert stored_type(db) == "halfvec"
    db.sql("INSERT INTO document VALUES (1, 'stays|goes'), (2, 'b')")
    # What the stub makes of a text is exact in half precision.
    vectorizer.in_step(db, ["id"])
    db.sql("UPDATE document SET body = 'new|stays' WHERE id = 1; DELETE FROM document WHERE id = 2")
    vectorizer.in_step(db, ["id"])
    assert stub.embedded == {"stays": 1, "goes": 1, "b": 1, "new": 1}


def test_a_column_of_halfvec_is_kept_in_step(db, stub):
    db.sql(TABLE)
    column.create(db, stub.url, destination="ai.destination_column('embedding', 'halfvec')")
    assert type_of(db, "document") == "halfvec(8)"
    db.sql("INSERT INTO document VALUES (1, 'a'), (2, NULL)")
    column.in_step(db)
    db.sql("UPDATE document SET body = 'b' WHERE id = 2; UPDATE document SET body = NULL WHERE id = 1")
    column.in_step(db)


def test_a_column_that_is_there_says_its_type(db, stub):
    db.sql(TABLE + "; ALTER TABLE document ADD COLUMN half halfvec(8), ADD COLUMN whole vector(8)")
    for name, stored in [("half", "halfvec"), ("whole", None)]:
        column.create(db, stub.url, name, name=f"'{name}'")
        assert stored_type(db) == stored
    db.sql("INSERT INTO document VALUES (1, 'a')")
    for name in ["half", "whole"]:
        column.in_step(db, column=name)
    with pytest.raises(psycopg.errors.DatatypeMismatch, match=r"column half of public.document has type public.halfvec\(8\)"):
        column.create(db, stub.url, destination="ai.destination_column('half', 'vector')", name="'third'")


def test_a_column_that_is_there_is_not_made_half(db, stub):
    """However many dimensions it has."""
    db.sql(TABLE + "; ALTER TABLE document ADD COLUMN embedding vector(2001)")
    embedding = f"ai.embedding_openai('stub', 2001, base_url => '{stub.url}')"
    column.create(db, stub.url, embedding=embedding)
    assert (type_of(db, "document"), stored_type(db)) == ("vector(2001)", None)


def test_searches_of_a_store_of_halfvec(db, stub):
    declare(db, stub, destination=HALF, search="ai.search_hybrid('english')", indexing="ai.indexing_hnsw(10)")
    db.sql(FILL)
    assert "(embedding halfvec_cosine_ops)" in the_index(db)
    vectorizer.idle(db)
    index = f"{STORE}_embedding_hnsw_1"
    with by_index(db) as session:
        for more in ["", ", per_document => 1", ", diversity => 0.3", ", mode => 'vector', min_score => 0.99"]:
            assert scans(session, index, f"'rows', 'row 7', 1{more}") == (1, [7])
        assert scans(session, index, "'rows', 'row 7', 1, exact => true, mode => 'vector'") == (0, [7])
    db.sql("CREATE TABLE judged AS SELECT 'row 7' AS query, '{\"id\": 7}'::jsonb AS key")
    evaluated = db.sql("SELECT mode, recall, ndcg, index_recall FROM ai.evaluate_search('rows', 'judged', 1)")
    assert evaluated[0] == ("vector", 1, 1, 1)


@pytest.mark.parametrize(
    "order",
    [
        "embedding <=> ai.vectorizer_embed('rows', 'row 7')",
        # As it had to be written where the store was a vector.
        "embedding::halfvec(2001) <=> ai.vectorizer_embed('rows', 'row 7')::halfvec(2001)",
    ],
)
def test_beyond_2000_dimensions_vectors_are_stored_in_half_precision_and_this_is_said(db, stub, order):
    notices = []
    db.sql(TABLE)
    with db.connect() as connection:
        connection.add_notice_handler(lambda n: notices.append((n.message_primary, n.message_hint)))
        connection.execute(
            "SELECT ai.create_vectorizer('document', 'rows', loading => ai.loading_column('body'),"
            f" indexing => ai.indexing_hnsw(10), embedding => ai.embedding_openai('stub', 2001, base_url => '{stub.url}'))"
        )
    [(message, hint)] = notices
    assert message == "the vectors will be stored in half precision, as halfvec(2001)" and "vector_type => 'vector'" in hint
    assert (type_of(db), stored_type(db)) == ("halfvec(2001)", "halfvec")
    db.sql(FILL)
    assert "(embedding halfvec_cosine_ops)" in the_index(db)
    vectorizer.idle(db)
    index = f"{STORE}_embedding_hnsw_1"
    with by_index(db) as session:
        by_hand = f"SELECT id FROM document_embedding ORDER BY {order} LIMIT 1"
        assert index in str(session.execute(f"EXPLAIN {by_hand}").fetchall())
        assert session.execute(by_hand).fetchone() == (7,)
        assert scans(session, index, "'rows', 'row 7', 1") == (1, [7])


@pytest.mark.parametrize("declared", ["vector", "halfvec"])
def test_what_is_declared_is_not_chosen(db, stub, declared):
    db.sql(TABLE)
    notices = []
    with db.connect() as connection:
        connection.add_notice_handler(lambda n: notices.append(n.message_primary))
        connection.execute(
            "SELECT ai.create_vectorizer('document', loading => ai.loading_column('body'), indexing => ai.indexing_none(),"
            f" destination => ai.destination_table(vector_type => '{declared}'),"
            f" embedding => ai.embedding_openai('stub', 3072, base_url => '{stub.url}'))"
        )
    assert (type_of(db), notices) == (f"{declared}(3072)", [])
    # A vector is what a config of an earlier version means, which says nothing of it.
    assert stored_type(db) == (None if declared == "vector" else declared)


@pytest.mark.parametrize("spoil", ["huge", "nan"])
def test_a_number_that_half_precision_has_not_is_its_rows_failure(db, stub, spoil):
    declare(db, stub, destination=HALF)
    stub.fail(float("inf"), when=lambda request: "bad" in request.inputs, spoil=spoil, of="bad")
    db.sql("INSERT INTO document VALUES (1, 'good|bad'), (2, 'good')")
    if spoil == "nan":
        settles(lambda: {id for [id] in db.sql(f"SELECT id FROM {STORE}")}, {2})
        return
    failed = "SELECT id, failure_step, failure_code FROM ai._vectorizer_q_failed_1"
    settles(lambda: db.sql(failed), [(1, "embedding", "out_of_range")])
    settles(lambda: {id for [id] in db.sql(f"SELECT id FROM {STORE}")}, {2})
    [(reason, hint)] = db.sql("SELECT details ->> 'error_reason', details ->> 'hint' FROM ai.vectorizer_errors")
    assert "a vector contains 100000, and the largest number of a halfvec is 65504" in reason
    assert "vector_type => 'vector'" in hint


def test_the_same_number_is_stored_in_full_precision(db, stub):
    declare(db, stub)
    stub.fail(1, spoil="huge")
    db.sql("INSERT INTO document VALUES (1, 'a')")
    settles(lambda: db.sql(f"SELECT embedding::real[] FROM {STORE}"), [([1e5] * 8,)])


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"destination": "ai.destination_table(vector_type => 'sparsevec')"}, 'vector_type must be "vector" or "halfvec"'),
        ({"indexing": "ai.indexing_hnsw(quantization => 'int8')"}, 'quantization must be "halfvec" or "binary"'),
    ],
)
def test_a_precision_that_does_not_exist_is_refused(db, stub, argument, message):
    with pytest.raises(psycopg.errors.InvalidParameterValue, match=message):
        declare(db, stub, **argument)


# Less precision in the index


def test_the_index_of_the_signs_finds_candidates_that_are_compared_exactly(db, stub):
    declare(db, stub, 64, indexing=BINARY)
    db.sql(FILL)
    assert "((binary_quantize(embedding))::bit(64)) bit_hamming_ops" in the_index(db)
    vectorizer.idle(db)
    index = f"{STORE}_embedding_hnsw_1"
    exactly = nearest(db, "row 7", 64, 20)
    with by_index(db) as session:
        used, found = scans(session, index, "'rows', 'row 7', 5")
        assert used == 1
        places = {id: place for place, id in enumerate(nearest(db, "row 7", 64, 200))}
        assert found[0] == 7 and found == sorted(found, key=places.get)
        # As many candidates as there are rows: nothing that the signs do not tell is lost.
        session.execute("SET hnsw.ef_search = 200")
        assert scans(session, index, "'rows', 'row 7', 20") == (1, exactly)
        assert scans(session, index, "'rows', 'row 7', 20, exact => true") == (0, exactly)
        distance = f"embedding <=> '{vectors.as_json('row 7', 64)}'"
        [distances] = session.execute(
            f"SELECT s.distance, {distance} FROM ai.search('rows', 'row 7', 2) s JOIN {STORE} USING (embedding_uuid) WHERE rank = 2"
        )
        assert distances[0] == distances[1]


def test_a_search_by_both_uses_the_index_of_the_signs(db, stub):
    declare(db, stub, 64, indexing=BINARY, destination=HALF, search="ai.search_hybrid('english')")
    db.sql(FILL)
    the_index(db)
    vectorizer.idle(db)
    with by_index(db) as session:
        assert scans(session, f"{STORE}_embedding_hnsw_1", "'rows', 'row 7', 1") == (1, [7])


def test_a_filter_does_not_empty_the_result_of_the_signs(db, stub):
    declare(db, stub, 64, indexing=BINARY)
    db.sql(FILL)
    the_index(db)
    vectorizer.idle(db)
    last = nearest(db, "row 7", 64, 200)[-1]
    with by_index(db) as session:
        session.execute("SET hnsw.max_scan_tuples = 1; SET enable_sort = off; SET enable_bitmapscan = off")
        assert scans(session, f"{STORE}_embedding_hnsw_1", f"'rows', 'row 7', 1, filter => 'id + 0 = {last}'")[1] == [last]


def test_bits_have_room_for_more_dimensions_than_numbers(db, stub):
    declare(db, stub, 4001, indexing=BINARY)
    db.sql("INSERT INTO document SELECT i, 'row ' || i FROM generate_series(1, 20) i")
    assert "::bit(4001)) bit_hamming_ops" in the_index(db)
    vectorizer.idle(db)
    assert db.value("SELECT key ->> 'id' FROM ai.search('rows', 'row 7', 1)") == "7"


def test_an_index_in_half_precision_over_whole_vectors(db, stub):
    declare(db, stub, indexing="ai.indexing_hnsw(10, quantization => 'halfvec')")
    db.sql(FILL)
    assert "((embedding)::halfvec(8)) halfvec_cosine_ops" in the_index(db)
    vectorizer.idle(db)
    assert type_of(db) == "vector(8)"
    with by_index(db) as session:
        assert scans(session, f"{STORE}_embedding_hnsw_1", "'rows', 'row 7', 1") == (1, [7])


def test_a_function_that_only_looks_like_that_of_the_signs_is_not_called(db, stub):
    """The owner of a store may give its column a type of their own, and make an index that reads as ours would."""
    declare(db, stub, 64)
    db.sql("INSERT INTO document SELECT i, 'row ' || i FROM generate_series(1, 20) i")
    vectorizer.idle(db)
    db.sql(f"""
        DROP VIEW document_embedding;
        CREATE DOMAIN mine AS vector(64);
        CREATE FUNCTION public.binary_quantize(mine) RETURNS bit LANGUAGE plpgsql IMMUTABLE AS
            $$ BEGIN RAISE WARNING 'called'; RETURN public.binary_quantize($1::public.vector); END $$;
        ALTER TABLE {STORE} ALTER COLUMN embedding TYPE mine;
        CREATE INDEX mine ON {STORE} USING hnsw ((binary_quantize(embedding)::bit(64)) bit_hamming_ops)
    """)
    look = "SELECT pg_get_indexdef('mine'::regclass)"
    assert "((binary_quantize(embedding))::bit(64)) bit_hamming_ops" in db.value(look)
    warnings = []
    with by_index(db) as session:
        session.add_notice_handler(lambda notice: warnings.append(notice.message_primary))
        assert scans(session, "mine", "'rows', 'row 7', 1") == (0, [7])
    assert warnings == []


@pytest.mark.parametrize(
    ("index", "declared"),
    [
        ("hnsw ((binary_quantize(embedding)::bit(64)) bit_hamming_ops)", "vector"),
        ("hnsw ((binary_quantize(embedding)::bit(64)) bit_hamming_ops)", "halfvec"),
        ("ivfflat ((binary_quantize(embedding)::bit(64)) bit_hamming_ops) WITH (lists = 1)", "vector"),
    ],
)
def test_an_index_of_the_signs_by_hand_is_used(db, stub, index, declared):
    declare(db, stub, 64, destination=f"ai.destination_table(vector_type => '{declared}')")
    db.sql(FILL)
    vectorizer.idle(db)
    db.sql(f"CREATE INDEX mine ON {STORE} USING {index}")
    with by_index(db) as session:
        assert scans(session, "mine", "'rows', 'row 7', 1") == (1, [7])
    # And one that knows more comes first.
    db.sql(f"CREATE INDEX better ON {STORE} USING hnsw (embedding {declared}_cosine_ops)")
    with by_index(db) as session:
        assert scans(session, "better", "'rows', 'row 7', 1") == (1, [7])


def test_the_worker_indexes_the_type_that_a_store_has_now(db, stub):
    declare(db, stub)
    db.sql("DROP VIEW document_embedding")
    db.sql(f"ALTER TABLE {STORE} ALTER COLUMN embedding TYPE halfvec(8)")
    db.sql("SELECT ai.set_scheduling(1, indexing => ai.indexing_hnsw(10))")
    db.sql(FILL)
    assert "(embedding halfvec_cosine_ops)" in the_index(db)
    db.sql(f"SELECT ai.set_scheduling(1, indexing => ai.indexing_none()); DROP INDEX {STORE}_embedding_hnsw_1")
    db.sql(f"SELECT ai._vectorizer_create_vector_index('public', '{STORE}', {BINARY})")
    assert "bit_hamming_ops" in the_index(db)
