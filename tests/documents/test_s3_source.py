"""A bucket is kept as a table: what is in the one is in the other."""

import pytest
from support import egress, vectorizer
from support.s3_source import ask, create, fails, finished, sync, uris
from support.wait import eventually, settles

FROM_S3 = "ai.loading_uri('uri')"


# A bucket and a table


def test_a_bucket_becomes_a_table_that_is_made_for_it(db, bucket):
    bucket.put("a.md", "12345", ContentType="text/markdown")
    bucket.put("Größe & +100%.txt", "1", ContentType="text/plain")
    create(db, bucket.uri(""))
    rows = db.sql("SELECT uri, size, content_type, length(etag), last_modified > now() - interval '1 hour' FROM document")
    assert sorted(rows) == [
        (bucket.uri("Größe & +100%.txt"), 1, "text/plain", 32, True),
        (bucket.uri("a.md"), 5, "text/markdown", 32, True),
    ]


def test_what_appears_changes_and_vanishes_is_followed(db, bucket):
    db.sql("CREATE TABLE document (id serial PRIMARY KEY, uri text UNIQUE, note text DEFAULT 'mine', etag text, size int8,"
           " last_modified timestamptz, content_type text)")  # fmt: skip
    db.sql("INSERT INTO document (uri) VALUES ('s3://elsewhere/x'), ('not an address')")
    for key in ["changes", "stays", "vanishes"]:
        bucket.put(key, key)
    source = create(db, bucket.uri(""))
    before = dict(db.sql("SELECT uri, xmin::text FROM document"))
    bucket.put("changes", "otherwise")
    bucket.put("appears", "new")
    bucket.delete("vanishes")
    assert sync(db, source) == (3, 1, 1, 1, 0, 0)
    rows = db.sql("SELECT uri, size, note FROM document WHERE size IS NOT NULL")
    assert sorted(rows) == [(bucket.uri("appears"), 3, "mine"), (bucket.uri("changes"), 9, "mine"), (bucket.uri("stays"), 5, "mine")]
    # What did not change was not written, and what is not the bucket's is nobody's business.
    after = dict(db.sql("SELECT uri, xmin::text FROM document"))
    for uri in [bucket.uri("stays"), "s3://elsewhere/x", "not an address"]:
        assert after[uri] == before[uri]
    assert sync(db, source) == (3, 0, 0, 0, 0, 0)


def test_a_schedule_needs_nobody_to_ask(db, bucket):
    create(db, bucket.uri(""), schedule="'1 second'")
    bucket.put("a", "1")
    settles(lambda: uris(db), [bucket.uri("a")])
    bucket.delete("a")
    settles(lambda: uris(db), [])
    status = "SELECT last_state, error, next_run IS NOT NULL, disabled FROM ai.s3_source_status"
    settles(lambda: db.sql(status), [("succeeded", None, True, False)])


def test_globs_sizes_and_folders_decide_what_is_kept(db, bucket):
    for key in ["docs/a.md", "docs/x/b.md", "docs/x/b.txt", "docs/draft.md", "docs/x/", "other.md"]:
        bucket.put(key, "x" if not key.endswith("/") else "")
    bucket.put("docs/large.md", "x" * 11)
    source = create(db, bucket.uri("docs/"), include="ARRAY['**/*.md']", exclude="ARRAY['draft*']", max_size="10")
    assert uris(db) == [bucket.uri("docs/a.md"), bucket.uri("docs/x/b.md")]
    assert sync(db, source) == (6, 0, 0, 0, 4, 0)
    # What grows beyond the limit is not kept either.
    bucket.put("docs/a.md", "x" * 11)
    assert sync(db, source) == (6, 0, 0, 1, 5, 0)
    assert uris(db) == [bucket.uri("docs/x/b.md")]


def test_two_statements_make_a_bucket_searchable(db, bucket, stub):
    bucket.put("a.md", "first|same")
    source = create(db, bucket.uri(""))
    vectorizer.create(db, stub.url, loading=FROM_S3)
    chunks = "SELECT uri, chunk FROM document_embedding_store ORDER BY uri, chunk_seq"
    a, b = bucket.uri("a.md"), bucket.uri("b.md")
    settles(lambda: db.sql(chunks), [(a, "first"), (a, "same")])
    bucket.put("a.md", "second|same")
    bucket.put("b.md", "new")
    sync(db, source)
    settles(lambda: db.sql(chunks), [(a, "second"), (a, "same"), (b, "new")])
    bucket.delete("a.md")
    sync(db, source)
    settles(lambda: db.sql(chunks), [(b, "new")])
    assert stub.embedded == {"first": 1, "same": 1, "second": 1, "new": 1}


def test_the_table_may_be_renamed(db, bucket):
    source = create(db, bucket.uri(""))
    db.sql("CREATE SCHEMA s; ALTER TABLE document SET SCHEMA s; ALTER TABLE s.document RENAME TO renamed")
    bucket.put("a", "1")
    assert sync(db, source) == (1, 1, 0, 0, 0, 0)
    assert uris(db, "s.renamed") == [bucket.uri("a")]


# Declaring, pausing, dropping


def test_dropping_a_source_leaves_the_table(db, bucket):
    bucket.put("a", "1")
    create(db, bucket.uri(""), name="'mine'")
    db.sql("SELECT ai.drop_s3_source('mine')")
    assert uris(db) == [bucket.uri("a")]
    assert db.sql("SELECT * FROM ai.s3_source_status") == []
    assert db.value("SELECT to_regclass('ai._s3_source_seen_1') IS NULL")
    with pytest.raises(Exception, match='S3 source "mine" does not exist') as refusal:
        db.sql("SELECT ai.drop_s3_source('mine')")
    assert refusal.value.sqlstate == "42704"


def test_a_disabled_source_rests(db, bucket):
    source = create(db, bucket.uri(""), schedule="'1 second'")
    eventually(lambda: db.value("SELECT count(*) FROM ai.s3_source_runs WHERE state = 'succeeded'"))
    db.sql("SELECT ai.disable_s3_source('public_document')")
    with pytest.raises(Exception, match="S3 source is disabled"):
        db.sql(f"SELECT ai.sync_s3_source({source})")
    bucket.put("a", "1")
    db.sql("SELECT ai.enable_s3_source('public_document')")
    settles(lambda: uris(db), [bucket.uri("a")])


COMPLETE = "uri text PRIMARY KEY, etag text, size int8, last_modified timestamptz, content_type text"


@pytest.mark.parametrize(
    "columns, message, hint",
    [
        ("uri text PRIMARY KEY, etag text, last_modified timestamptz", "lacks columns that an S3 source needs: size, content_type",
         "ALTER TABLE public.document ADD COLUMN size int8, ADD COLUMN content_type text;"),
        (COMPLETE.replace("int8", "text"), "column size of public.document has type text", "TYPE int8"),
        (COMPLETE.replace(" PRIMARY KEY", ""), "no unique index on uri alone", "ALTER TABLE public.document ADD UNIQUE (uri);"),
    ],
)  # fmt: skip
def test_a_table_that_does_not_fit_is_told_what_to_change(db, columns, message, hint):
    db.sql(f"CREATE TABLE document ({columns})")
    with pytest.raises(Exception, match=message) as refusal:
        create(db, "s3://bucket/")
    assert hint in refusal.value.diag.message_hint
    db.sql(refusal.value.diag.message_hint)


@pytest.mark.parametrize(
    "uri, arguments, message",
    [
        ("https://bucket/x", {}, "cannot be loaded from https://"),
        ("s3://", {}, "it lacks a bucket"),
        ("s3://b/", {"include": "ARRAY['a[']"}, "invalid glob \"a\\[\""),
        ("s3://b/", {"max_size": "0"}, "max_size must be a positive number"),
        ("s3://b/", {"url_style": "'virtual'"}, "invalid url_style"),
        ("s3://b/", {"schedule": "'0'"}, "schedule must be at least one second"),
        ("s3://b/", {"name": "'No'"}, "invalid S3 source name"),
        ("s3://taken/docs/", {"name": "'second'"}, "already mirrors s3://taken/docs/ to this table"),
        ("s3://taken/", {"name": "'second'"}, "already mirrors s3://taken/docs/ to this table"),
        ("s3://taken/docs/a/", {"name": "'second'"}, "already mirrors s3://taken/docs/ to this table"),
        ("s3://b/", {}, 'S3 source "public_document" already exists'),
    ],
)
def test_a_declaration_that_cannot_work_is_refused(db, uri, arguments, message):
    create(db, "s3://taken/docs/", schedule="'1 day'")
    with pytest.raises(Exception, match=message):
        create(db, uri, **arguments)
    assert create(db, uri="s3://b/", schedule="'1 day'", if_not_exists="true") == 1
    assert create(db, "s3://taken/other/", schedule="'1 day'", name="'second'") > 1


def test_only_allowed_addresses_are_listed(cluster_factory, bucket):
    cluster = cluster_factory(conf={"pgai_rs.allowed_uris": f"s3://{bucket.name}/open/"})
    db = cluster.create_database("allowed")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    bucket.put("open/a", "1")
    bucket.put("closed/b", "1")
    with pytest.raises(Exception, match="is not allowed") as refusal:
        create(db, bucket.uri(""))
    assert refusal.value.sqlstate == "42501"
    source = create(db, bucket.uri("open/"))
    assert uris(db) == [bucket.uri("open/a")]
    cluster.configure(pgai_rs__allowed_uris="s3://elsewhere/")
    worker_reloaded = "SELECT setting FROM pg_settings WHERE name = 'pgai_rs.allowed_uris'"
    assert db.value(worker_reloaded) == "s3://elsewhere/"
    eventually(lambda: finished(db, ask(db, source))["error_code"] == "uri_not_allowed", what="the refusal")
    assert uris(db) == [bucket.uri("open/a")]


# Owners


@pytest.fixture
def mallory(db):
    """An ordinary role that may use the extension; answers its name."""
    role = f"mallory_{db.name}"
    db.sql(f"CREATE ROLE {role} LOGIN; SELECT ai.grant_vectorizer_usage('{role}'); GRANT CREATE ON SCHEMA public TO {role}")
    egress.allow_objects(db.cluster, "s3://")
    yield role
    egress.allow_nothing(db.cluster)
    db.sql(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


def test_an_owners_triggers_run_as_the_owner(db, bucket, mallory):
    source = create(db, bucket.uri(""), user=mallory)
    db.sql("""
        CREATE TABLE seen (who text, what text);
        CREATE FUNCTION spy() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO public.seen VALUES (current_user, TG_NAME); RETURN COALESCE(NEW, OLD); END $$;
        CREATE TRIGGER spy BEFORE INSERT OR UPDATE OR DELETE ON document FOR EACH ROW EXECUTE FUNCTION spy();
        CREATE CONSTRAINT TRIGGER late AFTER INSERT OR DELETE ON document DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION spy();
        CREATE TRIGGER own BEFORE INSERT ON ai._s3_source_seen_1 FOR EACH ROW EXECUTE FUNCTION spy();
    """, user=mallory)  # fmt: skip
    bucket.put("a", "1")
    sync(db, source)
    bucket.delete("a")
    sync(db, source)
    assert set(db.sql("SELECT who, what FROM seen")) == {(mallory, "spy"), (mallory, "late"), (mallory, "own")}
    assert db.sql("SELECT name, new FROM ai.s3_source_status", user=mallory) == [("public_document", 0)]
    db.sql(f"SELECT ai.drop_s3_source({source})", user=mallory)


def test_a_role_has_no_say_in_what_is_anothers(db, bucket, mallory):
    create(db, bucket.uri(""))
    db.sql("CREATE TABLE free (LIKE document INCLUDING ALL)")
    statements = [
        "SELECT ai.drop_s3_source(1)",
        "SELECT ai.sync_s3_source(1)",
        "SELECT ai.disable_s3_source(1)",
        "SELECT ai.create_s3_source('free', 's3://b/')",
        "SELECT ai.create_s3_source('other', 's3://b/', endpoint => 'http://169.254.169.254')",
        "SELECT ai.create_s3_source('other', 's3://b/', queue_url => 'http://10.0.0.1/1/q')",
        "DELETE FROM ai.s3_source",
        "SELECT * FROM ai._s3_source_run",
    ]
    for statement in statements:
        with pytest.raises(Exception) as refusal:
            db.sql(statement, user=mallory)
        # A source that one does not see does not exist.
        assert refusal.value.sqlstate == ("42704" if "_s3_source(1)" in statement else "42501"), statement
    # Neither does one learn how it is doing.
    assert db.sql("SELECT * FROM ai.s3_source_status UNION ALL SELECT * FROM ai.s3_source_status", user=mallory) == []
    assert db.sql("SELECT * FROM ai.s3_source_runs", user=mallory) == []


def test_a_table_that_changed_hands_is_not_written_to(db, bucket, mallory):
    source = create(db, bucket.uri(""))
    db.sql(f"ALTER TABLE document OWNER TO {mallory}")
    bucket.put("a", "1")
    row = fails(db, source)
    assert "different owners" in row["error"] and uris(db) == []
    db.sql(row["hint"])
    assert sync(db, source) == (1, 1, 0, 0, 0, 0)


# Dump


def test_a_restored_source_goes_on_and_its_vectorizer_misses_nothing(cluster_factory, bucket, stub):
    # It may look at a table that is half restored, and try again.
    cluster = cluster_factory(conf={"pgai_rs.retry_backoff": "100ms"})
    db = cluster.create_database("original")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    bucket.put("a", "a")
    create(db, bucket.uri(""), schedule="'1 day'")
    eventually(lambda: uris(db))
    vectorizer.create(db, stub.url, loading=FROM_S3)
    eventually(lambda: db.sql("SELECT chunk FROM document_embedding_store"))
    dump = cluster.run("pg_dump", db.name)
    bucket.put("b", "b")
    copy = cluster.create_database("restored")
    cluster.run("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={copy.name}", input=dump)
    settles(lambda: uris(copy), [bucket.uri("a"), bucket.uri("b")])
    settles(lambda: sorted(copy.sql("SELECT chunk FROM document_embedding_store")), [("a",), ("b",)])
    assert create(copy, "s3://elsewhere/", "other", schedule="'1 day'") == 2
