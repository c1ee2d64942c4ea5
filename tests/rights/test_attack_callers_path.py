"""Functions that leave the caller's search path as it is: what they decide by must not be read through names that the caller planted.

Mallory may declare S3 sources, has a schema of her own, and puts operators there that say of any two values what she likes.
"""

from contextlib import suppress

import psycopg
import pytest
from support import egress, vectorizer

# A bucket's table, as it is created.
BUCKET = "(uri text PRIMARY KEY, etag text, size int8, last_modified timestamptz, content_type text)"


@pytest.fixture
def mallory(db):
    role = f"mallory_{db.name}"
    db.sql(f"CREATE ROLE {role} LOGIN; SELECT ai.grant_vectorizer_usage('{role}'); CREATE SCHEMA m AUTHORIZATION {role}")
    egress.allow_objects(db.cluster, "s3://")
    yield role
    egress.allow_nothing(db.cluster)
    db.sql(f"DROP SCHEMA IF EXISTS m CASCADE; DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


def owner_of(db, table: str) -> str:
    [[owner]] = db.sql("SELECT relowner::regrole::text FROM pg_class WHERE oid = %s::regclass", [table])
    return owner


# Two texts are the same, unless a table of seen keys that is there by now is looked for: then it is the one in `m.wanted`.
SAME_TEXT = """
    CREATE TABLE m.wanted (name text);
    CREATE FUNCTION m.same(text, text) RETURNS bool LANGUAGE plpgsql AS $f$
    BEGIN
        IF $2 OPERATOR(pg_catalog.~~) '\\_s3\\_source\\_seen\\_%' AND pg_catalog.to_regclass('ai.' OPERATOR(pg_catalog.||) $2) IS NOT NULL THEN
            RETURN $1 OPERATOR(pg_catalog.=) (SELECT w.name FROM m.wanted w);
        END IF;
        RETURN $1 OPERATOR(pg_catalog.=) $2;
    END $f$;
    CREATE OPERATOR m.= (LEFTARG = text, RIGHTARG = text, FUNCTION = m.same)
"""


def test_nobody_becomes_owner_of_a_table_of_the_extension(db, mallory):
    db.sql(SAME_TEXT, user=mallory)
    db.sql("INSERT INTO m.wanted VALUES ('vectorizer')", user=mallory)
    with db.connect(user=mallory, autocommit=False) as session:
        # She has nothing to grant, but the row of the catalog is written all the same, in her transaction.
        session.execute(f"GRANT SELECT ON ai.vectorizer TO {mallory}")
        session.execute("SET search_path = m, pg_catalog")
        session.execute("SELECT ai.create_s3_source('m.mirror', 's3://bucket/')")
        session.commit()
    assert owner_of(db, "ai.vectorizer") == "postgres"
    assert owner_of(db, "ai._s3_source_seen_1") == mallory


# Any two numbers of objects are the same, unless it is `public.secret` that is looked for: then it is `m.mine`. She can undo it in
# the middle of a call, before something else is compared.
SAME_OBJECT = f"""
    CREATE TABLE m.mine {BUCKET};
    CREATE FUNCTION m.same(oid, oid) RETURNS bool LANGUAGE plpgsql AS $f$
    BEGIN
        IF $2 OPERATOR(pg_catalog.=) 'public.secret'::regclass THEN
            PERFORM set_config('search_path', 'pg_catalog', false);
            RETURN $1 OPERATOR(pg_catalog.=) 'm.mine'::regclass;
        END IF;
        RETURN $1 OPERATOR(pg_catalog.=) $2;
    END $f$;
    CREATE OPERATOR m.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = m.same)
"""


def test_nobody_counts_the_rows_of_anothers_table(db, mallory):
    db.sql("CREATE TABLE public.secret AS SELECT FROM generate_series(1, 1234)")
    db.sql(SAME_OBJECT, user=mallory)
    for most in ("9223372036854775807", "10000"):
        with db.connect(user=mallory) as session:
            session.execute("SET search_path = m, pg_catalog")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute(f"SELECT ai._vectorizer_pending('public.secret'::regclass, 'public.secret'::regclass, {most})")


def test_nobody_declares_a_source_on_anothers_table(db, mallory):
    db.sql(f"CREATE TABLE public.secret {BUCKET}")
    db.sql(SAME_OBJECT, user=mallory)
    with db.connect(user=mallory) as session:
        session.execute("SET search_path = m, pg_catalog")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute("SELECT ai.create_s3_source('public.secret', 's3://bucket/')")
    assert db.sql("SELECT FROM ai.s3_source") == []


# What is compared with everything, in any of our statements.
TYPES = ["oid", "text", "name", "bool", "int2", "int4", "int8", "char", "interval", "timestamptz", "regclass"]

# Each function in C that PUBLIC, or a role with a right to it, may call, and that has no search path of its own.
CALLS = {
    "_vectorizer_pending": "SELECT ai._vectorizer_pending(b.inbox, b.work, 10) FROM ai._vectorizer_binding b",
    "_store_bytes": "SELECT ai._store_bytes(b.store) FROM ai._vectorizer_binding b",
    "_sees_all": "SELECT ai._sees_all()",
    "_watches_all": "SELECT ai._watches_all()",
    "_sees_vectorizer": "SELECT ai._sees_vectorizer(b.source, b.inbox, b.store, b.view) FROM ai._vectorizer_binding b",
    "_s3_source_is_visible": "SELECT ai._s3_source_is_visible(s.id, s.target) FROM ai.s3_source s",
    "create_s3_source": "SELECT ai.create_s3_source('m.new', 's3://bucket/new/'), ai.create_s3_source('m.there', 's3://bucket/there/'), "
    "ai.create_s3_source('m.there', 's3://bucket/there/', if_not_exists => true)",
    "check_s3": "SELECT * FROM ai.check_s3('s3://bucket/key')",
    "s3_policies": "SELECT * FROM ai.s3_policies('bucket')",
    "start_worker": "SELECT ai.start_worker()",
    "vectorizer_embed": "SELECT ai.vectorizer_embed(1, 'text'), ai.vectorizer_embed('m_document_embedding_store', 'text'), "
    "ai.vectorizer_embed(2, 'none'), ai.vectorizer_embed('none', 'text'), ai.vectorizer_embed({config}, 'text')",
    # Each for itself: of a join, what follows a search that finds nothing is not run.
    "search": "SELECT (SELECT count(*) FROM ai.search(1, 'text', 3, 'true', per_document => 1, diversity => 0.5, min_score => 0)), "
    "(SELECT count(*) FROM ai.search('m_document_embedding_store', ai.vectorizer_embed(1, 'text'))), "
    "(SELECT count(*) FROM ai.search(1, 'text', exact => true)), (SELECT count(*) FROM ai.search(1, 'text', rerank => {rerank})), "
    "(SELECT count(*) FROM ai.search(ARRAY['m_document_embedding_store'], 'text'))",
    "explain_search": "SELECT (SELECT count(*) FROM ai.explain_search(1, 'text', 3, 'true', per_document => 1, min_score => 0)), "
    "(SELECT count(*) FROM ai.explain_search(1, 'text', exact => true)), "
    "(SELECT count(*) FROM ai.explain_search(1, 'text', rerank => {rerank})), "
    "(SELECT count(*) FROM ai.explain_search(ARRAY['m_document_embedding_store'], 'text'))",
    "_embed": "SELECT ai._embed({config}, 'text', NULL)",
    "_embed_tokens": "SELECT ai._embed_tokens({config}, ARRAY[1, 2], NULL)",
    "_embed_all": "SELECT ai._embed_all({config}, ARRAY['text'], NULL)",
    "_rerank_all": "SELECT ai._rerank_all({rerank}, 'text', ARRAY['a', 'b'], NULL)",
    "_require_nothing_else": "SELECT ai._require_nothing_else('{{}}')",
    "_chunks": "SELECT ai._chunks('text', ai.chunking_character_text_splitter())",
}
# The server's own to call.
UNCALLED = {"_catalog_changed", "_extension_created", "_vectorizer_definition_changed", "_vectorizer_source_changed"}


def test_nothing_planted_is_called_by_what_keeps_the_callers_path(db, stub, mallory):
    pathless = db.sql("""
        SELECT DISTINCT p.proname FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
        WHERE p.pronamespace = 'ai'::regnamespace AND l.lanname = 'c'
          AND NOT coalesce(p.proconfig::text LIKE '%search_path=%', false)""")
    assert {name for [name] in pathless} == CALLS.keys() | UNCALLED, "a function with a path of the caller's is to be tried"

    db.sql(f"GRANT EXECUTE ON FUNCTION ai.check_s3, ai.start_worker TO {mallory}")
    db.sql(f"CREATE TABLE m.there {BUCKET}; CREATE TABLE m.document (id int PRIMARY KEY, body text)", user=mallory)
    egress.allow(db.cluster, stub.url)
    vectorizer.create(db, stub.url, "m.document", user=mallory)
    config = f"ai.embedding_openai('stub', 3, base_url => '{stub.url}', api_key_name => NULL)"

    db.sql("CREATE SEQUENCE m.called", user=mallory)
    for kind in TYPES:
        db.sql(f"""
            CREATE FUNCTION m.planted(pg_catalog."{kind}", pg_catalog."{kind}") RETURNS bool LANGUAGE plpgsql AS $f$
            BEGIN PERFORM pg_catalog.nextval('m.called'); RETURN true; END $f$""", user=mallory)
        for operator in ("=", "<>", "<", ">"):
            # What is planted already would be taken for what this is made with.
            db.sql(f"""CREATE OPERATOR m.{operator} (LEFTARG = pg_catalog."{kind}", RIGHTARG = pg_catalog."{kind}", FUNCTION = m.planted)""",
                   user=mallory)

    with db.connect(user=mallory) as session:
        session.execute("SET search_path = m, pg_catalog")
        for call in CALLS.values():
            # Whether it succeeds is another question.
            with suppress(psycopg.Error):
                session.execute(call.format(config=config, rerank=f"ai.rerank_tei('{stub.url}')"))
    assert not db.value("SELECT is_called FROM m.called")
