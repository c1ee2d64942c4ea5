"""What the end-to-end tests get: a cluster, a database, S3, a model, and a stub of one."""

import itertools
import os
import re
import signal
from pathlib import Path

import pytest
from pgai_dev import places, postgres

# Before they are imported: their assertions are to show both sides as a test's own do.
pytest.register_assert_rewrite("support.wait", "support.vectorizer", "support.s3_source", "support.rereading", "support.words")

from support import workdir as directories
from support.cluster import Cluster, Database
from support.embedder import EmbeddingServer
from support.s3 import Bucket, S3Server
from support.stub import Stub

_numbers = itertools.count(1)


def pytest_configure():
    # A SIGTERM, as from a CI system, ends like a Ctrl-C: with all fixtures torn down.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))


@pytest.fixture(scope="session")
def pg() -> postgres.Postgres:
    """The Postgres that PG or PG_CONFIG names; `make test-e2e` has installed the extension there."""
    return postgres.wanted()


@pytest.fixture(scope="session")
def bindir(pg) -> Path:
    return pg.ask("bindir")


@pytest.fixture(scope="session")
def workdir():
    """A directory for all that the tests start."""
    with directories.made("tests") as directory:
        yield directory


@pytest.fixture(scope="session")
def s3(workdir):
    server = S3Server(workdir)
    yield server
    server.stop()


@pytest.fixture
def bucket(s3, request) -> Bucket:
    """An empty bucket of the test's own."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:40].strip("-")
    return s3.bucket(f"{name}-{next(_numbers)}")


@pytest.fixture(scope="session")
def embedder(workdir):
    """The embedding server with the real model."""
    server = EmbeddingServer(places.EMBEDDING_SERVER, places.MODEL, workdir)
    yield server
    server.stop()


@pytest.fixture
def stub():
    """A model server that fails on demand; see support/stub.py."""
    server = Stub()
    yield server
    server.close()


@pytest.fixture(scope="session")
def server_env(s3) -> dict[str, str]:
    """The environment of the clusters: where S3 is, and a key for the model server."""
    return s3.env | {"OPENAI_API_KEY": "sk-test"}


@pytest.fixture(scope="session")
def cluster(bindir, workdir, server_env):
    """The cluster that most tests share, with the extension preloaded. Leave its settings alone."""
    shared = Cluster(bindir, workdir / "shared", env=server_env).create()
    try:
        yield shared.start()
    finally:
        shared.remove()


@pytest.fixture
def cluster_factory(bindir, workdir, server_env):
    """Makes clusters for tests that stop, kill or configure theirs: cluster_factory(conf={…}, env={…})."""
    made = []

    def make(conf: dict | None = None, env: dict | None = None, limits: dict | None = None) -> Cluster:
        directory = workdir / f"own-{next(_numbers)}"
        one = Cluster(bindir, directory, conf=conf, env=server_env | (env or {}), limits=limits)
        made.append(one)
        return one.create().start()

    yield make
    for one in made:
        one.remove()


@pytest.fixture
def copies(workdir):
    """Makes copies of clusters, and starts them: copies(cluster.copy), copies(cluster.base_backup, standby=True)."""
    made = []

    def make(how, **options) -> Cluster:
        one = how(workdir / f"copy-{next(_numbers)}", **options)
        made.append(one)
        return one.start()

    yield make
    for one in made:
        one.remove()


@pytest.fixture
def db(cluster) -> Database:
    """A database of the test's own, with the extension."""
    database = cluster.create_database(f"test_{next(_numbers)}")
    try:
        database.sql("CREATE EXTENSION pgai_rs CASCADE")
        yield database
    finally:
        database.drop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows what its clusters logged meanwhile."""
    report = yield
    if report.failed and call.when != "teardown":
        for name, value in getattr(item, "funcargs", {}).items():
            if isinstance(value, Cluster):
                report.sections.append((f"server log of {name}", value.log_text()[-6000:]))
    return report


def pytest_report_header():
    chosen = os.environ.get("PG_CONFIG") or f"PG={os.environ.get('PG') or places.DEFAULT_PG}"
    return f"Postgres: {chosen}"
