"""Columns of types that people have made: what is embedded of them, and what is refused."""

import psycopg
import pytest
from support import vectorizer
from support.wait import settles

TYPES = """
    CREATE DOMAIN words AS text CHECK (VALUE <> '');
    CREATE DOMAIN short AS words CHECK (length(VALUE) < 100);
    CREATE DOMAIN scan AS bytea;
    CREATE DOMAIN flag AS bool;
    CREATE DOMAIN weight AS float8;
    CREATE DOMAIN moment AS timestamptz;
    CREATE DOMAIN count AS int;
    CREATE TYPE shade AS ENUM ('dark red')
"""


@pytest.mark.parametrize("kind", ["words", "short", "scan"])
def test_a_domain_is_loaded_as_what_it_is_made_of(db, stub, kind):
    db.sql(TYPES)
    db.sql(f"CREATE TABLE document (id int PRIMARY KEY, body {kind})")
    vectorizer.create(db, stub.url)
    db.sql("INSERT INTO document VALUES (1, 'a|b'), (2, NULL)")
    settles(lambda: [row[2] for row in vectorizer.stored(db, ["id"])], ["a", "b"])
    db.sql("UPDATE document SET body = 'c'")
    settles(lambda: [row[2] for row in vectorizer.stored(db, ["id"])], ["c", "c"])


def test_an_address_may_be_of_a_domain(db, bucket, stub):
    db.sql(TYPES)
    db.sql("CREATE TABLE document (id int PRIMARY KEY, uri short)")
    vectorizer.create(db, stub.url, loading="ai.loading_uri('uri')")
    db.sql("INSERT INTO document VALUES (1, %s)", [bucket.put("a.txt", "a")])
    settles(lambda: [row[2] for row in vectorizer.stored(db, ["id"])], ["a"])


@pytest.mark.parametrize("kind, named", [("count", "int4"), ("shade", "shade"), ("text[]", "_text"), ("jsonb", "jsonb")])
def test_what_is_no_text_is_not_loaded(db, stub, kind, named):
    db.sql(TYPES)
    db.sql(f"CREATE TABLE document (id int PRIMARY KEY, body {kind})")
    with pytest.raises(psycopg.Error, match=f"column_name body in config is of invalid type {named}. Supported"):
        vectorizer.create(db, stub.url)


@pytest.mark.parametrize(
    "kind, value, written",
    [
        ("bool", "true", "True"),
        ("bool", "false", "False"),
        ("bool", "NULL", "None"),
        ("flag", "true", "True"),
        ("flag", "NULL", "None"),
        ("weight", "1", "1.0"),
        ("weight", "'-Infinity'", "-inf"),
        ("float8", "'NaN'", "nan"),
        ("float4", "'Infinity'", "inf"),
        ("float8", "'-0'", "-0.0"),
        ("moment", "'2026-01-01 12:00+00'", "2026-01-01 12:00:00+00:00"),
        ("numeric", "'NaN'", "NaN"),
        ("shade", "'dark red'", "dark red"),
        ("short", "'a'", "a"),
        ("date", "'infinity'", "infinity"),
        ("timestamptz", "NULL", "None"),
        ("inet", "'10.0.0.1'", "10.0.0.1"),
        ("inet", "'10.1.0.0/16'", "10.1.0.0/16"),
        ("inet", "'::1'", "::1"),
    ],
)
def test_a_template_writes_a_value_as_python_does(db, stub, kind, value, written):
    db.sql(TYPES)
    db.sql(f"CREATE TABLE document (id int PRIMARY KEY, seen {kind}, body text)")
    vectorizer.create(db, stub.url, formatting="ai.formatting_python_template('$seen: $chunk')")
    db.sql(f"INSERT INTO document VALUES (1, {value}, 'a')")
    settles(lambda: [row[2] for row in vectorizer.stored(db, ["id"])], [f"{written}: a"])
