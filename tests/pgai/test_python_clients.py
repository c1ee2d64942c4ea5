"""What pgai's users have written in Python goes on working: its SQLAlchemy, its Alembic, its client."""

import json
from pathlib import Path

import pytest
from support import vectorizer
from support.pgai import Pgai, url

CLIENTS = Path(__file__).parent / "clients"


@pytest.fixture(scope="module")
def pgai():
    return Pgai()


def test_alembic_migrates_up_and_down(db, pgai, stub):
    project = CLIENTS / "alembic"
    given = ["-x", f"url={url(db, 'postgresql+psycopg')}", "-x", f"model={stub.url}"]
    pgai.alembic(project, *given, "upgrade", "head")
    db.sql("INSERT INTO blog VALUES (1, 'of cats')")
    vectorizer.idle(db)
    assert db.sql("SELECT content, chunk FROM blog_embedding") == [("of cats", "Blog: of cats")]
    pgai.alembic(project, *given, "downgrade", "base")
    assert db.sql("SELECT relname FROM pg_class WHERE relname LIKE '%blog%' OR relname LIKE '%vectorizer\\_q%'") == []
    assert db.sql("SELECT id FROM ai.vectorizer") == []


def test_sqlalchemy_relates_and_searches(db, pgai, stub):
    found = json.loads(pgai.python(CLIENTS / "blog.py", url(db, "postgresql+psycopg"), stub.url))
    assert found == {"nearest": "of dogs", "chunks": {"1": ["of cats"], "2": ["of dogs"]}}


def test_every_config_of_the_client_is_taken(db, pgai, stub):
    db.sql("CREATE TABLE blog (id int PRIMARY KEY, content text)")
    statements = [json.loads(line) for line in pgai.python(CLIENTS / "configs.py", stub.url).splitlines()]
    assert len(statements) > 15
    for statement in statements:
        [[number]] = db.sql(statement)
        db.sql("SELECT ai.drop_vectorizer(%s, drop_all => true)", [number])


def installed(db) -> list[tuple]:
    """What is in the schema, and its versions."""
    return db.sql(
        "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'ai'::regnamespace"
        " UNION ALL SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'ai'::regnamespace"
        " UNION ALL SELECT version || installed_at FROM ai.pgai_lib_version ORDER BY 1"
    )


def test_its_installer_finds_nothing_to_do(db, pgai):
    before = installed(db)
    pgai.run_installer(db)
    assert installed(db) == before


def test_its_installer_needs_the_right_to_make_tables_before_it_finds_that_out(db, pgai):
    db.sql(f"CREATE ROLE {db.name} LOGIN; ALTER DATABASE {db.name} OWNER TO {db.name}; GRANT USAGE ON SCHEMA ai TO {db.name}")
    before = installed(db)
    try:
        with pytest.raises(AssertionError, match="permission denied for schema ai"):
            pgai.run_installer(db, user=db.name)
        db.sql(f"GRANT CREATE ON SCHEMA ai TO {db.name}")
        pgai.run_installer(db, user=db.name)
        assert installed(db) == before
    finally:
        db.sql(f"ALTER DATABASE {db.name} OWNER TO postgres; DROP OWNED BY {db.name}; DROP ROLE {db.name}")
