"""What one S3 source, or its owner, does to the sources of others."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
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
