"""What pgai has in its schema is here, to the names, types and defaults of arguments and columns."""

import re

import pytest
from support.pgai import Pgai

FUNCTIONS = """
    SELECT proname, pg_get_function_arguments(oid), pg_get_function_result(oid), prokind, provolatile, prosecdef
    FROM pg_proc WHERE pronamespace = 'ai'::regnamespace ORDER BY 1, 2
"""
COLUMNS = """
    SELECT c.relname, array_agg(ARRAY[a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull::text,
                                      pg_get_expr(d.adbin, d.adrelid)] ORDER BY a.attnum)
    FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace = 'ai'::regnamespace AND c.relkind IN ('r', 'v')
    GROUP BY 1
"""

# Another product of theirs, in the same schema.
SEMANTIC_CATALOG = re.compile("_?sc_|.*semantic_catalog|embedding_sentence_transformers")
# The steps of their create_vectorizer and of their checks, which nobody else calls.
INNER = {
    "_validate_indexing_diskann",
    "_validate_indexing_hnsw",
    "_vectorizer_add_embedding_column",
    "_vectorizer_build_trigger_definition",
    "_vectorizer_create_destination_column",
    "_vectorizer_create_destination_table",
    "_vectorizer_create_queue_table",
    "_vectorizer_create_source_trigger",
    "_vectorizer_create_target_table",
    "_vectorizer_create_view",
    "_vectorizer_grant_to_source",
    "_vectorizer_grant_to_vectorizer",
}
# Of what their installer did. It refuses to go on if this table is there and another's, and makes it
# if it is not, before it sees that there is nothing to do.
OF_THE_INSTALLER = {"pgai_lib_migration"}
# IMMUTABLE in pgai, although they read tables, settings or the network.
NOT_IMMUTABLE = {
    "_validate_embedding",
    "_validate_formatting",
    "_validate_scheduling",
    "vectorizer_embed",
}
# With arguments of our own behind theirs.
LONGER = {
    *("destination_table", "embedding_voyageai", "loading_uri", "parsing_auto", "parsing_pymupdf", "parsing_docling"),
    *("create_vectorizer", "destination_column", "indexing_hnsw", "processing_default"),
}


@pytest.fixture(scope="module")
def theirs(cluster):
    db = cluster.create_database("surface_theirs")
    Pgai().install(db)
    yield db
    db.drop()


@pytest.fixture(scope="module")
def ours(cluster):
    db = cluster.create_database("surface_ours")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    yield db
    db.drop()


def wanted(name: str) -> bool:
    return not (SEMANTIC_CATALOG.match(name) or name in INNER | OF_THE_INSTALLER)


def test_every_function_is_here(theirs, ours):
    here = ours.sql(FUNCTIONS)
    checked = 0
    for name, arguments, *rest in theirs.sql(FUNCTIONS):
        if not wanted(name):
            continue
        if name in NOT_IMMUTABLE:
            rest = [*rest[:2], "s" if rest[2] == "i" else rest[2], *rest[3:]]
        same = [
            given
            for other, given, *its in here
            if other == name and its == rest and (given == arguments or name in LONGER and given.startswith(arguments))
        ]
        assert same, f"{name}({arguments}) {rest} is not among {[row for row in here if row[0] == name]}"
        checked += 1
    assert checked > 60


def test_every_table_and_view_is_here(theirs, ours):
    here = dict(ours.sql(COLUMNS))
    checked = 0
    for name, columns in theirs.sql(COLUMNS):
        if wanted(name):
            # Ours may have more behind theirs.
            assert here[name][: len(columns)] == columns, name
            checked += 1
    assert checked >= 8


K = "api_key text DEFAULT NULL::text, api_key_name text DEFAULT NULL::text"
X = (
    "extra_headers jsonb DEFAULT NULL::jsonb, extra_query jsonb DEFAULT NULL::jsonb, extra_body jsonb DEFAULT NULL::jsonb,"
    ' "verbose" boolean DEFAULT false, client_config jsonb DEFAULT NULL::jsonb'
)
OPENAI = f"{K}, dimensions integer DEFAULT NULL::integer, openai_user text DEFAULT NULL::text, {X}"
VOYAGE = f'input_type text DEFAULT NULL::text, {K}, "verbose" boolean DEFAULT false'
LITELLM = f'{K}, extra_options jsonb DEFAULT NULL::jsonb, "verbose" boolean DEFAULT false'
MANY = "TABLE(index integer, embedding vector)"


@pytest.mark.parametrize(
    "name, arguments, result",
    [
        ("openai_embed", f"model text, input_text text, {OPENAI}", "vector"),
        ("openai_embed", f"model text, input_tokens integer[], {OPENAI}", "vector"),
        ("openai_embed", f"model text, input_texts text[], {OPENAI}", MANY),
        (
            "ollama_embed",
            "model text, input_text text, host text DEFAULT NULL::text, keep_alive text DEFAULT NULL::text,"
            ' embedding_options jsonb DEFAULT NULL::jsonb, "verbose" boolean DEFAULT false',
            "vector",
        ),
        ("voyageai_embed", f"model text, input_text text, {VOYAGE}", "vector"),
        ("voyageai_embed", f"model text, input_texts text[], {VOYAGE}", MANY),
        ("litellm_embed", f"model text, input_text text, {LITELLM}", "vector"),
        ("litellm_embed", f"model text, input_texts text[], {LITELLM}", MANY),
        ("execute_vectorizer", "vectorizer_id integer", "void"),
    ],
)
def test_what_vectorizers_users_take_from_its_extension_is_here(ours, name, arguments, result):
    assert (arguments, result) in [(given, answer) for other, given, answer, *_ in ours.sql(FUNCTIONS) if other == name]
