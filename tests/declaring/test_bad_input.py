"""Whatever a user gives to a function of ours, it answers or says what is wrong: no panic, nothing half made."""

import itertools
import json

import psycopg
import pytest
from support import vectorizer

HUGE = "x" * 100_000
TEXTS = [
    *(None, "", " ", "'; DROP TABLE document; --", '"quoted "" name"', "a.b.c", "\u00fc\n\t\\"),
    *("s3://", "file:///etc/passwd", HUGE),
]
NAMES = [None, "", "body", "no such name", "'; DROP TABLE document; --", '"', "\u00fc" * 31]
NUMBERS = [None, 0, -1, 1, 2**31 - 1, -(2**31)]
DEEP = "[" * 5_000 + "]" * 5_000
JSONS = [
    None,
    *("null", "true", "7", '"text"', "[]", "{}", "[null]", '{"config_type": null}', '{"config_type": "embedding"}'),
    *(f'{{"config_type": "{kind}", "implementation": "{what}"}}' for kind, what in [
        ("embedding", "openai"), ("embedding", "ollama"), ("embedding", "voyageai"), ("embedding", "litellm"),
        ("embedding", "none of them"), ("loading", "column"), ("loading", "uri"), ("chunking", "none"),
        ("chunking", "recursive_character_text_splitter"), ("parsing", "auto"), ("formatting", "python_template"),
        ("indexing", "hnsw"), ("indexing", "diskann"), ("scheduling", "none"), ("processing", "default"),
        ("destination", "table"), ("destination", "column"), ("search", "none"), ("search", "hybrid"),
        ("rerank", "cohere"), ("rerank", "tei"),
    ]),
    '{"config_type": "embedding", "implementation": "openai", "model": 1, "dimensions": "many"}',
    '{"config_type": "chunking", "implementation": "character_text_splitter", "chunk_size": -1,'
    ' "chunk_overlap": 1e300}',
    '{"config_type": "processing", "implementation": "default", "batch_size": 1e99, "concurrency": -5}',
    DEEP,
    f'{{"text": "{HUGE}"}}',
]

# By type, what no function should stumble over; as psycopg adapts it, cast to the type.
HOSTILE = {
    "bool": [None, True, False],
    "int4": NUMBERS,
    "int8": [*NUMBERS, 2**63 - 1, -(2**63)],
    "float8": [None, 0.0, -1.0, 1e308, float("nan"), float("inf"), float("-inf")],
    "text": TEXTS,
    "name": NAMES,
    "jsonb": JSONS,
    "int4[]": [None, [], [None], [-1], [2**31 - 1], [[1], [2]]],
    "text[]": [None, [], [None], ["", "[", "{", "**", HUGE], [["a"], ["b"]]],
    "vector": [None, "[1]", "[1,2,3,4,5,6,7,8]", "[0,0,0,0,0,0,0,0]", "[" + ",".join(["1"] * 16_000) + "]"],
    "bytea": [None, b"", b"\x00\xff\x01", b"%PDF-1.7 ...", b"PK\x03\x04", b"{\\rtf1", b"<html>", b"[" * 5_000, b"x" * 100_000],
    "name[]": [None, [], [None], ["no such role", "", "postgres", "postgres"]],
    "interval": [None, "0", "-1 day", "100000000 years", "1 microsecond"],
    "timestamptz": [None, "infinity", "-infinity", "epoch"],
    "uuid": [None, "00000000-0000-0000-0000-000000000000"],
    "ai.vectorizer": [None, "(1,,,,,,,,,,,)", "(99,a,b,[],c,d,e,{},f,g,h,)"],
    "oid": [None, "0", "4000000000", "1259"],
    "regconfig": [None, "0", "4000000000", "simple"],
    "regclass": [None, "0", "4000000000", "pg_class", "document_view", "ai.vectorizer", "document"],
}

EMBEDDING = {"config_type": "embedding", "implementation": "openai", "model": "m", "dimensions": 8}

# What a good call looks like, by the name of an argument, so that only one thing at a time is wrong.
GOOD = {
    "source": "document",
    "loading": '{"config_type": "loading", "implementation": "column", "column_name": "body", "retries": 6}',
    "name": "existing",
    "vectorizer_id": 1,
    "uri": "s3://bucket",
    "target": "objects",
    "model": "m",
    "dimensions": 8,
    "column_name": "body",
    "input_text": "text",
    "document": b"text",
    "query": "[1,2,3,4,5,6,7,8]",
}

CALLABLE = """
    SELECT p.oid::regprocedure::text, p.proname, coalesce(p.proargnames, '{}'), p.pronargdefaults,
           ARRAY(SELECT CASE WHEN t.typelem <> 0 AND t.typlen = -1 THEN e.typname || '[]' ELSE CASE t.typtype WHEN 'c' THEN 'ai.' ELSE '' END || t.typname END
                 FROM unnest(p.proargtypes) WITH ORDINALITY AS a (type, place)
                 JOIN pg_type t ON t.oid = a.type LEFT JOIN pg_type e ON e.oid = t.typelem ORDER BY a.place)
    FROM pg_proc p
    WHERE p.pronamespace = 'ai'::regnamespace AND p.prokind = 'f' AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
          -- They ask their provider's own server, whatever they are given.
          AND p.proname NOT IN ('voyageai_embed', 'voyageai_rerank', 'voyageai_rerank_simple', 'cohere_rerank', 'cohere_rerank_simple')
    ORDER BY 1
"""


def calls(well: dict, arguments: list[str], types: list[str], defaults: int):
    """A good call, all arguments NULL, and the good call with one argument spoiled at a time."""
    good = {}
    for place, (argument, type_name) in enumerate(zip(arguments, types)):
        if argument in well:
            good[argument] = (type_name, well[argument])
        elif place < len(types) - defaults:
            good[argument] = (type_name, HOSTILE[type_name][1])
    yield good
    yield {argument: (type_name, None) for argument, type_name in zip(arguments, types)}
    for argument, type_name in zip(arguments, types):
        for value in HOSTILE[type_name]:
            yield good | {argument: (type_name, value)}


def statement(name: str, call: dict) -> tuple[str, list]:
    given = ", ".join(f'"{argument}" => %s::{type_name}' for argument, (type_name, _) in call.items())
    return f'SELECT * FROM ai."{name}"({given})', [value for _, value in call.values()]


@pytest.fixture
def db(cluster_factory, stub):
    """A database on a server that knows no provider but the stub."""
    cluster = cluster_factory(conf={"pgai_rs.openai_base_url": stub.url, "pgai_rs.ollama_base_url": stub.url})
    database = cluster.create_database("tried")
    database.sql("CREATE EXTENSION pgai_rs CASCADE")
    return database


@pytest.fixture
def functions(db, stub):
    """All functions of the schema, in a database with a vectorizer and whatever may be confused with its parts."""
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    db.sql("CREATE VIEW document_view AS SELECT * FROM document")
    vectorizer.create(db, stub.url, name="'existing'", destination="ai.destination_table('existing')")
    db.sql("SELECT ai.disable_vectorizer_schedule(1)")
    return db.sql(CALLABLE)


def test_no_function_stumbles_over_what_it_is_given(db, stub, functions):
    tried, wrong = 0, []
    with db.connect(autocommit=False) as connection:
        connection.execute("SET statement_timeout = '30s'")
        connection.commit()
        embedding = json.dumps(EMBEDDING | {"base_url": stub.url})
        base_url = json.dumps({"base_url": stub.url})
        well = GOOD | {"embedding": embedding, "embedding_config": embedding, "client_config": base_url}
        for signature, name, arguments, defaults, types in functions:
            assert set(types) <= HOSTILE.keys(), f"{signature} has arguments of a type that this test does not know"
            fresh = {"name": "fresh"} if name.startswith("create_") else {}
            named = {"vectorizer": "existing" if dict(zip(arguments, types)).get("vectorizer") == "text" else 1}
            for call in calls(well | fresh | named, arguments, types, defaults):
                tried += 1
                problem = outcome(connection, *statement(name, call))
                if problem:
                    wrong.append((signature, {key: str(value)[:60] for key, (_, value) in call.items()}, problem))
                connection.rollback()
    assert not wrong, f"{len(wrong)} of {tried}:\n" + "\n".join(map(str, itertools.islice(wrong, 40)))
    assert tried > 500
    # What was there before works as before.
    db.sql("SELECT ai.enable_vectorizer_schedule(1)")
    db.sql("INSERT INTO document VALUES (1, 'a|b')")
    vectorizer.in_step(db, ["id"], store="existing_store")


def outcome(connection, query: str, parameters: list) -> str | None:
    """What is not as it should be about the answer."""
    try:
        connection.execute(query, parameters)
    except psycopg.OperationalError as error:
        return f"the session ended: {error}" if connection.closed else complaint(error)
    except psycopg.Error as error:
        return complaint(error)
    return None


def complaint(error: psycopg.Error) -> str | None:
    message = error.diag.message_primary or str(error)
    if error.sqlstate is None or error.sqlstate.startswith("XX") or error.sqlstate == "57014":
        return f"{error.sqlstate}: {message[:300]}"
    if "panicked" in message or "unwrap" in message or "internal query" in message:
        return f"the text of a panic: {message[:300]}"
    # A vectorizer that exists already is so in the words of pgai, whose clients know them.
    # What was cut off ends in three dots.
    is_sentence = message.endswith(".") and not message.endswith("...")
    if is_sentence and "already exists" not in message or len(message) > 600:
        return f"not in the manner of the house: {message[:300]}"
    return None
