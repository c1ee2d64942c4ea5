//! Failures of one document or provider concern no other.

use super::*;

#[test]
fn a_slow_document_delays_nobody() {
    let model = support::openai::server();
    let bucket = Server::start_gated(|request, gate| {
        if request.target.contains("slow") {
            gate.wait();
        }
        Reply::new(200, format!("object {}", request.target.split(['/', '?', '.']).nth(2).unwrap()))
    });
    let vectorizer = Arc::new(uri_vectorizer(1, &model.url));
    let mut queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
    queue.push(row(&vectorizer, 0, "s3://bucket/slow.txt"));
    for ticket in 1..100 {
        queue.push(row(&vectorizer, ticket, &format!("s3://bucket/{ticket}.txt")));
    }
    let mut driver = Driver::start(s3(&bucket));
    driver.settle(&mut queue, 99);
    assert_eq!(queue.failed, Default::default());
    assert_eq!(queue.completed[&Ticket(7)], [new("object 7")]);
    assert_eq!(driver.runner.tickets().collect::<Vec<_>>(), [Ticket(0)]);
    bucket.gate.open();
    driver.settle(&mut queue, 100);
    assert_eq!(queue.completed[&Ticket(0)], [new("object slow")]);
}

#[test]
fn an_outage_of_one_provider_slows_no_other() {
    let model = support::openai::server();
    let hung = Server::start_gated(|_, gate| {
        gate.wait();
        Reply::Close
    });
    let throttled = Server::start(|_| Reply::new(429, "").with("Retry-After", "30"));
    let sick: Vec<_> = [&hung, &throttled]
        .iter()
        .zip(1..)
        .map(|(server, id)| Arc::new(column_vectorizer(id, &server.url)))
        .collect();
    let well = Arc::new(column_vectorizer(9, &model.url));
    let mut queue = MemoryQueue::new(sick.iter().cloned().chain([Arc::clone(&well)]));
    for ticket in 0..3000 {
        queue.push(row(&sick[ticket as usize % 2], ticket, "text"));
        queue.push(row(&well, 10_000 + ticket, "text"));
    }
    // So little that the sick hold all of it.
    let settings = Settings { memory_limit: 1 << 20, ..settings() };
    let mut driver = Driver::start(settings);
    driver.settle(&mut queue, 3000);
    assert!(queue.completed.keys().all(|ticket| ticket.0 >= 10_000));
}

#[test]
fn a_poisoned_input_harms_no_other() {
    let model = Server::start(|request| match inputs(request).iter().any(|input| input.contains("poison")) {
        true => refusal(400, "no", Some("input")),
        false => answer(request),
    });
    let vectorizer = Arc::new(column_vectorizer(1, &model.url));
    let mut queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
    for ticket in 0..300 {
        queue.push(row(&vectorizer, ticket, if ticket == 111 { "poison" } else { "text" }));
    }
    Driver::start(settings()).settle(&mut queue, 300);
    assert_eq!(queue.completed.len(), 299);
    assert_eq!(queue.failed[&Ticket(111)].code, "input_refused");
}

#[test]
fn a_vectorizer_without_a_key_rests() {
    let mut vectorizer = column_vectorizer(1, "https://api.openai.com/v1");
    vectorizer.api_key = None;
    let vectorizer = Arc::new(vectorizer);
    let mut queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
    for ticket in 0..5000 {
        queue.push(row(&vectorizer, ticket, "text"));
    }
    let mut driver = Driver::start(Settings { max_documents_in_flight: 100, ..settings() });
    let turn = driver.until(&mut queue, |queue| queue.settled() > 0 && queue.claimed.is_empty());
    assert!(queue.failed.values().all(|failure| failure.code == "no_api_key"));
    assert!(queue.settled() < 1000, "{}", queue.settled());
    assert!(!turn.more && turn.retry_in.is_some_and(|pause| pause > Duration::from_secs(30)), "{turn:?}");

    // A key, once there is one, is used at once.
    let model = support::openai::server();
    queue.vectorizers = vec![Arc::new(column_vectorizer(1, &model.url))];
    driver.settle(&mut queue, 5000);
    assert!(queue.completed.len() > 4000);
}

#[test]
fn a_misnamed_model_costs_no_row_and_one_that_is_renamed_goes_on() {
    let model = Server::start(|request| match request.json()["model"] == "test-model" {
        true => answer(request),
        false => refusal(400, "Invalid model name passed in", None),
    });
    let mut misnamed = column_vectorizer(1, &model.url);
    let Embedding::Openai { model: name, .. } = &mut misnamed.config.embedding else { unreachable!() };
    *name = "tset-model".into();
    let misnamed = Arc::new(misnamed);
    let mut queue = MemoryQueue::new([Arc::clone(&misnamed)]);
    queue.brings_back = true;
    for ticket in 0..1000 {
        queue.push(row(&misnamed, ticket, &format!("text {ticket}")));
    }
    let mut driver = Driver::start(Settings { max_documents_in_flight: 50, ..settings() });
    driver.until(&mut queue, |queue| !queue.given_back.is_empty() && queue.claimed.is_empty());
    assert_eq!((queue.settled(), waits(&driver)), (0, vec![(1, Step::Embedding, Scope::Provider)]));
    assert!(queue.claims.len() <= 50, "{}", queue.claims.len());
}

#[test]
fn a_config_that_cannot_work_is_each_documents_failure() {
    let mut vectorizer = column_vectorizer(1, "http://127.0.0.1:1");
    vectorizer.config.chunking = Chunking::TextSplitter {
        chunk_size: 10,
        chunk_overlap: 10,
        unit: ChunkUnit::Characters,
        format: TextFormat::Text,
    };
    let vectorizer = Arc::new(vectorizer);
    let mut queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
    queue.push(row(&vectorizer, 1, "text"));
    Driver::start(settings()).settle(&mut queue, 1);
    assert_eq!(queue.failed[&Ticket(1)].step, Step::Chunking);
}
