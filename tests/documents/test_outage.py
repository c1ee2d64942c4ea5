"""Storage that is down and models that are misnamed: whose trouble it is waits, nobody else, and no row pays for it."""

import math

import pytest
from support import s3_proxy, vectorizer
from support.cluster import Cluster
from support.s3 import CREDENTIALS
from support.wait import eventually, settles

ROWS = 20
FAILED = "SELECT id, failure_code, failure_message FROM ai._vectorizer_q_failed_1"
STORED = "SELECT count(*) FROM document_embedding_store"
SPENT = "SELECT coalesce(max(attempts), 0) FROM ai._vectorizer_work_1 WHERE lease IS NULL"
ROLE = "arn:aws:iam::123456789012:role/reader"


@pytest.fixture
def proxy(s3):
    """A way to S3 that fails on demand."""
    with s3_proxy.before(s3) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def sts(s3):
    """The same to STS, for the whole cluster."""
    with s3_proxy.before(s3) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def hurried(bindir, workdir, server_env, sts):
    """A cluster that soon tries again."""
    conf = {
        "pgai_rs.retry_backoff": "10ms",
        "pgai_rs.retry_backoff_max": "100ms",
        "pgai_rs.load_timeout": "8s",
        "pgai_rs.allowed_role_arns": "arn:aws:iam::123456789012:role/",
    }
    env = server_env | {"AWS_ENDPOINT_URL_STS": sts.url}
    cluster = Cluster(bindir, workdir / "hurried", conf=conf, env=env).create()
    try:
        yield cluster.start()
    finally:
        cluster.remove()


_number = iter(range(1000))


@pytest.fixture
def source(hurried):
    database = hurried.create_database(f"outage_{next(_number)}")
    try:
        database.sql("CREATE EXTENSION pgai_rs CASCADE")
        yield database
    finally:
        database.drop()


def health(db, id: int = 1) -> dict:
    return db.value("SELECT to_jsonb(h) FROM ai.vectorizer_health h WHERE id = %s", [id])


def add_objects(db, bucket, table: str = "document", first: int = 1, rows: int = ROWS) -> None:
    db.sql(f"CREATE TABLE IF NOT EXISTS {table} (id int PRIMARY KEY, uri text)")
    for number in range(first, first + rows):
        db.sql(f"INSERT INTO {table} VALUES (%s, %s)", [number, bucket.put(f"{number}.txt", f"row {number}")])


def create(db, stub, endpoint: str, table: str = "document", **access: str) -> None:
    """A vectorizer whose rows have one try: each that is spent sets one aside."""
    given = {"retries": "0", "endpoint": f"'{endpoint}'", "url_style": "'path'"} | access
    named = ", ".join(f"{name} => {value}" for name, value in given.items())
    vectorizer.create(db, stub.url, table, loading=f"ai.loading_uri('uri', {named})")


def waits(db, code: str) -> None:
    """The vectorizer waits for storage, says why, and has tried more than once without a row paying for it."""
    tried = "SELECT sum((details ->> 'count')::int) FROM ai.vectorizer_errors WHERE id = 1"
    # All that failed together count once.
    eventually(lambda: (db.value(tried) or 0) >= 2, what="a try after those that failed together", timeout=90)
    settles(lambda: health(db)["state"], "waiting_for_storage")
    row = health(db)
    assert row["last_error_code"] == code and row["hint"] and row["pending_items"] == ROWS
    assert db.sql(FAILED) == []
    assert db.value(SPENT) == 0


def goes_on(db) -> None:
    settles(lambda: db.value(STORED), ROWS, timeout=90)
    vectorizer.idle(db)
    assert db.sql(FAILED) == []
    settles(lambda: health(db)["state"], "idle")


FAULTS = {
    "reset": "unreachable",
    "hang": "timeout",
    "internal_error": "s3_error",
    "slow_down": "throttled",
    "expired_token": "expired_credentials",
    "unknown_key": "wrong_credentials",
    "truncate": "truncated",
}


@pytest.mark.parametrize("kind", [kind for kind in FAULTS if kind != "truncate"])
def test_a_store_in_trouble_is_waited_for(source, bucket, stub, proxy, kind):
    proxy.fail(kind, math.inf)
    add_objects(source, bucket)
    create(source, stub, proxy.url)
    waits(source, FAULTS[kind])
    proxy.heal()
    goes_on(source)


def test_a_store_that_is_down_is_waited_for_while_another_serves(source, bucket, stub, proxy, s3):
    add_objects(source, bucket)
    with proxy.gone():
        create(source, stub, proxy.url)
        waits(source, "connection_refused")
        add_objects(source, bucket, "other")
        create(source, stub, s3.url, "other")
        settles(lambda: source.value("SELECT count(*) FROM other_embedding_store"), ROWS)
        settles(lambda: health(source, 2)["state"], "idle")
        assert health(source)["state"] == "waiting_for_storage"
    goes_on(source)


def test_a_host_that_is_unknown_is_waited_for(source, bucket, stub, s3):
    add_objects(source, bucket)
    create(source, stub, "http://no-such-host.invalid")
    waits(source, "unknown_host")
    mended = f"jsonb_set(config, '{{loading,endpoint}}', '\"{s3.url}\"')"
    source.sql(f"UPDATE ai.vectorizer SET config = {mended}")
    goes_on(source)


def test_one_bucket_in_trouble_holds_up_no_other_of_the_vectorizer(source, s3, stub, proxy):
    broken, whole = s3.bucket(f"broken-{source.name.replace('_', '-')}"), s3.bucket(f"whole-{source.name.replace('_', '-')}")
    proxy.fail("internal_error", math.inf, path=f"/{broken.name}")
    add_objects(source, broken)
    create(source, stub, proxy.url)
    waits(source, "s3_error")
    add_objects(source, whole, first=ROWS + 1)
    settles(lambda: source.value(STORED), ROWS)
    assert source.value("SELECT min(id) FROM document_embedding_store") == ROWS + 1
    assert health(source)["state"] == "waiting_for_storage"
    proxy.heal()
    settles(lambda: source.value(STORED), 2 * ROWS, timeout=90)
    assert source.sql(FAILED) == []
    settles(lambda: health(source)["state"], "idle")


@pytest.mark.parametrize("kind, code", [("internal_error", "s3_error"), ("truncate", "truncated"), ("denied", "access_denied")])
def test_an_object_that_fails_alone_is_set_aside_and_stops_nobody(source, bucket, stub, proxy, kind, code):
    proxy.fail(kind, math.inf, path="/7.txt")
    add_objects(source, bucket)
    create(source, stub, proxy.url)
    settles(lambda: [row[:2] for row in source.sql(FAILED)], [(7, code)])
    settles(lambda: source.value(STORED), ROWS - 1)
    settles(lambda: health(source)["state"], "idle")


def test_an_object_that_is_forbidden_and_the_only_one_is_set_aside(source, bucket, stub, proxy):
    """Nobody can tell it from a bucket that is: it pays for its tries."""
    proxy.fail("denied", math.inf)
    add_objects(source, bucket, rows=1)
    create(source, stub, proxy.url, retries="1")
    settles(lambda: [row[:2] for row in source.sql(FAILED)], [(1, "access_denied")])


def test_a_role_that_is_refused_is_waited_for_while_others_go_on(source, bucket, stub, s3, sts):
    sts.fail("denied", math.inf)
    add_objects(source, bucket)
    create(source, stub, s3.url, aws_role_arn=f"'{ROLE}'")
    waits(source, "role_refused")
    add_objects(source, bucket, "other")
    create(source, stub, s3.url, "other")
    settles(lambda: source.value("SELECT count(*) FROM other_embedding_store"), ROWS)
    sts.heal()
    goes_on(source)


def test_missing_credentials_are_waited_for(cluster_factory, bucket, stub, s3):
    none = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"}
    cluster = cluster_factory(env=none)
    db = cluster.create_database("without")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    add_objects(db, bucket)
    create(db, stub, s3.url)
    waits(db, "no_credentials")
    cluster.configure(
        pgai_rs__aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        pgai_rs__aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )
    goes_on(db)


# Models


# What providers say, with a 400, to a name that they don't know or to a model that makes no vectors.
MISNAMED = {
    "LiteLLM": {
        "message": "{'error': '/embeddings: Invalid model name passed in model=m. Call `/v1/models` to view available"
        " models for your key.'}",
        "type": "None",
        "param": "None",
        "code": "400",
    },
    "LiteLLM, nested": {"message": {"error": "/embeddings: Invalid model name passed in model=m."}, "code": "400"},
    "Azure": {
        "code": "OperationNotSupported",
        "message": "The embeddings operation does not work with the specified model, m. Please choose different model.",
    },
    "LM Studio": 'Failed to load model "m". Error: Model is not embedding.',
    "LM Studio, as OpenAI": {"message": "Failed to load model", "param": "model", "code": "model_not_found"},
}


def rows_of(db) -> None:
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")


@pytest.mark.parametrize("error", MISNAMED.values(), ids=MISNAMED)
def test_a_misnamed_model_sets_no_row_aside(source, stub, error):
    stub.fail(math.inf, status=400, error=error)
    rows_of(source)
    vectorizer.create(source, stub.url)
    # One at a time, and then many together.
    source.sql("INSERT INTO document VALUES (1, 'row 1')")
    settles(lambda: health(source)["state"], "waiting_for_provider")
    for number in range(2, 6):
        source.sql("INSERT INTO document VALUES (%s, %s)", [number, f"row {number}"])
    source.sql(f"INSERT INTO document SELECT i, 'row ' || i FROM generate_series(6, {ROWS}) i")
    assert health(source)["last_error_code"] == "request_refused" and health(source)["hint"]
    assert source.sql(FAILED) == []


def test_rows_come_when_a_misnamed_model_is_mended(source, stub):
    misnamed = lambda request: request.model != "mended"  # noqa: E731
    stub.fail(math.inf, when=misnamed, status=400, error=MISNAMED["LiteLLM"])
    rows_of(source)
    source.sql(f"INSERT INTO document SELECT i, 'row ' || i FROM generate_series(1, {ROWS}) i")
    vectorizer.create(source, stub.url)
    settles(lambda: health(source)["state"], "waiting_for_provider")
    mended = "jsonb_set(config, '{embedding,model}', '\"mended\"')"
    source.sql(f"UPDATE ai.vectorizer SET config = {mended}")
    settles(lambda: source.value(STORED), ROWS, timeout=90)
    assert source.sql(FAILED) == []
    settles(lambda: health(source)["state"], "idle")


def test_a_model_that_is_misnamed_later_sets_no_row_aside(source, stub):
    rows_of(source)
    vectorizer.create(source, stub.url)
    source.sql("INSERT INTO document VALUES (1, 'row 1')")
    vectorizer.in_step(source, ["id"])
    stub.fail(math.inf, status=400)
    for number in range(2, 6):
        source.sql("INSERT INTO document VALUES (%s, %s)", [number, f"row {number}"])
    settles(lambda: health(source)["state"], "waiting_for_provider")
    assert source.sql(FAILED) == []


def test_bad_rows_one_after_the_other_are_set_aside_and_stop_nobody(source, stub):
    bad = lambda request: any("bad" in text for text in request.inputs)  # noqa: E731
    stub.fail(math.inf, when=bad, status=400)
    rows_of(source)
    vectorizer.create(source, stub.url)
    for number in range(1, ROWS + 1):
        source.sql("INSERT INTO document VALUES (%s, %s)", [number, f"bad {number}"])
        settles(lambda: len(source.sql(FAILED)), number)
    assert {code for _, code, _ in source.sql(FAILED)} == {"input_refused"}
    source.sql("INSERT INTO document VALUES (100, 'good')")
    settles(lambda: source.value(STORED), 1)
    settles(lambda: health(source)["state"], "idle")
    # A harmless input each, to see whether it is the model.
    assert sum(request.inputs == ["ok"] for request in stub.requests) <= ROWS + 1


def test_a_column_of_nothing_but_bad_rows_is_set_aside(source, stub):
    bad = lambda request: any("bad" in text for text in request.inputs)  # noqa: E731
    stub.fail(math.inf, when=bad, status=400)
    rows_of(source)
    source.sql("INSERT INTO document SELECT i, 'bad ' || i FROM generate_series(1, 300) i")
    vectorizer.create(source, stub.url)
    settles(lambda: len(source.sql(FAILED)), 300)
    settles(lambda: health(source)["state"], "idle")
