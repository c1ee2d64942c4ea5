"""What one S3 source, or its owner, does to the sources of others."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from support import vectorizer
from support.listing import Listing
from support.s3_source import ask, create, finished, sync, uris
from support.wait import eventually, settles
from support.worker import the_worker

QUEUE = "https://sqs.eu-west-1.amazonaws.com/1/q"

SPELLINGS = [
    "https://SQS.eu-west-1.amazonaws.com/1/q",
    "https://sqs.eu-west-1.amazonaws.com:443/1/q",
    "https://sqs.eu-west-1.amazonaws.com./1/q",
    "https://sqs.eu-west-1.amazonaws.com/1/q/",
    "HTTPS://sqs.eu-west-1.amazonaws.com/1/q//",
    "https://sqs.eu-west-1.amazonaws.com/1/%71",
    "http://sqs.eu-west-1.amazonaws.com/1/q",
    "https://eu-west-1.queue.amazonaws.com/1/q",
]
OTHERS = [
    "https://sqs.eu-west-1.amazonaws.com/1/Q",
    "https://sqs.eu-west-1.amazonaws.com/2/q",
    "https://sqs.eu-west-2.amazonaws.com/1/q",
    "https://sqs.eu-west-1.amazonaws.com:444/1/q",
    "https://example.com/1/q",
]
DECLARE = "SELECT ai.create_s3_source('{0}', 's3://bucket/{0}/', queue_url => '{1}')"


@pytest.fixture
def open_ended(db):
    """A transaction that is never committed: nothing is asked of any queue."""
    with db.connect(autocommit=False) as session:
        yield session
        session.rollback()


@pytest.mark.parametrize("url", SPELLINGS)
def test_a_queue_is_known_however_its_url_is_written(open_ended, url):
    open_ended.execute(DECLARE.format("first", QUEUE))
    with pytest.raises(psycopg.errors.DuplicateObject, match="this queue is already read by S3 source public_first"):
        open_ended.execute(DECLARE.format("second", url))


@pytest.mark.parametrize("url", SPELLINGS)
def test_a_queue_is_known_that_an_earlier_version_has_stored_as_it_was_written(open_ended, url):
    open_ended.execute(DECLARE.format("first", QUEUE))
    open_ended.execute("UPDATE ai.s3_source SET config = jsonb_set(config, '{queue_url}', to_jsonb(%s::text))", [url])
    with pytest.raises(psycopg.errors.DuplicateObject, match="this queue is already read by S3 source public_first"):
        open_ended.execute(DECLARE.format("second", QUEUE))


def test_other_queues_are_others(open_ended):
    for number, url in enumerate([QUEUE, *OTHERS]):
        open_ended.execute(DECLARE.format(f"table_{number}", url))
    stored = [url for [url] in open_ended.execute("SELECT config ->> 'queue_url' FROM ai.s3_source ORDER BY id")]
    assert stored == [QUEUE, *OTHERS]


def test_a_url_is_stored_in_one_form(open_ended):
    open_ended.execute(DECLARE.format("first", "HTTPS://SQS.eu-west-1.amazonaws.com.:443/1/q/"))
    assert open_ended.execute("SELECT config ->> 'queue_url' FROM ai.s3_source").fetchall() == [(QUEUE,)]


@pytest.fixture
def listing():
    server = Listing(1500)
    yield server
    server.close()


def test_a_transaction_that_stays_open_stops_no_other_source_after_a_restart(cluster_factory, listing, bucket):
    db = cluster_factory().create_database("restarted")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    bucket.put("a", "1")
    others = create(db, bucket.uri(""), "others")
    mine = create(db, "s3://bucket/docs/", "mine", schedule="interval '1 day'", endpoint=f"'{listing.url}'")
    first = eventually(lambda: db.sql("SELECT run FROM ai.s3_source_runs WHERE id = %s AND finished IS NOT NULL", [mine]))[0][0]
    listing.spoil = {1: "hang"}
    run = ask(db, mine)
    eventually(lambda: 1 in listing.pages_asked[2:], what="the second page to be asked for")

    with db.connect(autocommit=False) as session:
        session.execute("SELECT ai.drop_s3_source(%s)", [mine])
        before = the_worker(db)
        db.sql("SELECT pg_terminate_backend(%s)", [before])
        eventually(lambda: the_worker(db) != before, what="another worker")
        bucket.put("b", "1")
        assert sync(db, others)[1] == 1
        assert db.value("SELECT state FROM ai.s3_source_runs WHERE run = %s", [run]) == "running"
        session.rollback()

    # What was left is taken up again.
    listing.spoil = {}
    listing.release()
    assert (finished(db, run)["state"], finished(db, run)["scanned"]) == ("succeeded", 1500)
    assert finished(db, first)["state"] == "succeeded"


def test_sources_that_are_declared_at_once_do_not_overlap(db):
    """Of a table that has another name by then."""
    db.sql("SELECT ai.create_s3_source('document', 's3://bucket/elsewhere/', name => 'zero', schedule => NULL)")
    with db.connect(autocommit=False) as session, ThreadPoolExecutor() as other:
        session.execute("SELECT ai.create_s3_source('document', 's3://bucket/a/', name => 'one', schedule => NULL)")
        db.sql("SET lock_timeout = '5s'; ALTER TABLE document RENAME TO paper")
        statement = "SELECT ai.create_s3_source('paper', 's3://bucket/a/b/', name => 'two', schedule => NULL)"
        second = other.submit(db.sql, statement)
        waits = "SELECT FROM pg_stat_activity WHERE query LIKE '%a/b%' AND wait_event_type = 'Lock'"
        eventually(lambda: second.done() or db.sql(waits), what="the second one to wait for the first")
        session.commit()
        with pytest.raises(psycopg.errors.DuplicateObject, match='S3 source "one" already mirrors s3://bucket/a/ to this table'):
            second.result()


def test_a_source_without_its_seen_keys_keeps_no_other_from_being_heard_of(db, bucket):
    """Neither what is declared meanwhile, nor the table itself once it is there again, as in a restore."""
    bucket.put("a", "1")
    create(db, bucket.uri(""), "lost")
    db.sql("CREATE TABLE kept (LIKE ai._s3_source_seen_1 INCLUDING ALL); DROP TABLE ai._s3_source_seen_1")
    others = create(db, bucket.uri(""), "others")
    assert uris(db, "others") == [bucket.uri("a")]
    db.sql("CREATE TABLE ai._s3_source_seen_1 (LIKE kept INCLUDING ALL)")
    bucket.put("b", "1")
    assert sync(db, 1)[1] == 1 and sync(db, others)[1] == 1
    db.sql("UPDATE ai.s3_source SET for_superuser = NULL")
    settles(lambda: db.sql("SELECT DISTINCT for_superuser FROM ai.s3_source"), [(True,)])


def test_a_server_that_ever_lists_other_objects_fills_no_disk(cluster_factory, listing):
    db = cluster_factory(conf={"pgai_rs.s3_source_max_objects": "3500"}).create_database("filled")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    source = create(db, "s3://bucket/docs/", endpoint=f"'{listing.url}'")
    # A run that fails sweeps nothing, so each could leave others.
    for round in range(4):
        listing.key = lambda i, round=round: f"docs/{round}/{i:08}.txt"
        listing.count = 10_000
        run = finished(db, ask(db, source))
        assert (run["state"], run["error_code"]) == ("failed", "too_many_objects")
        assert "pgai_rs.s3_source_max_objects" in run["hint"]
    assert db.value("SELECT count(*) FROM document") <= 3500

    # What is known is still kept in step, and what vanished is swept.
    listing.key = lambda i: f"docs/{i:08}.txt"
    listing.count = 1500
    run = finished(db, ask(db, source, allow_mass_delete="true"))
    assert (run["state"], db.value("SELECT count(*) FROM document")) == ("succeeded", 1500)


def test_a_table_that_is_full_is_kept_in_step_for_what_it_has(cluster_factory, listing):
    db = cluster_factory(conf={"pgai_rs.s3_source_max_objects": "1500"}).create_database("full")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    source = create(db, "s3://bucket/docs/", endpoint=f"'{listing.url}'")
    listing.count, listing.etag = 1600, lambda i: "second"
    run = finished(db, ask(db, source))
    assert (run["error_code"], run["new"], run["modified"], run["deleted"]) == ("too_many_objects", 0, 1500, 0)
    assert db.sql("SELECT etag, count(*) FROM document GROUP BY 1") == [("second", 1500)]


@pytest.mark.parametrize("most, code", [(50_000, "too_many_objects"), (100_000, None)])
@pytest.mark.parametrize("partitions", ["", "PARTITION BY HASH (uri)"])
def test_the_rows_of_a_large_table_are_estimated(cluster_factory, listing, partitions, most, code):
    db = cluster_factory(conf={"pgai_rs.s3_source_max_objects": str(most)}).create_database("estimated")
    db.sql(f"""
        CREATE EXTENSION pgai_rs CASCADE;
        CREATE TABLE document (uri text PRIMARY KEY, etag text, size int8, last_modified timestamptz, content_type text) {partitions};
    """)
    if partitions:
        db.sql("CREATE TABLE one PARTITION OF document FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
               " CREATE TABLE other PARTITION OF document FOR VALUES WITH (MODULUS 2, REMAINDER 1)")  # fmt: skip
    db.sql("INSERT INTO document (uri, etag) SELECT 'mine/' || n || repeat('x', 100), 'e' FROM generate_series(1, 70000) n; ANALYZE document")
    listing.count = 1
    source = create(db, "s3://bucket/docs/", schedule="interval '1 day'", endpoint=f"'{listing.url}'")
    assert finished(db, ask(db, source))["error_code"] == code


def test_a_server_that_lists_the_same_objects_without_end_is_left(cluster_factory, listing):
    db = cluster_factory(conf={"pgai_rs.s3_source_max_objects": "1000"}).create_database("endless")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    listing.count = 1_000_000_000
    listing.key = lambda i: f"docs/{i % 1000:08}.txt"
    source = create(db, "s3://bucket/docs/", schedule="interval '1 day'", endpoint=f"'{listing.url}'")
    run = finished(db, ask(db, source))
    assert (run["error_code"], run["scanned"]) == ("too_many_objects", 4000)
    assert db.value(f"SELECT count(*) FROM ai._s3_source_seen_{source}") == 0


def test_events_of_ever_other_objects_fill_no_disk(cluster_factory, s3, bucket):
    db = cluster_factory(conf={"pgai_rs.s3_source_max_objects": "2"}).create_database("announced")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    queue = s3.queue(bucket.name)
    bucket.notify(queue)
    create(db, bucket.uri(""), queue_url=f"'{queue.url}'")
    for key in ["a", "b", "c"]:
        bucket.put(key, "1")
        settles(lambda: len(uris(db)), min("abc".index(key) + 1, 2))
    settles(lambda: db.value("SELECT event_error_code FROM ai.s3_source_status"), "too_many_objects")

    # An object that is there already may change.
    bucket.put("a", "22")
    settles(lambda: db.value("SELECT size FROM document WHERE uri = %s", [bucket.uri("a")]), 2)
    assert uris(db) == [bucket.uri("a"), bucket.uri("b")]

    # Where there is room again, the event is delivered again.
    bucket.delete("b")
    settles(lambda: uris(db), [bucket.uri("a"), bucket.uri("c")])


def test_the_old_name_of_anothers_table_keeps_no_source_from_listing(db, bucket, stub):
    db.sql("CREATE TABLE theirs (id int PRIMARY KEY, body text)")
    vectorizer.create(db, stub.url, "theirs")
    # What a rename that was not heard of leaves in the catalog.
    db.sql("UPDATE ai.vectorizer SET source_table = 'document'")
    bucket.put("a", "1")
    create(db, bucket.uri(""))
    assert uris(db) == [bucket.uri("a")]
