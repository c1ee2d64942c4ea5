"""The stub and the waiting, on which the other tests rely."""

import base64
import http.client
import json
import math
import struct
import threading

import pytest
from support.stub import blackhole
from support.vectors import vector
from support.wait import eventually, settles


def post(stub, inputs, **fields) -> tuple[int, dict, dict]:
    connection = http.client.HTTPConnection(stub.url.split("/")[2], timeout=10)
    body = {"model": "m", "input": inputs, "dimensions": 8} | fields
    connection.request("POST", "/v1/embeddings", json.dumps(body), {"Authorization": "Bearer k"})
    answer = connection.getresponse()
    return answer.status, dict(answer.getheaders()), json.loads(answer.read())


def test_both_encodings_carry_the_same_vectors(stub):
    floats = post(stub, ["a", "ü"])[2]["data"]
    coded = post(stub, ["a", "ü"], encoding_format="base64")[2]["data"]
    assert [item["embedding"] for item in floats] == [vector("a", 8), vector("ü", 8)]
    assert [list(struct.unpack("<8f", base64.b64decode(item["embedding"]))) for item in coded] == [
        vector("a", 8),
        vector("ü", 8),
    ]
    assert vector("a", 8) != vector("b", 8)


def test_a_full_request_is_answered(stub):
    inputs = [f"text {number}" for number in range(2048)]
    data = post(stub, inputs, dimensions=768, encoding_format="base64")[2]["data"]
    assert len(data) == 2048
    assert list(struct.unpack("<768f", base64.b64decode(data[-1]["embedding"]))) == vector(inputs[-1], 768)


def test_requests_are_logged(stub):
    post(stub, "one")
    post(stub, ["one", "two"])
    assert stub.embedded == {"one": 2, "two": 1}
    assert stub.requests[0].headers["authorization"] == "Bearer k"
    assert stub.requests[0].started <= stub.requests[0].finished
    stub.forget()
    assert stub.requests == []


def test_faults_are_used_up_in_turn(stub):
    stub.fail(status=429, headers={"Retry-After": "1"})
    stub.fail(math.inf, when=lambda request: "bad" in request.inputs, status=400, error={"message": "no"})
    status, headers, body = post(stub, "good")
    assert (status, headers["Retry-After"], body["error"]["message"]) == (429, "1", "stubbed")
    assert post(stub, "good")[0] == 200
    assert [post(stub, ["bad", "good"])[0] for _ in range(3)] == [400, 400, 400]
    stub.heal()
    assert post(stub, ["bad"])[0] == 200
    assert stub.embedded == {"good": 1, "bad": 1}


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        ("truncate", http.client.IncompleteRead),
        ("reset", ConnectionResetError),
        ("garbage", json.JSONDecodeError),
    ],
)
def test_broken_answers_break(stub, spoil, error):
    stub.fail(spoil=spoil)
    with pytest.raises(error):
        post(stub, ["a", "b"])
    assert stub.embedded == {}


def test_wrong_answers_are_wrong(stub):
    for spoil in ("count", "dimensions", "nan", "duplicate_index"):
        stub.fail(spoil=spoil)
    assert len(post(stub, ["a", "b"])[2]["data"]) == 1
    assert len(post(stub, ["a", "b"])[2]["data"][0]["embedding"]) == 7
    assert all(math.isnan(element) for element in post(stub, ["a", "b"])[2]["data"][0]["embedding"])
    assert [item["index"] for item in post(stub, ["a", "b"])[2]["data"]] == [0, 0]
    stub.reverse = True
    assert [item["index"] for item in post(stub, ["a", "b"])[2]["data"]] == [1, 0]


def test_requests_can_be_held(stub):
    with stub.held():
        sender = threading.Thread(target=post, args=(stub, "a"))
        sender.start()
        eventually(lambda: stub.waiting == 1)
        assert stub.embedded == {}
    sender.join()
    assert (stub.waiting, stub.embedded) == (0, {"a": 1})


def test_a_blackhole_never_answers():
    with blackhole() as url:
        connection = http.client.HTTPConnection(url.split("/")[2], timeout=0.05)
        connection.request("GET", "/")
        with pytest.raises(TimeoutError):
            connection.getresponse()


def test_eventually_returns_what_it_waited_for_and_shows_what_it_saw():
    values = iter([0, None, 7])
    assert eventually(lambda: next(values)) == 7
    with pytest.raises(AssertionError, match=r"waited 0 s for the moon; last seen: \[\]"):
        eventually(lambda: [], timeout=0, what="the moon")


def test_settles_shows_both_sides():
    with pytest.raises(AssertionError, match="the moon did not settle"):
        settles(lambda: "half", "full", timeout=0, what="the moon")


def test_eventually_ignores_what_it_is_told_to():
    with pytest.raises(ZeroDivisionError):
        eventually(lambda: 1 / 0, timeout=0)
    with pytest.raises(AssertionError, match="division by zero"):
        eventually(lambda: 1 / 0, timeout=0, ignoring=(ZeroDivisionError,))


def test_a_killed_cluster_comes_back(cluster_factory):
    cluster = cluster_factory()
    cluster.sql("CREATE TABLE kept AS SELECT 1 AS number")
    children = cluster.children()
    cluster.kill()
    assert children and not cluster.running
    position = cluster.log_position()
    cluster.start()
    assert cluster.sql("SELECT number FROM kept") == [(1,)]
    assert "automatic recovery" in cluster.log_text(since=position)
    cluster.kill_child(cluster.children()[0])
    assert cluster.sql("SELECT number FROM kept") == [(1,)]
    cluster.configure(work_mem="7MB")
    assert cluster.sql("SHOW work_mem") == [("7MB",)]
    assert cluster.run("psql", "-Atc", "SELECT number FROM kept", "postgres") == "1\n"


def test_each_test_has_a_database_with_the_extension(db):
    assert db.value("SELECT count(*) FROM pg_extension WHERE extname IN (%s, %s)", ["pgai_rs", "vector"]) == 2


def test_s3_keeps_what_it_is_given(bucket):
    assert bucket.put("a/ü.md", "# Title").startswith("s3://")
    assert bucket.client.get_object(Bucket=bucket.name, Key="a/ü.md")["Body"].read() == b"# Title"
