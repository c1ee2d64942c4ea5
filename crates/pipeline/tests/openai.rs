//! OpenAI's protocol against a server that makes mistakes.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pgai_rs_pipeline::config::{Author, Embedding, Processing};
use pgai_rs_pipeline::embed::{client, embed_query, embed_tokens, Groups};
use pgai_rs_pipeline::failure::{Failure, Retry, Scope};
use pgai_rs_pipeline::run::current_thread_runtime;
use pgai_rs_pipeline::s3::Clients;
use pgai_rs_pipeline::secret::{ApiKey, Secret};
use pgai_rs_pipeline::settings::Settings;
use serde_json::json;
use support::http::{Gate, Reply, Request, Server};
use support::openai::{answer, inputs, refusal, vector, DIMENSIONS};
use support::queue::settings;

type Vectors = Vec<Vec<f32>>;

async fn embed_with(settings: Settings, base_url: &str, texts: &[&str]) -> Result<Vectors, Failure> {
    let groups =
        Groups::new(client().unwrap(), Arc::new(settings.clone()), Arc::new(Clients::new(&settings)));
    let group = groups.group(&support::column_vectorizer(1, base_url))?;
    group.embed(texts.iter().map(|&text| text.into())).await
}

async fn embed(server: &Server, texts: &[&str]) -> Result<Vectors, Failure> {
    embed_with(settings(), &server.url, texts).await
}

fn vectors(texts: &[&str]) -> Vectors {
    texts.iter().map(|text| vector(text)).collect()
}

/// A server that gives these answers first, then right ones.
fn faulty(faults: Vec<fn(&Request) -> Reply>) -> Server {
    let asked = AtomicUsize::new(0);
    Server::start(move |request| match faults.get(asked.fetch_add(1, Ordering::Relaxed)) {
        Some(fault) => fault(request),
        None => answer(request),
    })
}

fn with_data(data: serde_json::Value) -> Reply {
    Reply::new(200, json!({ "data": data }).to_string())
}

#[tokio::test]
async fn asks_as_openai_wants_to_be_asked() {
    let server = support::openai::server();
    assert_eq!(embed(&server, &["a", "bc"]).await.unwrap(), vectors(&["a", "bc"]));
    let request = &server.requests()[0];
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/embeddings"));
    assert_eq!(request.header("authorization"), Some("Bearer sk-test"));
    assert_eq!(
        request.json(),
        json!({"model": "test-model", "input": ["a", "bc"], "dimensions": DIMENSIONS, "encoding_format": "base64"})
    );
}

#[tokio::test]
async fn faults_that_pass_are_waited_out() {
    let faults: [fn(&Request) -> Reply; 7] = [
        |_| Reply::new(500, "oops"),
        |_| Reply::new(503, ""),
        |_| Reply::Close,
        |_| Reply::cut(200, 1000, r#"{"data": [{"#),
        |_| Reply::new(200, r#"{"data": [{"#),
        |_| with_data(json!([])),
        |_| with_data(json!([{"index": 0, "embedding": [1, 2, 3]}, {"index": 0, "embedding": [1, 2, 3]}])),
    ];
    for (at, fault) in faults.into_iter().enumerate() {
        let server = faulty(vec![fault]);
        assert_eq!(embed(&server, &["a", "b"]).await, Ok(vectors(&["a", "b"])), "fault {at}");
        assert_eq!(server.requests().len(), 2, "fault {at}");
    }
}

#[tokio::test]
async fn a_pause_that_is_asked_for_is_no_attempt() {
    let server = faulty(vec![
        |_| Reply::new(429, "").with("retry-after-ms", "1"),
        |_| Reply::new(429, "").with("Retry-After", "0"),
        |_| Reply::new(503, "").with("Retry-After", "0"),
    ]);
    let settings = Settings { embedding_retries: 0, ..settings() };
    assert_eq!(embed_with(settings, &server.url, &["a"]).await, Ok(vectors(&["a"])));
    assert_eq!(server.requests().len(), 4);
}

/// A server that takes a request every 200 ms, and says so.
fn limited() -> Server {
    const PERIOD: Duration = Duration::from_millis(200);
    let taken = Mutex::new(None::<Instant>);
    Server::start(move |request| {
        let mut taken = taken.lock().unwrap();
        if taken.is_some_and(|taken| taken.elapsed() < PERIOD) {
            return Reply::new(429, "").with("Retry-After", "300");
        }
        *taken = Some(Instant::now());
        answer(request)
            .with("x-ratelimit-limit-requests", "1")
            .with("x-ratelimit-remaining-requests", "0")
            .with("x-ratelimit-reset-requests", "200ms")
    })
}

#[tokio::test]
async fn what_the_headers_say_is_left_is_not_exceeded() {
    let server = limited();
    let groups = Groups::new(client().unwrap(), Arc::new(settings()), Arc::new(Clients::new(&settings())));
    let mut vectorizers =
        [support::column_vectorizer(1, &server.url), support::column_vectorizer(2, &server.url)];
    vectorizers[1].config.processing = Processing::Default { batch_size: None, concurrency: Some(3) };
    let [one, two] = vectorizers.map(|vectorizer| groups.group(&vectorizer).unwrap());
    assert_eq!(one.embed(["a".into()]).await, Ok(vectors(&["a"])));
    // Another vectorizer of the same model and key knows it.
    assert_eq!(two.embed(["b".into()]).await, Ok(vectors(&["b"])));
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn another_keys_limit_is_another_limit() {
    let server = Server::start(|request| match request.header("authorization") {
        Some("Bearer sk-test") => Reply::new(429, "").with("Retry-After", "300"),
        _ => answer(request),
    });
    let groups = Groups::new(client().unwrap(), Arc::new(settings()), Arc::new(Clients::new(&settings())));
    let mut vectorizers =
        [support::column_vectorizer(1, &server.url), support::column_vectorizer(2, &server.url)];
    vectorizers[1].api_key = Some(ApiKey::of_server(Secret::new("sk-other")));
    let [one, two] = vectorizers.map(|vectorizer| groups.group(&vectorizer).unwrap());
    assert_eq!(one.embed(["a".into()]).await.unwrap_err().code, "throttled");
    assert_eq!(two.embed(["a".into()]).await, Ok(vectors(&["a"])));
}

#[tokio::test]
async fn an_altered_vectorizer_is_tried_at_once() {
    let server = faulty(vec![|_| Reply::new(429, "").with("Retry-After", "300")]);
    let groups = Groups::new(client().unwrap(), Arc::new(settings()), Arc::new(Clients::new(&settings())));
    let mut vectorizer = support::column_vectorizer(1, &server.url);
    let group = groups.group(&vectorizer).unwrap();
    assert_eq!(group.embed(["a".into()]).await.unwrap_err().code, "throttled");
    vectorizer.config.processing = Processing::Default { batch_size: None, concurrency: Some(3) };
    assert_eq!(groups.group(&vectorizer).unwrap().embed(["a".into()]).await, Ok(vectors(&["a"])));
}

#[tokio::test]
async fn absurd_headers_stop_nobody() {
    for (remaining, reset) in
        [("0", "87600h"), ("-5", "1h"), ("0", "-1s"), ("0", "soon"), ("NaN", "1h"), ("", "")]
    {
        let server = Server::start(move |request| {
            answer(request)
                .with("x-ratelimit-limit-requests", "1")
                .with("x-ratelimit-remaining-requests", remaining)
                .with("x-ratelimit-reset-requests", reset)
        });
        let groups =
            Groups::new(client().unwrap(), Arc::new(settings()), Arc::new(Clients::new(&settings())));
        let group = groups.group(&support::column_vectorizer(1, &server.url)).unwrap();
        for text in ["a", "b", "c"] {
            assert_eq!(group.embed([text.into()]).await, Ok(vectors(&[text])), "{remaining} {reset}");
        }
    }
}

#[tokio::test]
async fn a_request_is_no_larger_than_what_the_headers_allow() {
    let server = Server::start(|request| {
        let tokens: usize = inputs(request).iter().map(|input| input.len() / 4).sum();
        let reply = match tokens > 20 {
            true => Reply::new(429, r#"{"error": {"message": "Request too large for m: Limit 20"}}"#),
            false => answer(request),
        };
        reply
            .with("x-ratelimit-limit-tokens", "20")
            .with("x-ratelimit-remaining-tokens", "20")
            .with("x-ratelimit-reset-tokens", "0s")
    });
    let texts: Vec<String> = (0..40).map(|n| format!("text {n:03}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    assert_eq!(embed(&server, &texts).await, Ok(vectors(&texts)));
    let refused = server.requests().iter().filter(|request| inputs(request).len() > 10).count();
    assert_eq!(refused, 1, "the first tells");
}

#[tokio::test]
async fn a_long_pause_is_spent_in_the_queue() {
    let server = Server::start(|_| Reply::new(429, "").with("Retry-After", "300"));
    let failure = embed(&server, &["a"]).await.unwrap_err();
    assert_eq!(failure.code, "throttled");
    assert!(
        matches!(failure.retry, Retry::After(pause) if pause > Duration::from_secs(290)),
        "{:?}",
        failure.retry
    );
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn an_outage_gives_the_documents_back() {
    let server = Server::start(|_| Reply::new(500, "oops"));
    let failure = embed(&server, &["a"]).await.unwrap_err();
    let whose = (failure.scope, failure.retry);
    assert_eq!((failure.code, whose), ("provider_unavailable", (Scope::Provider, Retry::OnRecovery)));
    // And a harmless input.
    assert_eq!(server.requests().len(), 4 + 1);

    let failure = embed_with(settings(), "http://127.0.0.1:1", &["a", "b"]).await.unwrap_err();
    let whose = (failure.scope, failure.retry);
    assert_eq!((failure.code, whose), ("provider_unavailable", (Scope::Provider, Retry::OnRecovery)));

    let hung = Server::start_gated(|_, gate: &Gate| {
        gate.wait();
        Reply::Close
    });
    let settings =
        Settings { embedding_timeout: Duration::from_millis(20), embedding_retries: 1, ..settings() };
    let failure = embed_with(settings, &hung.url, &["a"]).await.unwrap_err();
    assert_eq!(failure.code, "provider_unavailable");
    assert_eq!(failure.message, "the embedding provider failed: it took too long");
}

#[tokio::test]
async fn an_outage_is_not_asked_for_each_input() {
    let server = Server::start(|_| Reply::new(500, "oops"));
    let texts: Vec<String> = (0..500).map(|n| n.to_string()).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    assert_eq!(embed(&server, &texts).await.unwrap_err().code, "provider_unavailable");
    assert!(server.requests().len() <= 4 + 2, "{}", server.requests().len());
}

#[tokio::test]
async fn what_only_a_person_can_mend_is_not_tried_again() {
    for (status, body, code) in [
        (401, "", "provider_refused_key"),
        (403, "", "provider_refused_key"),
        (404, "", "no_such_model"),
        (429, r#"{"error": {"code": "insufficient_quota"}}"#, "quota_exhausted"),
        (400, r#"{"error": {"message": "no such dimensions", "param": "user"}}"#, "request_refused"),
        (307, "", "request_refused"),
    ] {
        let server = Server::start(move |_| Reply::new(status, body));
        let failure = embed(&server, &["a", "b"]).await.unwrap_err();
        assert_eq!(failure.code, code);
        assert!(matches!(failure.retry, Retry::After(_)) && failure.hint.is_some(), "{failure:?}");
        assert_eq!(server.requests().len(), 1, "{code}");
    }
}

#[tokio::test]
async fn a_refusal_spares_the_next_inputs_a_request() {
    let server = Server::start(|_| Reply::new(401, ""));
    let groups = Groups::new(client().unwrap(), Arc::new(settings()), Arc::new(Clients::new(&settings())));
    let vectorizer = support::column_vectorizer(1, &server.url);
    let group = groups.group(&vectorizer).unwrap();
    assert!(group.embed(["a".into()]).await.is_err());
    assert_eq!(groups.group(&vectorizer).err().unwrap().code, "provider_refused_key");
    assert_eq!(group.embed(["b".into()]).await.unwrap_err().code, "provider_refused_key");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn wrong_dimensions_are_not_paid_for_twice() {
    let server = Server::start(|_| with_data(json!([{"index": 0, "embedding": [1, 2]}])));
    let failure = embed(&server, &["a"]).await.unwrap_err();
    assert_eq!(failure.code, "bad_response");
    assert!(failure.message.ends_with("the model answers 2 dimensions, the vectorizer has 3"));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_model_that_is_known_may_err_in_its_dimensions_once() {
    let server = faulty(vec![answer, |_| with_data(json!([{"index": 0, "embedding": [1, 2]}]))]);
    let groups = Groups::new(client().unwrap(), Arc::new(settings()), Arc::new(Clients::new(&settings())));
    let group = groups.group(&support::column_vectorizer(1, &server.url)).unwrap();
    for text in ["a", "b"] {
        assert_eq!(group.embed([text.into()]).await, Ok(vectors(&[text])));
    }
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn any_order_and_either_encoding_is_read() {
    let server = Server::start(|_| {
        with_data(json!([
            {"index": 1, "embedding": vector("b")},
            {"index": 2, "embedding": "AACAPwAAAAAAAAA/"},
            {"index": 0, "embedding": vector("a")},
        ]))
    });
    let expected = vec![vector("a"), vector("b"), vec![1.0, 0.0, 0.5]];
    assert_eq!(embed(&server, &["a", "b", "c"]).await, Ok(expected));
}

#[tokio::test]
async fn what_a_server_does_not_know_is_left_out() {
    let server = Server::start(|request| {
        let asked = request.json();
        if asked["encoding_format"] != "float" {
            return refusal(400, "encoding_format base64 is not supported", Some("encoding_format"));
        }
        if !asked["dimensions"].is_null() {
            return Reply::new(422, r#"{"message": "Model does not support matryoshka representation"}"#);
        }
        answer(request)
    });
    let groups = Groups::new(client().unwrap(), Arc::new(settings()), Arc::new(Clients::new(&settings())));
    let group = groups.group(&support::column_vectorizer(1, &server.url)).unwrap();
    assert_eq!(group.embed(["a".into()]).await, Ok(vectors(&["a"])));
    assert_eq!(group.embed(["b".into()]).await, Ok(vectors(&["b"])));
    assert_eq!(server.requests().len(), 4, "what was learned is remembered");
}

/// Embeds each text for a document of its own, in one request.
async fn each(server: &Server, texts: &[String]) -> Vec<Result<Vectors, Failure>> {
    let groups = Groups::new(client().unwrap(), Arc::new(settings()), Arc::new(Clients::new(&settings())));
    let group = groups.group(&support::column_vectorizer(1, &server.url)).unwrap();
    futures_util::future::join_all(texts.iter().map(|text| group.embed([text.as_str().into()]))).await
}

fn numbered(count: usize, poison: &[usize]) -> Vec<String> {
    (0..count).map(|n| if poison.contains(&n) { format!("poison {n}") } else { n.to_string() }).collect()
}

#[tokio::test]
async fn a_refused_input_is_found_and_harms_no_other() {
    let server =
        Server::start(|request| match inputs(request).iter().any(|input| input.contains("poison")) {
            true => refusal(400, "input is too long", Some("input")),
            false => answer(request),
        });
    let texts = numbered(200, &[0, 77, 199]);
    for (text, result) in texts.iter().zip(each(&server, &texts).await) {
        if text.contains("poison") {
            let failure = result.unwrap_err();
            assert_eq!((failure.code, failure.retry), ("input_refused", Retry::Never));
            assert!(failure.message.ends_with("HTTP 400, input is too long"), "{}", failure.message);
        } else {
            assert_eq!(result, Ok(vectors(&[text])));
        }
    }
    assert!(server.requests().len() < 60, "{}", server.requests().len());
}

#[tokio::test]
async fn an_input_that_breaks_the_server_is_found_and_harms_no_other() {
    for status in [500, 200] {
        let server = Server::start(move |request| {
            match inputs(request).iter().any(|input| input.contains("poison")) {
                true => Reply::new(status, "<html>"),
                false => answer(request),
            }
        });
        let texts = numbered(100, &[50]);
        for (text, result) in texts.iter().zip(each(&server, &texts).await) {
            match text.contains("poison") {
                true => assert_eq!(result.unwrap_err().retry, Retry::Backoff),
                false => assert_eq!(result, Ok(vectors(&[text]))),
            }
        }
    }
}

#[tokio::test]
async fn an_input_without_a_vector_harms_no_other() {
    let server = Server::start(|_| {
        with_data(json!([{"index": 0, "embedding": [null, 0, 0]}, {"index": 1, "embedding": vector("1")}]))
    });
    let results = each(&server, &numbered(2, &[])).await;
    assert_eq!(results[0].as_ref().unwrap_err().code, "bad_response");
    assert_eq!(results[1], Ok(vectors(&["1"])));
    assert_eq!(server.requests().len(), 1);
}

/// What providers say to a name that they don't know, or to a model that makes no vectors.
const MISNAMED: [&str; 5] = [
    r#"{"error": {"message": "{'error': '/embeddings: Invalid model name passed in model=m. Call `/v1/models` to view available models for your key.'}", "type": "None", "param": "None", "code": "400"}}"#,
    r#"{"error": {"message": {"error": "/embeddings: Invalid model name passed in model=m."}, "type": "None", "param": "None", "code": "400"}}"#,
    r#"{"error": {"code": "OperationNotSupported", "message": "The embeddings operation does not work with the specified model, m. Please choose different model and try again."}}"#,
    r#"{"error": "Failed to load model \"m\". Error: Model is not embedding."}"#,
    "",
];

#[tokio::test]
async fn a_model_that_refuses_everything_is_to_blame_and_no_input() {
    for (words, count) in MISNAMED.into_iter().flat_map(|words| [1, 2, 500].map(|count| (words, count))) {
        let server = Server::start(move |_| Reply::new(400, words));
        for result in each(&server, &numbered(count, &[])).await {
            let failure = result.unwrap_err();
            assert_eq!((failure.code, failure.scope), ("request_refused", Scope::Provider), "{words}");
            assert!(matches!(failure.retry, Retry::After(_)) && failure.hint.is_some());
        }
        // The request, fewer inputs three times, its parts and those of the first of them, something harmless.
        assert!(server.requests().len() <= 1 + 3 + 2 * 8 + 1, "{words} {}", server.requests().len());
    }
}

#[tokio::test]
async fn one_input_at_a_time_is_not_to_blame_either() {
    let misnamed = Arc::new(AtomicBool::new(true));
    let is_misnamed = Arc::clone(&misnamed);
    let server = Server::start(move |request| match is_misnamed.load(Ordering::SeqCst) {
        true => Reply::new(400, MISNAMED[0]),
        false => answer(request),
    });
    let groups = || Groups::new(client().unwrap(), Arc::new(settings()), Arc::new(Clients::new(&settings())));
    for number in 0..40 {
        // A group of its own forgets what is known of the model.
        let group = groups().group(&support::column_vectorizer(1, &server.url)).unwrap();
        let failure = group.embed([number.to_string().as_str().into()]).await.unwrap_err();
        assert_eq!((failure.code, failure.scope), ("request_refused", Scope::Provider));
    }
    misnamed.store(false, Ordering::SeqCst);
    let group = groups().group(&support::column_vectorizer(1, &server.url)).unwrap();
    assert_eq!(group.embed(["1".into()]).await, Ok(vectors(&["1"])));
}

#[tokio::test]
async fn a_model_that_is_misnamed_after_it_has_answered_is_to_blame_from_then_on() {
    let server = faulty(vec![answer, |_| Reply::new(400, ""), |_| Reply::new(400, "")]);
    let groups = Groups::new(client().unwrap(), Arc::new(settings()), Arc::new(Clients::new(&settings())));
    let group = groups.group(&support::column_vectorizer(1, &server.url)).unwrap();
    assert_eq!(group.embed(["a".into()]).await, Ok(vectors(&["a"])));
    assert_eq!(group.embed(["b".into()]).await.unwrap_err().scope, Scope::Provider);
}

#[tokio::test]
async fn an_input_that_was_refused_while_the_model_came_back_gets_another_chance() {
    let server = faulty(vec![|_| Reply::new(400, "")]);
    assert_eq!(embed(&server, &["a"]).await, Ok(vectors(&["a"])));
    // Refused, a harmless one taken, and the same once more.
    assert_eq!(server.requests().len(), 3);
}

fn refuses_poison(request: &Request) -> Reply {
    match inputs(request).iter().any(|input| input.contains("poison")) {
        true => refusal(400, "input is too long", Some("input")),
        false => answer(request),
    }
}

#[tokio::test]
async fn inputs_are_to_blame_where_the_model_takes_something_harmless() {
    for count in [1, 20, 300] {
        let server = Server::start(refuses_poison);
        let texts: Vec<String> = (0..count).map(|number| format!("poison {number}")).collect();
        for result in each(&server, &texts).await {
            let failure = result.unwrap_err();
            assert_eq!(
                (failure.code, failure.scope, failure.retry),
                ("input_refused", Scope::Row, Retry::Never)
            );
        }
        let harmless = server.requests().iter().filter(|request| inputs(request) == ["ok"]).count();
        assert!((1..=6).contains(&harmless), "{count}: {harmless}");
    }
}

#[tokio::test]
async fn a_bad_input_now_and_then_costs_a_harmless_one_each() {
    let server = Server::start(refuses_poison);
    let groups = Groups::new(client().unwrap(), Arc::new(settings()), Arc::new(Clients::new(&settings())));
    let group = groups.group(&support::column_vectorizer(1, &server.url)).unwrap();
    assert_eq!(group.embed(["a".into()]).await, Ok(vectors(&["a"])));
    for number in 0..20 {
        let text = format!("poison {number}");
        assert_eq!(group.embed([text.as_str().into()]).await.unwrap_err().code, "input_refused");
    }
    assert_eq!(server.requests().len(), 1 + 20 * 2);
}

#[tokio::test]
async fn an_input_that_breaks_the_server_alone_is_its_rows_matter() {
    for (status, code) in [(500, "provider_failed_on_input"), (200, "bad_response")] {
        let server = Server::start(move |request| match inputs(request)[0].contains("poison") {
            true => Reply::new(status, "<html>"),
            false => answer(request),
        });
        let failure = embed(&server, &["poison"]).await.unwrap_err();
        assert_eq!((failure.code, failure.scope, failure.retry), (code, Scope::Row, Retry::Backoff));
    }
}

#[tokio::test]
async fn equal_inputs_are_sent_once() {
    let server = support::openai::server();
    let texts: Vec<String> = (0..100).map(|n| (n % 3).to_string()).collect();
    for (text, result) in texts.iter().zip(each(&server, &texts).await) {
        assert_eq!(result, Ok(vectors(&[text])));
    }
    assert_eq!(server.requests().len(), 1);
    assert_eq!(inputs(&server.requests()[0]), ["0", "1", "2"]);
}

#[tokio::test]
async fn requests_keep_the_limits() {
    let server = support::openai::server();
    let settings = Settings {
        embedding_max_inputs: 3,
        embedding_max_tokens: 10,
        embedding_concurrency: 1,
        ..settings()
    };
    let texts = ["a", "b", "c", "d", &"e".repeat(40), "f", "g"];
    assert_eq!(embed_with(settings, &server.url, &texts).await, Ok(vectors(&texts)));
    let sizes: Vec<usize> = server.requests().iter().map(|request| inputs(request).len()).collect();
    assert_eq!(sizes, [3, 1, 1, 2]);
}

#[tokio::test]
async fn an_answer_without_end_is_not_read() {
    let server = Server::start(|_| Reply::new(200, vec![b' '; 1 << 20]));
    let settings = Settings { embedding_retries: 0, ..settings() };
    let failure = embed_with(settings, &server.url, &["a"]).await.unwrap_err();
    assert_eq!(failure.code, "bad_response");
}

fn embedding(base_url: &str) -> Embedding {
    support::column_vectorizer(1, base_url).config.embedding
}

#[test]
fn a_query_is_embedded_on_a_users_thread() {
    let server =
        faulty(vec![|_| Reply::new(500, "oops"), |_| Reply::new(429, "").with("retry-after-ms", "1")]);
    for _ in 0..2 {
        let runtime = current_thread_runtime().unwrap();
        let vector = runtime.block_on(embed_query(
            &embedding(&server.url),
            Author::Superuser,
            None,
            &settings(),
            "words",
            None,
        ));
        assert_eq!(vector.unwrap(), self::vector("words"));
    }
    assert_eq!(server.requests()[0].header("authorization"), None);
}

#[test]
fn a_query_does_not_wait_for_long() {
    let server = Server::start(|_| Reply::new(429, "").with("Retry-After", "300"));
    let runtime = current_thread_runtime().unwrap();
    let failure = runtime
        .block_on(embed_query(&embedding(&server.url), Author::Superuser, None, &settings(), "words", None))
        .unwrap_err();
    assert_eq!(failure.code, "throttled");
}

#[test]
fn a_query_to_openai_needs_a_key() {
    let runtime = current_thread_runtime().unwrap();
    let openai = embedding("https://api.openai.com/v1");
    let failure = runtime
        .block_on(embed_query(&openai, Author::Superuser, None, &settings(), "words", None))
        .unwrap_err();
    assert_eq!(failure.code, "no_api_key");
}

/// A server that answers one vector, whatever it is asked.
fn one_vector() -> Server {
    Server::start(|_| Reply::new(200, r#"{"data": [{"index": 0, "embedding": [1, 2, 0.5]}]}"#))
}

#[tokio::test]
async fn a_text_may_be_given_as_its_tokens() {
    let server = one_vector();
    let vector =
        embed_tokens(&embedding(&server.url), Author::Superuser, None, &settings(), &[1, 100_257]).await;
    assert_eq!(vector, Ok(vec![1.0, 2.0, 0.5]));
    assert_eq!(server.requests()[0].json()["input"], json!([1, 100_257]));
}

#[tokio::test]
async fn tokens_that_the_model_does_not_read_are_not_sent() {
    let server = one_vector();
    for (model, sent) in [("text-embedding-3-small", 8_191), ("nomic-embed-text", 9_000)] {
        let mut embedding = embedding(&server.url);
        let Embedding::Openai { model: name, .. } = &mut embedding else { unreachable!() };
        *name = model.to_owned();
        embed_tokens(&embedding, Author::Superuser, None, &settings(), &[7; 9_000]).await.unwrap();
        let requests = server.requests();
        assert_eq!(requests.last().unwrap().json()["input"].as_array().unwrap().len(), sent, "{model}");
    }
}

#[tokio::test]
async fn tokens_are_refused_where_only_texts_are_taken() {
    let server = one_vector();
    let embedding =
        json!({"implementation": "voyageai", "model": "m", "dimensions": 3, "base_url": server.url});
    let embedding: Embedding = serde_json::from_value(embedding).unwrap();
    let failure = embed_tokens(&embedding, Author::Superuser, None, &settings(), &[1]).await.unwrap_err();
    assert_eq!((failure.code, server.requests().len()), ("invalid_embedding", 0));
}

#[tokio::test]
async fn every_status_of_a_success_is_one() {
    for status in [200, 201, 202, 203] {
        let server = Server::start(move |request| match answer(request) {
            Reply::Http { headers, body, .. } => Reply::Http { status, headers, body },
            other => other,
        });
        assert_eq!(embed(&server, &["a", "b"]).await, Ok(vectors(&["a", "b"])), "{status}");
        assert_eq!(server.requests().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn an_error_in_an_answer_counts_as_what_it_is() {
    let slow = |_: &Request| {
        Reply::new(
            200,
            r#"{"error": {"code": 429, "message": "slow down", "metadata": {"retry_after_ms": 1}}}"#,
        )
    };
    let server = faulty(vec![slow; 9]);
    let settings = Settings { embedding_retries: 0, ..settings() };
    assert_eq!(embed_with(settings, &server.url, &["a"]).await, Ok(vectors(&["a"])));
    assert_eq!(server.requests().len(), 10);

    for (body, code, says) in [
        (r#"{"error": {"code": 401, "message": "who is it?"}}"#, "provider_refused_key", "error 401"),
        (r#"{"error": {"code": "insufficient_quota", "message": "empty"}}"#, "quota_exhausted", "empty"),
        (r#"{"error": "no model is loaded"}"#, "provider_unavailable", "no model is loaded"),
        // It says the same of an input that no model has a reason to refuse.
        (r#"{"error": {"message": "too long", "code": 400}}"#, "request_refused", "too long"),
    ] {
        let server = Server::start(move |_| Reply::new(200, body));
        let failure = embed(&server, &["a"]).await.unwrap_err();
        assert_eq!(failure.code, code, "{body}");
        assert!(failure.message.contains(says), "{failure:?}");
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The answer in another form, under these headers.
fn packed(pack: fn(&[u8]) -> Vec<u8>, encoding: Option<&'static str>) -> Server {
    Server::start(move |request| {
        let Reply::Http { status, body, .. } = answer(request) else { return Reply::Close };
        let reply = Reply::new(status, pack(&body));
        encoding.map_or(reply.clone(), |encoding| reply.with("Content-Encoding", encoding))
    })
}

#[tokio::test]
async fn what_was_compressed_without_being_asked_for_is_read() {
    let plain: fn(&[u8]) -> Vec<u8> = <[u8]>::to_vec;
    for (pack, encoding) in [
        (gzip as fn(&[u8]) -> Vec<u8>, Some("gzip")),
        (gzip, Some("X-GZIP")),
        (gzip, None),
        (zlib, Some("deflate")),
        (plain, Some("br")),
        (plain, Some("identity")),
        (plain, Some("utf-8")),
    ] {
        let server = packed(pack, encoding);
        assert_eq!(embed(&server, &["a"]).await, Ok(vectors(&["a"])), "{encoding:?}");
        assert_eq!(server.requests().len(), 1);
    }
    let refused = Server::start(|_| {
        Reply::new(401, gzip(br#"{"error": {"message": "no"}}"#)).with("Content-Encoding", "gzip")
    });
    assert_eq!(embed(&refused, &["a"]).await.unwrap_err().code, "provider_refused_key");
}

#[tokio::test]
async fn a_form_that_is_not_known_is_named() {
    let server = packed(|_| vec![0xff, 0xfe], Some("compress"));
    let failure = embed(&server, &["a"]).await.unwrap_err();
    assert_eq!(failure.code, "bad_response");
    assert!(failure.message.contains("\"compress\""), "{failure:?}");
    let bomb = packed(|_| gzip(&vec![b' '; 64 << 20]), Some("gzip"));
    let failure = embed(&bomb, &["a"]).await.unwrap_err();
    assert!(failure.message.contains("more than"), "{failure:?}");
}

/// A server that takes ten inputs of a request, and how it refuses more.
fn takes_ten(refuse: fn() -> Reply) -> Server {
    Server::start(move |request| if inputs(request).len() > 10 { refuse() } else { answer(request) })
}

#[tokio::test]
async fn how_many_inputs_a_server_takes_is_learned() {
    let texts: Vec<String> = (0..1000).map(|i| format!("text {i}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let refusals: [(fn() -> Reply, usize); 4] = [
        (
            || {
                Reply::new(
                    400,
                    r#"{"error": {"message": "batch size is invalid, it should not be larger than 10.: input.contents"}}"#,
                )
            },
            1,
        ),
        (
            || {
                Reply::new(
                    422,
                    r#"{"detail": [{"msg": "List should have at most 10 items after validation, not 1000"}]}"#,
                )
            },
            1,
        ),
        (|| Reply::new(400, r#"{"error": {"message": "Bad Request"}}"#), 5),
        (|| Reply::new(413, ""), 5),
    ];
    for (refuse, refused) in refusals {
        let server = takes_ten(refuse);
        let settings = settings();
        let groups =
            Groups::new(client().unwrap(), Arc::new(settings.clone()), Arc::new(Clients::new(&settings)));
        let group = groups.group(&support::column_vectorizer(1, &server.url)).unwrap();
        let asked = async || {
            let before = server.requests().len();
            let answered = group.embed(texts.iter().map(|&text| text.into())).await;
            assert_eq!(answered, Ok(vectors(&texts)));
            server.requests().len() - before
        };
        let first = asked().await;
        assert!((100..=106 + refused).contains(&first), "{first} requests");
        assert_eq!(asked().await, 100);
    }
}

#[tokio::test]
async fn one_bad_input_is_not_taken_for_too_many() {
    for bad in [0, 3, 70, 99] {
        let texts: Vec<String> =
            (0..100).map(|i| if i == bad { "bad".to_owned() } else { format!("text {i}") }).collect();
        let server = Server::start(|request| match inputs(request).contains(&"bad".to_owned()) {
            true => Reply::new(400, r#"{"error": {"message": "no", "param": "input"}}"#),
            false => answer(request),
        });
        let settings = settings();
        let groups =
            Groups::new(client().unwrap(), Arc::new(settings.clone()), Arc::new(Clients::new(&settings)));
        let group = groups.group(&support::column_vectorizer(1, &server.url)).unwrap();
        let one = async |text: &String| {
            group.embed([text.as_str().into()]).await.map(|mut vectors| vectors.remove(0))
        };
        let answers = futures_util::future::join_all(texts.iter().map(one)).await;
        for (text, answer) in texts.iter().zip(answers) {
            match text.as_str() {
                "bad" => assert_eq!(answer.unwrap_err().code, "input_refused"),
                text => assert_eq!(answer, Ok(vector(text))),
            }
        }
        assert!(server.requests().len() < 40, "{bad}: {}", server.requests().len());

        let before = server.requests().len();
        let good: Vec<&str> = texts.iter().map(String::as_str).filter(|text| *text != "bad").collect();
        assert_eq!(group.embed(good.iter().map(|&text| text.into())).await, Ok(vectors(&good)));
        assert_eq!(server.requests().len() - before, 1, "{bad}");
    }
}
