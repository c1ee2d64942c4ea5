"""Keys that are set for a database: a server without any, and who sets and uses them there."""

import psycopg
import pytest

TABLE = "CREATE TABLE document (id int PRIMARY KEY, body text)"
KEY = "sk-a-database-s-own"
NEXT = "sk-the-next-one"
SET = "SELECT ai.set_secret(%s, %s, %s)"
KEY_FILE = "pgai_rs.secret_key"
# How SQL writes what a text would be as bytes.
IN_HEX = KEY.encode().hex()


@pytest.fixture
def cluster(cluster_factory):
    """A server without any key."""
    return cluster_factory(env={"OPENAI_API_KEY": ""}, conf={"pgai_rs.poll_interval": "1h"})


@pytest.fixture
def db(cluster):
    """A database of it, with a table."""
    database = cluster.create_database("tenant")
    database.sql(f"CREATE EXTENSION pgai_rs CASCADE; {TABLE}")
    return database


@pytest.fixture
def owner(db) -> str:
    """A role with a table of its own, whom the server's lists bind."""
    db.sql("CREATE ROLE owner LOGIN; SELECT ai.grant_vectorizer_usage('owner'); CREATE SCHEMA o AUTHORIZATION owner")
    db.sql(f"SET search_path = o; {TABLE}", user="owner")
    return "owner"


@pytest.fixture
def admin(db) -> str:
    """A role that may set secrets, and is no superuser."""
    db.sql("CREATE ROLE admin LOGIN; GRANT USAGE ON SCHEMA ai TO admin; GRANT SELECT ON ai.secrets TO admin")
    db.sql("GRANT EXECUTE ON FUNCTION ai.set_secret, ai.drop_secret TO admin")
    return "admin"


def health(db) -> dict:
    [[row]] = db.sql("SELECT to_jsonb(h) FROM ai.vectorizer_health h")
    return row


def shown(stub) -> list[str | None]:
    """The keys that the model was shown, each once, in their order."""
    return list(dict.fromkeys(request.headers.get("authorization") for request in stub.requests))


def refusal(db, statement: str, arguments=None, *, user: str = "postgres") -> psycopg.Error:
    with pytest.raises(psycopg.Error) as raised:
        db.sql(statement, arguments, user=user)
    return raised.value


def told(error: psycopg.Error) -> str:
    """All that an error says."""
    said = error.diag
    return "\n".join(filter(None, [str(error), said.message_detail, said.message_hint, said.context]))
