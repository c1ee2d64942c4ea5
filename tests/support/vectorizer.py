"""Vectorizers for tests, and what their stores have to hold."""

from string import Template

import psycopg
from support import vectors
from support.wait import eventually, settles

# Few enough to print, enough to tell vectors apart.
DIMENSIONS = 8

# Cuts at every "|": what a document's chunks are can be seen at a glance.
CUT_AT_BARS = (
    "ai.chunking_character_text_splitter(chunk_size => 1, chunk_overlap => 0, separator => '|')"
)


def create(db, url: str, source: str = "document", *, user: str = "postgres", **arguments: str) -> int:
    """Creates a vectorizer on a model at `url`; arguments are SQL expressions. Answers its id."""
    given = {
        "loading": "ai.loading_column('body')",
        "embedding": f"ai.embedding_openai('stub', {DIMENSIONS}, base_url => '{url}')",
        "chunking": CUT_AT_BARS,
    } | arguments
    named = ", ".join(f"{name} => {expression}" for name, expression in given.items())
    return db.value(f"SELECT ai.create_vectorizer('{source}'::regclass, {named})", user=user)


def chunks(text: str | None) -> list[str]:
    """Returns the chunks that CUT_AT_BARS makes of a text."""
    return [piece.strip() for piece in (text or "").split("|") if piece.strip()]


def expected(
    rows: list[dict], key: list[str], *, column: str = "body", template: str = "$chunk", dimensions: int = DIMENSIONS
) -> list[tuple]:
    """f(source): the rows that the store has to hold."""
    wanted = []
    for row in rows:
        for seq, chunk in enumerate(chunks(row[column])):
            text = Template(template).substitute(row, chunk=chunk)
            wanted.append((*(str(row[name]) for name in key), seq, text, vectors.vector(text, dimensions)))
    return sorted(wanted)


def stored(db, key: list[str], store: str = "document_embedding_store") -> list[tuple]:
    """The rows that the store holds."""
    columns = ", ".join(f'"{name}"::text' for name in key)
    rows = db.sql(f"SELECT {columns}, chunk_seq, chunk, embedding::real[] FROM {store}")
    return sorted(rows)


def rows(db, source: str = "document") -> list[dict]:
    """The rows of the source."""
    return [row for [row] in db.sql(f"SELECT to_jsonb(s) FROM {source} s")]


def in_step(db, key: list[str], *, source: str = "document", store: str = "document_embedding_store", **how) -> None:
    """Waits until the store equals f(source), and then until the queue is empty."""
    settles(
        lambda: stored(db, key, store),
        expected(rows(db, source), key, **how),
        what=f"the store of {source} to equal f({source})",
    )
    idle(db)


def restored(db) -> None:
    """Waits until the worker has found the tables of the vectorizers of a restored database."""
    look = "SELECT FROM ai.vectorizer WHERE ai.vectorizer_queue_pending(id, true) > 0"
    eventually(lambda: db.sql(look) == [], what="the restored tables to be found", ignoring=(psycopg.Error,))


def comes_to(db, state: str) -> None:
    """Waits until the one vectorizer is in a state: the worker writes the end of a stop up to a second after it."""
    settles(lambda: [found for [found] in db.sql("SELECT state FROM ai.vectorizer_health")], [state])


def idle(db) -> None:
    """Waits until nothing is pending in any vectorizer of the database."""
    eventually(
        lambda: db.sql("SELECT id FROM ai.vectorizer WHERE ai.vectorizer_queue_pending(id, true) > 0") == [],
        what="the queue to be empty",
    )
