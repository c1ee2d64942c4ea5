"""What a session appends for the worker: as much as it says, and not as often as somebody says it."""

import psycopg
import pytest
from support import egress, vectorizer
from support.wait import settles

QUESTION = "what is it?!"


@pytest.fixture
def document(db, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    vectorizer.create(db, stub.url, name="'rows'")
    return db


def test_a_million_requests_to_run_are_one(document):
    with document.connect() as connection, connection.transaction():
        connection.execute("SELECT ai.execute_vectorizer('rows') FROM generate_series(1, 1000)")
        # A subtransaction of the same transaction says no more.
        connection.execute("DO $$ BEGIN FOR n IN 1..10 LOOP BEGIN PERFORM ai.execute_vectorizer('rows'); EXCEPTION WHEN division_by_zero THEN END; END LOOP; END $$")
        assert connection.execute("SELECT count(*) FROM ai._vectorizer_run_request").fetchone() == (1,)
    settles(lambda: document.value("SELECT count(*) FROM ai._vectorizer_run_request"), 0)


def test_more_requests_than_are_taken_at_a_time_are_all_taken(document):
    document.sql("INSERT INTO ai._vectorizer_run_request SELECT 1 FROM generate_series(1, 25000)")
    settles(lambda: document.value("SELECT count(*) FROM ai._vectorizer_run_request"), 0)


def test_changes_that_a_transaction_misses_are_noted_once(document):
    document.sql("ALTER TABLE ai._vectorizer_q_1 ADD CHECK (false)")
    fill = """DO $$ BEGIN FOR n IN 1..50 LOOP
                  BEGIN INSERT INTO document VALUES (n, 'x'); EXCEPTION WHEN division_by_zero THEN END;
              END LOOP; END $$"""
    with document.connect() as connection, connection.transaction():
        connection.execute("SET LOCAL client_min_messages = error")
        connection.execute(fill)
        assert connection.execute("SELECT count(*) FROM ai._vectorizer_missed").fetchone() == (1,)
    document.sql("ALTER TABLE ai._vectorizer_q_1 DROP CONSTRAINT _vectorizer_q_1_check; SELECT ai.resync('rows', all_rows => true)")
    vectorizer.in_step(document, ["id"])


@pytest.mark.parametrize("holder", ["", "role => 'mallory', ", "vectorizer => 'rows', "])
def test_a_budget_is_not_evaded_by_ever_other_models(cluster_factory, stub, holder):
    # What sessions have used is not written meanwhile.
    cluster = cluster_factory(conf=egress.settings(stub.url) | {"pgai_rs.heartbeat_interval": "1h"})
    db = cluster.create_database("evading")
    db.sql("CREATE EXTENSION pgai_rs CASCADE; CREATE TABLE document (id int PRIMARY KEY, body text); INSERT INTO document VALUES (1, 'a row')")
    vectorizer.create(db, stub.url, name="'rows'")
    vectorizer.in_step(db, ["id"])
    vector = db.value("SELECT embedding::text FROM document_embedding_store LIMIT 1")
    price = "INSERT INTO ai.model_override (model, server, usd_per_million_tokens) VALUES ('openai/stub', %s, 1000)"
    db.sql(price, [stub.url.removesuffix("/v1")])
    db.sql("CREATE ROLE mallory LOGIN; SELECT ai.grant_vectorizer_usage('mallory')")
    db.sql("GRANT SELECT ON document, document_embedding_store, document_embedding TO mallory")
    db.sql(f"SELECT ai.set_budget(0.02, 'usd', 'day', {holder}purpose => 'queries')")

    with db.connect(user="mallory") as mallory:
        for number in range(70):
            rerank = f"ai.rerank_tei('{stub.url}', candidates => 10) || jsonb_build_object('model', 'm{number}')"
            mallory.execute(f"SELECT FROM ai.search('rows', %s::vector, words => 'row', mode => 'vector', rerank => {rerank})", [vector])
        with pytest.raises(psycopg.errors.ConfigurationLimitExceeded, match="budget of 0.02 USD a day"):
            for _ in range(20):
                mallory.execute(f"SELECT ai.vectorizer_embed('rows', '{QUESTION}')")
