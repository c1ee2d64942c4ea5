//! Results that the queue takes, refuses and forgets.

use super::*;

#[test]
fn what_cannot_be_written_harms_no_other() {
    let model = support::openai::server();
    let vectorizer = Arc::new(column_vectorizer(1, &model.url));
    let mut queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
    queue.poison.insert(Ticket(5));
    for ticket in 0..100 {
        queue.push(row(&vectorizer, ticket, "text"));
    }
    let mut driver = Driver::start(settings());
    driver.settle(&mut queue, 100);
    assert_eq!(queue.completed.len(), 99);
    let failure = &queue.failed[&Ticket(5)];
    assert_eq!((failure.step, failure.code, failure.retry), (Step::Writing, "not_writable", Retry::Backoff));
    assert_eq!(failure.message, "could not write the chunks: can't write 5");
}

#[test]
fn what_is_locked_is_offered_again() {
    let model = support::openai::server();
    let vectorizer = Arc::new(column_vectorizer(1, &model.url));
    let mut queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
    queue.locked.insert(Ticket(1));
    for ticket in 0..3 {
        queue.push(row(&vectorizer, ticket, "text"));
    }
    let mut driver = Driver::start(settings());
    let turn = driver.until(&mut queue, |queue| queue.completed.len() == 2 && queue.offers.len() >= 3);
    assert!(turn.retry_in.is_some());
    assert_eq!(driver.runner.in_flight(), 1);
    queue.locked.clear();
    driver.settle(&mut queue, 3);
    assert_eq!(model.requests().len(), 1);
}

#[test]
fn what_takes_too_long_is_offered_in_smaller_parts_later() {
    let model = support::openai::server();
    let vectorizer = Arc::new(column_vectorizer(1, &model.url));
    let mut queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
    queue.too_many = 10;
    for ticket in 0..100 {
        queue.push(row(&vectorizer, ticket, "text"));
    }
    let mut driver = Driver::start(settings());
    driver.settle(&mut queue, 100);
    assert_eq!((queue.completed.len(), queue.failed.len()), (100, 0));
}

#[test]
fn one_that_takes_too_long_alone_fails_and_is_not_offered_again() {
    let model = support::openai::server();
    let vectorizer = Arc::new(column_vectorizer(1, &model.url));
    let mut queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
    queue.slow.insert(Ticket(5));
    for ticket in 0..20 {
        queue.push(row(&vectorizer, ticket, "text"));
    }
    let mut driver = Driver::start(settings());
    driver.settle(&mut queue, 20);
    assert_eq!(queue.completed.len(), 19);
    assert_eq!(queue.failed[&Ticket(5)].message, "could not write the chunks: took too long");
}

#[test]
fn one_whose_turn_it_is_not_gets_nothing_and_the_others_do() {
    let model = support::openai::server();
    let vectorizers = [1, 2].map(|id| Arc::new(column_vectorizer(id, &model.url)));
    let mut queue = MemoryQueue::new(vectorizers.iter().cloned());
    queue.others_first.insert(1);
    queue.push(row(&vectorizers[0], 1, "text"));
    queue.push(row(&vectorizers[1], 2, "text"));
    let mut driver = Driver::start(settings());
    let turn = driver.until(&mut queue, |queue| queue.completed.len() == 1);
    assert!(queue.completed.contains_key(&Ticket(2)));
    assert!(turn.more, "the next turn may be the other's");
    queue.others_first.clear();
    driver.settle(&mut queue, 2);
}

#[test]
fn a_broken_queue_loses_nothing() {
    let vectorizer = Arc::new(column_vectorizer(1, "http://127.0.0.1:1"));
    let mut queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
    queue.broken = true;
    for ticket in 0..5 {
        queue.push(row(&vectorizer, ticket, "text"));
    }
    let mut driver = Driver::start(settings());
    let mut errors = 0;
    while errors < 2 {
        errors += usize::from(driver.runner.turn(&mut queue).is_err());
        std::thread::yield_now();
    }
    assert_eq!(driver.runner.in_flight(), 5);
    assert_eq!(driver.runner.tickets().collect::<HashSet<_>>(), tickets(0..5));
    queue.broken = false;
    driver.settle(&mut queue, 5);
    assert_eq!(queue.failed[&Ticket(4)].code, "provider_unavailable");
}

#[test]
fn what_is_forgotten_does_not_come_back() {
    let model = Server::start_gated(|request, gate| {
        if inputs(request)[0] == "old" {
            gate.wait();
        }
        answer(request)
    });
    let vectorizer = Arc::new(column_vectorizer(1, &model.url));
    let mut queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
    queue.push(row(&vectorizer, 1, "old"));
    let mut driver = Driver::start(settings());
    while model.requests().is_empty() {
        driver.runner.turn(&mut queue).unwrap();
        std::thread::yield_now();
    }
    driver.runner.forget(1);
    assert_eq!(driver.runner.in_flight(), 0);
    // The same row, claimed anew under the same ticket.
    queue.claimed.clear();
    queue.push(row(&vectorizer, 1, "new"));
    driver.settle(&mut queue, 1);
    model.gate.open();
    queue.push(row(&vectorizer, 2, "later"));
    driver.settle(&mut queue, 2);
    assert_eq!(queue.completed[&Ticket(1)], [new("new")]);
}

#[test]
fn dropping_waits_for_nobody() {
    let hung = Server::start_gated(|_, gate| {
        gate.wait();
        Reply::Close
    });
    let vectorizers = [Arc::new(column_vectorizer(1, &hung.url)), Arc::new(uri_vectorizer(2, &hung.url))];
    let mut queue = MemoryQueue::new(vectorizers.iter().cloned());
    queue.push(row(&vectorizers[0], 1, "text"));
    queue.push(row(&vectorizers[1], 2, "s3://bucket/key"));
    let mut driver = Driver::start(s3(&hung));
    while hung.requests().len() < 2 {
        driver.runner.turn(&mut queue).unwrap();
        std::thread::yield_now();
    }
    // The test hangs if this does.
    drop(driver);
}
