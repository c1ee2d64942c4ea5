"""Who may do what with a vectorizer: its owner, who was let in, and a stranger."""

import psycopg
import pytest
from support import vectorizer

# What one may try, and who may do it. Whatever is not listed as allowed is refused with 42501, or does not exist for
# who does not see it; who sees what of the catalog, test_attack_visibility.py looks at.
ALLOWED = {
    "SELECT ai.loading_column('body')": {"owner", "grantee", "user", "admin"},
    "SELECT ai.loading_uri('uri')": {"owner", "user", "admin"},
    "SELECT ai.embedding_openai('m', 8)": {"owner", "user", "admin"},
    "SELECT ai.embedding_litellm('cohere/m', 8)": {"owner", "user", "admin"},
    "SELECT ai.rerank_cohere('m')": {"owner", "user", "admin"},
    "SELECT name, disabled FROM ai.vectorizer_status": {"owner", "grantee", "user", "admin"},
    "SELECT id FROM ai.vectorizer": {"owner", "grantee", "user", "admin"},
    "SELECT id FROM ai.vectorizer_errors": {"owner", "grantee", "user", "admin"},
    "SELECT version FROM ai.pgai_lib_version": {"owner", "grantee", "user", "admin"},
    "SELECT id, chunk FROM document_embedding": {"owner", "grantee"},
    "SELECT id, chunk FROM document_embedding_store": {"owner", "grantee"},
    "SELECT id, body FROM document": {"owner", "grantee"},
    "SELECT ai.vectorizer_queue_pending(1)": {"owner", "grantee"},
    "INSERT INTO ai._vectorizer_q_1 (id) VALUES (1)": {"owner", "grantee"},
    "SELECT ai.disable_vectorizer_schedule(1)": {"owner"},
    "SELECT ai.enable_vectorizer_schedule(1)": {"owner"},
    "SELECT ai.retry_failed(1)": {"owner"},
    "SELECT ai.execute_vectorizer(1)": {"owner"},
    # A row that is made up is no way to a vectorizer that is not seen.
    "SELECT ai._vectorizer_should_create_vector_index(jsonb_populate_record(NULL::ai.vectorizer, '{\"id\": 1}'))": {"owner"},
    "SELECT ai._vectorizer_create_vector_index('public', 'document_embedding_store', ai.indexing_hnsw())": {"owner"},
    "SELECT message FROM ai._vectorizer_errors": {"admin"},
    "SELECT version FROM ai.vectorizer_worker_process": {"admin"},
    "SELECT success_count FROM ai.vectorizer_worker_progress": {"admin"},
    "UPDATE ai.vectorizer SET config = '{}'": set(),
    "INSERT INTO ai._vectorizer_errors (id) VALUES (1)": set(),
    "CREATE TABLE ai.mine ()": set(),
    "SELECT ai.drop_vectorizer(1, drop_all => true)": {"owner"},
}


@pytest.fixture
def roles(db, stub):
    """Roles by what they are to the one vectorizer there is."""
    names = {what: f"{what}_{db.name}" for what in ("owner", "grantee", "user", "admin", "stranger")}
    for name in names.values():
        db.sql(f'CREATE ROLE "{name}" LOGIN')
    db.sql(f'''SELECT ai.grant_vectorizer_usage('{names["owner"]}'); GRANT USAGE ON SCHEMA public TO "{names["owner"]}"''')
    db.sql(f'CREATE TABLE document (id int PRIMARY KEY, body text); GRANT CREATE ON SCHEMA public TO "{names["owner"]}"')
    db.sql(f'ALTER TABLE document OWNER TO "{names["owner"]}"')
    vectorizer.create(db, stub.url, grant_to=f"""ai.grant_to('{names["grantee"]}')""", embedding="ai.embedding_openai('m', 8)")
    db.sql(f"""SELECT ai.grant_vectorizer_usage('{names["user"]}')""")
    db.sql(f"""SELECT ai.grant_vectorizer_usage('{names["admin"]}', admin => true)""")
    yield names
    for name in names.values():
        db.sql(f'DROP OWNED BY "{name}" CASCADE; DROP ROLE "{name}"')


def may(db, role: str, statement: str) -> bool:
    """Whether a role may; what it did is undone."""
    with db.connect(user=role) as connection:
        try:
            connection.execute("BEGIN")
            connection.execute(statement)
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.NoDataFound, psycopg.errors.RaiseException):
            return False
        finally:
            connection.execute("ROLLBACK")
    return True


def test_each_may_do_what_is_theirs_and_nothing_else(db, roles):
    may_do = {statement: {what for what, role in roles.items() if may(db, role, statement)} for statement in ALLOWED}
    assert may_do == ALLOWED


def test_who_was_let_in_may_have_a_vectorizer(db, roles):
    user = roles["user"]
    db.sql(f'CREATE SCHEMA theirs AUTHORIZATION "{user}"')
    db.sql("CREATE TABLE theirs.paper (id int PRIMARY KEY, body text)", user=user)
    assert vectorizer.create(db, "", "theirs.paper", user=user, embedding="ai.embedding_openai('m', 8)") > 1


def test_who_may_not_grant_cannot_let_others_in(db, roles):
    for what in ("user", "admin", "owner"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied to grant vectorizer usage"):
            db.sql(f"SELECT ai.grant_vectorizer_usage('{roles['stranger']}')", user=roles[what])
    assert not may(db, roles["stranger"], "SELECT id FROM ai.vectorizer")


def test_a_roles_name_is_a_name_and_nothing_else(db, roles):
    odd = f'Odd "name"; {db.name}'
    quoted = odd.replace('"', '""')
    db.sql(f'CREATE ROLE "{quoted}"')
    try:
        db.sql("SELECT ai.grant_vectorizer_usage(%s, true)", [odd])
        assert db.value("SELECT has_schema_privilege(%s, 'ai', 'usage')", [odd])
        with pytest.raises(psycopg.errors.UndefinedObject):
            db.sql("SELECT ai.grant_vectorizer_usage('nobody, public')")
    finally:
        db.sql(f'DROP OWNED BY "{quoted}"; DROP ROLE "{quoted}"')
