"""A bucket is kept as a table: what is in the one is in the other."""

import json
import os

import pytest
from support import egress, vectorizer
from support.listing import Listing
from support.wait import eventually, settles

FROM_S3 = "ai.loading_uri('uri')"
COUNTERS = "scanned, new, modified, deleted, skipped, failed"


def create(db, uri: str, target: str = "document", *, user: str = "postgres", **arguments: str) -> int:
    """Declares a source; arguments are SQL expressions. It lists on demand, and once at once."""
    named = ", ".join(f"{name} => {value}" for name, value in ({"schedule": "NULL"} | arguments).items())
    source = db.value(f"SELECT ai.create_s3_source('{target}', '{uri}', {named})", user=user)
    if "schedule" not in arguments:
        sync(db, source)
    return source


def finished(db, run: int) -> dict:
    """The run, once it is over."""
    look = "SELECT to_jsonb(r) FROM ai.s3_source_runs r WHERE run = %s AND finished IS NOT NULL"
    [[row]] = eventually(lambda: db.sql(look, [run]), timeout=120, what=f"run {run} to end")
    return row


def sync(db, source: int, **arguments: str) -> tuple:
    """Lists now; answers the counters of a run that must succeed."""
    row = finished(db, ask(db, source, **arguments))
    assert row["state"] == "succeeded", row
    return tuple(row[name] for name in COUNTERS.split(", "))


def ask(db, source: int, **arguments: str) -> int:
    named = "".join(f", {name} => {value}" for name, value in arguments.items())
    return db.value(f"SELECT ai.sync_s3_source({source}{named})")


def fails(db, source: int) -> dict:
    """Lists now, which must fail."""
    row = finished(db, ask(db, source))
    assert row["state"] == "failed" and row["error"] and row["error_code"], row
    return row


def uris(db, target: str = "document") -> list[str]:
    return [uri for [uri] in db.sql(f'SELECT uri FROM {target} ORDER BY uri COLLATE "C"')]


@pytest.fixture
def listing():
    """A server that lists 2,500 keys on three pages."""
    server = Listing(2500)
    yield server
    server.close()


def listed(db, listing, **arguments: str) -> int:
    """A source of the server that only lists."""
    known = {"endpoint": f"'{listing.url}'", "url_style": "'path'", "head_objects": "false"}
    return create(db, "s3://stub/docs/", **(known | arguments))


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


# Listings that go wrong


@pytest.mark.parametrize("spoil", ["refuse", "cut", "endless"])
def test_a_listing_that_breaks_off_deletes_nothing(db, listing, spoil):
    source = listed(db, listing)
    assert len(uris(db)) == 2500
    listing.count, listing.spoil = 1500, {1: spoil}
    row = fails(db, source)
    assert row["hint"] and row["deleted"] == 0
    assert len(uris(db)) == 2500
    [status] = db.sql("SELECT last_state, error_code, error, hint FROM ai.s3_source_status")
    assert status == ("failed", row["error_code"], row["error"], row["hint"])
    listing.spoil = {}
    assert sync(db, source) == (1500, 0, 0, 1000, 0, 0)


def test_a_bucket_that_is_gone_deletes_nothing(db, bucket):
    bucket.put("a", "1")
    source = create(db, bucket.uri(""))
    bucket.delete("a")
    bucket.client.delete_bucket(Bucket=bucket.name)
    assert fails(db, source)["error_code"] == "no_such_bucket"
    assert uris(db) == [bucket.uri("a")]


def test_servers_may_list_in_any_order(db, listing):
    listing.key = lambda i: f"docs/{i * 7919 % 10007:05}"
    source = listed(db, listing)
    # Every other one is gone, and the rest comes in another order.
    listing.count = 1250
    listing.key = lambda i: f"docs/{(2498 - 2 * i) * 7919 % 10007:05}"
    scanned, new, modified, deleted, *_ = sync(db, source)
    # The stub derives sizes from places, which are others now.
    assert (scanned, new, deleted) == (1250, 0, 1250) and modified > 0
    assert set(uris(db)) == {f"s3://stub/docs/{2 * i * 7919 % 10007:05}" for i in range(1250)}


def test_too_many_deletions_are_asked_about_first(db, listing):
    source = listed(db, listing)
    listing.count = 0
    row = fails(db, source)
    assert row["error_code"] == "too_many_deletes" and "allow_mass_delete" in row["hint"]
    assert len(uris(db)) == 2500
    assert sync(db, source, allow_mass_delete="true") == (0, 0, 0, 2500, 0, 0)
    assert uris(db) == []


def test_a_worker_that_dies_half_way_deletes_nothing_and_begins_afresh(cluster_factory, listing):
    db = cluster_factory().create_database("killed")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    source = listed(db, listing)
    listing.count, listing.spoil, listing.pages_asked = 1500, {1: "hang"}, []
    run = ask(db, source)
    eventually(lambda: 1 in listing.pages_asked, what="the second page to be asked for")
    workers = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pgai_rs worker' AND datname = current_database()"
    worker = db.value(workers)
    db.cluster.kill_child(worker)
    assert len(uris(db)) == 2500
    listing.spoil = {}
    listing.release()
    row = finished(db, run)
    assert (row["state"], row["scanned"], row["deleted"]) == ("succeeded", 1500, 1000)


def test_a_restart_half_way_forgets_what_was_seen(cluster_factory, listing):
    db = cluster_factory().create_database("restarted")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    source = listed(db, listing)
    listing.spoil = {1: "hang"}
    run = ask(db, source)
    eventually(lambda: db.value("SELECT count(*) FROM ai._s3_source_seen_1") == 1000, what="the first page to be seen")
    db.cluster.stop()
    # What the run had seen when it was stopped is gone when it goes on.
    listing.spoil, listing.count = {}, 500
    listing.release()
    db.cluster.start()
    row = finished(db, run)
    assert (row["state"], row["scanned"], row["deleted"]) == ("failed", 500, 0)
    assert row["error_code"] == "too_many_deletes" and "2000 of 2500 objects in the table are missing" in row["error"]
    assert sync(db, source, allow_mass_delete="true")[3] == 2000


def test_a_row_that_the_table_refuses_harms_no_other(db, bucket):
    create(db, bucket.uri(""))
    db.sql("ALTER TABLE document ADD CHECK (size < 3)")
    for key in ["a", "b", "c", "d", "e"]:
        bucket.put(key, "large" if key == "c" else "1")
    row = finished(db, ask(db, 1))
    assert (row["state"], row["new"], row["failed"]) == ("succeeded", 4, 1)
    assert bucket.uri("c") in row["error"] and row["error_code"] == "not_writable"
    assert len(uris(db)) == 4


def test_a_users_lock_delays_a_run_and_does_not_end_it(db, bucket):
    bucket.put("a", "1")
    source = create(db, bucket.uri(""))
    bucket.put("a", "22")
    with db.connect(autocommit=False) as connection:
        connection.execute("SELECT FROM document FOR UPDATE")
        run = ask(db, source)
        here = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        blocked = f"SELECT count(*) FROM pg_locks WHERE NOT granted AND pid IN ({here})"
        eventually(lambda: db.value(blocked) > 0, what="the worker to meet the lock")
        settles(lambda: db.value("SELECT state FROM ai.s3_source_runs WHERE run = %s", [run]), "running")
    assert (finished(db, run)["state"], db.value("SELECT size FROM document")) == ("succeeded", 2)


def test_a_dump_under_way_holds_up_nothing(db, bucket):
    bucket.put("a", "1")
    bucket.put("b", "1")
    source = create(db, bucket.uri(""))
    with db.connect(autocommit=False) as connection:
        # What pg_dump does with every table until it has ended.
        for table in ["document", "ai.s3_source", "ai._s3_source_seen_1"]:
            connection.execute(f"LOCK TABLE {table} IN ACCESS SHARE MODE")
        bucket.delete("a")
        assert sync(db, source) == (1, 0, 0, 1, 0, 0)
        bucket.delete("b")
        assert sync(db, source) == (0, 0, 0, 1, 0, 0)


# Events


@pytest.fixture
def queue(s3, bucket):
    queue = s3.queue(bucket.name)
    bucket.notify(queue)
    return queue


def test_events_make_it_immediate(db, bucket, queue):
    create(db, bucket.uri("docs/"), queue_url=f"'{queue.url}'", include="ARRAY['*.txt']")
    key = "docs/Größe & +100% x.txt"
    bucket.put(key, "1")
    bucket.put("docs/a.md", "not wanted")
    bucket.put("elsewhere.txt", "not ours")
    settles(lambda: db.sql("SELECT uri, size FROM document"), [(bucket.uri(key), 1)])
    bucket.put(key, "22")
    settles(lambda: db.sql("SELECT uri, size FROM document"), [(bucket.uri(key), 2)])
    bucket.delete(key)
    settles(lambda: uris(db), [])
    # Committed first, deleted from the queue then; those that speak of others, too.
    eventually(lambda: queue.messages() == 0, what="the queue to be empty")
    status = "SELECT events > 0, last_event IS NOT NULL, event_error FROM ai.s3_source_status"
    assert db.sql(status) == [(True, True, None)]


def test_a_late_event_brings_no_object_back(db, bucket, s3):
    queue = s3.queue(bucket.name)
    create(db, bucket.uri(""), queue_url=f"'{queue.url}'")
    bucket.put("there", "1")
    for key in ["gone", "there"]:
        record = {"s3": {"bucket": {"name": bucket.name}, "object": {"key": key}}}
        # Wrapped as SNS does, and said to be a creation and a removal: both lie.
        name = "ObjectCreated:Put" if key == "gone" else "ObjectRemoved:Delete"
        body = {"Records": [{"eventSource": "aws:s3", "eventName": name} | record]}
        queue.send({"Type": "Notification", "Message": json.dumps(body)})
    settles(lambda: uris(db), [bucket.uri("there")])
    eventually(lambda: queue.messages() == 0, what="the queue to be empty")
    assert uris(db) == [bucket.uri("there")]


def test_a_message_that_is_no_event_stays_in_the_queue(db, bucket, queue):
    create(db, bucket.uri(""), queue_url=f"'{queue.url}'")
    queue.send("hello")
    said = "in its queue: it is not JSON"
    eventually(lambda: said in db.cluster.log_text(), what="a complaint")
    bucket.put("a", "1")
    settles(lambda: uris(db), [bucket.uri("a")])
    eventually(lambda: queue.messages() == 1, what="only that message to be left")


def test_a_queue_that_is_not_there_is_said_in_the_status(db, bucket, queue):
    create(db, bucket.uri(""), queue_url=f"'{queue.url}-not'")
    status = "SELECT event_error_code, event_error IS NOT NULL, event_hint IS NOT NULL FROM ai.s3_source_status"
    settles(lambda: db.sql(status), [("no_such_queue", True, True)])


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


# Dump, and size


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


def worker_memory(db) -> int:
    """Bytes of the worker's own memory."""
    pid = db.value("SELECT pid FROM pg_stat_activity WHERE backend_type = 'pgai_rs worker' AND datname = current_database()")
    [line] = [line for line in open(f"/proc/{pid}/status") if line.startswith("RssAnon")]
    return int(line.split()[1]) * 1024


def test_a_large_bucket_takes_little_memory(db, listing):
    """Set S3_SOURCE_KEYS to try it with more."""
    source = listed(db, listing)
    before = worker_memory(db)
    listing.count = int(os.environ.get("S3_SOURCE_KEYS", 50_000))
    assert sync(db, source)[:2] == (listing.count, listing.count - 2500)
    listing.count -= 1500
    assert sync(db, source)[:4] == (listing.count, 0, 0, 1500)
    assert worker_memory(db) - before < 64 * 2**20
