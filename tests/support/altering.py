"""Vectorizers that are altered, and what their two stores have to hold.

The stub gives each model vectors of its own (`vectors.vector(text, dimensions)` depends on the dimensions alone), so that another
number of dimensions shows which model a vector is of.
"""

import psycopg
from support import vectorizer
from support.tables import PLAIN
from support.wait import eventually, settles

NAME = "public_document_embedding_store"
STORE = "document_embedding_store"
VIEW = "document_embedding"
ROWS = 40

# What is built beside it, and what was there before.
NEW = f"{NAME}_new"
OLD = f"{NAME}_old"


def document(db, stub):
    """A table of rows with two chunks each, and a vectorizer in step with it."""
    db.sql(PLAIN)
    db.sql(f"INSERT INTO document SELECT i, 't', 'dogs ' || i || '|cats ' || i FROM generate_series(1, {ROWS}) i")
    vectorizer.create(db, stub.url)
    vectorizer.in_step(db, ["id"])
    stub.forget()
    return db


def model(url: str, dimensions: int = vectorizer.DIMENSIONS, name: str = "other") -> str:
    """The config of another model."""
    return f"ai.embedding_openai('{name}', {dimensions}, base_url => '{url}')"


def alter(db, *, user: str = "postgres", **arguments: str) -> str | None:
    """Alters the vectorizer; arguments are SQL expressions. Answers the name of the one beside it."""
    given = ", ".join(f"{name} => {expression}" for name, expression in arguments.items())
    return db.value(f"SELECT ai.alter_vectorizer('{NAME}', {given})", user=user)


def switch(db, name: str = NAME, step: str = "switch_vectorizer", *, user: str = "postgres") -> None:
    """Has the other state take the place. Whoever uses one of the tables at the moment is given way to, and it is tried again."""

    def taken() -> bool:
        try:
            db.sql(f"SELECT ai.{step}('{name}')", user=user)
        except psycopg.errors.LockNotAvailable:
            return False
        return True

    eventually(taken, what=step)


def switches(db) -> None:
    """Waits until the new vectors have taken the place of the old ones."""
    settles(lambda: db.value("SELECT state FROM ai.vectorizer_alterations"), "switched")


def over(db) -> None:
    """Waits until nothing of an alteration is left."""
    eventually(
        lambda: db.value("SELECT count(*) FROM ai.vectorizer") == 1 and db.sql("SELECT FROM ai.vectorizer_alterations") == [],
        what="the old state to be dropped",
    )


def dimensions(db, store: str = STORE) -> set[int]:
    """The numbers of dimensions of the vectors in a store."""
    return {number for [number] in db.sql(f"SELECT DISTINCT vector_dims(embedding) FROM {store}")}


def leftovers(db) -> list[str]:
    """The relations of a vectorizer that are not the first one's."""
    return [name for [name] in db.sql(
        """SELECT relname FROM pg_class
           WHERE relkind IN ('r', 'v') AND (relname ~ '_(new|old)(_words)?$' OR relname ~ '^_vectorizer_.*_[2-9]$' OR relname ~ 'exchanged')"""
    )]
