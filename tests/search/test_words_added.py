"""Words are added to vectorizers without embedding anything again, in another language, and removed."""

import psycopg
import pytest
from support import vectorizer, words
from support.tables import PLAIN
from support.wait import eventually, settles
from support.words import HYBRID, NAME, STORE, WORDS, alter, disagreements, filled, tables_of_words


@pytest.fixture
def document(db, stub):
    return words.document(db, stub)


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
        # Until all have words, they are not looked for unless that is said.
        by_words = f"SELECT bool_or(arms ? 'text') FROM ai.search('{NAME}', 'dogs')"
        assert document.value(by_words) is False
        session.execute("COMMIT")
    filled(document)
    assert document.value(by_words) is True
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


# As many chunks as are looked at first get their words.
REFUSING_MORE = f"""
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF (SELECT count(*) FROM public.{WORDS}) < 64 THEN RETURN new; END IF;
        RAISE EXCEPTION 'no more words';
    END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON {WORDS} FOR EACH ROW EXECUTE FUNCTION refuse()
"""


@pytest.mark.parametrize(("searches", "language"), [(["ai.search_hybrid('simple')"], "simple"), (["ai.search_none()", HYBRID], "english")],
                         ids=["another language", "another table"])
def test_other_words_begin_anew(document, searches, language):
    """Wherever adding those before had come to."""
    with document.connect() as session:
        session.execute("BEGIN")
        session.execute(f"SELECT ai.alter_vectorizer('{NAME}', search => {HYBRID})")
        session.execute(REFUSING_MORE)
        session.execute("COMMIT")
    settles(lambda: document.value("SELECT state FROM ai.vectorizer_health"), "lacks_words")
    assert document.value(f"SELECT count(*) FROM {WORDS}") == 64
    with document.connect(autocommit=False) as session:
        for search in searches:
            session.execute(f"SELECT ai.alter_vectorizer('{NAME}', search => {search})")
        session.commit()
    filled(document, language)


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


def test_a_vectorizer_whose_tables_are_not_found_yet(document):
    """As after a restore, until the worker has looked."""
    with document.connect(autocommit=False) as session:
        session.execute("DELETE FROM ai._vectorizer_binding")
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="have not been found yet") as caught:
            session.execute(f"SELECT ai.alter_vectorizer('{NAME}', search => {HYBRID})")
        assert "start_worker" in caught.value.diag.message_hint
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


GIVES_WAY = "Another transaction has written to a table of the vectorizer, or changes it, and has not ended."


@pytest.mark.parametrize(("there", "wanted"), [(None, HYBRID), (HYBRID, "ai.search_none()")], ids=["added", "removed"])
def test_others_writes_are_waited_for_briefly(document, there, wanted):
    """Whoever wants to write as well would wait behind it."""
    if there:
        alter(document, there)
        filled(document)
    with document.connect() as session:
        session.execute("BEGIN")
        session.execute("DELETE FROM document WHERE id = 1")
        with pytest.raises(psycopg.errors.LockNotAvailable) as caught:
            document.sql(f"SET statement_timeout = '30s'; SELECT ai.alter_vectorizer('{NAME}', search => {wanted})")
        session.execute("ROLLBACK")
    assert caught.value.diag.message_detail == GIVES_WAY
    alter(document, wanted)


# As if a dictionary made more of this word than a tsvector has room for.
TOO_MANY = f"""
    CREATE FUNCTION too_many() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'string is too long for tsvector' USING ERRCODE = 'program_limit_exceeded'; END $$;
    CREATE TRIGGER too_many BEFORE INSERT ON {WORDS} FOR EACH ROW
    WHEN (pg_catalog.tsvector_to_array(new.words) @> ARRAY['30']) EXECUTE FUNCTION too_many()
"""


def test_a_chunk_with_too_many_words_has_none_and_its_neighbours_have_theirs(document):
    with document.connect() as session:
        session.execute("BEGIN")
        session.execute(f"SELECT ai.alter_vectorizer('{NAME}', search => {HYBRID})")
        session.execute(TOO_MANY)
        session.execute("COMMIT")
    eventually(lambda: document.value("SELECT words_ready FROM ai._vectorizer_binding"), what="the words to be ready")
    without = f"SELECT chunk FROM {STORE} JOIN {WORDS} USING (embedding_uuid) WHERE words = '' ORDER BY 1"
    assert document.sql(without) == [("cats 30",), ("running dogs 30",)]
    assert document.value(f"SELECT count(*) FROM {WORDS}") == 80
