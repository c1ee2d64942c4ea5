"""Whatever a database, a role or a session sets, the same comes out.

Every setting that a database can change gets odd values, many settings at once, and the main job is done: in sessions
and by the worker and the builder of indexes. Where it comes out otherwise, the settings at fault are searched for.
"""

import itertools

import pytest
from psycopg import sql
from support import egress, odd_settings, vectorizer
from support.wait import eventually

OWNER = "keeper"

# The text of the first one's key depends on settings, and has letters that a string can be broken by.
SOURCES = r"""
    CREATE TABLE document (
        id int, at timestamptz, span interval, ratio float8, raw bytea, "na\me" text COLLATE "C", body text,
        PRIMARY KEY (id, at, span, ratio, raw, "na\me"));
    CREATE TABLE parted (id int PRIMARY KEY, body text) PARTITION BY RANGE (id);
    CREATE TABLE parted_one PARTITION OF parted FOR VALUES FROM (0) TO (1000);
    CREATE TABLE flat (id int PRIMARY KEY, body text)
"""
KEY = r"""'2024-05-06 07:08:09.123456+00', make_interval(0, 1, 0, 2, 3, 4, 5.5), 1.0::float8 / 3, decode('5c00ff', 'hex'), chr(92) || 'x'"""
TEMPLATE = "ai.formatting_python_template('$chunk ($at $span $ratio $raw)')"

_numbers = itertools.count(1)


class Job:
    """The main job, in a database with these settings."""

    def __init__(self, cluster, stub, bucket, settings: dict[str, str]):
        self.db = cluster.create_database(f"odd_{next(_numbers)}")
        self.stub, self.bucket, self.settings = stub, bucket, settings
        usual = ((name, value) for name, value in odd_settings.OF_THE_WORKER_ALONE.items() if value is not None)
        self.options = " ".join(f"-c {name}={value.replace(' ', chr(92) + ' ')}" for name, value in usual)

    def outcome(self) -> dict:
        """What comes out, whatever is set."""
        try:
            return self._outcome()
        except Exception as error:
            return {"error": f"{type(error).__name__}: {error}"[:300]}
        finally:
            self.db.drop()

    def _outcome(self) -> dict:
        odd_settings.prepare_database(self.db)
        for name, value in self.settings.items():
            self._alter("SET {} TO {}", sql.Identifier(name), sql.Literal(value))
        with self._session("postgres") as session:
            session.execute("CREATE EXTENSION vector SCHEMA public")
            session.execute("CREATE EXTENSION pgai_rs")
            session.execute(f"SELECT ai.grant_vectorizer_usage('{OWNER}'); GRANT CREATE ON SCHEMA public TO {OWNER}")
        worker = eventually(self._worker, what="the worker to start")
        with self._session(OWNER) as session:
            # Sessions and processes that are there keep theirs; who looks at what comes out has none.
            self._alter("RESET ALL")
            outcome = self._declare(session) | self._change(session) | self._ask(session) | self._drop(session)
        assert self._worker() == worker, "the worker ended and another was started"
        return outcome

    def _alter(self, what: str, *values) -> None:
        statement = sql.SQL(f"ALTER DATABASE {{}} {what}").format(sql.Identifier(self.db.name), *values)
        self.db.cluster.sql(statement)

    def _session(self, user: str):
        return self.db.connect(user=user, options=self.options, client_encoding="UTF8")

    def _worker(self):
        worker = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pgai_rs worker' AND datname = %s"
        return [pid for [pid] in self.db.cluster.sql(worker, [self.db.name])]

    def _declare(self, session) -> dict:
        self.db.sql(f"SET ROLE {OWNER}; {SOURCES}")
        rows = f"SELECT i, {KEY}, 'row ' || i || chr(92) || '|b' FROM generate_series(1, 5) i"
        session.execute(f"INSERT INTO public.document {rows}")
        self._create(session, "document", formatting=TEMPLATE, indexing="ai.indexing_hnsw(min_rows => 1)")
        self._create(session, "parted")
        column = {"destination": "ai.destination_column('embedding')", "chunking": "ai.chunking_none()"}
        self._create(session, "flat", **column)
        prefix = f"s3://{self.bucket.name}/"
        source = session.execute("SELECT ai.create_s3_source('public.object', %s, schedule => NULL)", [prefix]).fetchone()
        [self.run] = session.execute("SELECT ai.sync_s3_source(%s)", source).fetchone()
        session.execute("INSERT INTO public.parted SELECT i, 'part ' || i FROM generate_series(1, 3) i")
        session.execute("INSERT INTO public.flat SELECT i, 'flat ' || i FROM generate_series(1, 3) i")
        return {"declared": self._settled(), "listed": self._listed(), "made": self.db.sql(MADE, [OWNER])}

    def _create(self, session, table: str, **more: str) -> None:
        arguments = {
            "loading": "ai.loading_column('body')",
            "embedding": f"ai.embedding_openai('stub', {vectorizer.DIMENSIONS}, base_url => '{self.stub.url}')",
            "chunking": vectorizer.CUT_AT_BARS,
        } | more
        named = ", ".join(f"{name} => {value}" for name, value in arguments.items())
        session.execute(f"SELECT ai.create_vectorizer('public.{table}'::regclass, {named})")

    def _change(self, session) -> dict:
        for table in ("document", "parted", "flat"):
            session.execute(f"UPDATE public.{table} SET body = 'new ' || id WHERE id = 1")
            session.execute(f"UPDATE public.{table} SET id = 10 WHERE id = 2")
            session.execute(f"DELETE FROM public.{table} WHERE id = 3")
        return {"changed": self._settled()}

    def _ask(self, session) -> dict:
        nearest = """
            SELECT id FROM public.document_embedding
            ORDER BY embedding OPERATOR(public.<=>) ai.vectorizer_embed(%s, %s) LIMIT 1
        """
        found = session.execute(nearest, ["public_document_embedding_store", "row 4"]).fetchall()
        # As a superuser, for with row_security off a table that has policies is read by nobody else.
        ids = [id for [id] in self.db.sql("SELECT id FROM ai.vectorizer ORDER BY id")]
        again = [session.execute("SELECT ai.resync(%s, all_rows => true)", [id]).fetchone() for id in ids]
        resynced = self._settled()
        eventually(lambda: self.db.sql(INDEX), what="the index to be built", timeout=120)
        health = session.execute("SELECT name, state, failed_items FROM ai.vectorizer_health ORDER BY name").fetchall()
        errors = self.db.sql("SELECT name, message, details FROM ai.vectorizer_errors")
        return {"found": found, "again": again, "resynced": resynced, "health": health, "errors": errors}

    def _drop(self, session) -> dict:
        self.db.sql("INSERT INTO ai._vectorizer_errors (id, message) SELECT min(id), 'x' FROM ai.vectorizer")
        for statement in (
            "TRUNCATE public.document",
            "SELECT ai.drop_vectorizer(name, drop_all => true) FROM unnest(ARRAY['public_document_embedding_store',"
            " 'public_parted_embedding_store', 'public_flat_embedding']) AS name",
            "SELECT ai.drop_s3_source('public_object')",
        ):
            session.execute(statement)
        return {"left": self.db.sql(LEFT)}

    def _settled(self) -> list:
        eventually(lambda: self.db.sql(PENDING) == [(0, 0)], what="the queues to be empty", timeout=120)
        return [self.db.sql(table) for table in STORED]

    def _listed(self) -> tuple:
        look = "SELECT state, scanned, new, error FROM ai._s3_source_run WHERE run = %s AND finished IS NOT NULL"
        [row] = eventually(lambda: self.db.sql(look, [self.run]), what="the listing to end", timeout=120)
        return row, self.db.sql("SELECT uri, size FROM object ORDER BY uri")


PENDING = """
    SELECT coalesce(sum(ai.vectorizer_queue_pending(id, true)), 0)::int,
           (SELECT count(*)::int FROM ai._vectorizer_errors) FROM ai.vectorizer
"""
STORED = (
    "SELECT id, chunk_seq, chunk, embedding::real[] FROM document_embedding_store ORDER BY 1, 2",
    "SELECT id, chunk_seq, chunk FROM parted_embedding_store ORDER BY 1, 2",
    "SELECT id, embedding::real[] FROM flat ORDER BY 1",
)
MADE = """
    SELECT c.relname, a.amname, t.spcname FROM pg_class c JOIN pg_am a ON a.oid = c.relam
    LEFT JOIN pg_tablespace t ON t.oid = c.reltablespace
    WHERE pg_get_userbyid(c.relowner) = %s AND c.relkind = 'r' ORDER BY 1
"""
INDEX = """
    SELECT FROM pg_index JOIN pg_class c ON c.oid = indexrelid JOIN pg_am a ON a.oid = c.relam
    WHERE indrelid = 'document_embedding_store'::regclass AND indisvalid AND a.amname = 'hnsw'
"""
LEFT = r"""
    SELECT relname FROM pg_class WHERE relname ~ '_[0-9]+$' AND relnamespace = 'ai'::regnamespace
    UNION ALL SELECT message FROM ai._vectorizer_errors
"""


def rounds(db) -> list[dict[str, str]]:
    """All settings, each with one of its values; as often as it takes for all values."""
    values = odd_settings.values(db)
    most = max(len(tried) for tried in values.values())
    return [{name: tried[number % len(tried)] for name, tried in values.items()} for number in range(most)]


def culprits(outcome, usual: dict, settings: dict[str, str]) -> list:
    """The settings with which something else comes out, each with what does; halves of them are tried in turn."""
    came = outcome(settings)
    if came == usual:
        return []
    if len(settings) == 1:
        return [(settings, {what: value for what, value in came.items() if usual.get(what) != value})]

    items = list(settings.items())
    halves = (dict(items[: len(items) // 2]), dict(items[len(items) // 2 :]))
    found = [culprit for half in halves for culprit in culprits(outcome, usual, half)]
    return found or [(list(settings), came)]


@pytest.fixture
def own_cluster(cluster_factory, stub, bucket):
    """A cluster of its own: roles, tablespaces and settings are the cluster's."""
    conf = egress.settings(stub.url) | {"pgai_rs.allowed_uris": f"s3://{bucket.name}/"}
    cluster = cluster_factory(conf=conf)
    cluster.sql(f"CREATE ROLE {OWNER} LOGIN")
    # To have them as usual, whatever the database sets.
    cluster.sql(f"GRANT SET ON PARAMETER max_stack_depth, session_replication_role TO {OWNER}")
    bucket.put("one.md", "one")
    return cluster


@pytest.mark.timeout(1800)
def test_the_same_comes_out(own_cluster, stub, bucket):
    def outcome(settings):
        return Job(own_cluster, stub, bucket, settings).outcome()

    prepared = own_cluster.create_database("prepared")
    odd_settings.prepare(prepared)
    prepared.sql("CREATE EXTENSION pgai_rs CASCADE")
    usual = outcome({})
    assert usual.get("errors") == [] == usual.get("left"), usual
    assert len(usual["declared"][0]) == 10 and usual["found"], usual
    at_fault = [culprit for settings in rounds(prepared) for culprit in culprits(outcome, usual, settings)]
    assert at_fault == []


def test_the_worker_outlives_a_limit_on_transactions(db, stub):
    if db.value("SELECT current_setting('server_version_num')::int") < 170000:
        pytest.skip("there is no transaction_timeout before Postgres 17")
    worker = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pgai_rs worker' AND datname = %s"
    pids = lambda: db.cluster.sql(worker, [db.name])  # noqa: E731
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    vectorizer.create(db, stub.url)
    before = eventually(pids, what="the worker to start")
    db.cluster.sql(f"ALTER DATABASE {db.name} SET transaction_timeout = 1")
    db.cluster.sql("SELECT pg_terminate_backend(%s)", list(before[0]))
    # Idle after its first turn: from then on it is to last.
    idle = lambda: db.cluster.sql(f"{worker} AND state = 'idle'", [db.name])  # noqa: E731
    after = eventually(lambda: [found for found in idle() if found not in before], what="the worker to be started anew")
    db.cluster.sql(f"ALTER DATABASE {db.name} RESET transaction_timeout")
    db.sql("INSERT INTO document VALUES (1, 'a')")
    vectorizer.in_step(db, ["id"])
    assert pids() == after


def test_foreign_keys_hold_in_a_replicas_session(db, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    vectorizer.create(db, stub.url)
    db.sql("INSERT INTO ai._vectorizer_errors (id, message) VALUES (1, 'x')")
    with db.connect() as session:
        session.execute("SET session_replication_role = replica")
        session.execute("SELECT ai.drop_vectorizer(1, drop_all => true)")
    assert db.sql("SELECT message FROM ai._vectorizer_errors") == []


def test_an_error_that_is_caught_ends_no_session(db, stub):
    """A user's statement goes on where the trigger can't do its work, and so does the session."""
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    vectorizer.create(db, stub.url)
    db.sql("ALTER TABLE ai._vectorizer_q_1 ADD CHECK (id < 0) NOT VALID")
    with db.connect() as session:
        session.execute("SET exit_on_error = on")
        session.execute("INSERT INTO document VALUES (1, 'a')")
        assert session.execute("SELECT id FROM document").fetchall() == [(1,)]
