"""What create_vectorizer makes, refuses, and takes away again."""

import psycopg
import pytest
from support import vectorizer
from support.wait import eventually

DUPLICATE_OBJECT = "42710"
RAISED = "P0001"


@pytest.fixture
def source(db):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, title text, body text, raw bytea, size int, uri text)")
    return db


def create(db, **arguments: str) -> int:
    given = {
        "loading": "ai.loading_column('body')",
        "embedding": "ai.embedding_openai('text-embedding-3-small', 8)",
    } | arguments
    named = ", ".join(f"{name} => {value}" for name, value in given.items())
    return db.value(f"SELECT ai.create_vectorizer('document'::regclass, {named})")


def test_config_is_what_pgai_stores(source):
    create(source, loading="ai.loading_uri('uri')", destination="ai.destination_table('found')", name="'mine'")
    [[row]] = source.sql("SELECT to_jsonb(v) - 'uuid' - 'for_superuser' FROM ai.vectorizer v")
    assert row == {
        "id": 1,
        "name": "mine",
        "source_schema": "public",
        "source_table": "document",
        "source_pk": [{"attnum": 1, "pknum": 1, "attname": "id", "typname": "integer"}],
        "trigger_name": "_vectorizer_src_trg_1",
        "queue_schema": "ai",
        "queue_table": "_vectorizer_q_1",
        "queue_failed_table": "_vectorizer_q_failed_1",
        "disabled": False,
        "config": {
            "version": "0.12.1",
            "loading": {"config_type": "loading", "implementation": "uri", "column_name": "uri", "retries": 6},
            "parsing": {"config_type": "parsing", "implementation": "auto"},
            "embedding": {
                "config_type": "embedding",
                "implementation": "openai",
                "model": "text-embedding-3-small",
                "dimensions": 8,
                "api_key_name": "OPENAI_API_KEY",
            },
            "chunking": {
                "config_type": "chunking",
                "implementation": "recursive_character_text_splitter",
                "chunk_size": 800,
                "chunk_overlap": 400,
                "separators": ["\n\n", "\n", ".", "?", "!", " ", ""],
                "is_separator_regex": False,
            },
            "indexing": {
                "config_type": "indexing",
                "implementation": "hnsw",
                "min_rows": 100_000,
                "opclass": "vector_cosine_ops",
                "create_when_queue_empty": True,
            },
            "formatting": {
                "config_type": "formatting",
                "implementation": "python_template",
                "template": "$chunk",
            },
            "scheduling": {"config_type": "scheduling", "implementation": "none"},
            "processing": {"config_type": "processing", "implementation": "default"},
            "destination": {
                "config_type": "destination",
                "implementation": "table",
                "target_schema": "public",
                "target_table": "found_store",
                "view_schema": "public",
                "view_name": "found",
            },
        },
    }


def test_store_and_view_have_pgais_columns(source):
    create(source)

    def columns(relation):
        return source.sql(
            "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute"
            " WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum",
            [relation],
        )

    assert columns("document_embedding_store") == [
        ("embedding_uuid", "uuid", True),
        ("id", "integer", True),
        ("chunk_seq", "integer", True),
        ("chunk", "text", True),
        ("embedding", "vector(8)", True),
    ]
    assert [name for name, _, _ in columns("document_embedding")] == [
        *("embedding_uuid", "chunk_seq", "chunk", "embedding"),
        *("id", "title", "body", "raw", "size", "uri"),
    ]
    assert [name for name, _, _ in columns("ai._vectorizer_q_1")] == [
        *("id", "queued_at", "loading_retries", "loading_retry_after"),
    ]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"embedding": "NULL"}, "embedding configuration is required"),
        ({"loading": "NULL"}, "loading configuration is required"),
        ({"embedding": "ai.embedding_openai('m', NULL)"}, "dimensions argument is required"),
        ({"loading": "'[]'::jsonb"}, "loading config is not a jsonb object"),
        ({"loading": "ai.parsing_auto()"}, "invalid config_type for loading config"),
        ({"loading": """'{"config_type": "loading", "implementation": "row"}'"""}, "invalid loading config implementation"),
        ({"loading": "ai.loading_column(NULL)"}, "invalid loading config, missing column_name"),
        ({"loading": "ai.loading_column('body', -1)"}, "invalid loading config, retries must be a non-negative integer"),
        ({"loading": "ai.loading_column('nope')"}, "column_name in config does not exist in the table: nope"),
        (
            {"loading": "ai.loading_column('size')"},
            "column_name size in config is of invalid type int4. Supported types are: text, varchar, char, bpchar, bytea",
        ),
        ({"loading": "ai.loading_uri('raw')"}, "the type of the column `raw` in config is not compatible with `uri`"),
        (
            {"loading": "ai.loading_uri('uri', aws_role_arn => 'admin')"},
            "invalid loading config, aws_role_arn must match arn:aws:iam::*:role/*",
        ),
        ({"parsing": "NULL"}, "invalid config_type for parsing config"),
        (
            {"parsing": "ai.parsing_none()", "loading": "ai.loading_column('raw')"},
            "cannot use parsing_none with bytea columns",
        ),
        ({"embedding": """'{"config_type": "embedding", "dimensions": 8}'"""}, "embedding implementation not specified"),
        (
            {"embedding": """'{"config_type": "embedding", "implementation": "x", "dimensions": 8}'"""},
            'invalid embedding implementation: "x"',
        ),
        ({"chunking": """'{"config_type": "chunking"}'"""}, "invalid chunking config implementation"),
        ({"formatting": "ai.formatting_python_template('plain')"}, "template must contain $chunk placeholder"),
        ({"indexing": """'{"config_type": "indexing"}'"""}, "indexing implementation not specified"),
        ({"scheduling": """'{"config_type": "scheduling"}'"""}, "scheduling implementation not specified"),
        ({"processing": """'{"config_type": "processing"}'"""}, "processing implementation not specified"),
        ({"processing": "ai.processing_default(batch_size => 2049)"}, "batch_size must be less than or equal to 2048"),
        ({"processing": "ai.processing_default(batch_size => 0)"}, "batch_size must be greater than 0"),
        ({"processing": "ai.processing_default(concurrency => 51)"}, "concurrency must be less than or equal to 50"),
        ({"processing": "ai.processing_default(concurrency => -1)"}, "concurrency must be greater than 0"),
    ],
)
def test_refuses_what_pgai_refuses(source, arguments, message):
    with pytest.raises(psycopg.Error) as refusal:
        create(source, **arguments)
    assert refusal.value.diag.message_primary.startswith(message)
    assert refusal.value.sqlstate == RAISED


@pytest.mark.parametrize(
    "arguments, sqlstate",
    [
        ({"embedding": "ai.embedding_openai('m', 0)"}, "22023"),
        ({"embedding": "ai.embedding_openai('m', 16001)"}, "22023"),
        ({"embedding": "ai.embedding_openai('m', 8, base_url => 'ftp://x')"}, "22023"),
        ({"embedding": "ai.embedding_openai('m', 8, api_key_name => 'HOME')"}, "42501"),
        ({"chunking": "ai.chunking_character_text_splitter(chunk_size => 0)"}, "22023"),
        ({"chunking": "ai.chunking_character_text_splitter(10, 11)"}, "22023"),
        ({"chunking": "ai.chunking_character_text_splitter(separator => '(', is_separator_regex => true)"}, "22023"),
        ({"formatting": "ai.formatting_python_template('$chunk $nope')"}, "22023"),
        ({"formatting": "ai.formatting_python_template('$chunk costs 5$')"}, "22023"),
        ({"name": "'Not a name'"}, "23514"),
        ({"name": "repeat('x', 64)"}, "42622"),
        ({"destination": "ai.destination_table(target_schema => 'nowhere')"}, "3F000"),
    ],
)
def test_refuses_at_declaration_what_would_fail_at_every_row(source, arguments, sqlstate):
    with pytest.raises(psycopg.Error) as refusal:
        create(source, **arguments)
    assert refusal.value.sqlstate == sqlstate
    assert "panick" not in str(refusal.value)
    assert source.sql("SELECT * FROM ai.vectorizer") == []


@pytest.mark.parametrize(
    "definition, message",
    [
        ("CREATE TABLE other (id int)", "source table must have a primary key constraint"),
        ("CREATE VIEW other AS SELECT 1 AS id", "as the source of a vectorizer"),
    ],
)
def test_refuses_sources_that_it_cannot_follow(source, definition, message):
    source.sql(definition)
    with pytest.raises(psycopg.Error, match=message):
        source.sql(
            "SELECT ai.create_vectorizer('other', loading => ai.loading_column('body'),"
            " embedding => ai.embedding_openai('m', 8))"
        )


def test_a_second_one_needs_names_of_its_own(source):
    create(source, name="'mine'")

    def refused(**arguments):
        with pytest.raises(psycopg.Error) as refusal:
            create(source, **arguments)
        assert refusal.value.sqlstate == DUPLICATE_OBJECT
        return refusal.value.diag.message_primary

    assert refused(name="'mine'") == "a vectorizer named mine already exists."
    taken = "already exists. specify an alternate destination or"
    assert refused(name="'other'") == f"an object named public.document_embedding {taken} view_name explicitly"
    view = "ai.destination_table(view_name => 'v')"
    assert refused(name="'other'", destination=view) == (
        f"an object named public.document_embedding_store {taken} target_table explicitly"
    )
    assert refused(name="'other'", queue_table="'_vectorizer_q_1'").startswith("an object named ai._vectorizer_q_1")
    assert create(source, name="'other'", destination="ai.destination_table('d')") > 1


def test_if_not_exists_answers_the_one_there_is(source):
    named = {"name": "'mine'", "queue_schema": "'public'", "queue_table": "'queue'"}
    first = create(source, **named)
    assert create(source, **named, if_not_exists="true") == first
    assert source.value("SELECT count(*) FROM ai.vectorizer") == 1


def test_view_schema_is_honoured(source):
    source.sql("CREATE SCHEMA views")
    create(source, destination="ai.destination_table(view_schema => 'views', view_name => 'v')")
    assert source.sql("SELECT * FROM views.v") == []


def test_dropping_takes_all_but_the_embeddings(source):
    create(source)
    source.sql("SELECT ai.drop_vectorizer(1)")
    left = source.sql("SELECT relname FROM pg_class WHERE relname LIKE '%vectorizer%\\_1%'")
    triggers = source.sql("SELECT tgname FROM pg_trigger WHERE tgrelid = 'document'::regclass")
    assert (left, triggers) == ([], [])
    assert source.sql("SELECT * FROM document_embedding_store") == []


def test_dropping_everything_takes_the_embeddings_too(source):
    create(source, name="'mine'")
    source.sql("SELECT ai.drop_vectorizer('mine', drop_all => true)")
    assert source.sql("SELECT to_regclass('document_embedding'), to_regclass('document_embedding_store')") == [(None, None)]


def test_dropping_what_is_not_there(source):
    source.sql("SELECT ai.drop_vectorizer('nobody')")
    with pytest.raises(psycopg.Error) as refusal:
        source.sql("SELECT ai.drop_vectorizer(99)")
    assert refusal.value.sqlstate == "P0002"


def test_a_vectorizer_that_outlived_its_source_can_be_dropped(source):
    create(source)
    source.sql("ALTER EVENT TRIGGER _vectorizer_dropped DISABLE")
    source.sql("DROP TABLE document CASCADE")
    source.sql("SELECT ai.drop_vectorizer(1, drop_all => true)")
    assert source.sql("SELECT * FROM ai.vectorizer") == []


@pytest.mark.parametrize("harm", ["ALTER TABLE document DROP CONSTRAINT document_pkey CASCADE", "DROP TABLE document_embedding_store CASCADE"])
def test_users_can_write_although_something_is_missing(source, harm):
    create(source)
    source.sql("INSERT INTO document (id, body) VALUES (1, 'a')")
    source.sql(harm)
    notices = []
    with source.connect() as connection:
        connection.add_notice_handler(lambda notice: notices.append(notice.message_primary))
        connection.execute("UPDATE document SET body = 'b'; DELETE FROM document")
    assert notices and all("out of step" in notice for notice in notices)


def test_the_extension_takes_the_queues_along_and_leaves_the_stores(source):
    create(source, loading="ai.loading_uri('uri')")
    source.sql("DROP EXTENSION pgai_rs CASCADE")
    assert source.sql("SELECT relname FROM pg_class WHERE relnamespace = 'ai'::regnamespace") == []
    assert source.sql("SELECT FROM document_embedding") == []


def test_a_leftover_of_an_earlier_life_is_no_hindrance(source):
    source.sql("CREATE TABLE ai._vectorizer_q_1 ()")
    assert create(source) > 1


def test_pausing(source, stub):
    vectorizer.create(source, stub.url, name="'mine'")
    source.sql("SELECT ai.disable_vectorizer_schedule('mine')")
    source.sql("INSERT INTO document (id, body) VALUES (1, 'a')")
    assert source.sql("SELECT disabled, pending_items FROM ai.vectorizer_status") == [(True, 1)]
    source.sql("SELECT ai.enable_vectorizer_schedule(1)")
    vectorizer.in_step(source, ["id"])


def test_pending_counts_exactly_or_to_ten_thousand(source, stub):
    vectorizer.create(source, stub.url)
    source.sql("SELECT ai.disable_vectorizer_schedule(1)")
    source.sql("INSERT INTO document (id, body) SELECT i, 'x' FROM generate_series(1, 10001) i")
    assert source.sql("SELECT ai.vectorizer_queue_pending(1), ai.vectorizer_queue_pending(1, true)") == [
        (9223372036854775807, 10001)
    ]
    assert source.value("SELECT ai.vectorizer_queue_pending('nobody')") is None


def test_a_grantee_can_search(source, stub):
    role = f"reader_{source.name}"
    source.sql(f"CREATE ROLE {role} LOGIN")
    try:
        vectorizer.create(source, stub.url, name="'mine'", grant_to=f"ai.grant_to('{role}', 'nobody at all')")
        source.sql("INSERT INTO document (id, body) VALUES (1, 'a')")
        vectorizer.in_step(source, ["id"])
        found = source.sql("SELECT id FROM document_embedding ORDER BY embedding <=> ai.vectorizer_embed('mine', 'a')", user=role)
        assert found == [(1,)]
    finally:
        source.sql(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_a_key_with_a_name_of_the_stores_own_is_refused(db, stub):
    db.sql("CREATE TABLE document (id int, chunk_seq int, body text, PRIMARY KEY (id, chunk_seq))")
    with pytest.raises(psycopg.errors.DuplicateColumn, match="column chunk_seq") as refused:
        vectorizer.create(db, stub.url)
    assert "Rename the column" in refused.value.diag.message_hint


# What the queue has for itself, with one that is so twice.
QUEUES_OWN = [
    *("queued_at", "loading_retries", "loading_retry_after", "generation", "attempts", "_attempts", "available_at"),
    *("lease", "leased_by", "created_at", "failure_step", "failure_code", "failure_message", "failure_hint"),
    *("etag", "fingerprint", "digest"),
]


@pytest.mark.parametrize(
    "destination",
    [{}, {"destination": "ai.destination_column('embedding')", "chunking": "ai.chunking_none()"}],
    ids=["store", "column"],
)
def test_a_key_may_have_every_name_of_the_queues_own(db, stub, bucket, destination):
    columns, values = ", ".join(f"{name} int" for name in QUEUES_OWN), ", ".join("1" for _ in QUEUES_OWN)
    key = ", ".join(QUEUES_OWN)
    db.sql(f"CREATE TABLE document ({columns}, uri text, PRIMARY KEY ({key}))")
    vectorizer.create(db, stub.url, loading="ai.loading_uri('uri')", **destination)
    db.sql(f"INSERT INTO document VALUES ({values}, %s)", [bucket.uri("a.txt")])
    failed = f"SELECT {key}, _failure_code FROM ai._vectorizer_q_failed_1"
    found = eventually(lambda: db.sql(failed), what="the row to be set aside")
    assert found == [(*(1 for _ in QUEUES_OWN), "no_such_key")]
    assert db.value("SELECT failed_items FROM ai.vectorizer_health") == 1
    bucket.put("a.txt", "text")
    assert db.value("SELECT ai.retry_failed(1, code => 'no_such_key')") == 1
    vectorizer.idle(db)
    assert (db.sql(failed), stub.embedded) == ([], {"text": 1})
    db.sql("UPDATE document SET lease = 2")
    vectorizer.idle(db)
    assert db.sql("SELECT lease FROM ai._vectorizer_origin_1") == [(2,)]


def test_a_column_that_is_called_as_one_of_the_stores_is_not_in_the_view(db, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text, embedding text)")
    vectorizer.create(db, stub.url)
    db.sql("INSERT INTO document VALUES (1, 'a', 'of long ago')")
    look = "SELECT vector_dims(embedding), body FROM document_embedding"
    assert eventually(lambda: db.sql(look), what="the row") == [(vectorizer.DIMENSIONS, "a")]


@pytest.mark.parametrize("name", ["seq", "ord", "k", "w", "k0", "code", "delay", "id", "uri", "owner"])
def test_a_key_may_have_any_other_name(db, stub, name):
    db.sql(f"CREATE TABLE document ({name} int PRIMARY KEY, body text)")
    vectorizer.create(db, stub.url)
    db.sql("INSERT INTO document VALUES (1, 'a|b'), (2, 'c')")
    vectorizer.in_step(db, [name])


def test_the_status_follows_a_renamed_source_and_survives_a_lost_table(source, stub):
    vectorizer.create(source, stub.url, name="'mine'")
    source.sql("ALTER TABLE document RENAME TO paper")
    source.sql("DROP TABLE ai._vectorizer_work_1")
    look = "SELECT name, source_table, pending_items FROM ai.vectorizer_status"
    assert source.sql(look) == [("mine", "public.paper", None)]
