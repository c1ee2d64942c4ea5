"""The events of a bucket that is kept as a table: they make it immediate, and what they say of an object is not believed."""

import json

import pytest
from support.s3_source import create, uris
from support.wait import eventually, settles


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
