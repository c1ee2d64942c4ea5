"""S3 the way its users run it: roles, external ids, other servers, public buckets, and what is allowed."""

import json
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from support import egress, vectorizer
from support.iam import BUCKET, EXTERNAL_ID, USER, StrictS3, role
from support.listening import listening
from support.wait import eventually

TABLE = "CREATE TABLE document (id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY, uri text, updated_at timestamptz)"
CHUNKS = "SELECT chunk FROM document_embedding_store"


@pytest.fixture(scope="module")
def strict(workdir):
    server = StrictS3(workdir / "strict")
    server.documents.put("a.txt", "behind a role")
    yield server.enforce()
    server.stop()


@pytest.fixture
def service(cluster_factory, strict):
    """Makes a database, on a server whose own keys may only assume roles."""

    def make(external_id: str | None = EXTERNAL_ID, **conf):
        cluster = cluster_factory(conf={f"pgai_rs.{name}": value for name, value in conf.items()}, env=strict.env)
        db = cluster.create_database("service")
        if external_id:
            db.sql(f"ALTER DATABASE service SET pgai_rs.aws_external_id = '{external_id}'")
        db.sql("CREATE EXTENSION pgai_rs CASCADE")
        db.sql(TABLE)
        db.sql("INSERT INTO document (uri) VALUES (%s)", [f"s3://{BUCKET}/a.txt"])
        return db

    return make


def loading(**arguments: str) -> str:
    """ai.loading_uri with these texts."""
    given = "".join(f", {name} => '{value}'" for name, value in arguments.items())
    return f"ai.loading_uri('uri'{given})"


def failure(db) -> dict:
    """The details of the first error, once there is one."""
    return eventually(lambda: db.sql("SELECT details FROM ai.vectorizer_errors"), what="an error row")[0][0]


# Roles


def test_a_role_is_assumed_with_the_databases_external_id(service, stub):
    db = service()
    vectorizer.create(db, stub.url, loading=loading(aws_role_arn=role("reader")))
    eventually(lambda: db.sql(CHUNKS) == [("behind a role",)], what="the object behind the role")


def test_another_external_id_is_refused_by_the_role(service, stub):
    db = service(external_id="somebody/else")
    vectorizer.create(db, stub.url, loading=loading(aws_role_arn=role("reader")))
    details = failure(db)
    assert details["code"] == "role_refused" and details["is_retryable"]
    assert role("reader") in details["error_reason"] and "external id" in details["hint"]
    assert "somebody/else" not in json.dumps(details)


def test_a_role_that_may_not_read_is_told_from_one_that_can_not_be_assumed(service, stub):
    db = service()
    vectorizer.create(db, stub.url, loading=loading(aws_role_arn=role("stranger")))
    assert failure(db)["code"] == "access_denied"


def test_an_ordinary_role_can_not_choose_the_external_id(service, stub):
    db = service()
    db.sql("CREATE ROLE tenant LOGIN")
    for statement in [
        "SET pgai_rs.aws_external_id = 'x'",
        "ALTER ROLE tenant SET pgai_rs.aws_external_id = 'x'",
        "SELECT set_config('pgai_rs.aws_external_id', 'x', false)",
    ]:
        with pytest.raises(Exception, match="permission denied") as refusal:
            db.sql(statement, user="tenant")
        assert refusal.value.sqlstate == "42501"


def test_a_service_that_only_assumes_roles_refuses_who_names_none(service, stub):
    db = service(s3_credentials="role")
    with pytest.raises(Exception, match="only be used with an assumed role") as refusal:
        vectorizer.create(db, stub.url, loading=loading())
    assert refusal.value.sqlstate == "42501" and "aws_role_arn" in refusal.value.diag.message_hint
    vectorizer.create(db, stub.url, loading=loading(aws_role_arn=role("reader")))
    eventually(lambda: db.sql(CHUNKS) == [("behind a role",)])


def test_who_names_no_role_is_refused_at_work_too(cluster_factory, bucket, stub):
    cluster = cluster_factory()
    db = cluster.create_database("later")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    db.sql(TABLE)
    vectorizer.create(db, stub.url, loading=loading())
    db.sql("INSERT INTO document (uri) VALUES (%s)", [bucket.put("a.txt", "first")])
    eventually(lambda: db.sql(CHUNKS) == [("first",)])
    position = cluster.log_position()
    cluster.configure(pgai_rs__s3_credentials="role")
    eventually(lambda: "only be used with an assumed role" in cluster.log_text(position), what="the refusal")
    db.sql("INSERT INTO document (uri) VALUES (%s)", [bucket.put("b.txt", "second")])
    cluster.configure(pgai_rs__s3_credentials="default")
    eventually(lambda: sorted(db.sql(CHUNKS)) == [("first",), ("second",)], what="work to go on")


# What is allowed


@pytest.fixture
def tenant(db):
    """An ordinary role with a table of addresses."""
    name = f"tenant_{db.name}"
    db.sql(f"CREATE ROLE {name} LOGIN")
    db.sql(f"SELECT ai.grant_vectorizer_usage('{name}'); GRANT CREATE ON SCHEMA public TO {name}")
    db.sql(TABLE, user=name)
    yield name
    egress.allow_nothing(db.cluster)
    db.sql(f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}")


@pytest.mark.parametrize(
    "arguments, message, sqlstate",
    [
        ({"endpoint": "https://evil.example"}, "endpoint is not allowed", "42501"),
        ({"endpoint": "file:///etc/passwd"}, "must begin with http", "22023"),
        ({"region": "evil.example/"}, "must be the name of an AWS region", "22023"),
        ({"url_style": "sideways"}, "unknown variant", "22023"),
        ({"aws_role_arn": role("reader"), "anonymous": "true"}, "cannot assume a role anonymously", "22023"),
        ({"aws_role_arn": "arn:aws:iam::1:user/me"}, "aws_role_arn must match", "P0001"),
    ],
)
def test_what_a_role_may_not_declare_is_refused_at_once(db, stub, tenant, arguments, message, sqlstate):
    embedding = f"ai.embedding_openai('stub', {vectorizer.DIMENSIONS})"
    with pytest.raises(Exception, match=message) as refusal:
        vectorizer.create(db, stub.url, user=tenant, embedding=embedding, loading=loading(**arguments))
    assert refusal.value.sqlstate == sqlstate


def test_roles_and_anonymous_access_are_the_operators_to_allow(cluster_factory, stub):
    db = cluster_factory(
        conf={"pgai_rs.allowed_role_arns": role("documents-"), "pgai_rs.s3_anonymous": "off"}
    ).create_database("strict")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    db.sql(TABLE)
    for arguments in [{"aws_role_arn": role("admin")}, {"anonymous": "true"}]:
        with pytest.raises(Exception, match="on this server") as refusal:
            vectorizer.create(db, stub.url, loading=loading(**arguments))
        assert refusal.value.sqlstate == "42501" and "superuser" in refusal.value.diag.message_hint
    vectorizer.create(db, stub.url, loading=loading(aws_role_arn=role("documents-reader")))


@pytest.mark.parametrize("arn", ["arn:aws-us-gov:iam::123456789012:role/r", "arn:aws-cn:iam::123456789012:role/a/b"])
def test_roles_of_other_partitions_are_roles(db, stub, arn):
    db.sql(TABLE)
    vectorizer.create(db, stub.url, loading=loading(aws_role_arn=arn))
    assert db.value("SELECT config #>> '{loading,aws_role_arn}' FROM ai.vectorizer") == arn


# Other servers, public buckets


def test_a_vectorizer_can_have_a_server_of_its_own(cluster_factory, s3, bucket, stub):
    db = cluster_factory(env={"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}).create_database("elsewhere")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    db.sql(TABLE)
    db.sql("INSERT INTO document (uri) VALUES (%s)", [bucket.put("a.txt", "over there")])
    vectorizer.create(db, stub.url, loading=loading(endpoint=s3.url, url_style="path", region="us-east-1"))
    eventually(lambda: db.sql(CHUNKS) == [("over there",)])


def test_a_public_bucket_needs_no_credentials(cluster_factory, s3, bucket, stub):
    anyone = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket.name}/*"}
    bucket.client.put_bucket_policy(
        Bucket=bucket.name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [anyone]})
    )
    nothing = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"}
    db = cluster_factory(env=nothing).create_database("public")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    db.sql(TABLE)
    db.sql("INSERT INTO document (uri) VALUES (%s)", [bucket.put("a.txt", "for all")])
    vectorizer.create(db, stub.url, loading=loading(anonymous="true", endpoint=s3.url, url_style="path"))
    eventually(lambda: db.sql(CHUNKS) == [("for all",)])


# What to paste into IAM


def policies(db, *arguments) -> dict:
    rows = db.sql("SELECT policy, attach_to, document FROM ai.s3_policies(%s, %s, %s)", arguments)
    return {policy: (attach_to, document["Statement"]) for policy, attach_to, document in rows}


def test_the_policies_of_a_role_name_the_server_and_its_external_id(cluster_factory):
    db = cluster_factory(conf={"pgai_rs.aws_external_id": EXTERNAL_ID}).create_database("iam")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    found = policies(db, "s3://documents/public/", role("reader"), USER)
    assert found["permissions"][0] == found["trust"][0] == role("reader") and found["assume_role"][0] == USER
    [trust] = found["trust"][1]
    assert trust["Principal"] == {"AWS": USER}
    assert trust["Condition"] == {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}}
    assert found["permissions"][1][0]["Resource"] == "arn:aws:s3:::documents/public/*"


def test_the_policies_that_are_printed_are_enough(workdir, cluster_factory, stub):
    server = StrictS3(workdir / "printed")
    db = cluster_factory(conf={"pgai_rs.aws_external_id": "mine"}, env=server.env).create_database("printed")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    server.follow("printed", policies(db, BUCKET, role("printed"), USER))
    db.sql(TABLE)
    db.sql("INSERT INTO document (uri) VALUES (%s)", [server.documents.put("a.txt", "as printed")])
    server.enforce()
    try:
        vectorizer.create(db, stub.url, loading=loading(aws_role_arn=role("printed")))
        eventually(lambda: db.sql(CHUNKS) == [("as printed",)])
    finally:
        server.stop()


@pytest.mark.parametrize("bucket", [None, "", "s3://", "https://b/k", "b c"])
def test_what_names_no_bucket_has_no_policies(db, bucket):
    with pytest.raises(Exception, match="invalid bucket name") as refusal:
        policies(db, bucket, None, None)
    assert refusal.value.sqlstate == "22023"


# The answer


def check(db, uri: str, role_arn: str | None = None, *, user: str = "postgres", **arguments) -> dict:
    """What ai.check_s3 says: (ok, message and hint) by step."""
    named = "".join(f", {name} => '{value}'" for name, value in arguments.items())
    rows = db.sql(f"SELECT step, ok, message, hint FROM ai.check_s3(%s, %s{named})", [uri, role_arn], user=user)
    assert [step for step, *_ in rows] == ["uri", "credentials", "identity", "role", "bucket", "head", "get"]
    return {step: (ok, f"{message} {hint or ''}") for step, ok, message, hint in rows}


def test_the_way_to_an_object_is_walked_step_by_step(service, strict):
    steps = check(service(), f"s3://{BUCKET}/a.txt", role("reader"))
    # moto grants s3:ListBucket to nobody who heads a bucket: that step can't tell, and goes on.
    assert {step: ok for step, (ok, _) in steps.items()} == dict.fromkeys(steps, True) | {"bucket": None}
    key, secret = strict.env["AWS_ACCESS_KEY_ID"], strict.env["AWS_SECRET_ACCESS_KEY"]
    said = str(steps)
    assert "environment" in steps["credentials"][1].lower() and key[-4:] in said
    assert key not in said and secret not in said
    assert USER in steps["identity"][1] and role("reader") in steps["role"][1] and "13 bytes" in steps["head"][1]


def test_the_step_that_fails_says_why_and_those_after_it_are_skipped(service):
    db = service(external_id="somebody/else")
    refused = check(db, f"s3://{BUCKET}/a.txt", role("reader"))
    assert refused["identity"][0] and refused["role"][0] is False and refused["get"][0] is None
    assert "external id" in refused["role"][1]
    denied = check(db, f"s3://{BUCKET}/a.txt")
    assert denied["head"][0] is False and denied["get"][0] is False and "s3:GetObject" in denied["get"][1]
    assert check(db, "s3://")["uri"][0] is False


def test_a_missing_object_is_told_from_a_missing_bucket(db, bucket):
    missing = check(db, bucket.uri("missing"))
    assert missing["bucket"][0] and missing["head"][0] is False
    assert check(db, "s3://no-such-bucket-anywhere/a")["bucket"][0] is False


def test_only_whom_the_administrator_lets_may_check(db, bucket, tenant):
    with pytest.raises(Exception, match="permission denied for function check_s3"):
        check(db, bucket.uri("a"), user=tenant)
    db.sql(f"GRANT EXECUTE ON FUNCTION ai.check_s3 TO {tenant}")
    egress.allow_objects(db.cluster, bucket.uri(""))
    assert check(db, bucket.uri("a"), user=tenant)["bucket"][0]
    with pytest.raises(Exception, match="endpoint is not allowed"):
        check(db, bucket.uri("a"), user=tenant, endpoint="https://evil.example")


def test_a_check_of_a_server_that_never_answers_ends(cluster_factory):
    """However long an object may take to load."""
    db = cluster_factory(conf={"pgai_rs.load_timeout": "1h"}).create_database("house")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    with listening(head=b"", part=b"", hold=True) as server:
        checked = check(db, "s3://b/k", endpoint=server.url(), anonymous=True)
    assert checked["bucket"][0] is False and "within 15s" in checked["bucket"][1]
    assert checked["get"][0] is None


@pytest.mark.parametrize("how", ["user request", "statement timeout"])
def test_a_check_hears_a_cancelled_statement(cluster_factory, how):
    """While it waits for a server that never answers."""
    db = cluster_factory(conf={"pgai_rs.load_timeout": "1h"}).create_database("house")
    db.sql("CREATE EXTENSION pgai_rs CASCADE; CREATE SEQUENCE gone_on")
    with listening(head=b"", part=b"", hold=True) as server, db.connect() as session, ThreadPoolExecutor() as other:
        if how == "statement timeout":
            session.execute("SET statement_timeout = '1s'")
        # The number is taken as soon as the check has come to an end by itself, which it does after some seconds:
        # Postgres hears of a cancellation later than that.
        checks = "SELECT ai.check_s3('s3://b/k', endpoint => %s, anonymous => true), nextval('gone_on')"
        checked = other.submit(session.execute, checks, [server.url()])
        if how == "user request":
            eventually(lambda: server.connections, what="the server to be asked")
            session.cancel()
        with pytest.raises(psycopg.errors.QueryCanceled, match=how):
            checked.result()
        # It was the first request that did not go on.
        assert server.connections <= 1
        assert session.execute("SELECT is_called FROM gone_on").fetchone() == (False,)
        assert session.execute("SELECT 1").fetchone() == (1,)
