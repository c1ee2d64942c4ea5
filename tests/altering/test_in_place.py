"""Changes for which no other model is asked: only chunks that come out different are embedded again."""

import psycopg
import pytest
from support import altering, vectorizer
from support.altering import NAME, STORE, alter, model
from support.tables import PLAIN
from support.wait import settles

SIZED = "ai.chunking_character_text_splitter(chunk_size => {}, chunk_overlap => 0, separator => '|')"


@pytest.fixture
def document(db, stub):
    return altering.document(db, stub)


# What is changed, and how many chunks are embedded again: each of the 40 rows has two.
CHANGES = {
    "the same": ({"chunking": SIZED.format(1)}, 0),
    "a chunker that makes the same chunks": ({"chunking": SIZED.format(2)}, 0),
    "a chunker that makes others": ({"chunking": "ai.chunking_none()"}, 40),
    "a template that makes others": ({"formatting": "ai.formatting_python_template('$title: $chunk')"}, 80),
    "the template that there is": ({"formatting": "ai.formatting_python_template('$chunk')"}, 0),
    "the text of another column": ({"loading": "ai.loading_column('title')"}, 1),
    "an index": ({"indexing": "ai.indexing_hnsw(min_rows => 1000)"}, 0),
    "a schedule": ({"scheduling": "ai.scheduling_none()"}, 0),
    "the size of batches": ({"processing": "ai.processing_default(batch_size => 10)"}, 0),
    "parsing": ({"parsing": "ai.parsing_none()"}, 0),
    "parsing of what is no document": ({"parsing": "ai.parsing_auto()"}, 0),
    "the number of tries": ({"loading": "ai.loading_column('body', retries => 3)"}, 0),
    "requests at a time": ({"processing": "ai.processing_default(concurrency => 2)"}, 0),
    "how an index is built": ({"indexing": "ai.indexing_hnsw(min_rows => 1000, m => 8)"}, 0),
    "no index": ({"indexing": "ai.indexing_none()"}, 0),
    "words": ({"search": "ai.search_hybrid()"}, 0),
    "several": ({"chunking": "ai.chunking_none()", "indexing": "ai.indexing_none()", "search": "ai.search_hybrid()"}, 40),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_embedded_again(document, stub, change):
    arguments, embedded = CHANGES[change]
    assert alter(document, **arguments) is None
    vectorizer.idle(document)
    assert len(stub.embedded) == embedded
    assert document.value("SELECT count(*) FROM ai.vectorizer") == 1
    for part in arguments.keys() - {"search"}:
        assert document.value(f"SELECT config -> '{part}' = {arguments[part]} FROM ai.vectorizer"), part


# Arguments of the model beside its name, its dimensions and its address; and how many chunks are embedded again.
OF_THE_MODEL = {
    "the same": ("'stub', 8", 0),
    "the key": ("'stub', 8, api_key_name => 'OPENAI_API_KEY'", 0),
    "the user that the provider is told": ("'stub', 8, chat_user => 'me'", 0),
    "another model": ("'other', 8", 80),
    "other dimensions": ("'stub', 12", 80),
}


@pytest.mark.parametrize("change", OF_THE_MODEL)
def test_what_is_embedded_again_by_a_model(document, stub, change):
    arguments, embedded = OF_THE_MODEL[change]
    beside = alter(document, embedding=f"ai.embedding_openai({arguments}, base_url => '{stub.url}')", keep_old="'0'")
    assert (beside is not None) == (embedded > 0)
    altering.over(document)
    vectorizer.idle(document)
    assert sum(len(request.inputs) for request in stub.requests) == embedded


def test_of_fifty_chunks_the_one_that_changed_is_embedded(document, stub):
    chunks = [f"chunk {n}" for n in range(50)]
    document.sql("UPDATE document SET body = %s WHERE id = 1", ["|".join(chunks)])
    vectorizer.in_step(document, ["id"])
    stub.forget()
    document.sql("UPDATE document SET body = %s WHERE id = 1", ["|".join([*chunks[:25], "another", *chunks[26:]])])
    vectorizer.in_step(document, ["id"])
    assert set(stub.embedded) == {"another"}


def test_another_address_of_the_same_model(document, stub):
    same = model(f"{stub.url}/", name="stub")
    assert alter(document, embedding=same) is None
    document.sql("UPDATE document SET body = 'new' WHERE id = 1")
    vectorizer.in_step(document, ["id"])
    assert set(stub.embedded) == {"new"}


def test_rows_keep_their_chunks_until_the_new_ones_are_written(document, stub):
    with stub.held():
        alter(document, chunking="ai.chunking_none()")
        settles(lambda: stub.waiting > 0, True)
        assert document.value(f"SELECT count(*) FROM {STORE}") == 2 * altering.ROWS
    vectorizer.idle(document)
    assert document.value(f"SELECT count(*) FROM {STORE}") == altering.ROWS


def test_what_was_under_way_is_written_as_it_is_declared_now(db, stub):
    db.sql(PLAIN)
    vectorizer.create(db, stub.url)
    with stub.held():
        db.sql("INSERT INTO document VALUES (1, 't', 'one|two')")
        settles(lambda: stub.waiting > 0, True)
        alter(db, chunking="ai.chunking_none()")
    vectorizer.idle(db)
    assert db.sql(f"SELECT chunk FROM {STORE}") == [("one|two",)]


@pytest.mark.parametrize("arguments, error, message", [
    ({"chunking": "'{\"config_type\": \"chunking\", \"implementation\": \"x\"}'"}, psycopg.errors.RaiseException, "invalid chunking"),
    ({"embedding": "ai.loading_column('body')"}, psycopg.errors.RaiseException, "dimensions argument is required"),
    ({"loading": "ai.loading_column('nowhere')"}, psycopg.Error, "nowhere"),
    ({"keep_old": "'-1 day'"}, psycopg.errors.InvalidParameterValue, "keep_old must be between 0 and 100 years"),
    ({"keep_old": "'1200 months -36000 days'"}, psycopg.errors.InvalidParameterValue, "no part of it negative"),
    ({"keep_old": "NULL"}, psycopg.errors.NullValueNotAllowed, "keep_old must not be null"),
])  # fmt: skip
def test_a_wrong_change_changes_nothing(document, stub, arguments, error, message):
    before = document.sql("SELECT config FROM ai.vectorizer")
    with pytest.raises(error, match=message):
        alter(document, **({"chunking": "ai.chunking_none()"} | arguments))
    assert document.sql("SELECT config FROM ai.vectorizer") == before
    vectorizer.idle(document)
    assert stub.requests == []


def test_nothing_given_is_nothing_done(document):
    assert document.value(f"SELECT ai.alter_vectorizer('{NAME}')") is None
    assert document.value("SELECT ai.alter_vectorizer(1, chunking => NULL)") is None


def test_only_the_owner_alters(document, stub):
    role = f"other_{document.name}"
    document.sql(f"CREATE ROLE {role} LOGIN; SELECT ai.grant_vectorizer_usage('{role}', admin => true)")
    document.sql(f"GRANT SELECT ON document, {STORE} TO {role}")
    try:
        for call in ("alter_vectorizer(1, chunking => ai.chunking_none())", "switch_vectorizer(1)", "revert_vectorizer(1)", "cancel_alteration(1)"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="must be owner of vectorizer"):
                document.sql(f"SELECT ai.{call}", user=role)
    finally:
        document.sql(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_a_model_that_is_written_into_the_config_by_hand_makes_no_vector_beside_the_others(document, stub):
    other = "UPDATE ai.vectorizer SET config = jsonb_set(config, '{embedding,model}', %s)"
    document.sql(other, ['"other"'])
    document.sql("UPDATE document SET body = 'new' WHERE id = 1")
    settles(lambda: document.value("SELECT state FROM ai.vectorizer_health"), "not_served")
    assert "another model than its config names" in document.value("SELECT reason FROM ai.vectorizer_health")
    for search in (f"ai.vectorizer_embed('{NAME}', 'dogs')", f"(SELECT count(*) FROM ai.search('{NAME}', 'dogs'))"):
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="another model than its config names"):
            document.sql(f"SELECT {search}")
    assert stub.requests == []
    document.sql(other, ['"stub"'])
    vectorizer.in_step(document, ["id"])


def test_rows_that_are_written_meanwhile_are_read_by_the_new_config(document, stub):
    with document.connect(autocommit=False) as session:
        session.execute(f"SELECT ai.alter_vectorizer('{NAME}', chunking => ai.chunking_none())")
        # Nobody writes to the source until that is committed.
        with document.connect() as other, pytest.raises(psycopg.errors.LockNotAvailable):
            other.execute("SET lock_timeout = '100ms'")
            other.execute("INSERT INTO document VALUES (99, 't', 'one|two')")
        session.commit()
    document.sql("INSERT INTO document VALUES (99, 't', 'one|two')")
    vectorizer.idle(document)
    assert document.sql(f"SELECT chunk FROM {STORE} WHERE id = 99") == [("one|two",)]


def test_a_change_of_chunks_needs_a_snapshot_of_now(document):
    with document.connect(autocommit=False) as session, pytest.raises(psycopg.errors.FeatureNotSupported):
        session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        session.execute(f"SELECT ai.alter_vectorizer('{NAME}', chunking => ai.chunking_none())")
