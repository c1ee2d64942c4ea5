"""The words of a vectorizer's chunks, and whether they are theirs."""

from support import vectorizer
from support.tables import PLAIN
from support.wait import eventually

STORE = "document_embedding_store"
WORDS = "document_embedding_store_words"
NAME = "public_document_embedding_store"
HYBRID = "ai.search_hybrid()"


def document(db, stub):
    """A table of 40 rows with two chunks each, and a vectorizer without words."""
    db.sql(PLAIN)
    db.sql("INSERT INTO document SELECT i, 't', 'running dogs ' || i || '|cats ' || i FROM generate_series(1, 40) i")
    vectorizer.create(db, stub.url)
    vectorizer.in_step(db, ["id"])
    stub.forget()
    return db


def disagreements(db, language: str = "english", words: str = WORDS, store: str = STORE) -> list:
    """The chunks whose words are not theirs, and the words that belong to no chunk."""
    return db.sql(
        f"""SELECT coalesce(s.embedding_uuid, w.embedding_uuid), s.chunk, w.words
            FROM {store} s FULL JOIN {words} w USING (embedding_uuid)
            WHERE w.words IS DISTINCT FROM to_tsvector(%s::regconfig, s.chunk)""",
        [language],
    )


def filled(db, language: str = "english", **tables) -> None:
    """Waits until the worker knows that all chunks have words; then they must have them."""
    ready = "SELECT words_ready FROM ai._vectorizer_binding WHERE words IS NOT NULL"
    eventually(lambda: db.value(ready), what="the words to be ready")
    assert disagreements(db, language, **tables) == []


def tables_of_words(db) -> list[str]:
    return [name for [name] in db.sql("SELECT relname FROM pg_class WHERE relname LIKE '%words' AND relkind = 'r' ORDER BY 1")]


def alter(db, search: str, *, user: str = "postgres") -> None:
    db.sql(f"SELECT ai.alter_vectorizer('{NAME}', search => {search})", user=user)
