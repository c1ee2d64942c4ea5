"""A model on a Unix socket: an administrator lists it, and ordinary roles use it."""

import tempfile
from pathlib import Path

import psycopg
import pytest
from pgai_dev import places
from support import vectorizer
from support.embedder import DIMENSIONS, MODEL, EmbeddingServer
from support.wait import settles

STORE = "SELECT id FROM document_embedding_store ORDER BY id"
TEXTS = ["The cat sleeps on the sofa.", "Interest rates rose again.", "The goalkeeper saved a penalty."]


class Model:
    """A model server on a Unix socket, which can be stopped and started again."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.socket = directory / "model.sock"
        self.url = f"unix:{self.socket}"
        self.server: EmbeddingServer | None = None

    def start(self) -> "Model":
        self.server = EmbeddingServer(places.EMBEDDING_SERVER, places.MODEL, self.directory, socket=self.socket)
        assert self.server.url == self.url
        return self

    def stop(self) -> None:
        if self.server:
            self.server.stop()
            self.server = None


@pytest.fixture
def model():
    # The path of a socket must be short. Postgres's user passes through the directory.
    with tempfile.TemporaryDirectory(prefix="pgai_rs-") as directory:
        Path(directory).chmod(0o711)
        model = Model(Path(directory)).start()
        yield model
        model.stop()


@pytest.fixture
def database(cluster_factory, model):
    """A database in which the socket is allowed, and a role that is nobody special."""
    database = cluster_factory(conf={"pgai_rs.allowed_base_urls": model.url}).create_database("sockets")
    database.sql("CREATE EXTENSION pgai_rs CASCADE; CREATE ROLE app LOGIN; SELECT ai.grant_vectorizer_usage('app')")
    database.sql("GRANT CREATE ON SCHEMA public TO app")
    database.sql("CREATE TABLE document (id int PRIMARY KEY, body text)", user="app")
    return database


def embedding(model: Model) -> str:
    return f"ai.embedding_openai('{MODEL}', {DIMENSIONS}, base_url => '{model.url}', api_key_name => NULL)"


def create(database, model: Model) -> None:
    vectorizer.create(database, model.url, user="app", name="'rows'", embedding=embedding(model))


def insert(database, row: int) -> None:
    database.sql("INSERT INTO document VALUES (%s, %s)", [row, TEXTS[row - 1]], user="app")


def health(database) -> tuple:
    """State, reason and hint."""
    return database.sql("SELECT state, reason, hint FROM ai.vectorizer_health")[0]


def test_rows_and_questions_reach_a_model_on_a_unix_socket(database, model):
    create(database, model)
    for row in (1, 2, 3):
        insert(database, row)
    settles(lambda: database.sql(STORE), [(1,), (2,), (3,)])

    # The worker asks for the rows, and the caller's own backend for the question.
    nearest = "SELECT id FROM document_embedding_store ORDER BY embedding <=> {} LIMIT 1"
    by_vectorizer = nearest.format("ai.vectorizer_embed('rows', 'football')")
    by_config = nearest.format(f"ai.vectorizer_embed({embedding(model)}, 'inflation and loans')")
    assert database.value(by_vectorizer, user="app") == 3
    assert database.value(by_config, user="app") == 2


def test_a_model_on_a_unix_socket_may_stop_and_come_back(database, model):
    create(database, model)
    insert(database, 1)
    settles(lambda: database.sql(STORE), [(1,)])

    model.stop()
    insert(database, 2)
    settles(lambda: health(database)[0], "waiting_for_provider")
    model.start()
    settles(lambda: database.sql(STORE), [(1,), (2,)])
    settles(lambda: health(database)[0], "idle")


def test_a_socket_is_asked_as_long_as_it_is_listed(database, model):
    create(database, model)
    insert(database, 1)
    settles(lambda: database.sql(STORE), [(1,)])

    database.cluster.configure(pgai_rs__allowed_base_urls=f"unix:{model.directory}, https://")
    settles(lambda: health(database)[0], "not_served")
    assert "this base_url is not allowed" in health(database)[1]
    assert "pgai_rs.allowed_base_urls" in health(database)[2]
    insert(database, 2)
    for user in ("app", "postgres"):
        with pytest.raises(psycopg.Error, match="this base_url is not allowed") as refusal:
            database.sql(f"SELECT ai.vectorizer_embed({embedding(model)}, 'x')", user=user)
        assert refusal.value.sqlstate == "42501"

    database.cluster.configure(pgai_rs__allowed_base_urls=model.url)
    settles(lambda: database.sql(STORE), [(1,), (2,)])
