"""pgai's configs and checks, to the letter: its clients send the ones and compare the others."""

import json

import psycopg
import pytest

SEPARATORS = ["\n\n", "\n", ".", "?", "!", " ", ""]


@pytest.fixture(scope="module")
def shared(cluster):
    """A database with tables to check configs against."""
    db = cluster.create_database("builders")
    db.sql("CREATE EXTENSION pgai_rs CASCADE; CREATE ROLE builders_nobody")
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text, file bytea, made timestamptz)")
    db.sql("CREATE TABLE chunked (id int PRIMARY KEY, chunk text)")
    yield db
    db.sql("DROP ROLE builders_nobody")
    db.drop()


@pytest.mark.parametrize(
    "builder, config",
    [
        ("loading_column('body')", {"implementation": "column", "column_name": "body", "retries": 6}),
        ("loading_column('body', NULL)", {"implementation": "column", "column_name": "body", "retries": None}),
        ("loading_column(column_name => 'b', retries => 2)", {"implementation": "column", "column_name": "b", "retries": 2}),
        ("loading_uri('body')", {"implementation": "uri", "column_name": "body", "retries": 6}),
        (
            "loading_uri('body', aws_role_arn => 'arn:aws:iam::1:role/r')",
            {"implementation": "uri", "column_name": "body", "retries": 6, "aws_role_arn": "arn:aws:iam::1:role/r"},
        ),
        ("parsing_auto()", {"implementation": "auto"}),
        ("parsing_none()", {"implementation": "none"}),
        ("parsing_pymupdf()", {"implementation": "pymupdf"}),
        ("parsing_docling()", {"implementation": "docling"}),
        (
            "chunking_character_text_splitter()",
            {
                "implementation": "character_text_splitter",
                "chunk_size": 800,
                "chunk_overlap": 400,
                "separator": "\n\n",
                "is_separator_regex": False,
            },
        ),
        (
            "chunking_character_text_splitter(128, 10, E'\\n', true)",
            {
                "implementation": "character_text_splitter",
                "chunk_size": 128,
                "chunk_overlap": 10,
                "separator": "\n",
                "is_separator_regex": True,
            },
        ),
        (
            "chunking_recursive_character_text_splitter()",
            {
                "implementation": "recursive_character_text_splitter",
                "chunk_size": 800,
                "chunk_overlap": 400,
                "separators": SEPARATORS,
                "is_separator_regex": False,
            },
        ),
        ("chunking_none()", {"implementation": "none"}),
        (
            "embedding_openai('m', 3, 'me', base_url => 'http://h')",
            {
                "implementation": "openai",
                "model": "m",
                "dimensions": 3,
                "user": "me",
                "api_key_name": "OPENAI_API_KEY",
                "base_url": "http://h",
            },
        ),
        ("embedding_openai('m', 3, api_key_name => NULL)", {"implementation": "openai", "model": "m", "dimensions": 3}),
        ("formatting_python_template()", {"implementation": "python_template", "template": "$chunk"}),
        ("formatting_python_template('a $chunk')", {"implementation": "python_template", "template": "a $chunk"}),
        ("indexing_none()", {"implementation": "none"}),
        ("indexing_default()", {"implementation": "default"}),
        (
            "indexing_hnsw()",
            {
                "implementation": "hnsw",
                "min_rows": 100000,
                "opclass": "vector_cosine_ops",
                "create_when_queue_empty": True,
            },
        ),
        ("indexing_diskann()", {"implementation": "diskann", "min_rows": 100000, "create_when_queue_empty": True}),
        ("scheduling_none()", {"implementation": "none"}),
        ("scheduling_default()", {"implementation": "default"}),
        ("scheduling_timescaledb()", {"implementation": "timescaledb", "schedule_interval": "00:05:00"}),
        ("processing_default()", {"implementation": "default"}),
        ("processing_default(20, 3)", {"implementation": "default", "batch_size": 20, "concurrency": 3}),
        ("destination_table()", {"implementation": "table"}),
        (
            "destination_table('d', view_schema => 's')",
            {"implementation": "table", "destination": "d", "view_schema": "s"},
        ),
        ("destination_table(vector_type => 'halfvec')", {"implementation": "table", "vector_type": "halfvec"}),
        ("destination_column('vec')", {"implementation": "column", "embedding_column": "vec"}),
        (
            "destination_column('vec', 'halfvec')",
            {"implementation": "column", "embedding_column": "vec", "vector_type": "halfvec"},
        ),
    ],
)
def test_a_builder_makes_pgais_json(shared, builder, config):
    kind = builder.split("_")[0]
    assert shared.value(f"SELECT ai.{builder}") == {"config_type": kind} | config


def refusal(db, call: str) -> tuple[str, str]:
    with pytest.raises(psycopg.Error) as caught:
        db.sql(f"SELECT ai.{call}")
    return caught.value.sqlstate, caught.value.diag.message_primary


KINDS = {
    "loading": ", 'public', 'document'",
    "embedding": "",
    "chunking": "",
    "formatting": ", 'public', 'document'",
    "indexing": "",
    "scheduling": "",
    "processing": "",
}


@pytest.mark.parametrize("kind, more", KINDS.items())
def test_every_check_has_the_two_of_the_shape(shared, kind, more):
    assert refusal(shared, f"_validate_{kind}('[]'{more})") == ("P0001", f"{kind} config is not a jsonb object")
    wrong = ("P0001", f"invalid config_type for {kind} config")
    assert refusal(shared, f"_validate_{kind}('{{\"config_type\": \"x\"}}'{more})") == wrong
    assert refusal(shared, f"_validate_{kind}(NULL{more})") == wrong


TYPES = "Supported types are: text, varchar, char, bpchar, bytea"


@pytest.mark.parametrize(
    "check, config, message",
    [
        ("loading", {"implementation": "x"}, "invalid loading config implementation"),
        ("loading", {"implementation": "column"}, "invalid loading config, missing column_name"),
        (
            "loading",
            {"implementation": "column", "column_name": "body", "retries": -1},
            "invalid loading config, retries must be a non-negative integer",
        ),
        (
            "loading",
            {"implementation": "uri", "column_name": "body", "retries": 1, "aws_role_arn": "me"},
            "invalid loading config, aws_role_arn must match arn:aws:iam::*:role/*",
        ),
        (
            "loading",
            {"implementation": "column", "column_name": "nobody", "retries": 1},
            "column_name in config does not exist in the table: nobody",
        ),
        (
            "loading",
            {"implementation": "column", "column_name": "made", "retries": 1},
            f"column_name made in config is of invalid type timestamptz. {TYPES}",
        ),
        (
            "loading",
            {"implementation": "uri", "column_name": "file", "retries": 1},
            "the type of the column `file` in config is not compatible with `uri` loading implementation "
            "(type should be either text, varchar, char, bpchar, or bytea)",
        ),
        ("embedding", {}, "embedding implementation not specified"),
        ("embedding", {"implementation": "x"}, 'invalid embedding implementation: "x"'),
        ("chunking", {"implementation": "x"}, "invalid chunking config implementation"),
        ("formatting", {"implementation": "x"}, "unrecognized formatting implementation"),
        (
            "formatting",
            {"implementation": "python_template", "template": "no"},
            "template must contain $chunk placeholder",
        ),
        ("indexing", {}, "indexing implementation not specified"),
        ("indexing", {"implementation": "default"}, 'invalid indexing implementation: "default"'),
        ("indexing", {"implementation": "hnsw", "opclass": "x"}, "invalid opclass"),
        ("indexing", {"implementation": "diskann", "storage_layout": "x"}, "invalid storage_layout"),
        ("scheduling", {}, "scheduling implementation not specified"),
        ("scheduling", {"implementation": "default"}, 'unrecognized scheduling implementation: "default"'),
        ("processing", {}, "processing implementation not specified"),
        ("processing", {"implementation": "x"}, 'unrecognized processing implementation: "x"'),
        ("processing", {"implementation": "default", "batch_size": "1"}, "batch_size must be a number"),
        (
            "processing",
            {"implementation": "default", "batch_size": 2049},
            "batch_size must be less than or equal to 2048",
        ),
        ("processing", {"implementation": "default", "concurrency": 51}, "concurrency must be less than or equal to 50"),
        ("processing", {"implementation": "default", "concurrency": 0}, "concurrency must be greater than 0"),
    ],
)
def test_a_check_says_what_pgai_says(shared, check, config, message):
    text = json.dumps({"config_type": check} | config)
    assert refusal(shared, f"_validate_{check}('{text}'{KINDS[check]})") == ("P0001", message)


@pytest.mark.parametrize(
    "parsing, loading, message",
    [
        ("parsing_none()", "loading_column('file')", "cannot use parsing_none with bytea columns"),
        ("parsing_pymupdf()", "loading_column('body')", "parsing_pymupdf must be used with a bytea column"),
        ("parsing_docling()", "loading_column('body')", "parsing_docling must be used with a bytea column"),
    ],
)
def test_a_parser_must_fit_what_is_loaded(shared, parsing, loading, message):
    call = f"_validate_parsing(ai.{parsing}, ai.{loading}, 'public', 'document')"
    assert refusal(shared, call) == ("P0001", message)


@pytest.mark.parametrize(
    "call",
    [
        "_validate_loading(ai.loading_uri('body'), 'public', 'document')",
        "_validate_parsing(ai.parsing_docling(), ai.loading_column('file'), 'public', 'document')",
        # What is wrong with it is for _validate_loading to say.
        "_validate_parsing(ai.parsing_docling(), ai.loading_column('nobody'), 'public', 'document')",
        "_validate_parsing(ai.parsing_none(), ai.loading_uri('body'), 'public', 'document')",
        "_validate_destination(ai.destination_table(), ai.chunking_none())",
        "_validate_destination(ai.destination_column('vec'), ai.chunking_none())",
        "_validate_destination_can_create_objects(ai._evaluate_destination(ai.destination_table(), 'public', 'document'))",
        "_validate_embedding(ai.embedding_openai('m', 3))",
        "_validate_chunking(ai.chunking_none())",
        "_validate_formatting(ai.formatting_python_template('$body: $chunk'), 'public', 'document')",
        # Refused by pgai, which knew three of pgvector's four.
        "_validate_indexing(ai.indexing_hnsw(opclass => 'vector_l2_ops'))",
        "_validate_indexing(ai._resolve_indexing_default())",
        # Whether pgvectorscale is there create_vectorizer says.
        "_validate_indexing(ai.indexing_diskann())",
        "_validate_scheduling(ai._resolve_scheduling_default())",
        "_validate_scheduling(ai.scheduling_timescaledb())",
        "_validate_processing(ai.processing_default())",
    ],
)
def test_what_is_right_passes(shared, call):
    shared.sql(f"SELECT ai.{call}")


def test_a_template_needs_its_chunk_for_itself(shared):
    call = "_validate_formatting(ai.formatting_python_template(), 'public', 'chunked')"
    message = 'formatting_python_template may not be used when source table has a column named "chunk"'
    assert refusal(shared, call) == ("P0001", message)


def test_a_destination_is_evaluated_as_by_pgai(shared):
    evaluated = shared.value("SELECT ai._evaluate_destination(ai.destination_table('d'), 'public', 'document')")
    assert evaluated == {
        "config_type": "destination",
        "implementation": "table",
        "target_schema": "public",
        "target_table": "d_store",
        "view_schema": "public",
        "view_name": "d",
    }


def test_names_that_are_taken_are_refused_the_views_first(shared):
    taken = "ai._evaluate_destination(ai.destination_table(target_table => '{}', view_name => '{}'), 'public', 'document')"
    for table, view, message in [
        ("x", "document", "an object named public.document already exists. specify an alternate destination or view_name"),
        ("document", "x", "an object named public.document already exists. specify an alternate destination or target_table"),
    ]:
        call = f"_validate_destination_can_create_objects({taken.format(table, view)})"
        assert refusal(shared, call) == ("42710", f"{message} explicitly")


def test_the_key_of_a_source_as_pgai_writes_it(shared):
    key = [{"attnum": 1, "pknum": 1, "attname": "id", "typname": "integer"}]
    assert shared.value("SELECT ai._vectorizer_source_pk('document')") == key


def test_usage_is_granted_without_the_catalog(shared):
    shared.sql("SELECT ai.grant_vectorizer_usage('builders_nobody')")
    may = "SELECT has_schema_privilege('builders_nobody', 'ai', %s)"
    assert [shared.value(may, [right]) for right in ("USAGE", "CREATE", "USAGE WITH GRANT OPTION")] == [True, False, False]
    assert not shared.value("SELECT has_table_privilege('builders_nobody', 'ai.vectorizer', 'INSERT, UPDATE, DELETE')")
    shared.sql("SELECT ai.grant_vectorizer_usage('builders_nobody', admin => true)")
    assert shared.value("SELECT has_function_privilege('builders_nobody', 'ai.start_worker()', 'EXECUTE')")
    assert refusal(shared, "grant_vectorizer_usage('no; DROP TABLE document')")[0] == "42704"
    shared.sql("DROP OWNED BY builders_nobody")
