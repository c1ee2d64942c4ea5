//! Texts and tokens that somebody waits for.

use super::*;

fn embedding(base_url: &str) -> Embedding {
    support::column_vectorizer(1, base_url).config.embedding
}

#[test]
fn a_query_is_embedded_on_a_users_thread() {
    let server =
        faulty(vec![|_| Reply::new(500, "oops"), |_| Reply::new(429, "").with("retry-after-ms", "1")]);
    for _ in 0..2 {
        let runtime = current_thread_runtime(&RequestLife::default()).unwrap();
        let vector = runtime.block_on(embed_query(
            &embedding(&server.url),
            Author::Superuser,
            None,
            &settings(),
            "words",
            None,
            &Bill::default(),
        ));
        assert_eq!(vector.unwrap(), self::vector("words"));
    }
    assert_eq!(server.requests()[0].header("authorization"), None);
}

#[test]
fn a_query_does_not_wait_for_long() {
    let server = Server::start(|_| Reply::new(429, "").with("Retry-After", "300"));
    let runtime = current_thread_runtime(&RequestLife::default()).unwrap();
    let failure = runtime
        .block_on(embed_query(
            &embedding(&server.url),
            Author::Superuser,
            None,
            &settings(),
            "words",
            None,
            &Bill::default(),
        ))
        .unwrap_err();
    assert_eq!(failure.code, "throttled");
}

#[test]
fn a_query_to_openai_needs_a_key() {
    let runtime = current_thread_runtime(&RequestLife::default()).unwrap();
    let openai = embedding("https://api.openai.com/v1");
    let failure = runtime
        .block_on(embed_query(&openai, Author::Superuser, None, &settings(), "words", None, &Bill::default()))
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
async fn a_query_whose_vector_is_not_finite_has_none() {
    // Three times NaN.
    let server = Server::start(|_| with_data(json!([{"index": 0, "embedding": "AADAfwAAwH8AAMB/"}])));
    let settings = Settings { embedding_retries: 0, ..settings() };
    let embedding = embedding(&server.url);
    let bill = Bill::default();
    let query = embed_query(&embedding, Author::Superuser, None, &settings, "words", None, &bill);
    let failure = query.await.unwrap_err();
    assert!(failure.message.contains("not finite"), "{failure:?}");
}
