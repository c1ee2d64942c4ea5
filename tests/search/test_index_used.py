"""ai.search uses the index that there is, and finds what an index alone would not."""

import psycopg
import pytest
from support import vectorizer, vectors
from support.index import STORE, by_index, old_transaction, scans, the_index, under_way

FILL = "INSERT INTO document SELECT i, 'row ' || i FROM generate_series(1, 200) i"
FEW_CANDIDATES = "SET hnsw.ef_search = 40"


def declare(db, stub, dimensions: int = vectorizer.DIMENSIONS, **arguments: str) -> None:
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    embedding = f"ai.embedding_openai('stub', {dimensions}, base_url => '{stub.url}')"
    vectorizer.create(db, stub.url, name="'rows'", **({"embedding": embedding, "indexing": "ai.indexing_none()"} | arguments))
    db.sql(FILL)
    vectorizer.idle(db)


@pytest.mark.parametrize(
    ("index", "operator"),
    [
        ("hnsw (embedding vector_cosine_ops)", "embedding <=> $1"),
        ("hnsw (embedding vector_l2_ops)", "embedding <-> $1"),
        ("hnsw (embedding vector_ip_ops)", "embedding <#> $1"),
        ("hnsw (embedding vector_l1_ops)", "embedding <+> $1"),
        ("hnsw ((embedding::halfvec(8)) halfvec_cosine_ops)", "embedding <=> $1"),
        ("hnsw ((embedding::halfvec(8)) halfvec_l2_ops)", "embedding <-> $1"),
        ("ivfflat (embedding vector_cosine_ops) WITH (lists = 2)", "embedding <=> $1"),
    ],
)
def test_the_index_decides_how_it_is_asked(db, stub, index, operator):
    declare(db, stub)
    db.sql(f"CREATE INDEX mine ON {STORE} USING {index}")
    question = f"'{vectors.as_json('row 7', 8)}'"
    order = operator.replace("$1", question)
    nearest = [id for [id] in db.sql(f"SELECT id FROM {STORE} ORDER BY {order} LIMIT 5")]
    with by_index(db, FEW_CANDIDATES) as session:
        used, found = scans(session, "mine", f"'rows', {question}::vector, 5")
        assert used == 1
        assert found[0] == nearest[0]
        assert set(found) <= {*nearest} or "ivfflat" in index
    [distances] = db.sql(
        f"SELECT s.distance, {order} FROM ai.search('rows', {question}::vector, 1) s JOIN {STORE} USING (embedding_uuid)"
    )
    assert distances[0] == distances[1]


def test_beyond_2000_dimensions_nobody_writes_halfvec(db, stub):
    declare(db, stub, 2001, indexing="ai.indexing_hnsw(10)", destination="ai.destination_table(vector_type => 'vector')")
    assert "halfvec_cosine_ops" in the_index(db)
    with by_index(db, FEW_CANDIDATES) as session:
        index = "document_embedding_store_embedding_hnsw_1"
        assert scans(session, index, "'rows', 'row 7', 1") == (1, [7])
        # Of so few rows Postgres would rather find those that pass by the source's key, and sort them.
        session.execute("SET enable_sort = off")
        assert scans(session, index, "'rows', 'row 7', 1, filter => 'body IS NOT NULL'") == (1, [7])


def test_a_store_of_halfvec(db, stub):
    declare(db, stub)
    db.sql("SELECT ai.disable_vectorizer_schedule('rows'); DROP VIEW document_embedding")
    db.sql(f"ALTER TABLE {STORE} ALTER COLUMN embedding TYPE halfvec(8)")
    assert db.value("SELECT key ->> 'id' FROM ai.search('rows', 'row 7', 1)") == "7"
    db.sql(f"CREATE INDEX mine ON {STORE} USING hnsw (embedding halfvec_cosine_ops)")
    with by_index(db, FEW_CANDIDATES) as session:
        assert scans(session, "mine", "'rows', 'row 7', 1") == (1, [7])


def test_the_index_of_a_column_of_vectors(db, stub):
    declare(db, stub, destination="ai.destination_column('vector')", chunking="ai.chunking_none()")
    db.sql("CREATE INDEX mine ON document USING hnsw (vector vector_cosine_ops)")
    with by_index(db, FEW_CANDIDATES) as session:
        assert scans(session, "mine", "'rows', 'row 7', 1, filter => 'body IS NOT NULL'") == (1, [7])


@pytest.mark.parametrize(
    "index",
    [
        # Of other numbers than ours, of a part of the rows, and of another kind.
        "hnsw ((subvector(embedding, 1, 4)::halfvec(4)) halfvec_l2_ops)",
        "hnsw (embedding vector_l2_ops) WHERE id > 100",
        "hnsw ((binary_quantize(subvector(embedding, 1, 4))::bit(4)) bit_hamming_ops)",
        "hnsw ((binary_quantize(embedding)::bit(8)) bit_jaccard_ops)",
        "btree (embedding)",
    ],
)
def test_an_index_that_does_not_serve_does_not_decide(db, stub, index):
    declare(db, stub)
    db.sql(f"CREATE INDEX mine ON {STORE} USING {index}")
    with by_index(db, FEW_CANDIDATES) as session:
        assert scans(session, "mine", "'rows', 'row 7', 1") == (0, [7])
        score = session.execute("SELECT score, distance FROM ai.search('rows', 'row 8', 3) WHERE rank = 3").fetchone()
        assert score[0] == 1 - score[1]


def test_the_config_decides_where_there_is_no_index(db, stub):
    declare(db, stub, indexing="ai.indexing_hnsw(1000000, opclass => 'vector_l2_ops')")
    [found] = db.sql("SELECT score, distance FROM ai.search('rows', 'row 8', 2) WHERE rank = 2")
    assert found[0] == 1 / (1 + found[1])


def test_an_index_that_is_being_built(db, stub):
    declare(db, stub, indexing="ai.indexing_hnsw(250)")
    with old_transaction(db):
        db.sql("INSERT INTO document SELECT i, 'row ' || i FROM generate_series(201, 300) i")
        under_way(db)
        assert db.value("SELECT key ->> 'id' FROM ai.search('rows', 'row 7', 1)") == "7"


def test_a_filter_does_not_empty_the_result(db, stub):
    """An index gives up after so many rows that a filter lets not pass; then the rows that do are compared one by one."""
    declare(db, stub)
    db.sql(f"CREATE INDEX mine ON {STORE} USING hnsw (embedding vector_cosine_ops)")
    farthest = f"SELECT id FROM {STORE} ORDER BY embedding <=> '{vectors.as_json('row 7', 8)}' DESC LIMIT 1"
    [[last]] = db.sql(farthest)
    with by_index(db, FEW_CANDIDATES) as session:
        session.execute("SET hnsw.ef_search = 1; SET hnsw.max_scan_tuples = 1; SET hnsw.iterative_scan = relaxed_order")
        session.execute("SET enable_sort = off; SET enable_bitmapscan = off")
        # What the index alone would find.
        order = f"embedding <=> '{vectors.as_json('row 7', 8)}'"
        by_hand = f"SELECT id FROM {STORE} WHERE id + 0 = {last} ORDER BY {order} LIMIT 1"
        assert session.execute(by_hand).fetchall() == []
        assert scans(session, "mine", f"'rows', 'row 7', 1, filter => 'id + 0 = {last}'") == (1, [last])
        # There are no more of them, and that is an answer too.
        assert scans(session, "mine", "'rows', 'row 7', 1, filter => 'id < 0'")[1] == []


def test_it_looks_at_every_row_if_it_is_asked_to(db, stub):
    declare(db, stub)
    db.sql(f"CREATE INDEX mine ON {STORE} USING hnsw (embedding vector_cosine_ops)")
    with by_index(db, FEW_CANDIDATES) as session:
        used, found = scans(session, "mine", "'rows', 'row 7', 30, exact => true")
    nearest = f"SELECT id FROM {STORE} ORDER BY (embedding <=> '{vectors.as_json('row 7', 8)}') + 0 LIMIT 30"
    assert (used, found) == (0, [id for [id] in db.sql(nearest)])


def test_there_are_candidates_enough_for_k(db, stub):
    declare(db, stub)
    db.sql(f"CREATE INDEX mine ON {STORE} USING hnsw (embedding vector_cosine_ops)")
    with by_index(db, FEW_CANDIDATES) as session:
        session.execute("SET hnsw.ef_search = 1; SET hnsw.iterative_scan = off")
        used, found = scans(session, "mine", "'rows', 'row 7', 150")
        assert used == 1 and len(found) == len(set(found)) == 150
        # And the session has its settings again.
        settings = "SELECT current_setting('hnsw.ef_search'), current_setting('hnsw.iterative_scan')"
        assert session.execute(settings).fetchone() == ("1", "off")
        with pytest.raises(psycopg.errors.DivisionByZero):
            session.execute("SELECT * FROM ai.search('rows', 'row 7', filter => '1 / (id - id) = 1')")
        assert session.execute(settings).fetchone() == ("1", "off")
