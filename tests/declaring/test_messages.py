"""What we tell a user reaches the user: in any encoding, and without what is for our eyes only."""

import re

import psycopg
import pytest
from pgai_dev import places
from support import vectorizer

# One of a list of stack frames.
FRAME = re.compile(r"^\s*\d+: (<unknown>|.*::)", re.MULTILINE)
TABLE = "CREATE TABLE document (id int PRIMARY KEY, body text)"


def ours():
    """The strings of our source texts that are no test's: where, and what."""
    for path in sorted([*(places.ROOT / "src").rglob("*.rs"), *(places.ROOT / "crates/pipeline/src").rglob("*.rs")]):
        code = path.read_text().partition("#[cfg(test)]")[0]
        for number, line in enumerate(code.splitlines(), start=1):
            if not line.lstrip().startswith("//"):
                yield f"{path.relative_to(places.ROOT)}:{number}", line.partition(" // ")[0]


def test_our_texts_fit_every_encoding():
    # A client that can't be sent one gets an error about its encoding instead of ours, and not the statement's outcome.
    read_not_written = "µs"
    odd = [(where, line) for where, line in ours() if not line.isascii() and read_not_written not in line]
    assert odd == []


def test_an_error_carries_no_stack(cluster_factory):
    cluster = cluster_factory(env={"RUST_BACKTRACE": "1", "RUST_LIB_BACKTRACE": "full"})
    db = cluster.create_database("told")
    db.sql(f"CREATE EXTENSION pgai_rs CASCADE; {TABLE}")
    for statement in (
        "SELECT ai.create_vectorizer('document')",
        "SELECT ai.drop_vectorizer(7)",
        "SELECT ai.vectorizer_embed('{}'::jsonb, 'a')",
        "SELECT ai.create_s3_source('document', 's3://nowhere/')",
        "SELECT ai.create_s3_source('a.b.c.d', 's3://nowhere/')",
        "SELECT ai.create_s3_source('nowhere.there', 's3://nowhere/')",
    ):
        with pytest.raises(psycopg.Error) as refusal:
            db.sql(statement)
        assert not FRAME.search(str(refusal.value)), statement
    vectorizer.create(db, "http://127.0.0.1:1")
    db.sql("INSERT INTO document VALUES (1, 'a'); DROP TABLE ai._vectorizer_work_1 CASCADE; UPDATE document SET body = 'b'")
    assert not FRAME.search(cluster.log_text())
