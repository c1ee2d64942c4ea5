"""DiskANN indexes, by the real pgvectorscale. Runs where that is installed."""

import psycopg
import pytest
from pgai_dev import pgvectorscale
from support import vectorizer
from support.index import STORE, old_transaction, the_index, under_way

TABLE = "CREATE TABLE document (id int PRIMARY KEY, body text)"
FILL = "INSERT INTO document SELECT i, 'row ' || i FROM generate_series(1, 20) i"


@pytest.fixture
def db(db, pg):
    if not pgvectorscale.installed(pg):
        pytest.skip("needs pgvectorscale")
    db.sql("CREATE EXTENSION vectorscale")
    return db


def declare(db, stub, options: str = "", dimensions: int = 8, **arguments: str) -> None:
    db.sql(TABLE)
    embedding = f"ai.embedding_openai('stub', {dimensions}, base_url => '{stub.url}')"
    indexing = f"ai.indexing_diskann(min_rows => 10{options})"
    vectorizer.create(db, stub.url, **({"embedding": embedding, "indexing": indexing} | arguments))


def test_it_is_built_as_declared_and_searches_use_it(db, stub):
    options = {
        "storage_layout": "memory_optimized",
        "num_neighbors": 20,
        "search_list_size": 30,
        "max_alpha": 1.5,
        "num_dimensions": 4,
        "num_bits_per_dimension": 2,
    }
    declare(db, stub, "".join(f", {name} => '{value}'" for name, value in options.items()))
    db.sql(FILL)
    definition = the_index(db, method="diskann")
    assert "USING diskann (embedding)" in definition
    given = definition.partition("WITH (")[2].rstrip(")").replace("'", "").split(", ")
    assert given == [f"{name}={value}" for name, value in options.items()]
    with db.connect() as connection:
        connection.execute("SET enable_seqscan = off")
        order = f"embedding <=> (SELECT embedding FROM {STORE} WHERE id = 7)"
        search = f"SELECT id FROM {STORE} ORDER BY {order} LIMIT 1"
        assert f"{STORE}_embedding_diskann_1" in str(connection.execute(f"EXPLAIN {search}").fetchall())
        assert connection.execute(search).fetchall() == [(7,)]


def test_rows_are_embedded_while_it_is_built_and_found_afterwards(db, stub):
    declare(db, stub)
    with old_transaction(db):
        db.sql(FILL)
        under_way(db, "diskann")
        db.sql("INSERT INTO document VALUES (21, 'new'); UPDATE document SET body = 'changed' WHERE id = 1")
        vectorizer.in_step(db, ["id"])
    the_index(db, method="diskann")
    with db.connect() as connection:
        connection.execute("SET enable_seqscan = off")
        for id in (1, 21):
            order = f"embedding <=> (SELECT embedding FROM {STORE} WHERE id = {id})"
            [[found]] = connection.execute(f"SELECT id FROM {STORE} ORDER BY {order} LIMIT 1").fetchall()
            assert found == id


def test_vectors_in_the_source_are_indexed_there(db, stub):
    declare(db, stub, destination="ai.destination_column('vectors')", chunking="ai.chunking_none()")
    db.sql(FILL)
    assert "ON public.document USING diskann (vectors)" in the_index(db, "document", "diskann")


# Options and dimensions at which pgvectorscale begins to refuse, with the last that it takes.
LIMITS = [
    (2000, "storage_layout => 'plain', num_neighbors => 10"),
    (1930, "storage_layout => 'plain'"),
    (1630, "storage_layout => 'plain', num_neighbors => 200"),
    (930, "num_bits_per_dimension => 2"),
    (1536, "num_neighbors => 991"),
    (768, "num_bits_per_dimension => 32, num_neighbors => 631"),
]


def builds(db, dimensions: int, options: str) -> bool:
    """Whether pgvectorscale itself takes a row under such an index."""
    with db.connect() as connection:
        connection.execute(f"CREATE TEMP TABLE t (v vector({dimensions}))")
        connection.execute(f"INSERT INTO t SELECT array_agg(i)::vector FROM generate_series(1, {dimensions}) i")
        try:
            connection.execute(f"CREATE INDEX ON t USING diskann (v) WITH ({options.replace('=>', '=')})")
        except psycopg.Error:
            return False
        return True


@pytest.mark.parametrize(("most", "options"), LIMITS)
def test_what_has_no_room_in_its_pages_is_refused_and_nothing_else(db, stub, most, options):
    assert (builds(db, most, options), builds(db, most + 1, options)) == (True, False)
    declare(db, stub, f", {options}", dimensions=most)
    db.sql("SELECT ai.drop_vectorizer(1, drop_all => true); DROP TABLE document")
    with pytest.raises(psycopg.errors.ProgramLimitExceeded) as refusal:
        declare(db, stub, f", {options}", dimensions=most + 1)
    assert refusal.value.diag.message_hint


def test_it_takes_no_half_precision(db, stub):
    refused = pytest.raises(psycopg.errors.FeatureNotSupported, match='"diskann" does not support vectors of type halfvec')
    with refused:
        declare(db, stub, destination="ai.destination_table(vector_type => 'halfvec')")
    # And so it is not chosen for it.
    db.sql("DROP TABLE document")
    declare(db, stub, dimensions=2001)
    look = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = %s::regclass AND attname = 'embedding'"
    assert db.value(look, [STORE]) == "vector(2001)"
    db.sql("SELECT ai.drop_vectorizer(id, drop_all => true) FROM ai.vectorizer; DROP TABLE document")
    declare(db, stub, destination="ai.destination_table(vector_type => 'halfvec')", indexing="ai.indexing_none()")
    with refused:
        db.sql("SELECT ai.set_scheduling(id, indexing => ai.indexing_diskann()) FROM ai.vectorizer")


def test_dimensions_that_the_embedding_has_not_are_refused(db, stub):
    with pytest.raises(psycopg.errors.ProgramLimitExceeded, match="num_dimensions cannot be greater than the embedding's 8"):
        declare(db, stub, ", num_dimensions => 9")
