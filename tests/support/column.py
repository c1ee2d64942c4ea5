"""A vectorizer whose vectors stand in a column of its source."""

from support import vectorizer, vectors
from support.vectorizer import DIMENSIONS
from support.wait import settles


def create(db, url: str, column: str = "embedding", **arguments: str) -> int:
    given = {"destination": f"ai.destination_column('{column}')", "chunking": "ai.chunking_none()"}
    return vectorizer.create(db, url, **(given | arguments))


def in_step(db, *, column: str = "embedding", title: bool = False, dimensions: int = DIMENSIONS) -> None:
    """Waits until each row has the vector of its text, or none, and then until the queue is empty."""

    def found():
        return [(row["id"], row[column]) for row in rows()]

    def wanted():
        return [(row["id"], expected(row)) for row in rows()]

    def rows():
        query = f"SELECT to_jsonb(d) || jsonb_build_object('{column}', {column}::real[]) FROM document d ORDER BY id"
        return [row for [row] in db.sql(query)]

    def expected(row):
        text = f"{row['title']}: {row['body']}" if title else row["body"]
        return vectors.vector(text, dimensions) if row["body"] else None

    settles(found, wanted(), what=f"{column} to equal f(body)")
    vectorizer.idle(db)
