//! Answers that a server may give.

use super::*;

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
async fn an_answer_without_end_is_not_read() {
    let server = Server::start(|_| Reply::new(200, vec![b' '; 1 << 20]));
    let settings = Settings { embedding_retries: 0, ..settings() };
    let failure = embed_with(settings, &server.url, &["a"]).await.unwrap_err();
    assert_eq!(failure.code, "bad_response");
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
}

#[tokio::test]
async fn what_a_compressed_answer_unpacks_to_is_bounded() {
    // It comes as no more bytes than an answer may have.
    let blanks = || vec![b' '; 4 << 20];
    let bomb = packed(|_| gzip(&vec![b' '; 4 << 20]), Some("gzip"));
    let failure = embed(&bomb, &["a"]).await.unwrap_err();
    assert!(failure.message.contains("more than"), "{failure:?}");

    let refusal = gzip(&[br#"{"error": {"message": "not you"}}"#.to_vec(), blanks()].concat());
    let refused = Server::start(move |_| Reply::new(400, refusal.clone()).with("Content-Encoding", "gzip"));
    let failure = embed(&refused, &["a"]).await.unwrap_err();
    assert_eq!(failure.code, "request_refused");
    assert!(!failure.message.contains("not you"), "{failure:?}");
}

#[tokio::test]
async fn an_answer_has_so_many_layers_at_most() {
    let thrice = packed(|body| gzip(&gzip(&gzip(body))), Some("gzip, gzip, gzip"));
    assert_eq!(embed(&thrice, &["a"]).await, Ok(vectors(&["a"])));

    let more = packed(|body| gzip(&gzip(&gzip(&gzip(body)))), Some("gzip, gzip, gzip, gzip"));
    let failure = embed(&more, &["a"]).await.unwrap_err();
    assert!(failure.message.contains("more than 3 times"), "{failure:?}");
}

#[tokio::test]
async fn no_model_is_believed_to_make_vectors_of_any_length() {
    let groups = Groups::new(client().unwrap(), Arc::new(settings()), Arc::new(Clients::new(&settings())));
    let shortened = |own: u32| {
        let mut vectorizer = support::column_vectorizer(1, "http://h/v1");
        let Embedding::Openai { shortened_from, .. } = &mut vectorizer.config.embedding else {
            unreachable!()
        };
        *shortened_from = Some(own);
        groups.group(&vectorizer).map(drop).map_err(|failure| failure.code)
    };
    assert_eq!(shortened(16_000), Ok(()));
    for own in [16_001, 2_000_000_000, u32::MAX] {
        assert_eq!(shortened(own), Err("invalid_embedding"), "{own}");
    }
}
