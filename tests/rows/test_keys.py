"""Primary keys of every kind: what can be told apart and read back is kept in step."""

import psycopg
import pytest
from support import vectorizer
from support.wait import settles

# What the table's statement begins with, and keys as an expression of i.
KEYS = {
    "deferrable": ("id int, PRIMARY KEY (id) DEFERRABLE INITIALLY DEFERRED", "i"),
    "with more columns in its index": ("id int, more text, PRIMARY KEY (id) INCLUDE (more)", "i, 'm'"),
    "of a domain": ("id positive PRIMARY KEY", "i"),
    "of a domain over a text": ("id code PRIMARY KEY", "'c' || i"),
    "of a domain over a domain": ("id few PRIMARY KEY", "i"),
    "of a domain over an enum": ("id bright PRIMARY KEY", "(ARRAY['red', 'green', 'blue', 'grey'])[i]::bright"),
    "of a domain over a domain over an enum": ("id brighter PRIMARY KEY", "(ARRAY['red', 'green', 'blue', 'grey'])[i]::brighter"),
    "of a domain over an array": ("id numbers PRIMARY KEY", "ARRAY[i, NULL, i]"),
    "of enums in an array": ("id colour[] PRIMARY KEY", "ARRAY[(ARRAY['red', 'green', 'blue', 'grey'])[i]]::colour[]"),
    "of domains over an enum in an array": ("id bright[] PRIMARY KEY", "ARRAY[(ARRAY['red', 'green', 'blue', 'grey'])[i]]::bright[]"),
    "of a domain over enums in an array": ("id colours PRIMARY KEY", "ARRAY[(ARRAY['red', 'green', 'blue', 'grey'])[i]]::colours"),
    "of a domain over a composite type": ("id whole_pair PRIMARY KEY", "ROW(i, 'a,\"(' || i)::whole_pair"),
    "of a composite type with a domain over an enum": ("id swatch PRIMARY KEY", "ROW(i, 'red')::swatch"),
    "of a domain over a range": ("id span PRIMARY KEY", "int4range(i, i + 5)"),
    "of a range of an enum": (
        "id shades PRIMARY KEY",
        "shades((ARRAY['red', 'green', 'blue', 'grey'])[i]::colour, 'grey'::colour, '[]')",
    ),
    "of a domain over a multirange": ("id spans PRIMARY KEY", "int4multirange(int4range(i, i + 5))"),
    "of a domain over a blank-padded text": ("id padded PRIMARY KEY", "'c' || i"),
    "of a domain over bits": ("id flags PRIMARY KEY", "i::bit(8)"),
    "of a domain over a type with a cast of its own to text": ("id vaguest PRIMARY KEY", "ROW(i, 'x')::vaguest"),
    "of an enum": ("id colour PRIMARY KEY", "(ARRAY['red', 'green', 'blue', 'grey'])[i]::colour"),
    "of an array": ("id int[] PRIMARY KEY", "ARRAY[i, NULL, i]"),
    "of texts in an array": ("id text[] PRIMARY KEY", "ARRAY['a,\"' || i, NULL, 'NULL', '']"),
    "of a composite type": ("id pair PRIMARY KEY", "ROW(i, 'a,\"(' || i)::pair"),
    "of a type with a cast of its own to text": ("id vague PRIMARY KEY", "ROW(i, 'x')::vague"),
    "of a range": ("id int4range PRIMARY KEY", "int4range(i, i + 5)"),
    "of a multirange": ("id datemultirange PRIMARY KEY", "datemultirange(daterange('2024-01-01', date '2024-01-02' + i))"),
    "of a blank-padded text": ("id char(5) PRIMARY KEY", "'c' || i"),
    "of a single byte": ("id \"char\" PRIMARY KEY", "chr(64 + i)::\"char\""),
    "of bits": ("id bit(8) PRIMARY KEY", "i::bit(8)"),
    "of a number with a scale": ("id numeric(9, 2) PRIMARY KEY", "i + 0.25"),
    "of a double": ("id float8 PRIMARY KEY", "i / 3.0"),
    "of money": ("id money PRIMARY KEY", "(i * 1000)::money"),
    "of a time": ("id timestamptz(3) PRIMARY KEY", "timestamptz '2024-03-31 01:30+01' + i * interval '1.001 s'"),
    "of an interval": ("id interval PRIMARY KEY", "i * interval '1 month -1.5 days'"),
    "of an address": ("id inet PRIMARY KEY", "inet '10.0.0.0/8' + i"),
    "of jsonb": ("id jsonb PRIMARY KEY", "jsonb_build_object('k', i, 'a', '\"')"),
    "of bytes": ("id bytea PRIMARY KEY", "decode('005cff', 'hex') || int4send(i)"),
    "of a relation": ("id regclass PRIMARY KEY", "(ARRAY['pg_class', 'pg_type', 'ai.vectorizer', 'pg_proc'])[i]::regclass"),
    "of a vector": ("id vector(2) PRIMARY KEY", "('[0.1,' || i || ']')::vector"),
}
TYPES = """
    CREATE DOMAIN positive AS int CHECK (VALUE > 0);
    CREATE DOMAIN code AS varchar(10) COLLATE "C";
    CREATE TYPE colour AS ENUM ('red', 'green', 'blue', 'grey');
    CREATE DOMAIN few AS positive CHECK (VALUE < 100);
    CREATE DOMAIN bright AS colour CHECK (VALUE <> 'grey' OR true);
    CREATE DOMAIN brighter AS bright;
    CREATE DOMAIN numbers AS int[];
    CREATE DOMAIN colours AS colour[];
    CREATE TYPE pair AS (number int, word text);
    CREATE DOMAIN whole_pair AS pair;
    CREATE TYPE swatch AS (number int, colour bright);
    CREATE DOMAIN span AS int4range;
    CREATE DOMAIN spans AS int4multirange;
    CREATE TYPE shades AS RANGE (SUBTYPE = colour);
    CREATE DOMAIN padded AS char(5);
    CREATE DOMAIN flags AS bit(8);
    CREATE TYPE vague AS (number int, word text);
    CREATE FUNCTION vaguely(vague) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT ''about '' || ($1).number';
    CREATE CAST (vague AS text) WITH FUNCTION vaguely(vague) AS ASSIGNMENT;
    CREATE DOMAIN vaguest AS vague
"""
OVERLAPS = "id int4range, valid daterange, PRIMARY KEY (id, valid WITHOUT OVERLAPS)"
SINCE_18 = "there is no key WITHOUT OVERLAPS before Postgres 18"


def rows(db) -> list:
    # As JSON, for Postgres itself compares no two values of a domain over an enum.
    store = db.sql("SELECT s.chunk, d.body FROM document_embedding_store s JOIN document d"
                   " ON to_jsonb(s.id) = to_jsonb(d.id) ORDER BY 1")
    return store + [("rows", db.value("SELECT count(*) FROM document_embedding_store"))]


def step(db, *bodies: str) -> None:
    settles(lambda: rows(db), [*((body, body) for body in sorted(bodies)), ("rows", len(bodies))])
    vectorizer.idle(db)


@pytest.mark.parametrize("columns, key", KEYS.values(), ids=KEYS)
def test_a_key(db, stub, columns, key):
    db.sql(TYPES)
    db.sql(f"CREATE TABLE document ({columns}, body text)")
    vectorizer.create(db, stub.url)
    goes_on(db, key)


def goes_on(db, key: str) -> None:
    db.sql(f"INSERT INTO document SELECT {key}, 'body ' || i FROM generate_series(1, 3) i")
    step(db, "body 1", "body 2", "body 3")
    db.sql("UPDATE document SET body = 'new' WHERE body = 'body 1'")
    first = key.partition(", 'm'")[0]
    moved = f"SELECT {first} AS key FROM generate_series(4, 4) i"
    db.sql(f"UPDATE document SET id = m.key FROM ({moved}) m WHERE body = 'body 2'")
    db.sql("DELETE FROM document WHERE body = 'body 3'")
    step(db, "body 2", "new")
    assert db.sql("SELECT message, details FROM ai.vectorizer_errors") == []


def skip_before_18(db) -> None:
    if db.value("SELECT current_setting('server_version_num')::int") < 180000:
        pytest.skip(SINCE_18)


def test_a_key_without_overlaps(db, stub):
    skip_before_18(db)
    db.sql(f"CREATE TABLE document ({OVERLAPS}, body text)")
    vectorizer.create(db, stub.url)
    times = "int4range(1, 5), daterange(date '2024-01-01' + i, date '2024-01-02' + i)"
    db.sql(f"INSERT INTO document SELECT {times}, 'body ' || i FROM generate_series(1, 3) i")
    stored = lambda: db.sql("SELECT lower(valid) - date '2024-01-01', chunk FROM document_embedding_store ORDER BY 1")  # noqa: E731
    settles(stored, [(1, "body 1"), (2, "body 2"), (3, "body 3")])
    db.sql("UPDATE document SET valid = daterange('2024-01-11', '2024-01-12') WHERE body = 'body 2'")
    db.sql("DELETE FROM document WHERE body = 'body 3'; UPDATE document SET body = 'new' WHERE body = 'body 1'")
    settles(stored, [(1, "new"), (10, "body 2")])
    vectorizer.idle(db)
    assert db.value("SELECT count(*) FROM document_embedding WHERE body = chunk") == 2


def test_a_key_of_a_collation_that_ignores_case(db, stub):
    try:
        db.sql("CREATE COLLATION caseless (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
    except psycopg.errors.FeatureNotSupported:
        pytest.skip("this Postgres has no ICU")
    db.sql("CREATE TABLE document (id text COLLATE caseless PRIMARY KEY, body text)")
    vectorizer.create(db, stub.url)
    goes_on(db, "'Row ' || i")
    db.sql("UPDATE document SET id = lower(id), body = 'lowered' WHERE body = 'new'")
    step(db, "body 2", "lowered")
