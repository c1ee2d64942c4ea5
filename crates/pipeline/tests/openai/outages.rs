//! A server that fails, or refuses everything.

use super::*;

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

/// An input that nobody waits for may not be allowed any more.
#[tokio::test]
async fn an_input_that_nobody_waits_for_any_more_is_not_sent_again() {
    let server = Server::start_gated(|request, gate| match inputs(request) == ["given up"] {
        true => {
            gate.wait();
            Reply::new(503, "")
        }
        false => answer(request),
    });
    let groups = Groups::new(client().unwrap(), Arc::new(settings()), Arc::new(Clients::new(&settings())));
    let mut vectorizer = support::column_vectorizer(1, &server.url);
    // A request leaves once the one before it has come to its end, repetitions and all.
    vectorizer.config.processing =
        Processing::Default { batch_size: None, concurrency: Some(1), backfill: None };
    let group = groups.group(&vectorizer).unwrap();

    let asking = Arc::clone(&group);
    let given_up = tokio::spawn(async move { asking.embed(["given up".into()]).await });
    while server.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    given_up.abort();
    assert!(given_up.await.unwrap_err().is_cancelled());

    server.gate.open();
    assert_eq!(group.embed(["a".into()]).await, Ok(vectors(&["a"])));
    assert_eq!(server.requests().len(), 2);
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
    assert!(failure.message.ends_with("the model returns 2 dimensions, but the vectorizer has 3"));
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
