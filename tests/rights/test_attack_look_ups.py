"""Servers whose names nobody answers for: see "Over the network" in docs/security.md."""

import tempfile
from pathlib import Path

import psycopg
import pytest
from support import vectorizer
from support.silent_names import DOMAIN, SilentNames
from support.tenant import Tenant
from support.wait import eventually
from support.worker import the_worker

# More than there are threads of any kind.
MANY = 40


@pytest.fixture
def silent():
    # Postgres's user passes through the directory.
    with tempfile.TemporaryDirectory(prefix="pgai_rs-") as directory:
        names = SilentNames(Path(directory))
        yield names
        names.answer()


def named(url: str) -> str:
    """The same server by a name, so that it is looked up."""
    return url.replace("127.0.0.1", "localhost")


def model(url: str) -> str:
    return f"ai.embedding_openai('stub', {vectorizer.DIMENSIONS}, base_url => '{url}', api_key_name => NULL)"


def question(url: str) -> str:
    return f"SELECT ai.vectorizer_embed({model(url)}, 'text')"


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def threads(pid: int) -> list[str]:
    return [(task / "comm").read_text().strip() for task in Path(f"/proc/{pid}/task").iterdir()]


def looking_up(pid: int) -> int:
    """The number of threads that look up names, or wait for one to look up."""
    return threads(pid).count("pgai_rs names")


def test_names_that_nobody_answers_for_keep_no_other_owner_waiting(cluster_factory, stub, silent):
    conf = {"pgai_rs.allowed_base_urls": f"http://, {named(stub.url)}"}
    db = cluster_factory(conf=conf, env=silent.env).create_database("silent")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    mallory, alice = Tenant(db, "mallory", named(stub.url)), Tenant(db, "alice", named(stub.url))
    for number in range(MANY):
        mallory.vectorizer(f"t{number}", embedding=model(f"http://{number}.{DOMAIN}"))
        mallory.insert(1, f"t{number}")
    alice.vectorizer(embedding=model(named(stub.url)))

    pid = the_worker(db)
    eventually(lambda: silent.look_ups() >= 8, what="as many of her names to be looked up as may be")
    for row in range(3):
        alice.is_served(row)
    assert looking_up(pid) <= 16


def test_cancelled_queries_leave_few_threads_and_descriptors(cluster_factory, stub, silent):
    db = cluster_factory(env=silent.env).create_database("silent")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    with db.connect() as session:
        session.execute(question(named(stub.url)))
        pid = session.info.backend_pid
        before = descriptors(pid), len(threads(pid))

        session.execute("SET statement_timeout = '200ms'")
        ended = set()
        for number in range(MANY):
            with pytest.raises(psycopg.Error) as refused:
                session.execute(question(f"http://{number}.{DOMAIN}"))
            ended.add(refused.value.sqlstate)
        # The first are cancelled; the others are refused at once.
        assert ended == {"57014", "53000"}
        assert refused.value.diag.message_hint and refused.value.diag.message_detail
        assert descriptors(pid) <= before[0] + 4 and len(threads(pid)) <= before[1] + 4

        silent.answer()
        session.execute("SET statement_timeout = 0")
        eventually(
            lambda: session.execute(question(named(stub.url))).fetchone(),
            what="the session to ask again",
            ignoring=(psycopg.errors.InsufficientResources,),
        )
