//! The contract of all providers, each asked on its own protocol.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pgai_rs_pipeline::config::{Author, Embedding};
use pgai_rs_pipeline::embed::{Groups, client, embed_query};
use pgai_rs_pipeline::failure::{Failure, Retry};
use pgai_rs_pipeline::s3::Clients;
use pgai_rs_pipeline::secret::{ApiKey, Secret};
use pgai_rs_pipeline::settings::{S3Settings, Settings};
use pgai_rs_pipeline::usage::Bill;
use serde_json::{Value, json};
use support::http::{Reply, Request, Server};
use support::openai::{DIMENSIONS, vector};
use support::queue::settings;

const KEY: &str = "sk-very-secret";

/// A provider, as its documentation says.
struct Provider {
    /// LiteLLM's prefix.
    prefix: &'static str,
    model: &'static str,
    /// Where it is asked.
    target: &'static str,
    /// The header that its key is in, and what comes before the key.
    key: Option<(&'static str, &'static str)>,
    /// Where in a request the dimensions are.
    dimensions: &'static str,
    inputs: fn(&Value) -> Vec<String>,
    answer: fn(Vec<Value>) -> Value,
    /// Most inputs of a request, if the provider says so.
    most_inputs: Option<usize>,
    refuses_key: (u16, &'static str),
    refuses_model: (u16, &'static str),
    refuses_input: (u16, &'static str),
}

fn strings(list: &Value) -> Vec<String> {
    serde_json::from_value(list.clone()).unwrap()
}

fn data(vectors: Vec<Value>) -> Value {
    let item = |(index, vector)| json!({"object": "embedding", "index": index, "embedding": vector});
    json!({"object": "list", "data": vectors.into_iter().enumerate().map(item).collect::<Vec<_>>()})
}

const OPENAI: Provider = Provider {
    prefix: "openai",
    model: "m",
    target: "/embeddings",
    key: Some(("authorization", "Bearer ")),
    dimensions: "/dimensions",
    inputs: |body| strings(&body["input"]),
    answer: data,
    most_inputs: None,
    refuses_key: (401, r#"{"error": {"message": "Incorrect API key provided: sk-very-secret."}}"#),
    refuses_model: (404, r#"{"error": {"message": "The model does not exist", "code": "model_not_found"}}"#),
    refuses_input: (400, r#"{"error": {"message": "too long", "param": "input"}}"#),
};

static PROVIDERS: [Provider; 11] = [
    OPENAI,
    Provider {
        prefix: "azure",
        target: "/openai/deployments/m/embeddings?api-version=2024-10-21",
        key: Some(("api-key", "")),
        refuses_model: (404, r#"{"error": {"code": "DeploymentNotFound", "message": "no deployment"}}"#),
        ..OPENAI
    },
    Provider {
        prefix: "bedrock",
        model: "cohere.embed-m:0",
        target: "/model/cohere.embed-m%3A0/invoke",
        // A signature instead: tests/bedrock.rs.
        key: None,
        dimensions: "/output_dimension",
        inputs: |body| strings(&body["texts"]),
        answer: |vectors| json!({"id": "x", "embeddings": {"float": vectors}, "response_type": "embeddings_by_type"}),
        most_inputs: Some(96),
        refuses_key: (403, r#"{"message": "The security token included in the request is invalid."}"#),
        refuses_model: (400, r#"{"message": "The provided model identifier is invalid."}"#),
        refuses_input: (
            400,
            r#"{"message": "Malformed input request: expected maxLength: 2048, actual: 9999"}"#,
        ),
    },
    Provider {
        prefix: "ollama",
        target: "/api/embed",
        key: None,
        answer: |vectors| json!({"model": "m", "embeddings": vectors}),
        refuses_model: (404, r#"{"error": "model \"m\" not found, try pulling it first"}"#),
        refuses_input: (400, r#"{"error": "the input length exceeds the context length"}"#),
        ..OPENAI
    },
    Provider {
        prefix: "voyage",
        dimensions: "/output_dimension",
        most_inputs: Some(128),
        refuses_key: (401, r#"{"detail": "Provided API key is invalid."}"#),
        refuses_model: (400, r#"{"detail": "Model m is not supported. Supported models are ['voyage-3']."}"#),
        refuses_input: (400, r#"{"detail": "The example is too long."}"#),
        ..OPENAI
    },
    Provider {
        prefix: "jina_ai",
        refuses_key: (401, r#"{"detail": "Invalid API key, please get a new one"}"#),
        refuses_model: (404, r#"{"detail": "Model m not found"}"#),
        refuses_input: (422, r#"{"detail": "Input text exceeds maximum length of 8192 tokens"}"#),
        ..OPENAI
    },
    Provider {
        prefix: "mistral",
        dimensions: "/output_dimension",
        most_inputs: Some(128),
        refuses_key: (401, r#"{"detail": "Unauthorized"}"#),
        refuses_model: (
            400,
            r#"{"object": "error", "message": "Invalid model: m", "type": "invalid_model"}"#,
        ),
        refuses_input: (400, r#"{"object": "error", "message": "Too many tokens in batch"}"#),
        ..OPENAI
    },
    Provider {
        prefix: "cohere",
        target: "/v2/embed",
        dimensions: "/output_dimension",
        inputs: |body| strings(&body["texts"]),
        answer: |vectors| json!({"id": "x", "embeddings": {"float": vectors}, "meta": {}}),
        most_inputs: Some(96),
        refuses_key: (401, r#"{"message": "invalid api token"}"#),
        refuses_model: (404, r#"{"message": "model 'm' not found"}"#),
        refuses_input: (400, r#"{"message": "too many tokens"}"#),
        ..OPENAI
    },
    Provider {
        prefix: "gemini",
        model: "m",
        target: "/models/m:batchEmbedContents",
        key: Some(("x-goog-api-key", "")),
        dimensions: "/requests/0/outputDimensionality",
        inputs: |body| {
            let requests = body["requests"].as_array().unwrap();
            requests.iter().map(|r| r["content"]["parts"][0]["text"].as_str().unwrap().to_owned()).collect()
        },
        answer: |vectors| json!({"embeddings": vectors.into_iter().map(|v| json!({"values": v})).collect::<Vec<_>>()}),
        most_inputs: Some(100),
        refuses_key: (
            400,
            r#"{"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT",
                "details": [{"reason": "API_KEY_INVALID"}]}}"#,
        ),
        refuses_model: (404, r#"{"error": {"code": 404, "message": "models/m is not found"}}"#),
        refuses_input: (400, r#"{"error": {"code": 400, "message": "Request payload size exceeds"}}"#),
    },
    Provider {
        prefix: "vertex_ai",
        model: "m",
        target: "/publishers/google/models/m:predict",
        // A token instead: tests/vertex.rs.
        key: None,
        dimensions: "/parameters/outputDimensionality",
        inputs: |body| {
            let instances = body["instances"].as_array().unwrap();
            instances.iter().map(|instance| instance["content"].as_str().unwrap().to_owned()).collect()
        },
        answer: |vectors| {
            let one = |vector| json!({"embeddings": {"values": vector, "statistics": {"token_count": 1}}});
            json!({"predictions": vectors.into_iter().map(one).collect::<Vec<_>>()})
        },
        most_inputs: Some(250),
        refuses_key: (
            403,
            r#"{"error": {"code": 403, "message": "Permission denied", "status": "PERMISSION_DENIED"}}"#,
        ),
        refuses_model: (404, r#"{"error": {"code": 404, "message": "Publisher Model m was not found"}}"#),
        refuses_input: (400, r#"{"error": {"code": 400, "message": "the input token count is 9999"}}"#),
    },
    Provider {
        prefix: "huggingface",
        target: "/embed",
        inputs: |body| strings(&body["inputs"]),
        answer: Value::Array,
        most_inputs: Some(32),
        refuses_model: (404, ""),
        refuses_input: (
            413,
            r#"{"error": "inputs must have less than 512 tokens", "error_type": "Validation"}"#,
        ),
        ..OPENAI
    },
];

impl Provider {
    fn inputs_of(&self, request: &Request) -> Vec<String> {
        (self.inputs)(&request.json())
    }

    /// The right answer.
    fn answer_to(&self, request: &Request) -> String {
        let vectors = self.inputs_of(request).iter().map(|input| json!(vector(input))).collect();
        (self.answer)(vectors).to_string()
    }

    fn ok(&self, request: &Request) -> Reply {
        Reply::new(200, self.answer_to(request))
    }

    fn embedding(&self, url: &str, options: Value) -> Embedding {
        let mut extra_options = json!({"api_base": url});
        extra_options.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        let model = format!("{}/{}", self.prefix, self.model);
        serde_json::from_value(json!({
            "implementation": "litellm", "model": model, "dimensions": DIMENSIONS, "extra_options": extra_options,
        }))
        .unwrap()
    }

    /// Embeds each text for a document of its own.
    async fn embed(&self, server: &Server, texts: &[&str]) -> Vec<Result<Vec<f32>, Failure>> {
        let s3 = S3Settings {
            access_key: Some(("AKID".into(), Secret::new("the-secret"))),
            region: Some("eu-west-1".into()),
            ..S3Settings::default()
        };
        let settings = Settings { s3, ..settings() };
        let aws = Arc::new(Clients::new(&settings));
        let groups = Groups::new(client().unwrap(), Arc::new(settings), aws);
        let mut vectorizer = support::column_vectorizer(1, "");
        vectorizer.config.embedding = self.embedding(&server.url, json!({}));
        vectorizer.api_key = self.key.map(|_| ApiKey::of_server(Secret::new(KEY)));
        let group = groups.group(&vectorizer).unwrap();
        let one = async |text: &str| group.embed([text.into()]).await.map(|vectors| vectors[0].clone());
        futures_util::future::join_all(texts.iter().map(|text| one(text))).await
    }

    async fn failure(&self, server: &Server) -> Failure {
        self.embed(server, &["the text of a document"]).await.remove(0).unwrap_err()
    }

    /// A server that answers wrong so often, then right.
    fn faulty(&'static self, times: usize, fault: fn(&Provider, &Request) -> Reply) -> Server {
        let asked = AtomicUsize::new(0);
        Server::start(move |request| match asked.fetch_add(1, Ordering::Relaxed) < times {
            true => fault(self, request),
            false => self.ok(request),
        })
    }
}

fn expected(texts: &[&str]) -> Vec<Result<Vec<f32>, Failure>> {
    texts.iter().map(|text| Ok(vector(text))).collect()
}

#[tokio::test]
async fn each_is_asked_as_it_wants_to_be_asked() {
    for provider in &PROVIDERS {
        let server = provider.faulty(0, Provider::ok);
        let texts = ["a", "bc", "def"];
        assert_eq!(provider.embed(&server, &texts).await, expected(&texts), "{}", provider.prefix);
        let request = &server.requests()[0];
        assert_eq!(request.target, provider.target);
        assert_eq!(
            request.json().pointer(provider.dimensions),
            Some(&json!(DIMENSIONS)),
            "{}",
            provider.prefix
        );
        match provider.key {
            Some((header, before)) => assert_eq!(request.header(header).unwrap(), format!("{before}{KEY}")),
            None => assert!(request.headers.iter().all(|(_, value)| !value.contains(KEY))),
        }
    }
}

#[tokio::test]
async fn no_request_is_larger_than_the_provider_takes() {
    for provider in PROVIDERS.iter().filter(|provider| provider.most_inputs.is_some()) {
        let server = provider.faulty(0, Provider::ok);
        let texts: Vec<String> = (0..300).map(|n| n.to_string()).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        assert_eq!(provider.embed(&server, &texts).await, expected(&texts), "{}", provider.prefix);
        let largest = server.requests().iter().map(|request| provider.inputs_of(request).len()).max();
        assert_eq!(largest, provider.most_inputs, "{}", provider.prefix);
    }
}

#[tokio::test]
async fn faults_that_pass_are_waited_out() {
    let faults: [fn(&Provider, &Request) -> Reply; 5] = [
        |_, _| Reply::new(500, "oops"),
        |_, _| Reply::new(429, "").with("Retry-After", "0"),
        |_, _| Reply::Close,
        |provider, request| {
            let answer = provider.answer_to(request);
            Reply::new(200, &answer.as_bytes()[..answer.len() / 2])
        },
        |provider, _| Reply::new(200, (provider.answer)(vec![json!(vector("a"))]).to_string()),
    ];
    for provider in &PROVIDERS {
        for (at, fault) in faults.into_iter().enumerate() {
            let server = provider.faulty(1, fault);
            let result = provider.embed(&server, &["a", "b"]).await;
            assert_eq!(result, expected(&["a", "b"]), "{} {at}", provider.prefix);
            assert_eq!(server.requests().len(), 2, "{} {at}", provider.prefix);
        }
    }
}

#[tokio::test]
async fn a_long_pause_is_spent_in_the_queue() {
    for provider in &PROVIDERS {
        let server = Server::start(|_| Reply::new(429, "").with("Retry-After", "300"));
        let failure = provider.failure(&server).await;
        assert_eq!((failure.code, server.requests().len()), ("throttled", 1), "{}", provider.prefix);
    }
}

#[tokio::test]
async fn what_only_a_person_can_mend_is_not_tried_again() {
    for provider in &PROVIDERS {
        for ((status, body), code) in
            [(provider.refuses_key, "provider_refused_key"), (provider.refuses_model, "no_such_model")]
        {
            let server = Server::start(move |_| Reply::new(status, body));
            let failure = provider.failure(&server).await;
            assert_eq!(failure.code, code, "{}", provider.prefix);
            assert!(matches!(failure.retry, Retry::After(_)) && failure.hint.is_some(), "{failure:?}");
            assert_eq!(server.requests().len(), 1, "{}", provider.prefix);
        }
    }
}

#[tokio::test]
async fn a_refused_input_is_found_and_harms_no_other() {
    for provider in &PROVIDERS {
        let (status, body) = provider.refuses_input;
        let server = Server::start(move |request| {
            match provider.inputs_of(request).iter().any(|input| input == "poison") {
                true => Reply::new(status, body),
                false => provider.ok(request),
            }
        });
        let mut results = provider.embed(&server, &["a", "poison", "b", "c"]).await;
        let failure = results.remove(1).unwrap_err();
        assert_eq!((failure.code, failure.retry), ("input_refused", Retry::Never), "{}", provider.prefix);
        assert_eq!(results, expected(&["a", "b", "c"]), "{}", provider.prefix);
    }
}

#[tokio::test]
async fn other_dimensions_than_asked_for_are_refused() {
    for provider in &PROVIDERS {
        let server = Server::start(|_| Reply::new(200, (provider.answer)(vec![json!([1, 2])]).to_string()));
        let failure = provider.failure(&server).await;
        assert_eq!(failure.code, "bad_response", "{}", provider.prefix);
        assert!(
            failure.message.ends_with("the model returns 2 dimensions, but the vectorizer has 3"),
            "{failure}"
        );
        assert_eq!(server.requests().len(), 1, "{}", provider.prefix);
    }
}

#[tokio::test]
async fn a_model_that_takes_no_dimensions_is_not_told_any() {
    for provider in &PROVIDERS {
        let server = Server::start(|request| match request.json().pointer(provider.dimensions) {
            Some(_) => {
                Reply::new(400, json!({"message": "this model has no choice of dimension"}).to_string())
            }
            None => provider.ok(request),
        });
        assert_eq!(provider.embed(&server, &["a"]).await, expected(&["a"]), "{}", provider.prefix);
        assert_eq!(server.requests().len(), 2, "{}", provider.prefix);
    }
}

#[tokio::test]
async fn an_input_without_a_vector_harms_no_other() {
    for provider in &PROVIDERS {
        let server = Server::start(|request| {
            let one = |input: &String| match input.as_str() {
                "odd" => json!([null, 0, 0]),
                input => json!(vector(input)),
            };
            let vectors = provider.inputs_of(request).iter().map(one).collect();
            Reply::new(200, (provider.answer)(vectors).to_string())
        });
        let results = provider.embed(&server, &["odd", "even"]).await;
        assert_eq!(results[0].as_ref().unwrap_err().code, "bad_response", "{}", provider.prefix);
        assert_eq!(results[1], Ok(vector("even")), "{}", provider.prefix);
    }
}

#[tokio::test]
async fn no_failure_tells_a_key_or_a_text() {
    for provider in &PROVIDERS {
        for status in [400, 401, 403, 404, 413, 422, 424, 429, 500, 503] {
            let server = Server::start(move |_| {
                let told = format!("{KEY} may not embed: the text of a document");
                Reply::new(
                    status,
                    json!({"error": {"message": told}, "message": told, "detail": told}).to_string(),
                )
                .with("Retry-After", "300")
            });
            let failure = format!("{:?}", provider.failure(&server).await);
            assert!(!failure.contains(KEY) && !failure.contains("the text"), "{} {failure}", provider.prefix);
        }
    }
}

fn known(prefix: &str) -> &'static Provider {
    PROVIDERS.iter().find(|provider| provider.prefix == prefix).unwrap()
}

/// The body of the one request that a query makes, and its text's vector.
async fn query(provider: &'static Provider, options: Value, input_type: Option<&str>) -> Value {
    let server = provider.faulty(0, Provider::ok);
    let embedding = provider.embedding(&server.url, options);
    let vector = embed_query(
        &embedding,
        Author::Superuser,
        None,
        &Settings::default(),
        "words",
        input_type,
        &Bill::default(),
    )
    .await;
    assert_eq!(vector, Ok(self::vector("words")));
    server.requests()[0].json()
}

#[tokio::test]
async fn a_query_is_told_from_a_document() {
    for (prefix, options, asked, pointer, sent) in [
        ("voyage", json!({}), None, "/input_type", json!("query")),
        ("voyage", json!({"input_type": "document"}), Some("document"), "/input_type", json!("document")),
        ("cohere", json!({}), None, "/input_type", json!("search_query")),
        ("cohere", json!({"input_type": "clustering"}), None, "/input_type", json!("clustering")),
        ("cohere", json!({}), Some("document"), "/input_type", json!("search_document")),
        ("gemini", json!({}), None, "/requests/0/taskType", Value::Null),
        (
            "gemini",
            json!({"task_type": "RETRIEVAL_DOCUMENT"}),
            None,
            "/requests/0/taskType",
            json!("RETRIEVAL_QUERY"),
        ),
        ("jina_ai", json!({}), None, "/task", Value::Null),
        ("jina_ai", json!({"task": "retrieval.passage"}), None, "/task", json!("retrieval.query")),
        ("openai", json!({}), Some("query"), "/input_type", Value::Null),
    ] {
        let body = query(known(prefix), options, asked).await;
        assert_eq!(body.pointer(pointer).unwrap_or(&Value::Null), &sent, "{prefix} {asked:?}");
    }
}

#[tokio::test]
async fn what_the_author_wants_is_sent_along() {
    for (prefix, option, given, sent) in [
        ("openai", "user", json!("me"), json!("me")),
        ("ollama", "options", json!({"num_ctx": 8192}), json!({"num_ctx": 8192})),
        ("ollama", "keep_alive", json!("5m"), json!("5m")),
        ("ollama", "keep_alive", json!("-1"), json!(-1)),
        ("voyage", "truncation", json!(false), json!(false)),
        ("cohere", "truncate", json!("NONE"), json!("NONE")),
        ("huggingface", "truncate", json!(false), json!(false)),
        ("jina_ai", "truncate", json!(true), json!(true)),
    ] {
        let body = query(known(prefix), json!({ option: given }), None).await;
        assert_eq!(body[option], sent, "{prefix} {option}");
    }
}

#[tokio::test]
async fn an_ollama_without_the_model_is_told_how_to_get_it() {
    let server = Server::start(|_| Reply::new(404, r#"{"error": "model \"m\" not found"}"#));
    let ollama = known("ollama");
    let failure = ollama.failure(&server).await;
    assert_eq!(failure.hint.as_deref(), Some("Run \"ollama pull m\" on Ollama's host."));
}
