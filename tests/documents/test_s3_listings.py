"""The listings of a bucket that is kept as a table: those that go wrong delete nothing, and long ones take little memory."""

import os

import pytest
from support.listing import Listing
from support.s3_source import ask, create, fails, finished, sync, uris
from support.wait import eventually, settles


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
