"""What holds for AWS and moto holds for Ceph's S3 server, too. Runs where that is installed."""

import json

import pytest
from support import vectorizer
from support.radosgw import INSTALLED, Radosgw
from support.wait import eventually

pytestmark = pytest.mark.skipif(not INSTALLED, reason="needs Ceph: apt install radosgw ceph-mon ceph-osd")

CHUNKS = "SELECT chunk FROM document_embedding_store"


@pytest.fixture(scope="module")
def ceph(workdir):
    server = Radosgw(workdir / "ceph")
    yield server
    server.stop()


@pytest.fixture
def db(ceph, cluster_factory, request):
    return make(cluster_factory, ceph.env)


def make(cluster_factory, env: dict[str, str]):
    """A database on a server that asks Ceph."""
    cluster = cluster_factory(conf={"pgai_rs.s3_url_style": "path"}, env=env)
    db = cluster.create_database("ceph")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    db.sql("CREATE TABLE document (id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY, uri text, touched int)")
    return db


def declare(db, stub, uri: str, **arguments: str) -> None:
    db.sql("INSERT INTO document (uri) VALUES (%s)", [uri])
    given = "".join(f", {name} => '{value}'" for name, value in arguments.items())
    vectorizer.create(db, stub.url, loading=f"ai.loading_uri('uri'{given})")


def code(db) -> str:
    return eventually(lambda: db.sql("SELECT details ->> 'code' FROM ai.vectorizer_errors"), what="an error")[0][0]


def test_objects_are_loaded_and_asked_for_again_when_touched(db, ceph, stub):
    bucket = ceph.bucket("own")
    declare(db, stub, bucket.put("a dir/ü+%20.txt", "first|same"))
    eventually(lambda: sorted(db.sql(CHUNKS)) == [("first",), ("same",)])
    db.sql("UPDATE document SET touched = 1")
    vectorizer.idle(db)
    assert stub.embedded == {"first": 1, "same": 1}
    bucket.put("a dir/ü+%20.txt", "second|same")
    db.sql("UPDATE document SET touched = 2")
    eventually(lambda: sorted(db.sql(CHUNKS)) == [("same",), ("second",)])


def test_a_role_is_assumed(db, ceph, stub):
    uri = ceph.bucket("behind").put("a.txt", "behind a role")
    declare(db, stub, uri, aws_role_arn=ceph.role("reader", ["s3:GetObject", "s3:ListBucket"]))
    eventually(lambda: db.sql(CHUNKS) == [("behind a role",)])


def test_a_role_that_does_not_exist_is_refused(db, ceph, stub):
    declare(db, stub, ceph.bucket("closed").put("a.txt", "x"), aws_role_arn="arn:aws:iam::123456789012:role/nobody")
    assert code(db) == "role_refused"


def test_what_is_public_needs_no_credentials_and_nothing_else_does_without(cluster_factory, ceph, stub):
    public, private = ceph.bucket("public"), ceph.bucket("private")
    anyone = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::public/*"}
    public.client.put_bucket_policy(Bucket="public", Policy=json.dumps({"Version": "2012-10-17", "Statement": [anyone]}))
    db = make(cluster_factory, {"AWS_ENDPOINT_URL": ceph.url, "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""})
    db.sql("INSERT INTO document (uri) VALUES (%s)", [private.put("a.txt", "not for all")])
    declare(db, stub, public.put("a.txt", "for all"), anonymous="true")
    eventually(lambda: db.sql(CHUNKS) == [("for all",)])
    assert code(db) == "access_denied"


def test_a_wrong_secret_is_refused(cluster_factory, ceph, stub):
    db = make(cluster_factory, ceph.env | {"AWS_SECRET_ACCESS_KEY": "wrong"})
    declare(db, stub, ceph.bucket("locked").put("a.txt", "x"))
    assert code(db) in ("wrong_credentials", "access_denied")


def test_a_bucket_is_kept_as_a_table(db, ceph):
    bucket = ceph.bucket("listed")
    uris = {bucket.put(f"{number}.txt", "x") for number in range(3)}
    db.sql("SELECT ai.create_s3_source('listed', 's3://listed/')")
    eventually(lambda: {uri for [uri] in db.sql("SELECT uri FROM listed")} == uris)
    bucket.delete("1.txt")
    db.sql("SELECT ai.sync_s3_source(id) FROM ai.s3_source")
    eventually(lambda: {uri for [uri] in db.sql("SELECT uri FROM listed")} == uris - {bucket.uri("1.txt")})
