//! The size of a request that a server takes.

use super::*;

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

/// Texts of so many estimated tokens each, with numbers.
fn texts_of(tokens: usize, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{number:0width$}", width = 4 * tokens)).collect()
}

#[tokio::test]
async fn requests_begin_small_and_grow_where_answers_are_quick() {
    let server = support::openai::server();
    // Quick is whatever takes no more than a thirtieth of it.
    let settings =
        Settings { embedding_concurrency: 1, embedding_timeout: Duration::from_secs(3_600), ..settings() };
    let texts = texts_of(64, 1_000);
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    assert_eq!(embed_with(settings, &server.url, &texts).await, Ok(vectors(&texts)));
    let sizes: Vec<usize> = server.requests().iter().map(|request| inputs(request).len()).collect();
    assert_eq!(sizes, [64, 256, 680]);
}

#[tokio::test]
async fn a_server_that_needs_too_long_for_a_request_gets_smaller_ones() {
    let server = Server::start_gated(|request, gate: &Gate| {
        if inputs(request).len() > 6 {
            gate.wait();
        }
        answer(request)
    });
    let settings = Settings {
        embedding_concurrency: 1,
        embedding_timeout: Duration::from_millis(300),
        embedding_retries: 1,
        ..settings()
    };
    let texts = texts_of(64, 64);
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    assert_eq!(embed_with(settings, &server.url, &texts).await, Ok(vectors(&texts)));
    let sizes: Vec<usize> = server.requests().iter().map(|request| inputs(request).len()).collect();
    assert_eq!(sizes[..3], [64, 16, 4], "{sizes:?}");
}
