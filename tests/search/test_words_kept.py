"""The words of chunks are in step with the chunks, whatever becomes of these and of their table."""

import re

import psycopg
import pytest
from support import vectorizer, words
from support.tables import PARTITIONED, PLAIN, STATEMENTS
from support.wait import eventually, settles
from support.words import HYBRID, NAME, STORE, WORDS, alter, disagreements, filled, tables_of_words


@pytest.fixture
def document(db, stub):
    return words.document(db, stub)


@pytest.mark.parametrize("table", [PLAIN, PARTITIONED], ids=["plain", "partitioned"])
def test_words_are_in_step_after_every_statement(db, stub, table):
    db.sql(table)
    if table == PARTITIONED:
        db.sql("CREATE TABLE document_rest PARTITION OF document DEFAULT")
    vectorizer.create(db, stub.url, search=HYBRID)
    for statement in STATEMENTS:
        db.sql(statement)
        vectorizer.in_step(db, ["id"])
        assert disagreements(db) == [], statement
    filled(db)
    assert db.value(f"SELECT count(*) FROM {WORDS}") == 1


def test_a_chunk_that_stays_keeps_its_words(db, stub):
    db.sql(PLAIN)
    vectorizer.create(db, stub.url, search=HYBRID)
    db.sql("INSERT INTO document VALUES (1, 't', 'stays|goes')")
    vectorizer.in_step(db, ["id"])
    look = f"SELECT w.xmin::text FROM {WORDS} w JOIN {STORE} USING (embedding_uuid) WHERE chunk = 'stays'"
    before = db.value(look)
    db.sql("UPDATE document SET body = 'comes|stays'")
    vectorizer.in_step(db, ["id"])
    assert db.value(look) == before and disagreements(db) == []


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_transaction_that_began_before_the_words_were_written_deletes_the_row(document, level):
    alter(document, HYBRID)
    filled(document)
    with document.connect() as session:
        session.execute(f"BEGIN ISOLATION LEVEL {level}")
        session.execute("SELECT count(*) FROM document")
        document.sql("UPDATE document SET body = 'written meanwhile' WHERE id = 2")
        vectorizer.in_step(document, ["id"])
        session.execute("DELETE FROM document WHERE id IN (1, 3)")
        session.execute("COMMIT")
    vectorizer.in_step(document, ["id"])
    assert disagreements(document) == []


def test_chunks_written_since_a_transaction_began_are_deleted_by_it(db, stub):
    db.sql(PLAIN)
    vectorizer.create(db, stub.url, search=HYBRID)
    with stub.held():
        db.sql("INSERT INTO document VALUES (1, 't', 'not yet embedded')")
        with db.connect() as session:
            session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            session.execute("SELECT count(*) FROM document")
            stub._open.set()
            vectorizer.in_step(db, ["id"])
            session.execute("DELETE FROM document")
            session.execute("COMMIT")
    vectorizer.in_step(db, ["id"])
    assert db.value(f"SELECT count(*) FROM {WORDS}") == 0


def test_chunks_that_are_deleted_by_hand_take_their_words_along(document):
    alter(document, HYBRID)
    filled(document)
    document.sql(f"DELETE FROM {STORE} WHERE id < 10")
    assert disagreements(document) == []
    document.sql(f"SELECT ai.resync('{NAME}')")
    vectorizer.in_step(document, ["id"])
    assert disagreements(document) == []


def test_a_trigger_on_words_that_fails_fails_no_statement_on_the_source(document):
    alter(document, HYBRID)
    filled(document)
    document.sql(f"""
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'words stay'; END $$;
        CREATE TRIGGER refuse BEFORE DELETE ON {WORDS} FOR EACH ROW EXECUTE FUNCTION refuse()
    """)
    for statement in ("DELETE FROM document WHERE id = 1", "UPDATE document SET id = 102 WHERE id = 2"):
        with document.connect() as session:
            # A plan that was made before the trigger was there is none any more.
            session.execute("INSERT INTO document VALUES (100, 't', 'one') ON CONFLICT DO NOTHING")
            assert session.execute(statement).rowcount == 1
    document.sql(f"DROP TRIGGER refuse ON {WORDS}; SELECT ai.resync('{NAME}')")
    vectorizer.in_step(document, ["id"])
    assert disagreements(document) == []


def test_a_killed_worker_loses_no_words(cluster_factory, stub):
    cluster = cluster_factory()
    db = cluster.create_database("killed")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    db.sql(PLAIN)
    vectorizer.create(db, stub.url, search=HYBRID)
    look = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pgai_rs worker' AND datname = 'killed'"
    for round in range(3):
        db.sql(
            "INSERT INTO document SELECT i, 't', 'row ' || i || '|again ' || i FROM generate_series(%s::int, %s::int) i",
            [round * 300 + 1, round * 300 + 300],
        )
        least = round * 600 + 20
        eventually(lambda: db.value(f"SELECT count(*) FROM {STORE}") > least, what="some chunks")
        assert disagreements(db) == []
        cluster.kill_child(eventually(lambda: db.value(look), what="a worker", ignoring=(TypeError, IndexError)))
    vectorizer.in_step(db, ["id"])
    filled(db)


# Of the table


def test_words_that_a_crash_has_emptied_are_added_again(cluster_factory, stub):
    cluster = cluster_factory()
    db = cluster.create_database("crashed")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    db.sql(PLAIN)
    vectorizer.create(db, stub.url, search=HYBRID)
    db.sql(f"ALTER TABLE {WORDS} SET UNLOGGED")
    db.sql("INSERT INTO document SELECT i, 't', 'row ' || i FROM generate_series(1, 20) i")
    vectorizer.in_step(db, ["id"])
    filled(db)
    db.sql("CHECKPOINT")
    cluster.kill()
    cluster.start()
    eventually(lambda: db.value(f"SELECT count(*) FROM {WORDS}") == 20, what="the words to be there again")
    filled(db)


def test_a_renamed_table_of_words_is_followed(document):
    alter(document, HYBRID)
    filled(document)
    document.sql(f"CREATE SCHEMA other; ALTER TABLE {WORDS} RENAME TO others; ALTER TABLE others SET SCHEMA other")
    document.sql(f"ALTER TABLE {STORE} RENAME TO chunks")
    document.sql("UPDATE document SET body = 'renamed|twice' WHERE id = 1; DELETE FROM document WHERE id = 2")
    vectorizer.in_step(document, ["id"], store="chunks")
    assert disagreements(document, words="other.others", store="chunks") == []
    names = "SELECT config #>> '{search,words_schema}', config #>> '{search,words_table}' FROM ai.vectorizer"
    settles(lambda: document.sql(names), [("other", "others")])
    document.sql("TRUNCATE document")
    assert document.value("SELECT count(*) FROM other.others") == 0


def test_a_restored_vectorizer_goes_on_with_its_words(cluster, document, stub):
    alter(document, HYBRID)
    filled(document)
    # What is not there yet when it is dumped is added where it is restored.
    document.sql(f"DELETE FROM {WORDS} WHERE embedding_uuid IN (SELECT embedding_uuid FROM {STORE} WHERE id = 5)")
    dump = cluster.run("pg_dump", document.name)
    stub.forget()
    copy = cluster.create_database(f"{document.name}_restored")
    try:
        cluster.run("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={copy.name}", input=dump)
        vectorizer.restored(copy)
        filled(copy)
        copy.sql("UPDATE document SET body = 'changed' WHERE id = 1; DELETE FROM document WHERE id = 2")
        vectorizer.in_step(copy, ["id"])
        assert disagreements(copy) == []
        assert set(stub.embedded) == {"changed"}
    finally:
        copy.drop()


def test_nothing_is_done_before_restored_words_refer_to_their_chunks(cluster, document, stub):
    """Chunks that are deleted before would leave words behind, and the reference could not be made."""
    alter(document, HYBRID)
    filled(document)
    with stub.held():
        document.sql("UPDATE document SET body = 'changed' WHERE id = 1")
        dump = cluster.run("pg_dump", document.name)
    reference = re.search(rf"ALTER TABLE ONLY public\.{WORDS}\n +ADD CONSTRAINT \S+ FOREIGN KEY [^;]*;", dump)[0]
    copy = cluster.create_database(f"{document.name}_restored")

    def restore(statements: str) -> None:
        run = ("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={copy.name}")
        cluster.run(*run, input=statements)

    try:
        restore(dump.replace(reference, ""))
        # Another vectorizer is served meanwhile.
        copy.sql("CREATE TABLE public.other (id int PRIMARY KEY, body text); INSERT INTO public.other VALUES (1, 'one')")
        vectorizer.create(copy, stub.url, "public.other")
        embedded = "SELECT count(*) FROM public.other_embedding_store"
        eventually(lambda: copy.value(embedded) == 1, what="another row to be embedded")
        assert copy.value(f"SELECT count(*) FROM {STORE} WHERE id = 1") == 2
        restore(reference)
        vectorizer.restored(copy)
        vectorizer.in_step(copy, ["id"])
        filled(copy)
    finally:
        copy.drop()


@pytest.mark.parametrize("drop_all", [False, True])
def test_words_go_with_the_vectorizer(document, drop_all):
    alter(document, HYBRID)
    filled(document)
    document.sql(f"SELECT ai.drop_vectorizer('{NAME}', {drop_all})")
    assert tables_of_words(document) == []
    assert bool(document.value(f"SELECT to_regclass('{STORE}')")) is not drop_all


def test_words_go_with_the_source(document):
    alter(document, HYBRID)
    filled(document)
    document.sql("DROP TABLE document CASCADE")
    assert tables_of_words(document) == []


# Texts


@pytest.mark.parametrize("late", [False, True], ids=["with the chunk", "afterwards"])
def test_a_text_with_more_words_than_there_is_room_for_fails_nothing(db, stub, late):
    db.sql(PLAIN)
    search = "ai.search_none()" if late else "ai.search_hybrid('simple')"
    vectorizer.create(db, stub.url, search=search, chunking="ai.chunking_none()")
    many = "SELECT string_agg('word' || lpad(i::text, 28, '0'), ' ') FROM generate_series(1, 60000) i"
    with pytest.raises(psycopg.errors.ProgramLimitExceeded):
        db.sql(f"SELECT to_tsvector('simple', ({many}))")
    position = db.cluster.log_position()
    db.sql(f"INSERT INTO document SELECT 1, 't', ({many})")
    db.sql("INSERT INTO document VALUES (2, 't', 'short'), (3, 't', repeat('x', 50000))")
    vectorizer.idle(db)
    if late:
        alter(db, "ai.search_hybrid('simple')")
    eventually(lambda: db.value("SELECT words_ready FROM ai._vectorizer_binding"), what="the words to be ready")
    found = f"SELECT id, length(words) FROM {WORDS} JOIN {STORE} USING (embedding_uuid) ORDER BY id"
    # Of the first 100,000 characters: each word has 32, and a blank. A word without an end is several of 64, and what is left.
    assert db.sql(found) == [(1, 3031), (2, 1), (3, 3)]
    assert db.sql("SELECT message FROM ai.vectorizer_errors") == []
    assert "word is too long to be indexed" not in db.cluster.log_text(since=position)


# Each word becomes eighty: more than there is room for, of a text that is not long.
THESAURUS = """
    CREATE TEXT SEARCH DICTIONARY many (TEMPLATE = pg_catalog.synonym, SYNONYMS = {file});
    CREATE TEXT SEARCH CONFIGURATION many (COPY = simple);
    ALTER TEXT SEARCH CONFIGURATION many ALTER MAPPING FOR asciiword, numword WITH many, simple;
"""


def test_a_dictionary_that_makes_many_words_of_one_fails_nothing(cluster, document):
    share = cluster.bindir.parent / "share" / "postgresql" / "tsearch_data"
    if not share.is_dir():
        pytest.skip("this Postgres keeps its dictionaries elsewhere")
    name = f"many_{document.name}"
    file = share / f"{name}.syn"
    try:
        file.write_text("".join(f"w{i} {'y' * 1_500}{i}\n" for i in range(2_000)))
        document.sql(THESAURUS.format(file=name))
        alter(document, "ai.search_hybrid('many')")
        filled(document, "public.many")
        document.sql("INSERT INTO document VALUES (99, 't', (SELECT string_agg('w' || i, ' ') FROM generate_series(0, 1999) i))")
        vectorizer.in_step(document, ["id"])
        found = f"SELECT length(words) FROM {WORDS} JOIN {STORE} USING (embedding_uuid) WHERE id = 99"
        assert document.sql(found) == [(0,)]
        # And so where they are added later.
        alter(document, "ai.search_none()")
        alter(document, "ai.search_hybrid('many')")
        eventually(lambda: document.value("SELECT words_ready FROM ai._vectorizer_binding"), what="the words to be ready")
        assert document.sql(found) == [(0,)]
        assert document.value(f"SELECT count(*) FROM {WORDS} WHERE length(words) > 0") == 80
        assert document.sql("SELECT message FROM ai.vectorizer_errors") == []
    finally:
        file.unlink(missing_ok=True)
