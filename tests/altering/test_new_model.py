"""Another model: its vectors are made beside the old ones, which are searched until the new ones are complete."""

import psycopg
import pytest
from support import altering, vectorizer
from support.altering import NAME, NEW, OLD, STORE, VIEW, alter, dimensions, model, over, switches
from support.wait import settles


@pytest.fixture
def document(db, stub):
    return altering.document(db, stub)


def test_new_vectors_take_the_place_of_the_old_ones(document, stub):
    assert alter(document, embedding=model(stub.url, 12)) == NEW
    switches(document)
    assert dimensions(document) == {12}
    assert document.value(f"SELECT count(*) FROM {VIEW}") == 2 * altering.ROWS
    # Each chunk was embedded once by the new model, and none by the old one.
    assert sum(len(request.inputs) for request in stub.requests) == 2 * altering.ROWS
    assert {request.model for request in stub.requests} == {"other"}
    config = document.value(f"SELECT config FROM ai.vectorizer WHERE name = '{NAME}'")
    assert (config["embedding"]["model"], config["embedding"]["dimensions"]) == ("other", 12)
    assert config["destination"]["target_table"] == STORE and config["destination"]["view_name"] == VIEW


def test_until_then_the_old_vectors_are_searched(document, stub):
    with stub.held():
        alter(document, embedding=model(stub.url, 12))
        assert dimensions(document) == {vectorizer.DIMENSIONS}
        assert document.value("SELECT state FROM ai.vectorizer_alterations") == "building"
    switches(document)


def test_both_are_kept_in_step(document, stub):
    alter(document, embedding=model(stub.url, 12), switch_when_ready="false")
    vectorizer.idle(document)
    change = "UPDATE document SET body = 'new|' || id WHERE id <= 3; DELETE FROM document WHERE id = 4"
    document.sql(f"{change}; INSERT INTO document VALUES (99, 't', 'last')")
    vectorizer.in_step(document, ["id"])
    vectorizer.in_step(document, ["id"], store=f"{STORE}_new", dimensions=12)

    altering.switch(document)
    document.sql("UPDATE document SET body = 'newer' WHERE id <= 3; DELETE FROM document WHERE id = 5")
    vectorizer.in_step(document, ["id"], dimensions=12)
    vectorizer.in_step(document, ["id"], store=f"{STORE}_old")


def test_what_was_kept_is_dropped_when_its_time_is_over(document, stub):
    alter(document, embedding=model(stub.url, 12), keep_old="'0'")
    over(document)
    assert dimensions(document) == {12}
    assert altering.leftovers(document) == []
    document.sql("UPDATE document SET body = 'new' WHERE id = 1")
    vectorizer.in_step(document, ["id"], dimensions=12)


def test_going_back(document, stub):
    alter(document, embedding=model(stub.url, 12))
    switches(document)
    document.sql("UPDATE document SET body = 'new' WHERE id = 1")
    vectorizer.idle(document)
    stub.forget()
    altering.switch(document, step="revert_vectorizer")
    vectorizer.in_step(document, ["id"])
    assert stub.requests == []
    assert document.value("SELECT other FROM ai.vectorizer_alterations") == NEW
    # And forth again.
    altering.switch(document)
    vectorizer.in_step(document, ["id"], dimensions=12)
    assert document.value("SELECT other FROM ai.vectorizer_alterations") == OLD


def test_giving_up_leaves_no_trace(document, stub):
    with stub.held():
        alter(document, embedding=model(stub.url, 12))
        document.sql(f"SELECT ai.cancel_alteration('{NAME}')")
    assert altering.leftovers(document) == []
    assert document.sql("SELECT FROM ai.vectorizer_alterations") == []
    triggers = "SELECT count(DISTINCT tgargs) FROM pg_trigger WHERE tgrelid = 'document'::regclass"
    assert document.value(triggers) == 1
    vectorizer.in_step(document, ["id"])


def test_dropping_the_vectorizer_drops_what_is_built_beside_it(document, stub):
    alter(document, embedding=model(stub.url, 12), switch_when_ready="false")
    document.sql("SELECT ai.drop_vectorizer(1, drop_all => true)")
    assert document.value("SELECT count(*) FROM ai.vectorizer") == 0
    assert altering.leftovers(document) == []


def test_rows_that_were_set_aside_keep_the_old_vectors_in_their_place(document, stub):
    stub.fail(
        status=400, times=float("inf"), when=lambda request: request.model == "other" and "dogs 7" in request.inputs
    )
    alter(document, embedding=model(stub.url, 12))
    problem = "SELECT problem LIKE 'Rows were set aside%%' FROM ai.vectorizer_alterations"
    settles(lambda: document.value(problem), True)
    assert dimensions(document) == {vectorizer.DIMENSIONS}
    stub.heal()
    document.sql(f"SELECT ai.retry_failed('{NEW}')")
    switches(document)


def test_searches_are_answered_by_the_model_of_the_store_that_they_meet(document, stub):
    alter(document, embedding=model(stub.url, 12), switch_when_ready="false")
    vectorizer.idle(document)
    nearest = f"SELECT chunk FROM ai.search('{NAME}', 'dogs 7', k => 1)"
    with document.connect() as session:
        # A session that knows the vectorizer from before.
        assert session.execute(nearest).fetchone() == ("dogs 7",)
        altering.switch(document)
        assert session.execute(nearest).fetchone() == ("dogs 7",)
        by_hand = f"SELECT chunk FROM {VIEW} ORDER BY embedding <=> ai.vectorizer_embed('{NAME}', 'dogs 7') LIMIT 1"
        assert session.execute(by_hand).fetchone() == ("dogs 7",)
    assert {request.model for request in stub.requests if request.inputs == ["dogs 7"]} == {"stub", "other"}


def test_words_go_over_with_the_chunks(document, stub):
    document.sql(f"SELECT ai.alter_vectorizer('{NAME}', search => ai.search_hybrid())")
    ready = "SELECT bool_and(words_ready) FROM ai._vectorizer_binding"
    settles(lambda: document.value(ready), True)
    alter(document, embedding=model(stub.url, 12), keep_old="'0'")
    over(document)
    assert document.value(f"SELECT count(*) FROM {STORE}_words WHERE words @@ to_tsquery('english', 'dogs')") == altering.ROWS
    found = f"SELECT chunk FROM ai.search('{NAME}', 'dogs 7', k => 1, mode => 'text')"
    assert document.value(found) == "dogs 7"


def test_one_alteration_at_a_time(document, stub):
    alter(document, embedding=model(stub.url, 12), switch_when_ready="false")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="is being altered"):
        alter(document, embedding=model(stub.url, 6))
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="part of another one's alteration"):
        document.sql(f"SELECT ai.alter_vectorizer('{NEW}', search => ai.search_hybrid())")
    altering.switch(document)
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="before its last alteration is still kept"):
        alter(document, embedding=model(stub.url, 6))
    document.sql(f"SELECT ai.drop_vectorizer('{OLD}', drop_all => true)")
    assert alter(document, embedding=model(stub.url, 6)) == NEW


@pytest.mark.parametrize("statement", ["switch_vectorizer", "revert_vectorizer", "cancel_alteration"])
def test_where_nothing_is_altered_there_is_nothing_to_switch(document, statement):
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        document.sql(f"SELECT ai.{statement}('{NAME}')")


def test_the_index_is_changed_of_what_is_built(document, stub):
    """That of now would be lost at the switch."""
    with stub.held():
        alter(document, embedding=model(stub.url, 12))
        schedule = f"ai.set_scheduling('{NAME}', ai.scheduling_none()"
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="while another one is built"):
            document.sql(f"SELECT {schedule}, ai.indexing_none())")
        same = "(SELECT config -> 'indexing' FROM ai.vectorizer ORDER BY id LIMIT 1)"
        document.sql(f"SELECT {schedule}, {same})")


def test_another_session_may_hold_the_store_for_long(document, stub):
    alter(document, embedding=model(stub.url, 12), switch_when_ready="false")
    vectorizer.idle(document)
    with document.connect(autocommit=False) as session:
        session.execute(f"SELECT FROM {VIEW} LIMIT 1")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            document.sql(f"SELECT ai.switch_vectorizer('{NAME}')")
        # Nobody is kept from writing meanwhile.
        document.sql("UPDATE document SET body = 'new' WHERE id = 1")
        session.rollback()
    altering.switch(document)
    vectorizer.in_step(document, ["id"], dimensions=12)


def test_a_transaction_that_wrote_before_the_switch_is_missed_by_neither(document, stub):
    alter(document, embedding=model(stub.url, 12), switch_when_ready="false")
    vectorizer.idle(document)
    with document.connect(autocommit=False) as session:
        session.execute("UPDATE document SET body = 'new' WHERE id = 1")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            document.sql(f"SELECT ai.switch_vectorizer('{NAME}')")
        session.commit()
        altering.switch(document)
        # The session knows the triggers' tables from before.
        session.execute("UPDATE document SET body = 'newer' WHERE id = 2")
        session.commit()
    vectorizer.in_step(document, ["id"], dimensions=12)
    vectorizer.in_step(document, ["id"], store=f"{STORE}_old")


def test_what_was_missed_is_of_the_store_that_misses_it(document, stub):
    """A trigger of the owner's on the new store fails once, in a transaction that deletes."""
    alter(document, embedding=model(stub.url, 12), switch_when_ready="false")
    vectorizer.idle(document)
    document.sql("INSERT INTO ai._vectorizer_missed (vectorizer_id, reason) SELECT other_id, 'for a test' FROM ai._vectorizer_alteration")
    altering.switch(document)
    assert document.sql("SELECT vectorizer_id FROM ai._vectorizer_missed") == [(1,)]


def test_an_index_that_is_built_after_the_switch_has_a_name_of_its_own(document, stub):
    indexed = "ai.indexing_hnsw(min_rows => 10)"
    alter(document, indexing=indexed)
    count = f"SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam WHERE m.amname = 'hnsw' AND i.indrelid = '{STORE}'::regclass AND i.indisvalid"
    settles(lambda: document.value(count), 1)
    alter(document, embedding=model(stub.url, 12), indexing="ai.indexing_none()", switch_when_ready="false")
    vectorizer.idle(document)
    altering.switch(document)
    assert document.value(count) == 0
    document.sql(f"SELECT ai.set_scheduling('{NAME}', indexing => {indexed})")
    settles(lambda: document.value(count), 1)


def test_a_restored_dump_of_long_ago_keeps_the_old_state_until_all_is_there(document, stub):
    alter(document, embedding=model(stub.url, 12), keep_old="'1 day'")
    switches(document)
    with document.connect(autocommit=False) as session:
        # Without its binding, a vectorizer is as in the middle of a restore.
        session.execute("DELETE FROM ai._vectorizer_binding WHERE vectorizer_id = 1")
        session.execute("UPDATE ai._vectorizer_alteration SET switched_at = switched_at - interval '2 days'")
        session.commit()
    over(document)
    vectorizer.in_step(document, ["id"], dimensions=12)
