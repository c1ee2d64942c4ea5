"""The words of chunks: in step with the chunks, and added to vectorizers without embedding anything again."""

import psycopg
import pytest
from support import vectorizer
from support.tables import PARTITIONED, PLAIN, STATEMENTS
from support.wait import eventually, settles

STORE = "document_embedding_store"
WORDS = "document_embedding_store_words"
NAME = "public_document_embedding_store"
HYBRID = "ai.search_hybrid()"


def disagreements(db, language: str = "english", words: str = WORDS, store: str = STORE) -> list:
    """The chunks whose words are not theirs, and the words that belong to no chunk."""
    return db.sql(
        f"""SELECT coalesce(s.embedding_uuid, w.embedding_uuid), s.chunk, w.words
            FROM {store} s FULL JOIN {words} w USING (embedding_uuid)
            WHERE w.words IS DISTINCT FROM to_tsvector(%s::regconfig, s.chunk)""",
        [language],
    )


def filled(db, language: str = "english", **tables) -> None:
    """Waits until the worker knows that all chunks have words; then they must have them."""
    eventually(lambda: db.value("SELECT words_ready FROM ai._vectorizer_binding"), what="the words to be ready")
    assert disagreements(db, language, **tables) == []


def tables_of_words(db) -> list[str]:
    return [name for [name] in db.sql("SELECT relname FROM pg_class WHERE relname LIKE '%words' AND relkind = 'r' ORDER BY 1")]


def alter(db, search: str, *, user: str = "postgres") -> None:
    db.sql(f"SELECT ai.alter_vectorizer('{NAME}', search => {search})", user=user)


@pytest.fixture
def document(db, stub):
    """A table of 40 rows with two chunks each, and a vectorizer without words."""
    db.sql(PLAIN)
    db.sql("INSERT INTO document SELECT i, 't', 'running dogs ' || i || '|cats ' || i FROM generate_series(1, 40) i")
    vectorizer.create(db, stub.url)
    vectorizer.in_step(db, ["id"])
    stub.forget()
    return db


# In step


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


# Added, removed, changed


def test_words_are_added_without_embedding_anything(document, stub):
    file = f"SELECT pg_relation_filenode('{STORE}')"
    before = document.value(file)
    alter(document, HYBRID)
    filled(document)
    assert stub.requests == []
    assert document.value(file) == before
    assert document.value(f"SELECT count(*) FROM {WORDS} WHERE words @@ to_tsquery('english', 'run & dog')") == 40
    assert document.value("SELECT config #> '{search}' FROM ai.vectorizer") == {
        "config_type": "search", "implementation": "hybrid", "language": "english",
        "words_schema": "public", "words_table": WORDS,
    }
    document.sql("UPDATE document SET body = 'new' WHERE id = 1; DELETE FROM document WHERE id = 2")
    vectorizer.in_step(document, ["id"])
    assert disagreements(document) == []


def test_more_chunks_than_fit_into_a_step(db, stub):
    db.sql(PLAIN)
    db.sql("INSERT INTO document SELECT i, 't', 'row ' || i FROM generate_series(1, 1500) i")
    vectorizer.create(db, stub.url)
    vectorizer.in_step(db, ["id"])
    alter(db, HYBRID)
    filled(db)
    assert db.value(f"SELECT count(*) FROM {WORDS}") == 1500


def test_a_chunk_that_is_locked_gets_its_words_later(document):
    with document.connect() as session:
        session.execute("BEGIN")
        # Not so strong that words could not be added to the vectorizer meanwhile.
        session.execute(f"SELECT FROM {STORE} WHERE id = 7 FOR UPDATE")
        alter(document, HYBRID)
        settles(lambda: document.value(f"SELECT count(*) FROM {WORDS}"), 78)
        assert document.value("SELECT words_ready FROM ai._vectorizer_binding") is None
        reason = document.value("SELECT reason FROM ai.vectorizer_health")
        assert reason == "all rows are up to date; words are being added to older chunks"
        session.execute("COMMIT")
    filled(document)
    assert document.value("SELECT reason FROM ai.vectorizer_health") == "all rows are up to date"


def test_words_are_removed_and_added_again(document, stub):
    alter(document, HYBRID)
    filled(document)
    for search in ("NULL", HYBRID):
        alter(document, search)
        assert document.value("SELECT words_ready FROM ai._vectorizer_binding")
    alter(document, "ai.search_none()")
    assert tables_of_words(document) == []
    assert document.value("SELECT config ? 'search' FROM ai.vectorizer") is False
    document.sql("UPDATE document SET body = 'without words' WHERE id = 1; DELETE FROM document WHERE id = 2")
    vectorizer.in_step(document, ["id"])
    document.sql("TRUNCATE document; INSERT INTO document VALUES (1, 't', 'one|two')")
    vectorizer.in_step(document, ["id"])
    alter(document, HYBRID)
    filled(document)


def test_another_language(document, stub):
    alter(document, HYBRID)
    filled(document)
    alter(document, "ai.search_hybrid('simple')")
    filled(document, "simple")
    document.sql("UPDATE document SET body = 'the running dogs' WHERE id = 1")
    vectorizer.in_step(document, ["id"])
    assert disagreements(document, "simple") == []
    assert sum(stub.embedded.values()) == 1


def test_a_table_of_words_that_is_gone_is_made_anew(document):
    alter(document, HYBRID)
    filled(document)
    document.sql(f"DROP TABLE {WORDS}")
    settles(lambda: document.value("SELECT state FROM ai.vectorizer_health"), "not_served")
    [[reason, hint]] = document.sql("SELECT reason, hint FROM ai.vectorizer_health")
    assert "table of words" in reason and "ai.alter_vectorizer()" in hint
    # Users' statements go on.
    document.sql("DELETE FROM document WHERE id = 1")
    alter(document, HYBRID)
    filled(document)
    vectorizer.in_step(document, ["id"])


REFUSING = f"""
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'no cats here';
    END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON {WORDS} FOR EACH ROW
    WHEN (pg_catalog.tsvector_to_array(new.words) @> ARRAY['cat']) EXECUTE FUNCTION refuse()
"""


def test_words_that_cannot_be_added_are_told_and_tried_again(document):
    with document.connect() as session:
        session.execute("BEGIN")
        session.execute(f"SELECT ai.alter_vectorizer('{NAME}', search => {HYBRID})")
        session.execute(REFUSING)
        session.execute("COMMIT")
    settles(lambda: document.value("SELECT state FROM ai.vectorizer_health"), "lacks_words")
    [[reason, until]] = document.sql("SELECT reason, until FROM ai.vectorizer_health")
    assert "no cats here" in reason and until
    # Rows are embedded meanwhile.
    document.sql("UPDATE document SET body = 'dogs alone' WHERE id = 1")
    vectorizer.in_step(document, ["id"])
    assert document.value(f"SELECT words FROM {WORDS} JOIN {STORE} USING (embedding_uuid) WHERE id = 1")
    document.sql(f"DROP TRIGGER refuse ON {WORDS}")
    filled(document)
    vectorizer.comes_to(document, "idle")


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
    # Of the first 100,000 characters: each word has 32, and a blank. A word that is too long is none.
    assert db.sql(found) == [(1, 3031), (2, 1), (3, 0)]
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


def test_a_language_that_is_gone_stops_it_and_one_of_the_same_name_goes_on(document):
    document.sql("CREATE TEXT SEARCH CONFIGURATION own (COPY = english)")
    alter(document, "ai.search_hybrid('own')")
    filled(document, "public.own")
    document.sql("DROP TEXT SEARCH CONFIGURATION own")
    document.sql("UPDATE document SET body = 'while it is gone' WHERE id = 1")
    settles(lambda: document.value("SELECT state FROM ai.vectorizer_health"), "not_served")
    assert "public.own" in document.value("SELECT reason FROM ai.vectorizer_health")
    document.sql("CREATE TEXT SEARCH CONFIGURATION own (COPY = simple)")
    document.sql("UPDATE document SET body = 'the dogs' WHERE id = 2")
    vectorizer.in_step(document, ["id"])
    found = f"SELECT words FROM {WORDS} JOIN {STORE} USING (embedding_uuid) WHERE id = 2"
    assert document.value(found) == "'dogs':2 'the':1"


# What is refused


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ("'7'", "search config is not a jsonb object"),
        ("'{}'", "invalid config_type for search config"),
        ("ai.indexing_none()", "invalid config_type for search config"),
        ("'{\"config_type\": \"search\"}'", "search implementation not specified"),
        ("'{\"config_type\": \"search\", \"implementation\": \"magic\"}'", 'unrecognized search implementation: "magic"'),
        ("'{\"config_type\": \"search\", \"implementation\": \"hybrid\"}'", "missing field `language`"),
        ("ai.search_hybrid(NULL)", "missing field `language`"),
        ("ai.search_hybrid() || '{\"language\": \"no such\"}'", "string is not a valid identifier"),
        ("ai.search_hybrid() || '{\"language\": \"nosuch\"}'", 'text search configuration "pg_catalog.nosuch" does not exist'),
        ("ai.search_hybrid('nosuch')", 'text search configuration "nosuch" does not exist'),
    ],
)
def test_what_is_no_search(document, search, message):
    for statement in (
        f"SELECT ai.alter_vectorizer('{NAME}', search => {search})",
        "SELECT ai.create_vectorizer('document', loading => ai.loading_column('body'), destination => ai.destination_table('other'),"
        f" embedding => ai.embedding_openai('m', 8), search => {search})",
    ):
        with pytest.raises(psycopg.Error) as caught:
            document.sql(statement)
        assert message in str(caught.value)
    assert tables_of_words(document) == []


def test_a_vectorizer_that_is_not_there(db):
    for named, shown in (("'nobody'", 'vectorizer "nobody"'), ("7", "vectorizer with id 7")):
        with pytest.raises(psycopg.errors.UndefinedObject) as caught:
            db.sql(f"SELECT ai.alter_vectorizer({named}, search => {HYBRID})")
        assert f"{shown} does not exist" in str(caught.value)
    with pytest.raises(psycopg.errors.NullValueNotAllowed):
        db.sql(f"SELECT ai.alter_vectorizer(NULL::int4, search => {HYBRID})")


def test_a_column_has_no_words(db, stub):
    db.sql(PLAIN)
    column = {"destination": "ai.destination_column('v')", "chunking": "ai.chunking_none()"}
    with pytest.raises(psycopg.errors.FeatureNotSupported) as caught:
        vectorizer.create(db, stub.url, search=HYBRID, **column)
    assert "cannot keep words for a column destination" in str(caught.value) and caught.value.diag.message_hint
    number = vectorizer.create(db, stub.url, search="ai.search_none()", **column)
    with pytest.raises(psycopg.errors.FeatureNotSupported):
        db.sql(f"SELECT ai.alter_vectorizer({number}, search => {HYBRID})")
    assert db.value("SELECT config ? 'search' FROM ai.vectorizer") is False


def test_a_name_that_is_taken(document):
    document.sql(f"CREATE VIEW {WORDS} AS SELECT 1")
    with pytest.raises(psycopg.errors.DuplicateTable) as caught:
        alter(document, HYBRID)
    assert f'relation "{WORDS}" already exists' in str(caught.value)


def test_a_long_name_is_shortened(db, stub):
    db.sql(PLAIN)
    long = "ü" * 31
    vectorizer.create(db, stub.url, search=HYBRID, destination=f"ai.destination_table(target_table => '{long}', view_name => 'v')")
    assert tables_of_words(db) == ["ü" * 28 + "_words"]


def test_others_writes_are_waited_for_briefly(document):
    with document.connect() as session:
        session.execute("BEGIN")
        session.execute("DELETE FROM document WHERE id = 1")
        with pytest.raises(psycopg.errors.LockNotAvailable) as caught:
            document.sql(f"SET lock_timeout = '200ms'; SELECT ai.alter_vectorizer('{NAME}', search => {HYBRID})")
        session.execute("ROLLBACK")
    assert caught.value
    alter(document, HYBRID)
    filled(document)


# Rights


@pytest.fixture
def roles(db):
    """Two roles that may log in."""
    names = [f"{who}_{db.name}" for who in ("ann", "ben")]
    for name in names:
        db.sql(f"CREATE ROLE {name} LOGIN")
    yield names
    for name in names:
        db.sql(f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}")


def may_read(db, reader: str) -> bool:
    return db.value("SELECT has_table_privilege(%s, %s::regclass, 'SELECT')", [reader, WORDS])


def test_who_may_read_the_chunks_may_read_their_words(document, roles):
    document.sql(f"GRANT SELECT ON {STORE} TO {roles[0]} WITH GRANT OPTION; GRANT INSERT ON {STORE} TO {roles[1]}")
    alter(document, HYBRID)
    assert [may_read(document, reader) for reader in roles] == [True, False]
    document.sql(f"GRANT SELECT ON {WORDS} TO {roles[1]}", user=roles[0])
    document.sql(f"GRANT SELECT ON {STORE} TO PUBLIC")
    alter(document, "ai.search_hybrid('simple')")
    assert document.value(f"SELECT relacl::text FROM pg_class WHERE oid = '{WORDS}'::regclass").count("=r/") == 1


def test_those_who_are_granted_the_vectorizer_may_read_the_words(db, stub, roles):
    db.sql(PLAIN)
    vectorizer.create(db, stub.url, search=HYBRID, grant_to=f"ai.grant_to('{roles[0]}')")
    assert [may_read(db, reader) for reader in roles] == [True, False]
    assert not db.value("SELECT has_table_privilege(%s, %s::regclass, 'DELETE')", [roles[0], WORDS])


def test_only_its_owner_alters_it(document, roles):
    document.sql(f"GRANT SELECT ON {STORE} TO {roles[0]}; GRANT USAGE ON SCHEMA ai TO {roles[0]}, {roles[1]}")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="must be owner of vectorizer"):
        alter(document, HYBRID, user=roles[0])
    # To whom it is not shown, it is not there.
    with pytest.raises(psycopg.errors.UndefinedObject):
        alter(document, HYBRID, user=roles[1])


def test_an_owner_who_is_no_superuser(db, stub, roles):
    [owner, other] = roles
    db.sql(f"SELECT ai.grant_vectorizer_usage('{owner}'); GRANT CREATE ON SCHEMA public TO {owner}, {other}")
    db.sql(PLAIN, user=owner)
    db.sql("INSERT INTO document VALUES (1, 't', 'running dogs')", user=owner)
    vectorizer.create(db, "", user=owner, embedding="ai.embedding_openai('m', 8)", search=HYBRID)
    assert db.value(f"SELECT relowner::regrole::text FROM pg_class WHERE oid = '{WORDS}'::regclass") == owner
    db.sql("CREATE TEXT SEARCH CONFIGURATION own (COPY = simple)", user=owner)
    db.sql("CREATE TEXT SEARCH CONFIGURATION others (COPY = simple)", user=other)
    db.sql("CREATE TEXT SEARCH CONFIGURATION superusers (COPY = simple)")
    for language in ("own", "superusers"):
        alter(db, f"ai.search_hybrid('{language}')", user=owner)
        assert db.value("SELECT config #>> '{search,language}' FROM ai.vectorizer") == f"public.{language}"
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="public.others belongs to another role"):
        alter(db, "ai.search_hybrid('others')", user=owner)


def seen(db, reader: str) -> set[str]:
    return {words for [words] in db.sql(f"SELECT words::text FROM {WORDS}", user=reader)}


@pytest.mark.parametrize("secured", ["document", STORE])
@pytest.mark.parametrize("first", [True, False], ids=["secured before", "secured after"])
def test_row_security_holds_for_words(document, roles, secured, first):
    [reader, _] = roles
    document.sql(f"GRANT SELECT ON document, {STORE} TO {reader}")
    secure = f"ALTER TABLE {secured} ENABLE ROW LEVEL SECURITY; CREATE POLICY one ON {secured} USING (id = 1)"
    if first:
        document.sql(secure)
    alter(document, "ai.search_hybrid('simple')")
    if not first:
        document.sql(secure)
    filled(document, "simple")
    assert seen(document, reader) == {"'1':3 'dogs':2 'running':1", "'1':2 'cats':1"}


def test_without_row_security_there_is_no_policy(document):
    alter(document, HYBRID)
    assert document.value(f"SELECT relrowsecurity FROM pg_class WHERE oid = '{WORDS}'::regclass") is False
