"""Whatever a vectorizer's owner makes run, runs with the owner's own rights."""

import pytest
from support import egress, vectorizer
from support.wait import eventually

SPY = """
    CREATE TABLE seen (who text, what text);
    CREATE FUNCTION spy() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO public.seen VALUES (current_user, TG_TABLE_NAME || ' ' || TG_NAME);
        RETURN COALESCE(NEW, OLD);
    END $$;
"""


@pytest.fixture
def mallory(db, stub):
    """An ordinary role with a vectorizer of its own; answers its name."""
    role = f"mallory_{db.name}"
    db.sql(f"CREATE ROLE {role} LOGIN")
    db.sql(f"SELECT ai.grant_vectorizer_usage('{role}'); GRANT CREATE ON SCHEMA public TO {role}")
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)", user=role)
    egress.allow(db.cluster, stub.url)
    vectorizer.create(db, stub.url, user=role)
    yield role
    egress.allow_nothing(db.cluster)
    db.sql(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


def test_a_role_may_have_one_and_use_it(db, mallory):
    db.sql("INSERT INTO document VALUES (1, 'a|b')", user=mallory)
    vectorizer.in_step(db, ["id"])
    name = "public_document_embedding_store"
    found = f"SELECT id FROM document_embedding ORDER BY embedding <=> ai.vectorizer_embed('{name}', 'a') LIMIT 1"
    assert db.sql(found, user=mallory) == [(1,)]
    assert db.sql("SELECT name, pending_items FROM ai.vectorizer_status", user=mallory) == [(name, 0)]
    assert db.sql(f"SELECT ai.retry_failed('{name}')", user=mallory) == [(0,)]
    db.sql(f"SELECT ai.drop_vectorizer('{name}', drop_all => true)", user=mallory)


@pytest.mark.parametrize("destination", ["ai.destination_table('other')", "ai.destination_column('embedding')"])
def test_whoever_may_write_to_the_table_needs_no_right_to_vectorizers(db, mallory, stub, destination):
    writer = f"writer_{db.name}"
    db.sql(f"CREATE ROLE {writer} LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON document TO {writer}")
    more = {"destination": destination, "chunking": "ai.chunking_none()"}
    vectorizer.create(db, stub.url, user=mallory, **more)
    try:
        db.sql("INSERT INTO document VALUES (1, 'a'), (2, 'b')", user=writer)
        db.sql("UPDATE document SET body = 'c' WHERE id = 1", user=writer)
        db.sql("UPDATE document SET id = 3 WHERE id = 2", user=writer)
        db.sql("DELETE FROM document WHERE id = 3", user=writer)
        vectorizer.in_step(db, ["id"])
        assert db.sql("SELECT id, body FROM document") == [(1, "c")]
        db.sql("TRUNCATE document", user=writer)
        vectorizer.in_step(db, ["id"])
    finally:
        db.sql(f"DROP OWNED BY {writer}; DROP ROLE {writer}")


def test_the_owners_triggers_run_as_the_owner(db, mallory):
    db.sql(SPY, user=mallory)
    for table in ["document", "document_embedding_store", "ai._vectorizer_q_1", "ai._vectorizer_work_1"]:
        db.sql(
            f"CREATE TRIGGER spy BEFORE INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION spy()",
            user=mallory,
        )
    # Deferred to the end of the transaction, when the worker would be itself again.
    db.sql(
        "CREATE CONSTRAINT TRIGGER late AFTER INSERT OR DELETE ON document_embedding_store"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION spy()",
        user=mallory,
    )
    db.sql("INSERT INTO document VALUES (1, 'a|b')")
    db.sql("UPDATE document SET body = 'b|c'")
    vectorizer.in_step(db, ["id"])
    # In another's transaction there is no moment to run it early: it is not run at all, and what it missed is told.
    db.sql("DELETE FROM document")
    assert db.value("SELECT state FROM ai.vectorizer_health") == "out_of_step"
    seen = db.sql("SELECT DISTINCT who, what FROM seen WHERE what NOT LIKE 'document spy'")
    assert {who for who, _ in seen} == {mallory}
    assert {"document_embedding_store late", "_vectorizer_work_1 spy", "_vectorizer_q_1 spy"} <= {w for _, w in seen}


def test_a_trigger_cannot_put_its_work_off_to_when_the_worker_is_itself(db, mallory):
    db.sql(SPY, user=mallory)
    db.sql("""
        CREATE FUNCTION put_off() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN SET CONSTRAINTS ALL DEFERRED; RETURN NEW; END $$;
        CREATE TRIGGER a BEFORE INSERT ON document_embedding_store FOR EACH ROW EXECUTE FUNCTION put_off();
        CREATE CONSTRAINT TRIGGER late AFTER INSERT ON document_embedding_store
        DEFERRABLE FOR EACH ROW EXECUTE FUNCTION spy()
    """, user=mallory)
    db.sql("INSERT INTO document VALUES (1, 'a')", user=mallory)
    eventually(
        lambda: db.sql("SELECT details FROM ai.vectorizer_errors") or vectorizer.stored(db, ["id"]),
        what="the row to be written or refused",
    )
    assert {who for [who] in db.sql("SELECT who FROM seen")} <= {mallory}


def test_a_trigger_that_raises_harms_its_own_row_only(db, mallory):
    db.sql("""
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN IF NEW.chunk = 'bad' THEN RAISE EXCEPTION 'not this one'; END IF; RETURN NEW; END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON document_embedding_store FOR EACH ROW EXECUTE FUNCTION refuse()
    """, user=mallory)
    db.sql("INSERT INTO document SELECT i, CASE i WHEN 7 THEN 'bad' ELSE 'good' END FROM generate_series(1, 20) i")
    eventually(lambda: len(vectorizer.stored(db, ["id"])) == 19, what="the other rows to be written")
    reason = eventually(lambda: db.sql("SELECT details ->> 'error_reason' FROM ai.vectorizer_errors"))
    assert "not this one" in reason[0][0]


def test_a_role_can_neither_send_the_key_elsewhere_nor_name_another(db, stub, mallory):
    db.sql("CREATE TABLE other (id int PRIMARY KEY, body text)", user=mallory)

    def refused(embedding: str) -> str:
        with pytest.raises(Exception, match="not allowed on this server") as refusal:
            vectorizer.create(db, stub.url, "other", user=mallory, embedding=embedding)
        return refusal.value.sqlstate

    for url in ["http://evil.example/v1", f"{stub.url}.evil.example/v1", f"{stub.url}@evil.example/v1"]:
        assert refused(f"ai.embedding_openai('m', 8, base_url => '{url}')") == "42501"
    assert refused("ai.embedding_openai('m', 8, api_key_name => 'PGPASSWORD')") == "42501"


def test_a_role_cannot_make_one_on_anothers_table(db, stub, mallory):
    db.sql("CREATE TABLE secret (id int PRIMARY KEY, body text)")
    with pytest.raises(Exception, match="only a superuser or the owner of the source table"):
        vectorizer.create(db, stub.url, "secret", user=mallory)


def test_a_role_cannot_feed_anothers_queue(db, mallory):
    db.sql("CREATE TABLE bait (id int PRIMARY KEY)", user=mallory)
    with pytest.raises(Exception, match="permission denied for function ai._vectorizer_source_changed"):
        db.sql(
            "CREATE TRIGGER t AFTER INSERT ON bait EXECUTE FUNCTION ai._vectorizer_source_changed('1')", user=mallory
        )


def test_who_watches_runs_nothing_of_the_owners(db, mallory, stub):
    db.sql("CREATE SCHEMA theirs", user="postgres")
    db.sql(f"GRANT ALL ON SCHEMA theirs TO {mallory}")
    db.sql("CREATE TABLE other (id int PRIMARY KEY, body text)", user=mallory)
    id = vectorizer.create(db, stub.url, "other", user=mallory, queue_schema="'theirs'", queue_table="'waiting'")
    vectorizer.idle(db)
    db.sql(f"""
        CREATE TABLE seen (who text);
        CREATE FUNCTION theirs.spy() RETURNS bool LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO public.seen VALUES (current_user); RETURN true; END $$;
        ALTER TABLE theirs.waiting RENAME TO kept;
        CREATE VIEW theirs.waiting AS SELECT * FROM theirs.kept WHERE theirs.spy()
    """, user=mallory)
    # The queue is the table, whatever it is called now; the view in its place is nobody's business.
    assert db.sql("SELECT pending_items FROM ai.vectorizer_status WHERE id = %s", [id]) == [(0,)]
    assert db.sql("SELECT ai.vectorizer_queue_pending(%s)", [id]) == [(0,)]
    db.sql("SELECT * FROM ai.vectorizer_errors; SELECT * FROM ai.vectorizer_health")
    assert "postgres" not in {who for [who] in db.sql("SELECT who FROM seen")}
