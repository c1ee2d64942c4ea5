"""Words beside vectors, and who owns what they are made of: tables, text search configurations, the schemas of these.

Eve owns a schema and what is in it; Alice has a vectorizer; Ann reads.
"""

import contextlib

import psycopg
import pytest
from support import rereading, tenant, vectorizer
from support.tenant import Tenant
from support.wait import eventually

READY = "SELECT bool_and(words_ready) FROM ai._vectorizer_binding"


@pytest.fixture
def alice(db, stub):
    with tenant.made(db, stub, "alice") as alice:
        yield alice


@pytest.fixture
def eve(db):
    name = f"eve_{db.name}"
    db.sql(f"CREATE ROLE {name} LOGIN; CREATE SCHEMA {name} AUTHORIZATION {name}; GRANT USAGE ON SCHEMA {name} TO PUBLIC")
    yield name
    tenant.drop(db, name)


@pytest.fixture
def ann(db, alice):
    with tenant.reading(db, alice, "ann") as ann:
        yield ann


def hybrid(alice: Tenant, language: str = "simple", texts: tuple[str, ...] = ("the wing", "a storm")) -> str:
    """Has words kept of Alice's documents; answers the name of her vectorizer."""
    alice.vectorizer(search=f"ai.search_hybrid('{language}')", name="'rows'")
    for id, text in enumerate(texts, start=1):
        alice.sql(f"INSERT INTO {alice.name}.document VALUES (%s, %s)", [id, text])
    eventually(lambda: alice.rows() == [*range(1, len(texts) + 1)], what="the texts to be embedded")
    eventually(lambda: alice.db.value(READY), what="the words to be complete")
    return "rows"


def worker(db) -> int:
    return db.value("SELECT pid FROM pg_stat_activity WHERE backend_type = 'pgai_rs worker' AND datname = current_database()")


def found(db, question: str, mode: str | None = "text", **options) -> dict[int, float]:
    search = "SELECT (key ->> 'id')::int, score FROM ai.search('rows', %s, mode => %s)"
    return dict(db.sql(search, [question, mode], **options))


# Text search configurations


def test_a_strangers_configuration_of_the_name_is_taken_for_no_question(db, alice, eve):
    """Whoever owns a schema may drop what a superuser has put there, and put something else in its place."""
    db.sql(f"CREATE TEXT SEARCH CONFIGURATION {eve}.own (COPY = simple)")
    hybrid(alice, f"{eve}.own")
    with db.connect(user=alice.name) as session:
        search = "SELECT key FROM ai.search('rows', 'wing', mode => 'text')"
        assert session.execute(search).fetchall() == session.execute(search).fetchall() == [({"id": 1},)]
        db.sql(f"DROP TEXT SEARCH CONFIGURATION {eve}.own; CREATE TEXT SEARCH CONFIGURATION {eve}.own (COPY = english)", user=eve)
        for _ in range(2):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match=f"{eve}.own belongs to another role"):
                session.execute(search)
            # Vectors are found nevertheless.
            assert len(session.execute("SELECT key FROM ai.search('rows', 'wing')").fetchall()) == 2
        # And so it is when it is what it was again.
        db.sql(f"DROP TEXT SEARCH CONFIGURATION {eve}.own", user=eve)
        db.sql(f"CREATE TEXT SEARCH CONFIGURATION {eve}.own (COPY = simple)")
        assert session.execute(search).fetchall() == [({"id": 1},)]


def test_a_configuration_by_the_name_that_a_schema_has_now_is_another_one(db, alice, eve):
    """A question is read by the configuration that has read the chunks, and not by one that has its name."""
    db.sql(f"GRANT CREATE ON DATABASE {db.name} TO {eve}")
    db.sql(f"CREATE TEXT SEARCH CONFIGURATION {eve}.own (COPY = simple)")
    db.sql(f"CREATE SCHEMA {eve}_other AUTHORIZATION {eve}")
    db.sql(f"CREATE TEXT SEARCH CONFIGURATION {eve}_other.own (COPY = english)", user=eve)
    hybrid(alice, f"{eve}.own")
    with db.connect(user=alice.name) as session:
        search = "SELECT key FROM ai.search('rows', 'the', mode => 'text')"
        assert session.execute(search).fetchall() == session.execute(search).fetchall() == [({"id": 1},)]
        db.sql(f"ALTER SCHEMA {eve} RENAME TO {eve}_before; ALTER SCHEMA {eve}_other RENAME TO {eve}", user=eve)
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match=f"{eve}.own belongs to another role"):
            session.execute(search)
    alice.comes_to("not_served", f"{eve}.own belongs to another role")
    db.sql(f"ALTER SCHEMA {eve} RENAME TO {eve}_other; ALTER SCHEMA {eve}_before RENAME TO {eve}", user=eve)
    alice.is_served(3)


def test_whose_configuration_is_no_superusers_any_more_stops_it(db, alice, eve):
    db.sql(f"ALTER ROLE {eve} SUPERUSER")
    db.sql(f"CREATE TEXT SEARCH CONFIGURATION {eve}.own (COPY = simple)", user=eve)
    hybrid(alice, f"{eve}.own")
    db.sql(f"ALTER ROLE {eve} NOSUPERUSER")
    alice.comes_to("not_served", f"{eve}.own belongs to another role")
    db.sql(f"GRANT {eve} TO {alice.name}")
    alice.is_served(3)


def test_whoever_changes_a_configuration_of_her_own_has_nobody_elses_vectorizer_read_again(db, stub):
    """Eve has a vectorizer, too, whose configuration the worker knows."""
    with rereading.observed(db, stub.url) as alice:
        eve = Tenant(db, f"eve_{db.name}", stub.url)
        eve.sql(f"CREATE TEXT SEARCH CONFIGURATION {eve.name}.own (COPY = simple)")
        eve.vectorizer(search=f"ai.search_hybrid('{eve.name}.own')")
        eve.is_served(1)
        own = f"ALTER TEXT SEARCH CONFIGURATION {eve.name}.own"
        renamed = f"ALTER TEXT SEARCH CONFIGURATION {eve.name}.other RENAME TO own"
        try:
            rereading.not_read_again(db, alice, eve.name, f"{own} RENAME TO other; {renamed}", most=4)
        finally:
            tenant.drop(db, eve.name)


def test_no_dictionary_of_an_owners_is_taken_for_one_that_another_names(cluster, db, alice, eve):
    """A thesaurus names another dictionary, which Postgres looks up once in a process."""
    if not (cluster.bindir.parent / "share/postgresql/tsearch_data/thesaurus_sample.ths").exists():
        pytest.skip("this Postgres keeps its dictionaries elsewhere")
    db.sql(f"""
        CREATE TEXT SEARCH DICTIONARY public.thesaurus (TEMPLATE = pg_catalog.thesaurus, DICTFILE = thesaurus_sample, DICTIONARY = simple);
        CREATE TEXT SEARCH CONFIGURATION public.both (COPY = simple);
        ALTER TEXT SEARCH CONFIGURATION public.both ALTER MAPPING FOR asciiword WITH public.thesaurus, simple;
        CREATE TEXT SEARCH DICTIONARY {alice.name}.simple (TEMPLATE = pg_catalog.simple, ACCEPT = false);
        ALTER ROLE {alice.name} SET search_path = {alice.name}, pg_catalog
    """)
    hybrid(alice, "public.both", ("the wing", "supernovae stars"))
    words = f"SELECT words::text FROM {alice.name}.document_embedding_store_words ORDER BY 1"
    assert db.sql(words) == [("'sn':1",), ("'the':1 'wing':2",)]
    assert list(found(db, "supernovae", user=alice.name)) == [2]


# Texts that take long


# Postgres's parser takes a time that grows with the square of these, and hears nothing meanwhile: minutes for each.
HOSTILE = {"paths": "~/" * 50_000, "names": "_e" * 50_000, "addresses": "e@1" * 33_000, "comments": "<!--" * 25_000}


@pytest.mark.parametrize("late", [False, True], ids=["with the chunk", "afterwards"])
@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_that_takes_the_parser_minutes_holds_up_nobody(db, stub, alice, text, late):
    alice.vectorizer()
    alice.is_served(1)
    mallory = Tenant(db, f"mallory_{db.name}", stub.url)
    search = "ai.search_none()" if late else "ai.search_hybrid('simple')"
    mallory.vectorizer(chunking="ai.chunking_none()", search=search, name="'hostile'")
    before = worker(db)
    mallory.sql(f"INSERT INTO {mallory.name}.document VALUES (1, %s), (2, 'harmless')", [HOSTILE[text]])
    if late:
        eventually(lambda: mallory.rows() == [1, 2], what="the text to be embedded")
        mallory.sql("SELECT ai.alter_vectorizer('hostile', search => ai.search_hybrid('simple'))")
    alice.is_served(2)
    count = f"SELECT count(*) FROM {mallory.name}.document_embedding_store_words"
    eventually(lambda: db.value(count) == 2, what="the words to be there")
    assert worker(db) == before
    tenant.drop(db, mallory.name)


def test_a_word_that_takes_a_dictionary_hours_holds_up_nobody(cluster, db, stub, alice):
    """Compound words are taken apart in all ways that there are."""
    if not (cluster.bindir.parent / "share/postgresql/tsearch_data/ispell_sample.dict").exists():
        pytest.skip("this Postgres keeps its dictionaries elsewhere")
    alice.vectorizer()
    alice.is_served(1)
    mallory = Tenant(db, f"mallory_{db.name}", stub.url)
    mallory.sql(f"""
        CREATE TEXT SEARCH DICTIONARY {mallory.name}.compound
            (TEMPLATE = pg_catalog.ispell, DICTFILE = ispell_sample, AFFFILE = ispell_sample);
        CREATE TEXT SEARCH CONFIGURATION {mallory.name}.own (COPY = simple);
        ALTER TEXT SEARCH CONFIGURATION {mallory.name}.own ALTER MAPPING FOR asciiword WITH {mallory.name}.compound, simple
    """)
    mallory.vectorizer(chunking="ai.chunking_none()", search=f"ai.search_hybrid('{mallory.name}.own')")
    before = worker(db)
    words = " ".join("footballklubber" * 16 for _ in range(10))
    mallory.sql(f"INSERT INTO {mallory.name}.document VALUES (1, %s), (2, 'footballklubber')", [words])
    alice.is_served(2)
    look = f"SELECT words::text FROM {mallory.name}.document_embedding_store_words ORDER BY length(words)"
    eventually(lambda: len(db.sql(look)) == 2, what="the words to be there")
    assert "'klubber'" in db.sql(look)[0][0]
    assert worker(db) == before
    tenant.drop(db, mallory.name)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_question_that_takes_the_parser_minutes_can_be_cancelled(alice, text):
    hybrid(alice)
    with alice.db.connect(user=alice.name) as session:
        session.execute("SET statement_timeout = '60s'")
        search = "SELECT key FROM ai.search('rows', %s, mode => 'text')"
        assert session.execute(search, ["wing " + HOSTILE[text]]).fetchall() == [({"id": 1},)]


# Rights


@pytest.mark.parametrize(
    "attached",
    [
        "CREATE INDEX ON {words} ((length(words) + {trap}(1)))",
        "CREATE INDEX ON {words} (embedding_uuid) WHERE {trap}(1) = 1",
        "CREATE STATISTICS {words}_statistics ON embedding_uuid, (length(words) + {trap}(1)) FROM {words}; ANALYZE {words}",
    ],
)
@pytest.mark.parametrize("mode", ["text", "hybrid"])
def test_what_is_attached_to_words_does_not_run_as_a_superuser(db, alice, attached, mode):
    hybrid(alice)
    words = f"{alice.name}.document_embedding_store_words"
    alice.sql(f"""
        CREATE FUNCTION {alice.name}.trap(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
        BEGIN
            IF current_user <> '{alice.name}' THEN RAISE EXCEPTION 'caught %', current_user; END IF;
            RETURN $1;
        END $$
    """)
    alice.sql(attached.format(words=words, trap=f"{alice.name}.trap"))
    with pytest.raises(psycopg.errors.RaiseException, match="caught postgres"):
        db.sql(f"SELECT FROM {words} WHERE words @@ 'wing'")
    assert list(found(db, "wing", mode))[0] == 1
    with contextlib.suppress(psycopg.errors.InternalError):
        assert db.sql("SELECT key FROM ai.search('rows', 'wing', mode => %s, filter => 'id = 2')", [mode]) != [({"id": 1},)]


@pytest.mark.parametrize(
    ("kind", "made"),
    [("bigint", "140000000000000"), ("text", "words::text"), ("float8", "1e300"), ("text", "repeat('x', 3000)")],
)
def test_words_of_another_type_are_no_addresses(db, alice, kind, made):
    hybrid(alice)
    words = f"{alice.name}.document_embedding_store_words"
    alice.sql(f"DROP INDEX {words}_words_idx; ALTER TABLE {words} ALTER COLUMN words TYPE {kind} USING {made}")
    with db.connect(user=alice.name) as session:
        for analyzed in (False, True):
            with contextlib.suppress(psycopg.Error):
                session.execute("SELECT key FROM ai.search('rows', 'wing', mode => 'text')")
            if not analyzed:
                session.execute(f"ANALYZE {words}")
        assert session.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("column", ["words", "embedding_uuid"])
def test_a_type_of_the_owners_is_not_read_in_words(db, alice, ann, column):
    """With it come casts and operators that would run as whoever searches."""
    hybrid(alice)
    kind, words = f"{alice.name}.kind", f"{alice.name}.document_embedding_store_words"
    db.sql(f"GRANT CREATE ON SCHEMA public TO {alice.name}")
    alice.sql(f"CREATE TYPE {kind} AS (a int)")
    for target in ("tsvector", "uuid"):
        alice.sql(f"""
            CREATE FUNCTION {alice.name}.as_{target}({kind}) RETURNS {target} LANGUAGE plpgsql
                AS $$ BEGIN RAISE EXCEPTION 'caught %', current_user; END $$;
            CREATE CAST ({kind} AS {target}) WITH FUNCTION {alice.name}.as_{target}({kind}) AS IMPLICIT
        """)
    alice.sql(f"""
        ALTER TABLE {words} DROP CONSTRAINT document_embedding_store_words_pkey,
            DROP CONSTRAINT document_embedding_store_words_embedding_uuid_fkey;
        DROP INDEX IF EXISTS {words}_words_idx;
        ALTER TABLE {words} ALTER COLUMN {column} TYPE {kind} USING ROW(1)::{kind};
        GRANT SELECT ON {words}, {alice.name}.document_embedding_store TO {ann}
    """)
    for user in (ann, "postgres"):
        with pytest.raises(psycopg.errors.DatatypeMismatch, match=f"column {column} of .* has another type"):
            found(db, "wing", user=user)


def test_a_view_in_place_of_the_words_is_not_read(db, alice, ann):
    hybrid(alice)
    words = f"{alice.name}.document_embedding_store_words"
    alice.sql(f"""
        CREATE FUNCTION {alice.name}.trap() RETURNS bool LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'caught %', current_user; END $$;
        ALTER TABLE {words} RENAME TO before;
        CREATE VIEW {words} AS SELECT * FROM {alice.name}.before WHERE {alice.name}.trap();
        GRANT SELECT ON {words}, {alice.name}.before, {alice.name}.document_embedding_store TO {ann}
    """)
    # It is the table, by whatever name.
    assert found(db, "wing", user=ann) == found(db, "wing") == found(db, "wing", user=alice.name) != {}
    alice.sql(f"DROP TABLE {alice.name}.before CASCADE")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="does not keep the words"):
        found(db, "wing", user=ann)


def test_anothers_table_in_place_of_the_words_stops_it(db, alice, eve):
    hybrid(alice)
    words = f"{alice.name}.document_embedding_store_words"
    db.sql(f"GRANT USAGE, CREATE ON SCHEMA {alice.name} TO {eve}; ALTER TABLE {words} OWNER TO {eve}")
    alice.comes_to("not_served", "have different owners")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="different owners"):
        found(db, "wing")
    # She can't have it dropped, either.
    for statement in ("SELECT ai.alter_vectorizer('rows', search => ai.search_none())", "SELECT ai.drop_vectorizer('rows')"):
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
            alice.sql(statement)
    assert db.value(f"SELECT count(*) FROM {words}", user=eve) == 2


# Hidden rows


def secured(db, alice: Tenant, ann: str) -> None:
    """Ann sees the documents that are hers."""
    alice.sql(f"""
        ALTER TABLE {alice.name}.document ADD COLUMN who name DEFAULT 'nobody';
        UPDATE {alice.name}.document SET who = '{ann}' WHERE id % 2 = 0;
        CREATE POLICY mine ON {alice.name}.document USING (who = current_user);
        ALTER TABLE {alice.name}.document ENABLE ROW LEVEL SECURITY;
        GRANT SELECT ON {alice.name}.document, {alice.name}.document_embedding_store, {alice.name}.document_embedding_store_words
            TO {ann}
    """)


TEXTS = ("wing wing wing of the aircraft", "a wing", "wing", "storm", "wing and wing", "the storm at night")


def test_statistics_of_hidden_rows_are_in_no_score(db, alice, ann):
    hybrid(alice, texts=TEXTS)
    secured(db, alice, ann)
    # Postgres knows by now how many chunks there are, and which words are common.
    alice.sql(f"ANALYZE {alice.name}.document_embedding_store_words")
    before = found(db, "wing storm", user=ann)
    assert set(before) == {2, 4, 6}
    alice.sql(f"DELETE FROM {alice.name}.document WHERE id % 2 = 1")
    eventually(lambda: alice.rows() == [2, 4, 6], what="the hidden rows to be gone")
    alice.sql(f"ANALYZE {alice.name}.document_embedding_store_words")
    assert found(db, "wing storm", user=ann) == pytest.approx(before)


def test_who_may_not_see_all_any_more_scores_by_what_she_sees(db, alice, ann):
    hybrid(alice, texts=TEXTS)
    secured(db, alice, ann)
    alice.sql(f"ANALYZE {alice.name}.document_embedding_store_words")
    scored = found(db, "wing storm", user=ann)
    db.sql(f"ALTER ROLE {ann} BYPASSRLS")
    with db.connect(user=ann) as session:
        search = "SELECT (key ->> 'id')::int, score FROM ai.search('rows', 'wing storm', mode => 'text')"
        assert len(session.execute(search).fetchall()) == len(session.execute(search).fetchall()) == len(TEXTS)
        db.sql(f"ALTER ROLE {ann} NOBYPASSRLS")
        assert dict(session.execute(search).fetchall()) == pytest.approx(scored)


def test_a_filter_that_tells_what_it_sees_sees_no_hidden_words(db, alice, ann):
    hybrid(alice, texts=TEXTS)
    secured(db, alice, ann)
    told = []
    with db.connect(user=ann) as session:
        session.add_notice_handler(lambda notice: told.append(notice.message_primary))
        session.execute("""
            CREATE FUNCTION pg_temp.tell(text) RETURNS bool LANGUAGE plpgsql COST 0.0001 AS
            $$ BEGIN RAISE NOTICE '%', $1; RETURN true; END $$
        """)
        for mode in ("text", "hybrid"):
            session.execute(
                "SELECT FROM ai.search('rows', 'wing', mode => %s, filter => $$pg_temp.tell(body) AND pg_temp.tell(_words._lexemes::text)$$)"
                if mode == "text"
                else "SELECT FROM ai.search('rows', 'wing', mode => %s, filter => $$pg_temp.tell(body)$$)",
                [mode],
            )
    assert set(told) <= {"a wing", "storm", "the storm at night", "'a':1 'wing':2", "'storm':1"}


# Statistics that the owner chooses


def test_a_list_of_common_words_without_end_is_not_kept(db, alice, ann):
    """A table's owner may have Postgres keep statistics of as many words as it likes, and since 18 write them by hand."""
    if db.value("SELECT current_setting('server_version_num')::int") < 180000:
        pytest.skip("here they take as long to make as to read")
    hybrid(alice, texts=TEXTS)
    alice.sql(f"GRANT SELECT ON {alice.name}.document_embedding_store, {alice.name}.document_embedding_store_words TO {ann}")
    alice.sql(f"ANALYZE {alice.name}.document_embedding_store_words")
    by_the_book = found(db, "wing storm", user=ann)
    plant = """
        SELECT pg_restore_attribute_stats(
            'schemaname', %s::text, 'relname', 'document_embedding_store_words', 'attname', 'words', 'inherited', false,
            'null_frac', 0::real, 'avg_width', 10, 'n_distinct', -1::real,
            'most_common_elems', (SELECT array_agg(w ORDER BY w) FROM
                (SELECT 'storm' UNION ALL SELECT 'wing' UNION ALL SELECT lpad(i::text, 500, '0') FROM generate_series(1, %s) i) t (w))::text,
            'most_common_elem_freqs', (SELECT array_agg(0.01::real) FROM generate_series(1, %s + 5)))
    """
    for others, is_read in ((10, True), (10_000, False)):
        assert db.value(plant, [alice.name, others, others]) is True
        assert (found(db, "wing storm", user=ann) != pytest.approx(by_the_book)) is is_read


# Columns that are gone


@pytest.mark.parametrize("column", ["words", "embedding_uuid"])
def test_a_column_that_words_have_no_more_spends_no_rows_tries(db, alice, column):
    hybrid(alice)
    words = f"{alice.name}.document_embedding_store_words"
    alice.sql(f"ALTER TABLE {words} RENAME COLUMN {column} TO other")
    alice.insert(3)
    hint = alice.comes_to("not_served", f'has no column "{column}"')
    assert "Rename the column back" in hint
    # Whoever writes to the source goes on.
    alice.sql(f"DELETE FROM {alice.name}.document WHERE id = 1")
    alice.sql(f"ALTER TABLE {words} RENAME COLUMN other TO {column}; SELECT ai.resync('rows')")
    eventually(lambda: alice.rows() == [2, 3], what="the rows to be in step again")
    assert db.sql("SELECT message FROM ai.vectorizer_errors") == []
