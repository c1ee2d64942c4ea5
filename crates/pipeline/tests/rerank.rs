//! The contract of all protocols for relevance: how each is asked, what passes, and what does not.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};

use pgai_rs_pipeline::config::{Author, Reranking};
use pgai_rs_pipeline::embed::rerank::error::RerankError;
use pgai_rs_pipeline::embed::rerank::{relevance, tokens};
use pgai_rs_pipeline::secret::{ApiKey, Secret};
use pgai_rs_pipeline::settings::Settings;
use pgai_rs_pipeline::usage::Bill;
use serde_json::{Value, json};
use support::http::{MOST_SENT, Reply, Request, Server};
use support::queue::settings;

const KEY: &str = "sk-very-secret";
const QUESTION: &str = "the question of somebody";

/// A protocol, as its documentation says.
struct Protocol {
    name: &'static str,
    target: &'static str,
    /// Where in a request the texts are.
    texts: &'static str,
    /// The name of a score, and how the answer has the list of them.
    score: &'static str,
    answer: fn(Vec<Value>) -> Value,
}

static PROTOCOLS: [Protocol; 4] = [
    Protocol {
        name: "cohere",
        target: "/v2/rerank",
        texts: "documents",
        score: "relevance_score",
        answer: |scored| json!({"id": "x", "results": scored, "meta": {"billed_units": {"search_units": 1}}}),
    },
    Protocol {
        name: "voyageai",
        target: "/rerank",
        texts: "documents",
        score: "relevance_score",
        answer: |scored| json!({"object": "list", "data": scored, "usage": {"total_tokens": 7}}),
    },
    Protocol {
        name: "jina",
        target: "/rerank",
        texts: "documents",
        score: "relevance_score",
        answer: |scored| json!({"model": "m", "results": scored, "usage": {"total_tokens": 7}}),
    },
    Protocol { name: "tei", target: "/rerank", texts: "texts", score: "score", answer: Value::Array },
];

/// The relevance that the tests' server sees in a text: its length.
fn score(text: &str) -> f64 {
    text.len() as f64 / 100.0
}

impl Protocol {
    fn texts_of(&self, request: &Request) -> Vec<String> {
        serde_json::from_value(request.json()[self.texts].clone()).unwrap()
    }

    /// The right answer, the most relevant first.
    fn right(&self, request: &Request) -> String {
        let texts = self.texts_of(request);
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by(|a, b| score(&texts[*b]).total_cmp(&score(&texts[*a])));
        let scored = order.into_iter().map(|index| json!({"index": index, self.score: score(&texts[index])}));
        (self.answer)(scored.collect()).to_string()
    }

    fn ok(&self, request: &Request) -> Reply {
        Reply::new(200, self.right(request))
    }

    /// A server that answers wrong so often, then right.
    fn faulty(&'static self, times: usize, fault: fn(&Protocol, &Request) -> Reply) -> Server {
        let asked = AtomicUsize::new(0);
        Server::start(move |request| match asked.fetch_add(1, Ordering::Relaxed) < times {
            true => fault(self, request),
            false => self.ok(request),
        })
    }

    async fn ask(&self, server: &Server, texts: &[String]) -> Result<Vec<f64>, RerankError> {
        let config = json!({"config_type": "rerank", "implementation": self.name, "model": "m",
                            "api_key_name": "TEAM_KEY", "base_url": server.url});
        let reranking: Reranking = serde_json::from_value(config).unwrap();
        let key = Some(ApiKey::of_server(Secret::new(KEY)));
        let settings = Settings { api_key_names: vec!["TEAM_KEY".to_owned()], ..settings() };
        relevance(&reranking, Author::Superuser, key, &settings, QUESTION, texts, &Bill::default()).await
    }

    async fn error(&self, server: &Server) -> RerankError {
        self.ask(server, &texts(2)).await.unwrap_err()
    }
}

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("the text of a document {}", "x".repeat(n % 7))).collect()
}

fn scores(texts: &[String]) -> Vec<f64> {
    texts.iter().map(|text| score(text)).collect()
}

/// Returns whether the provider is down, and the code.
fn told(error: &RerankError) -> (bool, &'static str) {
    match error {
        RerankError::Down(failure) => (true, failure.code),
        RerankError::Refused(failure) => (false, failure.code),
    }
}

#[tokio::test]
async fn each_is_asked_as_it_wants_to_be_asked() {
    for protocol in &PROTOCOLS {
        let server = protocol.faulty(0, Protocol::ok);
        assert_eq!(protocol.ask(&server, &texts(5)).await, Ok(scores(&texts(5))), "{}", protocol.name);
        let request = &server.requests()[0];
        assert_eq!(request.target, protocol.target);
        assert_eq!(request.header("authorization").unwrap(), format!("Bearer {KEY}"));
        assert_eq!(request.json()["query"], QUESTION);
        assert_eq!(protocol.texts_of(request), texts(5));
    }
}

#[tokio::test]
async fn nothing_is_asked_about_nothing() {
    for protocol in &PROTOCOLS {
        let server = protocol.faulty(0, Protocol::ok);
        assert_eq!(protocol.ask(&server, &[]).await, Ok(Vec::new()));
        assert!(server.requests().is_empty());
    }
}

#[tokio::test]
async fn many_texts_are_asked_about_in_parts() {
    let tei = &PROTOCOLS[3];
    let server = tei.faulty(0, Protocol::ok);
    assert_eq!(tei.ask(&server, &texts(70)).await, Ok(scores(&texts(70))));
    let sizes: Vec<usize> = server.requests().iter().map(|request| tei.texts_of(request).len()).collect();
    assert_eq!(sizes, [32, 32, 6]);

    // Voyage AI counts the question with each text: 600,000 tokens are 2,400,000 bytes by our estimate.
    let voyage = &PROTOCOLS[1];
    let server = voyage.faulty(0, Protocol::ok);
    let large: Vec<String> = (0..5).map(|_| "x".repeat(1_000_000)).collect();
    assert_eq!(voyage.ask(&server, &large).await, Ok(scores(&large)));
    let sizes: Vec<usize> = server.requests().iter().map(|request| voyage.texts_of(request).len()).collect();
    assert!(sizes.iter().all(|size| *size <= 2), "{sizes:?}");
}

#[tokio::test]
async fn a_server_that_takes_fewer_texts_is_asked_about_fewer() {
    for protocol in &PROTOCOLS {
        let server = Server::start(|request| match protocol.texts_of(request).len() {
            count @ 11.. => {
                let told = format!("batch size {count} > maximum allowed batch size 10");
                Reply::new(422, json!({"error": told, "error_type": "Validation"}).to_string())
            }
            _ => protocol.ok(request),
        });
        assert_eq!(protocol.ask(&server, &texts(25)).await, Ok(scores(&texts(25))), "{}", protocol.name);
        let sizes: Vec<usize> =
            server.requests().iter().map(|request| protocol.texts_of(request).len()).collect();
        assert_eq!(sizes, [25, 10, 10, 5], "{}", protocol.name);
    }
}

#[tokio::test]
async fn faults_that_pass_are_waited_out() {
    let faults: [fn(&Protocol, &Request) -> Reply; 8] = [
        |_, _| Reply::new(500, "oops"),
        |_, _| Reply::new(424, r#"{"error": "failed", "error_type": "Backend"}"#),
        |_, _| Reply::new(429, "").with("Retry-After", "0"),
        |_, _| Reply::Close,
        |protocol, request| {
            let answer = protocol.right(request);
            Reply::new(200, &answer.as_bytes()[..answer.len() / 2])
        },
        |protocol, _| Reply::new(200, (protocol.answer)(vec![]).to_string()),
        |protocol, _| {
            let one = json!({"index": 0, protocol.score: 0.5});
            Reply::new(200, (protocol.answer)(vec![one.clone(), one]).to_string())
        },
        |_, _| Reply::new(200, r#"{"error": {"code": 503, "message": "overloaded"}}"#),
    ];
    for protocol in &PROTOCOLS {
        for (at, fault) in faults.into_iter().enumerate() {
            let server = protocol.faulty(1, fault);
            let answered = protocol.ask(&server, &texts(2)).await;
            assert_eq!(answered, Ok(scores(&texts(2))), "{} {at}", protocol.name);
            assert_eq!(server.requests().len(), 2, "{} {at}", protocol.name);
        }
    }
}

#[tokio::test]
async fn what_lasts_is_told_apart() {
    for protocol in &PROTOCOLS {
        for (status, body, expected, asked) in [
            (500, "", (true, "provider_unavailable"), 4),
            (402, "", (true, "quota_exhausted"), 1),
            (401, r#"{"message": "invalid api token"}"#, (false, "provider_refused_key"), 1),
            (404, "", (false, "no_such_model"), 1),
            (424, r#"{"error": "model is not a re-ranker model"}"#, (false, "no_such_model"), 1),
            (400, r#"{"message": "the query is too long"}"#, (false, "input_refused"), 1),
            (302, "", (false, "request_refused"), 1),
            (200, "<html>", (true, "bad_response"), 4),
        ] {
            let server = Server::start(move |_| Reply::new(status, body));
            let error = protocol.error(&server).await;
            assert_eq!(told(&error), expected, "{} {status} {error:?}", protocol.name);
            assert_eq!(server.requests().len(), asked, "{} {status}", protocol.name);
            let (RerankError::Down(failure) | RerankError::Refused(failure)) = error;
            assert!(failure.hint.is_some() && !failure.message.contains("embedding"), "{failure:?}");
        }

        let server = Server::start(|_| Reply::new(429, "").with("Retry-After", "300"));
        let error = protocol.error(&server).await;
        assert_eq!((told(&error), server.requests().len()), ((true, "throttled"), 1), "{}", protocol.name);
    }
}

#[tokio::test]
async fn an_answer_is_read_within_bounds() {
    for protocol in &PROTOCOLS {
        for status in [200, 500] {
            let server = Server::start(move |_| Reply::endless(status));
            assert!(told(&protocol.error(&server).await).0, "{}", protocol.name);
            assert!(server.sent() < MOST_SENT, "{} {}", protocol.name, server.sent());
        }
    }
}

#[tokio::test]
async fn no_error_tells_a_key_or_a_text() {
    for protocol in &PROTOCOLS {
        for status in [200, 400, 401, 402, 403, 404, 413, 422, 424, 429, 500, 503] {
            for told in [KEY, &texts(1)[0], QUESTION] {
                let told = format!("not this: {told}");
                let server = Server::start(move |_| {
                    let body = json!({"error": {"message": told}, "message": told, "detail": told});
                    Reply::new(status, body.to_string()).with("Retry-After", "300")
                });
                let error = format!("{:?}", protocol.error(&server).await);
                let secrets = [KEY, "the text of a document", QUESTION];
                assert!(secrets.iter().all(|secret| !error.contains(secret)), "{} {error}", protocol.name);
            }
        }
    }
}

#[test]
fn the_question_is_paid_for_with_each_text() {
    let texts = ["12345678".to_owned(), "1234".to_owned()];
    assert_eq!(tokens("1234", &texts), (2 + 1) + (1 + 1));
}
