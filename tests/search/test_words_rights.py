"""Whoever may read chunks may read their words, and nobody else; who may have which words kept."""

import psycopg
import pytest
from support import vectorizer, words
from support.tables import PLAIN
from support.words import HYBRID, NAME, STORE, WORDS, alter, filled


@pytest.fixture
def document(db, stub):
    return words.document(db, stub)


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


def readers(db) -> set[str]:
    """Those who may read the words, as Postgres shows grants of SELECT; an asterisk for those who may grant it."""
    grants = """
        SELECT coalesce(r.rolname, 'PUBLIC') || CASE WHEN a.is_grantable THEN '*' ELSE '' END
        FROM pg_class c, aclexplode(c.relacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
        WHERE c.oid = %s::regclass AND a.privilege_type = 'SELECT' AND a.grantee <> c.relowner
    """
    return {role for [role] in db.sql(grants, [WORDS])}


def test_a_right_on_the_chunks_that_is_given_or_taken_is_one_on_their_words(document, roles):
    [ann, ben] = roles
    alter(document, HYBRID)
    steps = [
        (f"GRANT SELECT ON {STORE} TO {ann}", {ann}),
        (f"GRANT ALL ON {STORE} TO {ben} WITH GRANT OPTION", {ann, f"{ben}*"}),
        (f"REVOKE GRANT OPTION FOR SELECT ON {STORE} FROM {ben}", {ann, ben}),
        (f"REVOKE SELECT ON {STORE} FROM {ann}", {ben}),
        (f"GRANT SELECT (chunk) ON {STORE} TO {ann}", {ben}),
        (f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {ben}", set()),
        (f"GRANT SELECT ON {STORE} TO PUBLIC", {"PUBLIC"}),
        (f"REVOKE ALL ON {STORE} FROM PUBLIC", set()),
    ]
    for statement, expected in steps:
        document.sql(statement)
        assert readers(document) == expected, statement


def test_a_right_on_the_chunks_that_goes_with_anothers_is_none_on_their_words(document, roles):
    [ann, ben] = roles
    document.sql(f"GRANT SELECT ON {STORE} TO {ann} WITH GRANT OPTION")
    document.sql(f"GRANT SELECT ON {STORE} TO {ben}", user=ann)
    alter(document, HYBRID)
    document.sql(f"GRANT SELECT ON {WORDS} TO {ben}", user=ann)
    assert readers(document) == {f"{ann}*", ben}
    document.sql(f"REVOKE SELECT ON {STORE} FROM {ann} CASCADE")
    assert readers(document) == set()


def test_a_right_that_goes_with_what_a_role_owned_is_none_on_the_words(document, roles):
    """DROP OWNED, as before a role is dropped, takes along what others were granted by it."""
    [ann, ben] = roles
    alter(document, HYBRID)
    document.sql(f"GRANT SELECT ON {STORE} TO {ann} WITH GRANT OPTION")
    document.sql(f"GRANT SELECT ON {STORE} TO {ben}", user=ann)
    assert may_read(document, ben)
    document.sql(f"DROP OWNED BY {ann} CASCADE")
    assert [may_read(document, reader) for reader in roles] == [False, False]


def test_the_last_of_the_rights_on_store_and_view_takes_the_words_along(db, stub, roles):
    db.sql(PLAIN)
    vectorizer.create(db, stub.url, search=HYBRID, grant_to=f"ai.grant_to('{roles[0]}')")
    db.sql(f"REVOKE ALL ON {STORE} FROM {roles[0]}")
    db.sql(f"REVOKE ALL ON document_embedding FROM {roles[0]}")
    assert may_read(db, roles[0]) is False


def test_who_was_granted_words_beside_the_view_keeps_them(document, roles):
    [ann, ben] = roles
    alter(document, HYBRID)
    document.sql(f"GRANT SELECT ON document_embedding, {WORDS} TO {ann}; GRANT SELECT ON {STORE} TO {ben}")
    document.sql(f"REVOKE SELECT ON {STORE} FROM {ben}")
    assert readers(document) == {ann}
    # Who was left out stays out.
    document.sql(f"GRANT SELECT ON {STORE} TO {ben}; REVOKE SELECT ON {WORDS} FROM {ben}; GRANT SELECT ON {STORE} TO PUBLIC")
    assert readers(document) == {ann, "PUBLIC"}


def test_default_privileges_give_no_words_to_those_who_have_no_chunks(document, roles):
    [ann, ben] = roles
    document.sql(f"ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {ann}, {ben}")
    try:
        document.sql(f"GRANT SELECT ON {STORE} TO {ben}")
        alter(document, HYBRID)
        assert readers(document) == {ben}
    finally:
        document.sql(f"ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM {ann}, {ben}")


def test_who_may_read_the_view_and_the_words_filters_by_all_columns_of_the_view(document, roles):
    [ann, _] = roles
    alter(document, HYBRID)
    filled(document)
    document.sql(f"GRANT USAGE ON SCHEMA ai TO {ann}; GRANT SELECT ON document_embedding, {WORDS} TO {ann}")
    search = f"SELECT key ->> 'id' FROM ai.search('{NAME}', 'dogs', mode => 'text', filter => %s)"
    [[chosen]] = document.sql(f"SELECT embedding_uuid::text FROM {STORE} WHERE id = 7 AND chunk_seq = 0")
    assert document.sql(search, [f"embedding_uuid = '{chosen}'"], user=ann) == [("7",)]
