//! A server that wants to be asked less often.

use super::*;

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
    vectorizers[1].config.processing =
        Processing::Default { batch_size: None, concurrency: Some(3), backfill: None };
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
    vectorizer.config.processing =
        Processing::Default { batch_size: None, concurrency: Some(3), backfill: None };
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
