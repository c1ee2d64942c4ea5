"""A vectorizer or an S3 source that somebody does not see does not exist for them: no answer and no error tells of it."""

import psycopg
import pytest
from support import vectorizer
from support.two_roles import Role, alice, mallory, roles  # noqa: F401

UNKNOWN = [
    "ai.drop_vectorizer({id})",
    "ai.retry_failed({id})",
    "ai.resync({id})",
    "ai.execute_vectorizer({id})",
    "ai.execute_vectorizer('{name}')",
    "ai.disable_vectorizer_schedule({id})",
    "ai.enable_vectorizer_schedule({id})",
    "ai.set_scheduling({id})",
    "ai.set_scheduling('{name}')",
    "ai.drop_vectorizer('{name}')",
    "ai.retry_failed('{name}')",
    "ai.resync('{name}')",
    "ai.disable_vectorizer_schedule('{name}')",
    "ai.vectorizer_queue_pending({id})",
    "ai.vectorizer_queue_pending('{name}')",
    "ai._vectorizer_index_is_due({id})",
    "ai.vectorizer_embed({id}, 'a')",
    "ai.vectorizer_embed('{name}', 'a')",
    "ai.drop_s3_source({id})",
    "ai.drop_s3_source('{source}')",
    "ai.sync_s3_source({id})",
    "ai.refresh_s3_metadata({id})",
    "ai.refresh_s3_metadata('{source}')",
    "ai.disable_s3_source({id})",
    "ai.enable_s3_source('{source}')",
]


def answer(role: Role, call: str, row_security: str, **named) -> tuple:
    """What a call comes to, with what was asked for left out of it."""
    try:
        return tuple(role.sql(f"SET row_security = {row_security}; SELECT {call.format(**named)}"))
    except psycopg.Error as error:
        said = [error.diag.message_primary, error.diag.message_detail, error.diag.message_hint]
        return error.sqlstate, *(str(text).replace(str(named["id"]), "ID").replace(named["name"], "NAME")
                                 .replace(named["source"], "SOURCE") for text in said)


@pytest.mark.parametrize("call", UNKNOWN)
def test_what_is_not_seen_does_not_exist(alice, mallory, call):
    # Where policies are an error, it is one as well for what is there as for what is not.
    for row_security in ("on", "off"):
        theirs = answer(mallory, call, row_security, id=alice.id, name="of_alice", source="objects_of_alice")
        assert theirs == answer(mallory, call, row_security, id=987, name="of_nobody", source="objects_of_nobody")
    # And it is there.
    assert alice.sql("SELECT id FROM ai.vectorizer") == [(alice.id,)]
    assert alice.sql("SELECT id FROM ai.s3_source") == [(1,)]


# Functions that take a vectorizer: found, so that a new one is asked without anybody's thinking of it. An argument `name` is one
# where another function of that name has an argument that says so.
TAKE_A_VECTORIZER = """
    WITH taking AS (
        SELECT p.oid, p.proname, p.proargnames[1:p.pronargs] AS names, p.pronargs - p.pronargdefaults AS required,
               ARRAY(SELECT t.type::regtype::text FROM unnest(p.proargtypes) WITH ORDINALITY AS t (type, place) ORDER BY place) AS types,
               p.proargnames[1:p.pronargs] && ARRAY['vectorizer', 'vectorizers', 'vectorizer_id', 'vectorizer_name'] AS says_so
        FROM pg_proc p
        WHERE p.pronamespace = 'ai'::regnamespace AND has_function_privilege(%s, p.oid, 'EXECUTE'))
    SELECT t.oid::regprocedure::text, t.proname, t.names[1:t.required], t.types[1:t.required]
    FROM taking t
    WHERE t.says_so OR 'name' = ANY (t.names[1:t.required]) AND t.proname IN (SELECT o.proname FROM taking o WHERE o.says_so)
    ORDER BY 1
"""
SUBJECTS = {"integer": "{id}", "text": "'{name}'", "text[]": "ARRAY['{name}']"}
# What else such functions must be given, by type.
OTHERS = {"text": "'a'", "jsonb": "'{{}}'", "boolean": "true", "regclass": "'pg_class'", "double precision": "1", "vector": "'[1,2,3,4,5,6,7,8]'"}
NAMED = ("vectorizer", "vectorizers", "vectorizer_id", "vectorizer_name", "name")


def calls(db, role: Role) -> dict[str, str]:
    """A call of each function that takes a vectorizer, by its signature."""
    found = {}
    for signature, function, names, types in db.sql(TAKE_A_VECTORIZER, [role.name]):
        types = [type.rpartition(".")[2] for type in types]
        if "ai.vectorizer" in signature.partition("(")[2]:
            continue
        given = [f"{name} => {SUBJECTS[type] if name in NAMED else OTHERS[type]}::{type}" for name, type in zip(names, types, strict=True)]
        if not any(name in NAMED for name in names):
            given.append("vectorizer => '{name}'")
        found[signature] = f"ai.{function}({', '.join(given)})"
    return found


def test_no_function_that_takes_a_vectorizer_tells_of_one_that_is_not_seen(db, alice, mallory):
    found = calls(db, mallory)
    assert {"ai.search(text[],text,integer,text,text[],double precision,integer,boolean,text,double precision,double precision,text,jsonb)",
            "ai.switch_vectorizer(integer)", "ai.drop_vectorizer(text,boolean)"} <= set(found) and len(found) > 30
    there = {"id": alice.id, "name": "of_alice", "source": "-"}
    nowhere = {"id": 987, "name": "of_nobody", "source": "-"}
    telling = {}
    for signature, call in found.items():
        for row_security in ("on", "off"):
            answers = answer(mallory, call, row_security, **there), answer(mallory, call, row_security, **nowhere)
            if answers[0] != answers[1]:
                telling[signature] = answers
    assert telling == {}
    assert alice.sql("SELECT id FROM ai.vectorizer") == [(alice.id,)]


def test_what_is_seen_is_refused_in_so_many_words(alice, mallory):
    alice.sql(f"GRANT USAGE ON SCHEMA alice TO {mallory.name}; GRANT SELECT ON alice.document, alice.object TO {mallory.name}")
    for call, refusal in [
        ("ai.drop_vectorizer(1)", "must be owner of vectorizer"),
        ("ai.drop_s3_source(1)", "must be owner of S3 source"),
        ("ai.vectorizer_embed(1, 'a')", 'permission denied for the model of vectorizer "of_alice"'),
    ]:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match=refusal):
            mallory.sql(f"SELECT {call}")


def test_a_name_that_is_taken_is_taken_for_who_does_not_see_by_whom(db, alice, mallory):
    mallory.sql("CREATE TABLE mallory.document (id int PRIMARY KEY, body text)")
    for if_not_exists in ("true", "false"):
        with pytest.raises(psycopg.errors.DuplicateObject, match="named of_alice already exists"):
            vectorizer.create(db, "", "mallory.document", user=mallory.name, name="'of_alice'", if_not_exists=if_not_exists,
                              embedding="ai.embedding_openai('text-embedding-3-small', 8)")
    with pytest.raises(psycopg.errors.DuplicateObject):
        mallory.sql("SELECT ai.create_s3_source('mallory.object', 's3://b/', name => 'objects_of_alice')")


def test_a_queue_of_events_that_is_taken_is_not_told_by_whom(cluster, alice, mallory):
    url = "https://sqs.eu-west-1.amazonaws.com/1/queue"
    cluster.configure(pgai_rs__allowed_sqs_queues=url)
    try:
        alice.sql(f"SELECT ai.create_s3_source('alice.more', 's3://more/', name => 'more', queue_url => '{url}', schedule => NULL)")
        with pytest.raises(psycopg.errors.DuplicateObject) as caught:
            mallory.sql(f"SELECT ai.create_s3_source('mallory.object', 's3://b/', queue_url => '{url}')")
    finally:
        cluster.configure(pgai_rs__allowed_sqs_queues=None)
    assert str(caught.value).startswith("this queue is already read by another S3 source")


def said(role: Role, statement: str) -> str:
    """What a statement says beside its result."""
    told = []
    with role.db.connect(user=role.name) as connection:
        connection.add_notice_handler(lambda notice: told.append(f"{notice.message_primary} {notice.message_detail}"))
        connection.execute(statement)
    return " ".join(told)


def test_a_trigger_of_the_name_of_anothers_tells_nothing(alice, mallory):
    mallory.sql(f"""
        CREATE TABLE mallory.bait (id int);
        CREATE FUNCTION mallory.f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
        CREATE TRIGGER _vectorizer_src_trg_{alice.id}_x AFTER INSERT ON mallory.bait EXECUTE FUNCTION mallory.f();
    """)
    assert "of_alice" not in said(mallory, "DROP TABLE mallory.bait")


def test_a_type_that_changes_tells_nothing_of_others(db, alice, mallory):
    alice.sql("CREATE TYPE alice.kind AS ENUM ('a'); CREATE TABLE alice.typed (id alice.kind PRIMARY KEY, body text)")
    vectorizer.create(db, "", "alice.typed", user=alice.name, name="'typed_of_alice'",
                      embedding="ai.embedding_openai('text-embedding-3-small', 8)")
    alice.sql("DROP TABLE alice.typed_embedding_store CASCADE")
    mallory.sql("CREATE TYPE mallory.mood AS ENUM ('a')")
    change = "ALTER TYPE {}.{} RENAME VALUE 'a' TO 'b'"
    assert "typed" not in said(mallory, change.format("mallory", "mood"))
    # Who owns it, is told.
    assert "typed_of_alice" in said(alice, change.format("alice", "kind"))


def test_who_owns_the_type_of_anothers_key_is_not_told_of_whom(db, alice, mallory):
    mallory.sql(f"CREATE TYPE mallory.mood AS ENUM ('a'); GRANT USAGE ON SCHEMA mallory TO {alice.name}")
    alice.sql("CREATE TABLE alice.typed (id mallory.mood PRIMARY KEY, body text)")
    vectorizer.create(db, "", "alice.typed", user=alice.name, name="'typed_of_alice'",
                      embedding="ai.embedding_openai('text-embedding-3-small', 8)")
    alice.sql("DROP TABLE alice.typed_embedding_store CASCADE")
    told = said(mallory, "ALTER TYPE mallory.mood RENAME VALUE 'a' TO 'b'")
    assert "could not adapt another role's vectorizer" in told and "typed" not in told
