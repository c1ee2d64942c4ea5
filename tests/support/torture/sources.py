"""The tables that are changed, their vectorizers, and f of each."""

from dataclasses import dataclass
from string import Template

from support import vectorizer, vectors
from support.torture.objects import BUCKET, Objects

# A text that the model refuses, always.
POISON = "poison"

SCHEMA = """
    CREATE TABLE plain (id int PRIMARY KEY, title text, body text, views int NOT NULL DEFAULT 0);
    CREATE TABLE composite (tenant text, body text, number int, views int NOT NULL DEFAULT 0,
                            PRIMARY KEY (number, tenant));
    CREATE TABLE partitioned (id int, title text, body text, views int NOT NULL DEFAULT 0, PRIMARY KEY (id))
        PARTITION BY RANGE (id);
    CREATE TABLE partitioned_low PARTITION OF partitioned FOR VALUES FROM (MINVALUE) TO (20);
    -- Its columns are in another order than its parent's.
    CREATE TABLE partitioned_high (views int NOT NULL DEFAULT 0, body text, id int NOT NULL, title text);
    ALTER TABLE partitioned ATTACH PARTITION partitioned_high FOR VALUES FROM (20) TO (MAXVALUE);
    CREATE TABLE inline (id int PRIMARY KEY, title text, body text, views int NOT NULL DEFAULT 0, updated_at timestamptz);
    CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN NEW.updated_at := clock_timestamp(); RETURN NEW; END';
    CREATE TRIGGER touch BEFORE UPDATE ON inline FOR EACH ROW EXECUTE FUNCTION touch();
    CREATE TABLE object (id int PRIMARY KEY, uri text NOT NULL, views int NOT NULL DEFAULT 0);
"""


@dataclass(frozen=True)
class Source:
    """A table with a vectorizer."""

    table: str
    key: tuple[str, ...] = ("id",)
    template: str = "$chunk"
    # Whether `uri` names an object; else `body` is the text.
    from_s3: bool = False
    # The column that vectors go to; else to a store.
    column: str | None = None

    def declare(self, url: str) -> str:
        """The statement that creates the vectorizer. What fails in passing is tried for ever."""
        loading = "ai.loading_uri('uri', retries => 1000)" if self.from_s3 else "ai.loading_column('body')"
        destination = f"ai.destination_column('{self.column}')" if self.column else "ai.destination_table()"
        chunking = "ai.chunking_none()" if self.column else vectorizer.CUT_AT_BARS
        # One of before may have another number of dimensions.
        anew = f"ALTER TABLE {self.table} DROP COLUMN IF EXISTS {self.column}; " if self.column else ""
        return anew + (
            f"SELECT ai.create_vectorizer('{self.table}'::regclass, loading => {loading},"
            f" embedding => ai.embedding_openai('stub', {vectorizer.DIMENSIONS}, base_url => '{url}'),"
            f" chunking => {chunking}, destination => {destination},"
            f" formatting => ai.formatting_python_template('{self.template}'))"
        )

    def rows(self, db, objects: Objects) -> dict[tuple, dict]:
        """The rows by their keys as text, with what their addresses hold as their body."""
        rows = vectorizer.rows(db, self.table)
        if self.from_s3:
            rows = [row | {"body": objects.body(row["uri"])} for row in rows]
        return {tuple(str(row[name]) for name in self.key): row for row in rows}

    def expected(self, db, rows: list[dict]) -> list[tuple]:
        """f of rows: keys, and what stands there of each, the vector last."""
        asked = "SELECT (config #>> '{embedding,dimensions}')::int FROM ai.vectorizer WHERE source_table = %s"
        dimensions = db.value(asked, [self.table])
        if not self.column:
            return vectorizer.expected(rows, list(self.key), template=self.template, dimensions=dimensions)
        texts = {row["id"]: Template(self.template).substitute(row, chunk=row["body"]) for row in rows if row["body"]}
        return sorted((str(id), vectors.vector(text, dimensions)) for id, text in texts.items())

    def stored(self, db) -> list[tuple]:
        """Returns what is stored of it."""
        if not self.column:
            return vectorizer.stored(db, list(self.key), f"{self.table}_embedding_store")
        vector = f"SELECT id::text, {self.column}::real[] FROM {self.table} WHERE {self.column} IS NOT NULL"
        return sorted(db.sql(vector))

    def is_hopeless(self, row: dict) -> bool:
        """Tells whether f has no value for the row, so that it has to be set aside."""
        return row["body"] is None if self.from_s3 else POISON in (row["body"] or "")


SOURCES = (
    Source("plain", template="$title: $chunk"),
    Source("composite", key=("number", "tenant")),
    Source("partitioned", template="$title: $chunk"),
    Source("inline", template="$title: $chunk", column="embedding"),
    Source("object", from_s3=True),
)


def is_poisoned(request) -> bool:
    """Tells whether the model refuses a request."""
    return any(POISON in text for text in request.inputs)


def missing(number: int) -> str:
    """An address where there is nothing."""
    return f"s3://{BUCKET}/missing/{number}.txt"
