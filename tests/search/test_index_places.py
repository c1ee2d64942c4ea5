"""Index builds are shared by owner: nobody's keep the others' waiting, and there are no more than there may be."""

import pytest
from support import egress, vectorizer
from support.index import the_index
from support.tenant import Tenant
from support.wait import eventually, settles

HNSW = "ai.indexing_hnsw(min_rows => 1)"

# Builds of owners in `held` go on when they are not in it any more. Meanwhile they wait for no lock, as those that
# compute. Each tells how many builders there are when it begins; what it tells is seen when it goes on.
HOLD = """
    CREATE TABLE public.held (who text);
    CREATE TABLE public.begun (number serial, who text, builders int);
    CREATE FUNCTION public.hold() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        INSERT INTO public.begun (who, builders)
        SELECT session_user, count(*) FROM pg_stat_activity WHERE backend_type = 'pgai_rs index builder';
        WHILE EXISTS (SELECT FROM public.held WHERE who = session_user) LOOP PERFORM pg_sleep(0.02); END LOOP;
    END $$;
    CREATE EVENT TRIGGER hold ON ddl_command_start WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION public.hold();
"""


@pytest.fixture
def shared(cluster_factory, stub):
    """A database, and roles that share it, each with these tables: shared({name: tables}, **settings)."""

    def make(roles: dict[str, list[str]], **settings):
        conf = egress.settings(stub.url) | {"max_worker_processes": "16"}
        db = cluster_factory(conf=conf | settings).create_database("places")
        db.sql("CREATE EXTENSION pgai_rs CASCADE")
        tenants = [Tenant(db, name, stub.url) for name in roles]
        for tenant in tenants:
            for table in roles[tenant.name]:
                tenant.vectorizer(table, indexing=HNSW)
        db.sql(HOLD)
        return db, *tenants

    return make


def hold(db, *owners: str) -> None:
    db.sql("INSERT INTO public.held SELECT unnest(%s::text[])", [list(owners)])


def held(db) -> list[str]:
    """The owners of the builds that are held, one for each."""
    look = "SELECT usename::text FROM pg_stat_activity WHERE backend_type = 'pgai_rs index builder' AND wait_event = 'PgSleep'"
    return sorted(owner for [owner] in db.sql(look))


def begun(db) -> list[tuple[str, int]]:
    """The builds in the order in which they began: the owner of each, and how many builders there were."""
    return db.sql("SELECT who, builders FROM public.begun ORDER BY number")


def is_due(tenant: Tenant, table: str) -> None:
    """Waits until all that an index of hers still needs is somebody who builds it."""
    look = "SELECT ai._vectorizer_should_create_vector_index(v) FROM ai.vectorizer v WHERE id = %s"
    settles(lambda: tenant.db.value(look, [tenant.ids[table]]), True, what=f"the index of {tenant.name}'s to be due")


def index(tenant: Tenant, table: str) -> str:
    return the_index(tenant.db, f"{tenant.name}.{table}_embedding_store")


def test_a_build_that_takes_long_keeps_no_other_owners_waiting(shared):
    db, mallory, alice = shared({"mallory": ["first", "second"], "alice": ["document"]})
    hold(db, "mallory")
    for table in ["first", "second"]:
        mallory.insert(1, table)
    settles(lambda: held(db), ["mallory"])
    alice.insert(1)
    index(alice, "document")
    # Hers come one after the other.
    assert held(db) == ["mallory"]
    db.sql("DELETE FROM public.held")
    for table in ["first", "second"]:
        index(mallory, table)


def test_owners_take_turns_and_no_more_is_built_at_a_time_than_may(shared):
    tables = ["first", "second", "third"]
    db, mallory, alice = shared({"mallory": tables, "alice": ["document"]}, **{"pgai_rs.max_index_builders": "1"})
    hold(db, "mallory")
    mallory.insert(1, "first")
    settles(lambda: held(db), ["mallory"])
    for table in ["second", "third"]:
        mallory.insert(1, table)
        is_due(mallory, table)
    alice.insert(1)
    is_due(alice, "document")
    db.sql("DELETE FROM public.held")
    for table in tables:
        index(mallory, table)
    index(alice, "document")
    # An owner who was looked at shortly before is looked at a moment later, when another may have taken the place.
    owners, builders = zip(*begun(db))
    assert sorted(owners) == ["alice", "mallory", "mallory", "mallory"] and owners.index("alice") < 3
    assert set(builders) == {1}


def test_as_many_owners_have_one_built_as_is_set(shared):
    db, *tenants = shared({name: ["document"] for name in ["mallory", "bob", "alice"]})
    hold(db, "mallory", "bob", "alice")
    for tenant in tenants:
        tenant.insert(1)
        is_due(tenant, "document")
    eventually(lambda: len(held(db)) == 2, what="two builds")
    # A reload is enough, and then the third is built beside them.
    db.cluster.configure(pgai_rs__max_index_builders="3")
    settles(lambda: held(db), ["alice", "bob", "mallory"])
    db.sql("DELETE FROM public.held")
    for tenant in tenants:
        index(tenant, "document")
    # Those of the first two may begin at the same moment.
    first, second, third = (builders for _, builders in begun(db))
    assert first <= second == 2 and third == 3


def test_health_says_that_no_process_is_free_for_a_build(cluster_factory, stub):
    # Logical replication's launcher and ours take two of them, and a worker in each of two databases the others.
    cluster = cluster_factory(conf={"max_worker_processes": "4", "pgai_rs.poll_interval": "200ms"})
    db, other = cluster.create_database("places"), cluster.create_database("other")
    other.sql("CREATE EXTENSION pgai_rs CASCADE")
    db.sql("CREATE EXTENSION pgai_rs CASCADE; CREATE TABLE document (id int PRIMARY KEY, body text)")
    vectorizer.create(db, stub.url, indexing=HNSW)
    workers = "SELECT FROM pg_stat_activity WHERE backend_type = 'pgai_rs worker'"
    eventually(lambda: len(cluster.sql(workers)) == 2, what="a worker in each database")

    db.sql("INSERT INTO document VALUES (1, 'a')")
    state = "SELECT state FROM ai.vectorizer_health"
    settles(lambda: db.value(state), "no_builder")
    [(reason, hint)] = db.sql("SELECT reason, hint FROM ai.vectorizer_health")
    assert "no background worker slot is free" in reason and "max_worker_processes" in hint
    # Its rows are embedded nevertheless.
    db.sql("INSERT INTO document VALUES (2, 'b')")
    vectorizer.in_step(db, ["id"])
    assert db.value(state) == "no_builder"
    assert cluster.log_text().count("no background worker slot is free for the index of") == 1

    cluster.sql("DROP DATABASE other")
    the_index(db)
    settles(lambda: db.value(state), "idle")
