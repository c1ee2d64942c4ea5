//! The batch API of a server that makes mistakes.

use pgai_rs_pipeline::embed::by_batch::{BatchAnswer, BatchServer, BatchState};
use tokio::sync::mpsc;

use super::*;

fn asked_of(server: &Server) -> BatchServer {
    let groups = Groups::new(client().unwrap(), Arc::new(settings()), Arc::new(Clients::new(&settings())));
    groups.batch_server(&support::column_vectorizer(1, &server.url)).unwrap()
}

/// What comes of two inputs whose answers are in the file with this content.
async fn fetched(content: &'static str) -> (Vec<BatchAnswer>, Result<(), Failure>) {
    let server = Server::start(move |_| Reply::new(200, content));
    let api = asked_of(&server);
    let (sender, mut pages) = mpsc::channel(8);
    let result = api.fetch(&["file-1".to_owned()], 2, sender).await;
    let mut answers = Vec::new();
    while let Some(page) = pages.recv().await {
        answers.extend(page);
    }
    (answers, result)
}

#[tokio::test]
async fn a_batch_is_made_of_a_file_with_a_request_an_input() {
    let server =
        Server::start(|request| match (request.method.as_str(), request.target.trim_start_matches("/v1")) {
            ("POST", "/files") => Reply::new(200, json!({"id": "file-1"}).to_string()),
            ("POST", "/batches") => {
                Reply::new(200, json!({"id": "batch_1", "status": "validating"}).to_string())
            }
            _ => Reply::new(404, ""),
        });
    let api = asked_of(&server);
    let file = api.file([(0, "a"), (3, "b")].into_iter()).unwrap();
    let file = api.upload(file).await.unwrap();
    let created = api.create(&file, "tag").await.unwrap();
    assert_eq!((created.id.as_str(), created.state), ("batch_1", BatchState::Working));

    let [upload, creation] = server.requests().try_into().unwrap();
    assert_eq!(upload.header("authorization"), Some("Bearer sk-test"));
    let form = upload.text();
    let lines: Vec<serde_json::Value> =
        form.lines().filter(|l| l.starts_with('{')).map(|l| serde_json::from_str(l).unwrap()).collect();
    let told = |line: &serde_json::Value| (line["custom_id"].clone(), line["body"]["input"].clone());
    let expected = [(json!("pgai_rs-0"), json!(["a"])), (json!("pgai_rs-3"), json!(["b"]))];
    assert_eq!(lines.iter().map(told).collect::<Vec<_>>(), expected);
    // Another server than OpenAI's is told nothing that only OpenAI knows.
    assert!(!form.contains("expires_after"));
    let made = json!({"input_file_id": "file-1", "endpoint": "/v1/embeddings", "completion_window": "24h",
                      "metadata": {"pgai_rs": "tag"}});
    assert_eq!(creation.json(), made);
}

#[tokio::test]
async fn what_passes_is_tried_again_and_what_does_not_is_given_up() {
    for (status, is_over) in
        [(400, true), (404, true), (429, false), (500, false), (503, false), (401, false)]
    {
        let server = Server::start(move |_| refusal(status, "SECRET of a row", None));
        let failure = asked_of(&server).look("batch_1").await.unwrap_err();
        assert_eq!(failure.retry == Retry::Never, is_over, "{status}: {failure:?}");
        assert!(!failure.to_string().contains("SECRET"), "{failure}");
    }
}

#[tokio::test]
async fn a_batch_is_looked_for_on_page_after_page_but_not_for_ever() {
    let server = Server::start(|request| {
        let batch = json!({"id": "batch_1", "status": "in_progress", "metadata": {"pgai_rs": "tag"}});
        let other = json!({"id": "batch_2", "status": "in_progress", "metadata": {"pgai_rs": "other"}});
        let is_second = request.target.contains("after=batch_2");
        let data = if is_second { json!([batch]) } else { json!([other]) };
        Reply::new(200, json!({"data": data, "has_more": true}).to_string())
    });
    let api = asked_of(&server);
    assert_eq!(api.find("tag").await.unwrap().unwrap().id, "batch_1");
    assert_eq!(server.requests().len(), 2);
    assert_eq!(api.find("of nobody").await.unwrap(), None);
    assert!(server.requests().len() <= 10);
}

#[tokio::test]
async fn a_line_that_does_not_end_is_not_read_and_those_before_it_are_good() {
    let good = r#"{"custom_id":"pgai_rs-1","response":{"status_code":200,"body":{"data":[{"index":0,"embedding":[1,2,3]}]}}}"#;
    let content: &'static str = Box::leak(format!("{good}\n{}", "x".repeat(1 << 20)).into_boxed_str());
    let (answers, result) = fetched(content).await;
    assert_eq!(result.unwrap_err().retry, Retry::Never);
    let answer = BatchAnswer { place: 1, vector: Some(vec![1.0, 2.0, 3.0]), tokens: None };
    assert_eq!(answers, [answer]);

    let (answers, result) = fetched(good).await;
    assert_eq!((answers.len(), result), (1, Ok(())));
}
