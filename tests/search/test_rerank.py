"""ai.search has a model rank what it has found: over all wires, within the caller's rights, and as well as it can without."""

import json
import threading

import psycopg
import pytest
from support import asking, tenant, vectorizer, vectors
from support.stub import blackhole
from support.wait import eventually

QUESTION = "the wing at night"
TEXTS = [f"row {i} of the wing|row {i} at night" for i in range(1, 31)]
OR_FUSED = ", if_down => 'fused'"
READY = "SELECT bool_and(words_ready) FROM ai._vectorizer_binding"


def fill(db, stub) -> None:
    """Thirty documents of two chunks each, with their words."""
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    for id, text in enumerate(TEXTS, start=1):
        db.sql("INSERT INTO document VALUES (%s, %s)", [id, text])
    vectorizer.create(db, stub.url, name="'rows'", search="ai.search_hybrid('simple')")
    vectorizer.in_step(db, ["id"])
    eventually(lambda: db.value(READY), what="the words to be complete")
    stub.forget()


@pytest.fixture
def rows(db, stub):
    fill(db, stub)
    return db


def tei(stub, more: str = "") -> str:
    return f"rerank => ai.rerank_tei('{stub.url}'{more})"


def found(db, arguments: str, **options) -> list[str]:
    """Returns the texts that are found."""
    return [text for [text] in db.sql(f"SELECT chunk FROM ai.search('rows', {arguments}) ORDER BY rank", **options)]


def best(texts: list[str], question: str = QUESTION) -> list[str]:
    """Returns texts in the order of their relevance."""
    return sorted(texts, key=lambda text: -vectors.relevance(question, text))


def sent(stub) -> list[str]:
    return [text for request in stub.ranked for text in request.inputs]


# The wires


@pytest.mark.parametrize("builder, path", [
    ("cohere", ""), ("jina", ""), ("voyageai", "/voyage"), ("tei", ""),
])
def test_each_wire_ranks_what_was_found(rows, stub, builder, path):
    model = "" if builder == "tei" else "'m', api_key_name => NULL, "
    rerank = f"ai.rerank_{builder}({model}base_url => '{stub.url}{path}')"
    candidates = found(rows, f"'{QUESTION}', 50")
    ranked = rows.sql(
        f"SELECT rank, chunk, score, arms FROM ai.search('rows', '{QUESTION}', rerank => {rerank}) ORDER BY rank"
    )
    expected = best(candidates)[:10]
    assert [text for _, text, _, _ in ranked] == expected
    assert [score for _, _, score, _ in ranked] == [vectors.relevance(QUESTION, text) for text in expected]
    for rank, _, score, arms in ranked:
        assert arms["rerank"] == {"rank": rank, "score": score}
        assert arms.keys() & {"vector", "text"}
    assert {request.question for request in stub.ranked} == {QUESTION}
    assert sorted(sent(stub)) == sorted(candidates)


@pytest.mark.parametrize("mode", ["vector", "text", "hybrid"])
def test_what_is_ranked_is_the_beginning_of_the_order(rows, stub, mode):
    first = found(rows, f"'{QUESTION}', 7, mode => '{mode}'")
    ranked = found(rows, f"'{QUESTION}', 5, mode => '{mode}', {tei(stub, ', candidates => 7')}")
    assert ranked == best(first)[:5]
    assert sent(stub) == first


def test_many_candidates_are_asked_about_in_parts(rows, stub):
    candidates = found(rows, f"'{QUESTION}', 60")
    assert found(rows, f"'{QUESTION}', 60, {tei(stub, ', candidates => 60')}") == best(candidates)
    assert [len(request.inputs) for request in stub.ranked] == [32, 28]


def test_a_vectorizer_without_words_is_ranked_as_well(db, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    db.sql("INSERT INTO document VALUES (1, 'a|b|c'), (2, 'd|e')")
    vectorizer.create(db, stub.url, name="'rows'")
    vectorizer.in_step(db, ["id"])
    assert found(db, f"'{QUESTION}', {tei(stub)}") == best(["a", "b", "c", "d", "e"])


# With the other arguments


def test_a_vector_is_ranked_by_the_text_beside_it(rows, stub):
    vector = f"'{vectors.as_json('x', 8)}'::vector"
    candidates = found(rows, f"{vector}, 50")
    arguments = f"words => 'another question', mode => 'vector', {tei(stub)}"
    assert found(rows, f"{vector}, {arguments}") == best(candidates, "another question")[:10]
    for words in ["", ", words => ' '"]:
        with pytest.raises(psycopg.errors.InvalidParameterValue, match="needs the text of the question") as raised:
            found(rows, f"{vector}, mode => 'vector', {tei(stub)}{words}")
        assert "words =>" in raised.value.diag.message_hint


def test_the_least_score_is_of_the_relevance(rows, stub):
    candidates = best(found(rows, f"'{QUESTION}', 50"))
    least = vectors.relevance(QUESTION, candidates[2])
    assert found(rows, f"'{QUESTION}', min_score => {least!r}, {tei(stub)}") == candidates[:3]


def test_documents_are_counted_in_the_order_of_the_relevance(rows, stub):
    candidates = best(found(rows, f"'{QUESTION}', 50"))
    first_of_each = {}
    for text in candidates:
        first_of_each.setdefault(text.split()[1], text)
    expected = list(first_of_each.values())[:10]
    assert found(rows, f"'{QUESTION}', per_document => 1, {tei(stub)}") == expected


def test_the_most_relevant_is_first_among_unlike_ones(rows, stub):
    candidates = found(rows, f"'{QUESTION}', 50")
    diverse = found(rows, f"'{QUESTION}', diversity => 0.9, {tei(stub)}")
    assert diverse[0] == best(candidates)[0] and diverse != best(candidates)[:10]
    assert set(diverse) <= set(candidates)


def test_a_filter_decides_what_is_sent(rows, stub):
    assert len(found(rows, f"'{QUESTION}', filter => 'id IN (3, 5)', {tei(stub)}")) == 4
    assert {text.split()[1] for text in sent(stub)} == {"3", "5"}


def test_about_nothing_nobody_is_asked(rows, stub):
    assert found(rows, f"'{QUESTION}', filter => 'false', {tei(stub)}") == []
    assert found(rows, f"NULL::text, {tei(stub)}") == []
    assert found(rows, f"'{QUESTION}', rerank => NULL") == found(rows, f"'{QUESTION}'")
    assert stub.ranked == []


# What is wrong is said before anything is sent


@pytest.mark.parametrize("config, message", [
    ("'[]'", "rerank config is not a jsonb object"),
    ("'{}'", "invalid config_type for rerank config"),
    ("ai.search_none()", "invalid config_type for rerank config"),
    ("""'{"config_type": "rerank"}'""", "rerank implementation not specified"),
    ("""'{"config_type": "rerank", "implementation": "magic"}'""", "unknown variant `magic`"),
    ("ai.rerank_tei('http://h') || '{\"api_key\": \"sk-1\"}'", "unknown field `api_key`"),
    ("ai.rerank_tei('http://h', if_down => 'guess')", "unknown variant `guess`"),
    ("ai.rerank_tei('http://h', candidates => 0)", "candidates must be an integer between 1 and 1000"),
    ("ai.rerank_tei('http://h', candidates => 1001)", "candidates must be an integer between 1 and 1000"),
    ("ai.rerank_tei('http://h', candidates => 9)", "k must not exceed the number of candidates, which is 9"),
    ("ai.rerank_tei(NULL)", "no address for Text Embeddings Inference is specified"),
    ("ai.rerank_tei('no url')", "base_url"),
    ("ai.rerank_tei('http://u:p@h')", "base_url"),
    ("ai.rerank_cohere(NULL)", "no model of Cohere is specified"),
    ("ai.rerank_cohere('m', api_key_name => 'NO_SUCH_KEY')", 'api_key_name "NO_SUCH_KEY" is not allowed'),
    ("ai.rerank_voyageai('m', api_key_name => NULL)", "no API key for Voyage AI is available"),
])
def test_what_can_not_be_meant_is_refused(rows, stub, config, message):
    with pytest.raises(psycopg.Error, match=message) as raised:
        found(rows, f"'{QUESTION}', rerank => {config}")
    assert raised.value.sqlstate in {"22023", "42501", "P0001", "38000"}
    assert stub.ranked == []


def test_a_column_of_vectors_has_no_chunks_to_rank(db, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text, embedding vector(8))")
    destination = "ai.destination_column('embedding')"
    vectorizer.create(db, stub.url, name="'rows'", destination=destination, chunking="ai.chunking_none()")
    with pytest.raises(psycopg.errors.FeatureNotSupported, match='cannot rerank what vectorizer "rows" finds'):
        found(db, f"'{QUESTION}', {tei(stub)}")
    assert stub.requests == []


# A model that is down

DOWN = [
    {"status": 500}, {"status": 402}, {"status": 429, "headers": {"Retry-After": "300"}},
    *({"spoil": spoil} for spoil in ["reset", "broken", "garbage", "count", "duplicate_index", "nan"]),
]


def ranks(request) -> bool:
    return request.question is not None


def told(db, arguments: str) -> tuple[list[str], list[str]]:
    """Returns what is found, and the notices that come along with it."""
    said = []
    with db.connect() as connection:
        connection.add_notice_handler(lambda notice: said.append(f"{notice.severity}: {notice.message_primary}"))
        rows = connection.execute(f"SELECT chunk FROM ai.search('rows', {arguments}) ORDER BY rank").fetchall()
    return [text for [text] in rows], said


@pytest.mark.parametrize("fault", DOWN, ids=str)
def test_a_model_that_is_down_is_an_error_unless_the_order_of_the_search_will_do(rows, stub, fault):
    stub.fail(float("inf"), when=ranks, **fault)
    with pytest.raises(psycopg.errors.ExternalRoutineException, match="the reranking provider") as raised:
        found(rows, f"'{QUESTION}', {tei(stub)}")
    assert raised.value.diag.message_hint

    as_found = found(rows, f"'{QUESTION}'")
    texts, said = told(rows, f"'{QUESTION}', min_score => 0.99, {tei(stub, OR_FUSED)}")
    assert texts == as_found
    [notice] = said
    assert notice.startswith("NOTICE: could not rerank") and raised.value.diag.message_primary in notice
    assert rows.sql(f"SELECT FROM ai.search('rows', '{QUESTION}', {tei(stub, OR_FUSED)}) WHERE arms ? 'rerank'") == []

    # It is back.
    stub.heal()
    assert told(rows, f"'{QUESTION}', {tei(stub, OR_FUSED)}")[1] == []


def test_a_fault_that_passes_is_waited_out(rows, stub):
    expected = best(found(rows, f"'{QUESTION}', 30"))[:10]
    stub.fail(1, when=ranks, status=503)
    assert found(rows, f"'{QUESTION}', {tei(stub, ', candidates => 30')}") == expected
    assert len(stub.ranked) == 2


def test_nobody_is_there(rows, stub):
    rerank = "rerank => ai.rerank_tei('http://127.0.0.1:1', if_down => 'fused')"
    texts, [notice] = told(rows, f"'{QUESTION}', {rerank}")
    assert texts == found(rows, f"'{QUESTION}'")
    assert "could not connect to the reranking provider" in notice


def test_who_does_not_answer_in_time_is_down(cluster_factory, stub):
    db = cluster_factory(conf={"pgai_rs.query_timeout": "500ms"}).create_database("waiting")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    fill(db, stub)
    with blackhole() as url:
        search = f"'{QUESTION}', mode => 'text', rerank => ai.rerank_tei('{url}'%s)"
        with pytest.raises(psycopg.errors.QueryCanceled, match="did not answer within 500 ms") as raised:
            found(db, search % "")
        assert "pgai_rs.query_timeout" in raised.value.diag.message_hint
        texts, [notice] = told(db, search % OR_FUSED)
        assert len(texts) == 10 and "did not answer within 500 ms" in notice


@pytest.mark.parametrize("fault, message", [
    ({"status": 401}, "rejected the API key"), ({"status": 404}, "does not have this model"), ({"status": 400}, "rejected the texts"),
])
def test_what_somebody_has_to_mend_is_an_error_in_any_case(rows, stub, fault, message):
    stub.fail(1, when=ranks, **fault)
    with pytest.raises(psycopg.errors.ExternalRoutineException, match=message):
        found(rows, f"'{QUESTION}', {tei(stub, OR_FUSED)}")
    assert len(stub.ranked) == 1


def test_a_question_that_nobody_waits_for_ends(rows, stub):
    statement = f"SELECT * FROM ai.search('rows', '{QUESTION}', mode => 'text', {tei(stub, OR_FUSED)})"
    with rows.connect() as connection:
        error = asking.cancelled(connection, stub, statement)
        assert isinstance(error, psycopg.errors.QueryCanceled), error
        connection.execute("SET statement_timeout = '300ms'")
        with stub.held(), pytest.raises(psycopg.errors.QueryCanceled, match="statement timeout"):
            connection.execute(statement)
        connection.execute("RESET statement_timeout")
        assert len(connection.execute(statement).fetchall()) == 10


def test_nothing_is_read_while_the_model_is_asked(rows, stub):
    """The rows are those of the snapshot on which the candidates were found."""
    statement = f"SELECT chunk FROM ai.search('rows', '{QUESTION}', 50, mode => 'text', {tei(stub)}) ORDER BY rank"
    candidates = found(rows, f"'{QUESTION}', 50, mode => 'text'")
    answers = []
    with rows.connect() as connection:
        with stub.held():
            search = threading.Thread(target=lambda: answers.append(connection.execute(statement).fetchall()))
            search.start()
            eventually(lambda: stub.waiting, what="the model to be asked")
            rows.sql("DELETE FROM document WHERE id > 3")
            assert rows.value("SELECT count(*) FROM pg_stat_activity WHERE query = %s AND state = 'active'", [statement]) == 1
        search.join()
    assert [text for [text] in answers[0]] == best(candidates)


# Rights and keys


@pytest.fixture
def owner(db, stub):
    with tenant.with_rows(db, stub, "owner", {1: f"ann_{db.name}", 2: "ben"}) as owner:
        yield owner


@pytest.fixture
def reader(db, owner):
    """A role that may search, and nothing else."""
    with tenant.reading(db, owner, "ann") as reader:
        tenant.may_read(owner, reader)
        yield reader


BUILDERS = {
    "rerank_cohere": ("'m', api_key_name => NULL, base_url => '{url}'", {"implementation": "cohere", "model": "m"}),
    "rerank_voyageai": ("'m', api_key_name => NULL, base_url => '{url}'", {"implementation": "voyageai", "model": "m"}),
    "rerank_jina": ("'m', api_key_name => NULL, base_url => '{url}'", {"implementation": "jina", "model": "m"}),
    "rerank_tei": ("'{url}'", {"implementation": "tei"}),
}


@pytest.mark.parametrize("builder", BUILDERS)
def test_nobody_has_texts_sent_without_being_granted_it(db, reader, stub, builder):
    arguments, config = BUILDERS[builder]
    by_hand = json.dumps({"config_type": "rerank", "base_url": stub.url} | config)
    calls = [f"ai.{builder}({arguments.format(url=stub.url)})", f"'{by_hand}'"]
    others = ", ".join(f"ai.{name}" for name in BUILDERS if name != builder)
    db.sql(f"GRANT EXECUTE ON FUNCTION {others} TO {reader}")
    for rerank in calls:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match=f"permission denied for function {builder}"):
            found(db, f"'{QUESTION}', rerank => {rerank}", user=reader)
    assert stub.requests == []

    db.sql(f"GRANT EXECUTE ON FUNCTION ai.{builder} TO {reader}")
    if builder != "rerank_voyageai":
        for rerank in calls:
            assert found(db, f"'{QUESTION}', rerank => {rerank}", user=reader) == best(["hers", "his"])


def test_nothing_is_sent_that_the_caller_may_not_read(db, owner, reader, stub):
    db.sql(f"GRANT EXECUTE ON FUNCTION ai.rerank_tei TO {reader}")
    owner.sql(f"ALTER TABLE {owner.name}.document ENABLE ROW LEVEL SECURITY")
    owner.sql(f"CREATE POLICY own ON {owner.name}.document USING (who = current_user)")
    assert found(db, f"'{QUESTION}', {tei(stub)}", user=reader) == ["hers"]
    assert sent(stub) == ["hers"]

    owner.sql(f"REVOKE SELECT ON {owner.name}.document_embedding_store FROM {reader}")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        found(db, f"'{QUESTION}', {tei(stub)}", user=reader)
    assert sent(stub) == ["hers"]


def test_the_view_is_enough(db, owner, reader, stub):
    db.sql(f"GRANT EXECUTE ON FUNCTION ai.rerank_tei TO {reader}")
    owner.sql(f"REVOKE SELECT ON {owner.name}.document, {owner.name}.document_embedding_store FROM {reader}")
    owner.sql(f"GRANT SELECT ON {owner.name}.document_embedding TO {reader}")
    assert found(db, f"'{QUESTION}', {tei(stub)}", user=reader) == best(["hers", "his"])


def test_a_server_is_one_that_the_administrator_allows(db, reader, stub):
    db.sql(f"GRANT EXECUTE ON FUNCTION ai.rerank_tei, ai.rerank_cohere TO {reader}")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="this base_url is not allowed on this server"):
        found(db, f"'{QUESTION}', rerank => ai.rerank_tei('http://127.0.0.1:1/')", user=reader)
    # A key is for its provider, or the server that it is paired with.
    for key, message in [("OPENAI_API_KEY", None), ("COHERE_API_KEY", "COHERE_API_KEY")]:
        rerank = f"rerank => ai.rerank_cohere('m', api_key_name => '{key}', base_url => '{stub.url}')"
        if message is None:
            found(db, f"'{QUESTION}', {rerank}", user=reader)
            assert stub.ranked[-1].headers["authorization"] == "Bearer sk-test"
            continue
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match=message):
            found(db, f"'{QUESTION}', {rerank}", user=reader)
    assert len(stub.ranked) == 1


def test_a_superuser_may_ask_about_what_others_own(db, owner, stub):
    assert found(db, f"'{QUESTION}', {tei(stub)}") == best(["hers", "his"])


def test_what_is_asked_counts_to_the_quota(db, reader, stub):
    db.sql(f"GRANT EXECUTE ON FUNCTION ai.rerank_tei TO {reader}")
    db.sql(f"ALTER ROLE {reader} SET pgai_rs.max_daily_tokens_per_role = 8")
    with pytest.raises(psycopg.errors.ConfigurationLimitExceeded, match="daily quota of 8 tokens exceeded"):
        found(db, f"'{QUESTION}', {tei(stub, OR_FUSED)}", user=reader)
    assert stub.ranked == []


# How good it is


def test_an_evaluation_may_rank(rows, stub):
    rows.sql("CREATE TABLE judged (query text, key jsonb)")
    candidates = best(found(rows, f"'{QUESTION}', 50, mode => 'text'"))
    rows.sql("INSERT INTO judged VALUES (%s, jsonb_build_object('id', %s::int))", [QUESTION, candidates[0].split()[1]])
    evaluated = rows.sql(f"SELECT mode, mrr, index_recall FROM ai.evaluate_search('rows', 'judged', {tei(stub)})")
    assert ("text", 1.0, None) in evaluated
    assert [mode for mode, _, _ in evaluated] == ["vector", "text", "hybrid"]
    assert len(stub.ranked) == 6


# Texts that are given, by pgai's names


def test_given_texts_are_ranked(db, stub):
    texts = ["a", "b", "c"]
    config = json.dumps({"config_type": "rerank", "implementation": "tei", "base_url": stub.url})
    ranked = db.sql('SELECT "index", relevance_score FROM ai._rerank_all(%s, %s, %s, NULL)', [config, QUESTION, texts])
    expected = [(texts.index(text), vectors.relevance(QUESTION, text)) for text in best(texts)]
    assert ranked == expected
    assert db.sql("SELECT FROM ai._rerank_all(%s, %s, '{}', NULL)", [config, QUESTION]) == []
    with pytest.raises(psycopg.errors.NullValueNotAllowed, match="documents must not contain nulls"):
        db.sql("SELECT FROM ai._rerank_all(%s, %s, ARRAY['a', NULL], NULL)", [config, QUESTION])


@pytest.mark.parametrize("call, error, message", [
    ("cohere_rerank('m', 'q', ARRAY['a'], api_key_name => 'NO_SUCH')", "42501", 'api_key_name "NO_SUCH" is not allowed'),
    ("cohere_rerank('m', 'q', ARRAY['a'])", "38000", "no API key for Cohere is available"),
    ("cohere_rerank('m', 'q', ARRAY['a'], max_tokens_per_doc => 1)", "0A000", "max_tokens_per_doc is not supported"),
    ("voyageai_rerank_simple('m', 'q', ARRAY['a'])", "38000", "no API key for Voyage AI is available"),
    ("voyageai_rerank('m', 'q', ARRAY['a'], truncation => false)", "0A000", "truncation is not supported"),
    ("cohere_rerank_simple(NULL, 'q', ARRAY['a'])", "22023", "no model of Cohere is specified"),
])
def test_pgais_functions_say_what_is_missing(db, call, error, message):
    with pytest.raises(psycopg.Error, match=message) as raised:
        db.sql(f"SELECT * FROM ai.{call}")
    assert raised.value.sqlstate == error


def test_nothing_given_is_ranked_as_nothing(db):
    assert db.value("SELECT ai.cohere_rerank('m', 'q', '{}')") == {"results": []}
    assert db.sql("SELECT * FROM ai.voyageai_rerank_simple('m', 'q', '{}', truncation => true)") == []
