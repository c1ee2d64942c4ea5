//! The search for the input that is to blame for a refusal, if one is.

use super::*;

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

/// Refusals by providers of a name that they don't know, or of a model that makes no vectors.
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
        // The request, fewer inputs three times, its parts and those of the first of them, something
        // harmless.
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
