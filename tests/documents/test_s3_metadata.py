"""The metadata of objects in a column: it comes with them, follows them, and is what a search can filter by."""

import json

import pytest
from support import s3_proxy, vectorizer
from support.listing import Listing
from support.s3_source import ask, create, fails, finished, sync, uris
from support.wait import eventually, settles

ALL = "ARRAY['sidecar', 'tags', 'user']"
SIDECAR = ".metadata.json"


def metadata(db, target: str = "document") -> dict[str, dict | None]:
    """The metadata by the file's name."""
    return {uri.rpartition("/")[2]: found for uri, found in db.sql(f"SELECT uri, metadata FROM {target}")}


def attributes(**given) -> str:
    return json.dumps({"metadataAttributes": given})


def tag(bucket, key: str, **tags: str) -> None:
    tag_set = [{"Key": name, "Value": value} for name, value in tags.items()]
    bucket.client.put_object_tagging(Bucket=bucket.name, Key=key, Tagging={"TagSet": tag_set})


# What is read


def test_metadata_comes_from_three_places_and_the_first_counts(db, bucket):
    bucket.put("a.md", "1", Metadata={"who": "user", "U": "1"}, Tagging="who=tags&t=2")
    bucket.put("a.md" + SIDECAR, attributes(who="sidecar", year=2024, of=["x", "y"]))
    bucket.put("b.md", "1")
    create(db, bucket.uri(""), metadata=ALL)
    merged = {"who": "sidecar", "year": 2024, "of": ["x", "y"], "t": "2", "u": "1"}
    assert metadata(db) == {"a.md": merged, "b.md": {}}
    # As if they were others.
    create(db, bucket.uri(""), "other", metadata="ARRAY['user', 'sidecar']")
    assert metadata(db, "other")["a.md"] == {"who": "user", "year": 2024, "of": ["x", "y"], "u": "1"}


def test_a_source_without_metadata_has_no_such_column_and_takes_sidecars_for_objects(db, bucket):
    bucket.put("a.md", "1", Metadata={"who": "user"})
    bucket.put("a.md" + SIDECAR, attributes(who="sidecar"))
    create(db, bucket.uri(""))
    assert uris(db) == [bucket.uri("a.md"), bucket.uri("a.md" + SIDECAR)]
    columns = "SELECT string_agg(column_name, ',') FROM information_schema.columns WHERE table_name = 'document'"
    assert "metadata" not in db.value(columns)


def test_a_search_filters_by_metadata(db, bucket, stub):
    bucket.put("a.md", "the contract", Metadata={"department": "legal"})
    bucket.put("b.md", "the offer", Metadata={"department": "sales"})
    bucket.put("b.md" + SIDECAR, attributes(year=2024))
    bucket.put("c.md", "the menu")
    source = create(db, bucket.uri(""), metadata=ALL)
    vectorizer.create(db, stub.url, name="'document'", loading="ai.loading_uri('uri')")
    chunks = "SELECT count(*) FROM document_embedding_store"
    settles(lambda: db.value(chunks), 3)

    def found(filter: str) -> list[str]:
        look = "SELECT chunk FROM ai.search('document', 'the', filter => %s) ORDER BY chunk"
        return [chunk for [chunk] in db.sql(look, [filter])]

    assert found("metadata ->> 'department' = 'legal'") == ["the contract"]
    assert found("metadata @> '{\"year\": 2024}'") == ["the offer"]
    # Of what changes in metadata alone nothing is embedded again.
    bucket.put("c.md" + SIDECAR, attributes(department="legal"))
    bucket.delete("b.md" + SIDECAR)
    assert sync(db, source)[2] == 2
    assert found("metadata ->> 'department' = 'legal'") == ["the contract", "the menu"]
    assert found("metadata @> '{\"year\": 2024}'") == []
    vectorizer.idle(db)
    assert [stub.embedded[text] for text in ["the contract", "the offer", "the menu"]] == [1, 1, 1]


# What changes


def test_a_sidecar_that_comes_changes_and_goes_is_followed_and_is_no_row(db, bucket):
    bucket.put("a.md", "1", Metadata={"u": "1"})
    bucket.put("b.md", "1")
    source = create(db, bucket.uri(""), metadata=ALL)
    assert metadata(db) == {"a.md": {"u": "1"}, "b.md": {}}
    before = dict(db.sql("SELECT uri, xmin::text FROM document"))

    bucket.put("a.md" + SIDECAR, attributes(s="1"))
    assert sync(db, source) == (3, 0, 1, 0, 0, 0)
    assert metadata(db) == {"a.md": {"u": "1", "s": "1"}, "b.md": {}}
    bucket.put("a.md" + SIDECAR, attributes(s="2"))
    assert sync(db, source) == (3, 0, 1, 0, 0, 0)
    assert metadata(db)["a.md"] == {"u": "1", "s": "2"}
    assert sync(db, source) == (3, 0, 0, 0, 0, 0)
    bucket.delete("a.md" + SIDECAR)
    assert sync(db, source) == (2, 0, 1, 0, 0, 0)
    assert metadata(db)["a.md"] == {"u": "1"}
    # What has not changed was not written.
    assert dict(db.sql("SELECT uri, xmin::text FROM document"))[bucket.uri("b.md")] == before[bucket.uri("b.md")]
    # With its document, a sidecar means nothing any more.
    bucket.put("b.md" + SIDECAR, attributes(s="1"))
    bucket.delete("b.md")
    assert sync(db, source) == (2, 0, 0, 1, 0, 0)
    assert uris(db) == [bucket.uri("a.md")]
    bucket.put("b.md", "again")
    assert sync(db, source) == (3, 1, 0, 0, 0, 0)
    assert metadata(db)["b.md"] == {"s": "1"}


def test_globs_are_for_documents_and_rows_of_sidecars_vanish(db, bucket):
    bucket.put("docs/a.md", "1")
    bucket.put("docs/a.md" + SIDECAR, attributes(s="1"))
    bucket.put("docs/a.txt" + SIDECAR, attributes(s="1"))
    first = create(db, bucket.uri("docs/"))
    assert len(uris(db)) == 3
    # The same table, from now on with metadata.
    db.sql(f"SELECT ai.drop_s3_source({first})")
    db.sql("ALTER TABLE document ADD COLUMN metadata jsonb, ADD COLUMN metadata_version varchar")
    source = create(db, bucket.uri("docs/"), metadata="ARRAY['sidecar']", include="ARRAY['*.md']")
    assert metadata(db) == {"a.md": {"s": "1"}}
    assert sync(db, source) == (3, 0, 0, 0, 1, 0)


def test_the_places_of_another_declaration_are_read_though_no_object_has_changed(db, bucket):
    bucket.put("a.md", "1", Metadata={"u": "1"}, Tagging="t=2")
    source = create(db, bucket.uri(""), metadata="ARRAY['user']")
    assert metadata(db) == {"a.md": {"u": "1"}}
    db.sql(f"SELECT ai.drop_s3_source({source})")
    create(db, bucket.uri(""), metadata="ARRAY['user', 'tags']")
    assert metadata(db) == {"a.md": {"u": "1", "t": "2"}}


def test_metadata_that_is_given_anew_with_the_same_bytes_is_noticed(db, bucket):
    bucket.put("a.md", "1", Metadata={"u": "1"})
    source = create(db, bucket.uri(""), metadata=ALL)
    bucket.put("a.md", "1", Metadata={"u": "2"})
    # S3 tells times in seconds: the same object within a second is no other.
    db.sql("UPDATE document SET last_modified = last_modified - interval '1 minute'")
    assert sync(db, source) == (1, 0, 1, 0, 0, 0)
    assert metadata(db) == {"a.md": {"u": "2"}}
    assert sync(db, source) == (1, 0, 0, 0, 0, 0)


def test_tags_that_nothing_tells_of_are_read_on_demand(db, bucket):
    bucket.put("a.md", "1", Tagging="t=1")
    bucket.put("b.md", "1", Tagging="t=1")
    source = create(db, bucket.uri(""), metadata="ARRAY['tags']")
    tag(bucket, "a.md", t="2")
    assert sync(db, source) == (2, 0, 0, 0, 0, 0)
    run = db.value("SELECT ai.refresh_s3_metadata('public_document')")
    row = finished(db, run)
    assert (row["state"], row["modified"]) == ("succeeded", 1)
    assert metadata(db) == {"a.md": {"t": "2"}, "b.md": {"t": "1"}}


def test_only_a_source_that_reads_metadata_can_read_it_anew(db, bucket):
    source = create(db, bucket.uri(""))
    with pytest.raises(Exception, match="S3 source does not read metadata") as refusal:
        db.sql(f"SELECT ai.refresh_s3_metadata({source})")
    assert refusal.value.sqlstate == "55000"
    with pytest.raises(Exception, match="does not exist"):
        db.sql("SELECT ai.refresh_s3_metadata(99)")


def test_a_sidecar_may_be_listed_on_any_page(db):
    """Between a document and its sidecar there may be thousands of keys, and not every server lists in order."""
    server = Listing(1_100)
    try:
        sidecars = {0: 1_050, 1_010: 10}  # By the place of the document, that of its sidecar.
        of = {sidecar: document for document, sidecar in sidecars.items()}
        server.key = lambda i: f"docs/{of[i]:08}.txt{SIDECAR}" if i in of else f"docs/{i:08}.txt"
        server.objects = {f"/stub/docs/{i:08}.txt{SIDECAR}": attributes(s=f"of {i}") for i in sidecars}
        server.etag = lambda i: "first"
        known = {"endpoint": f"'{server.url}'", "url_style": "'path'", "metadata": "ARRAY['sidecar']"}
        source = create(db, "s3://stub/docs/", **known)
        found = "SELECT metadata FROM document WHERE metadata <> '{}' ORDER BY uri"
        assert db.sql(found) == [({"s": "of 0"},), ({"s": "of 1010"},)]
        assert sync(db, source)[:4] == (1_100, 0, 0, 0)

        server.etag = lambda i: "second" if i == 10 else "first"
        server.objects[f"/stub/docs/00001010.txt{SIDECAR}"] = attributes(s="anew")
        assert sync(db, source)[:4] == (1_100, 0, 1, 0)
        assert db.sql(found) == [({"s": "of 0"},), ({"s": "anew"},)]
        # The last key is that of the first document's sidecar.
        del server.objects[f"/stub/docs/00000000.txt{SIDECAR}"]
        server.count = 1_050
        assert sync(db, source)[1:4] == (0, 1, 49)
        assert db.sql(found) == [({"s": "anew"},)]
    finally:
        server.close()


# Events


def test_events_of_sidecars_and_tags_refresh_their_document(db, bucket, s3):
    queue = s3.queue(bucket.name)
    bucket.notify(queue)
    create(db, bucket.uri(""), queue_url=f"'{queue.url}'", metadata=ALL)
    # Whatever comes first.
    bucket.put("a.md" + SIDECAR, attributes(s="1"))
    bucket.put("a.md", "1")
    settles(lambda: metadata(db), {"a.md": {"s": "1"}})
    bucket.put("a.md" + SIDECAR, attributes(s="2"))
    settles(lambda: metadata(db), {"a.md": {"s": "2"}})
    tag(bucket, "a.md", t="1")
    settles(lambda: metadata(db), {"a.md": {"s": "2", "t": "1"}})
    bucket.client.delete_object_tagging(Bucket=bucket.name, Key="a.md")
    settles(lambda: metadata(db), {"a.md": {"s": "2"}})
    bucket.delete("a.md" + SIDECAR)
    settles(lambda: metadata(db), {"a.md": {}})
    bucket.put("a.md" + SIDECAR, "no JSON")
    settles(lambda: metadata(db), {"a.md": None})
    bucket.delete("a.md")
    settles(lambda: uris(db), [])
    eventually(lambda: queue.messages() == 0, what="the queue to be empty")


# What goes wrong


def test_a_bad_sidecar_leaves_its_row_without_metadata_and_is_told(db, bucket):
    bucket.put("a.md", "1", Metadata={"u": "1"})
    bucket.put("b.md", "1")
    bucket.put("b.md" + SIDECAR, attributes(s="1"))
    source = create(db, bucket.uri(""), metadata=ALL)
    for bad, why in [
        ('{"secret": ', "is not JSON"),
        ('["secret"]', "is not a JSON object"),
        ('{"a": "\\u0000"}', "a NUL character"),
        (json.dumps({"a": "x" * 10_240}), "more than 10240 bytes"),
    ]:
        bucket.put("a.md" + SIDECAR, bad)
        row = finished(db, ask(db, source))
        assert (row["state"], row["failed"], row["error_code"]) == ("succeeded", 1, "invalid_metadata"), row
        assert bucket.uri("a.md") in row["error"] and why in row["error"] and row["hint"]
        assert "secret" not in row["error"]
        assert metadata(db) == {"a.md": None, "b.md": {"s": "1"}}
    # It is told again until it is mended, and the row is not written again for it.
    before = db.sql("SELECT uri, xmin::text FROM document")
    assert sync(db, source) == (4, 0, 0, 0, 0, 1)
    assert db.sql("SELECT uri, xmin::text FROM document") == before
    bucket.put("a.md" + SIDECAR, attributes(s="2"))
    assert sync(db, source) == (4, 0, 1, 0, 0, 0)
    assert metadata(db)["a.md"] == {"u": "1", "s": "2"}


@pytest.fixture
def refusing(s3):
    """A proxy before the S3 server."""
    with s3_proxy.before(s3) as proxy:
        yield proxy


def through(proxy) -> dict[str, str]:
    return {"endpoint": f"'{proxy.url}'", "url_style": "'path'"}


def test_tags_that_may_not_be_read_leave_the_row_as_it_is(db, bucket, refusing):
    bucket.put("a.md", "1", Tagging="t=1")
    bucket.put("b.md", "1", Tagging="t=1")
    source = create(db, bucket.uri(""), metadata="ARRAY['tags']", **through(refusing))
    bucket.put("a.md", "22", Tagging="t=2")
    bucket.put("b.md", "22", Tagging="t=2")
    refusing.fail("denied", float("inf"), path="/a.md?tagging")
    row = finished(db, ask(db, source))
    assert (row["state"], row["modified"], row["failed"], row["error_code"]) == ("succeeded", 1, 1, "access_denied"), row
    assert f"the tags of {bucket.uri('a.md')}" in row["error"] and "s3:GetObjectTagging" in row["hint"]
    # Neither the new object with the old tags, nor without any.
    assert db.sql("SELECT size, metadata FROM document ORDER BY uri") == [(1, {"t": "1"}), (2, {"t": "2"})]
    refusing.heal()
    assert sync(db, source) == (2, 0, 1, 0, 0, 0)


def test_a_permission_that_is_missing_ends_the_run_and_is_named(db, bucket, refusing):
    for i in range(20):
        bucket.put(f"{i:02}.md", "1")
    refusing.fail("denied", float("inf"), path="tagging")
    # It is listed when it is asked for, and not before.
    place = f"endpoint => '{refusing.url}', url_style => 'path'"
    declare = f"SELECT ai.create_s3_source('document', '{bucket.uri('')}', metadata => ARRAY['tags'], schedule => NULL, {place})"
    source = db.value(declare)
    row = fails(db, source)
    assert row["error_code"] == "access_denied" and "s3:GetObjectTagging" in row["hint"]
    assert uris(db) == []
    refusing.heal()
    assert sync(db, source) == (20, 20, 0, 0, 0, 0)


def test_a_sidecar_that_is_not_told_is_asked_for_again(db, bucket, refusing):
    bucket.put("a.md", "1")
    bucket.put("a.md" + SIDECAR, attributes(s="1"))
    source = create(db, bucket.uri(""), metadata=ALL, **through(refusing))
    bucket.put("a.md" + SIDECAR, attributes(s="2"))
    refusing.fail("internal_error", float("inf"), path=SIDECAR)
    row = finished(db, ask(db, source))
    assert (row["state"], row["failed"], row["error_code"]) == ("succeeded", 1, "s3_error"), row
    assert metadata(db) == {"a.md": {"s": "1"}}
    refusing.heal()
    assert sync(db, source) == (2, 0, 1, 0, 0, 0)
    assert metadata(db) == {"a.md": {"s": "2"}}


# Declaring

COMPLETE = "uri text PRIMARY KEY, etag text, size int8, last_modified timestamptz, content_type text"


@pytest.mark.parametrize(
    "columns, message, hint",
    [
        (COMPLETE, "lacks columns that an S3 source needs: metadata, metadata_version",
         "ALTER TABLE public.document ADD COLUMN metadata jsonb, ADD COLUMN metadata_version text;"),
        (f"{COMPLETE}, metadata text, metadata_version text", "column metadata of public.document has type text, but an S3 source writes jsonb",
         "ALTER TABLE public.document ALTER COLUMN metadata TYPE jsonb USING metadata::jsonb;"),
    ],
)  # fmt: skip
def test_a_table_that_has_no_room_for_metadata_is_told_what_to_change(db, bucket, columns, message, hint):
    db.sql(f"CREATE TABLE document ({columns})")
    with pytest.raises(Exception, match=message) as refusal:
        create(db, bucket.uri(""), metadata=ALL)
    assert refusal.value.diag.message_hint == hint
    db.sql(hint)
    bucket.put("a.md", "1", Metadata={"u": "1"})
    create(db, bucket.uri(""), metadata=ALL)
    assert metadata(db) == {"a.md": {"u": "1"}}


@pytest.mark.parametrize(
    "places, message",
    [
        ("ARRAY['x-amz-meta']", 'invalid metadata "x-amz-meta"'),
        ("ARRAY['user', 'tags', 'user']", 'metadata has "user" more than once'),
    ],
)
def test_places_that_are_none_are_refused(db, places, message):
    with pytest.raises(Exception, match=message) as refusal:
        create(db, "s3://b/", metadata=places)
    assert refusal.value.sqlstate == "22023"


def test_a_column_that_goes_ends_the_next_run(db, bucket):
    source = create(db, bucket.uri(""), metadata=ALL)
    db.sql("ALTER TABLE document DROP COLUMN metadata")
    row = fails(db, source)
    assert "lacks columns that an S3 source needs: metadata" in row["error"]
    db.sql(row["hint"])
    assert sync(db, source) == (0, 0, 0, 0, 0, 0)
