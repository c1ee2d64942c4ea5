//! One owner's documents leave others their part of everything that all share.

use pgai_rs_pipeline::quota::{Account, Quotas, Role};

use super::*;

fn of(role: Role, quotas: &Arc<Quotas>, vectorizer: Vectorizer) -> Arc<Vectorizer> {
    Arc::new(Vectorizer { account: Account::new(quotas, role), ..vectorizer })
}

#[test]
fn a_slow_server_of_one_owner_keeps_nobody_elses_objects_waiting() {
    let model = support::openai::server();
    let bucket = Server::start_gated(|request, gate| {
        if request.target.contains("slow") {
            gate.wait();
        }
        Reply::new(200, "an object")
    });
    let quotas = Arc::new(Quotas::default());
    let vectorizers: Vec<_> =
        (1..).zip([1, 1, 1, 2]).map(|(id, role)| of(role, &quotas, uri_vectorizer(id, &model.url))).collect();
    let mut queue = MemoryQueue::new(vectorizers.iter().cloned());
    for ticket in 0..300 {
        let address = format!("s3://bucket/slow{ticket}.txt");
        queue.push(row(&vectorizers[ticket as usize % 3], ticket, &address));
    }
    for ticket in 300..310 {
        queue.push(row(&vectorizers[3], ticket, "s3://bucket/quick.txt"));
    }

    let mut driver = Driver::start(s3(&bucket));
    driver.until(&mut queue, |queue| queue.settled() == 10);
    assert_eq!(queue.completed.keys().copied().collect::<HashSet<_>>(), tickets(300..310));
    bucket.gate.open();
    driver.settle(&mut queue, 310);
}

#[test]
fn a_hundred_vectorizers_of_one_owner_leave_memory_to_others() {
    let model = support::openai::server();
    let hung = Server::start_gated(|_, gate| {
        gate.wait();
        Reply::Close
    });
    let quotas = Arc::new(Quotas::default());
    let busy: Vec<_> = (1..=100).map(|id| of(1, &quotas, column_vectorizer(id, &hung.url))).collect();
    let quiet = of(2, &quotas, column_vectorizer(101, &model.url));
    let mut queue = MemoryQueue::new(busy.iter().cloned().chain([Arc::clone(&quiet)]));
    for (vectorizer, ticket) in busy.iter().cycle().zip(0..5000) {
        queue.push(row(vectorizer, ticket, "text"));
    }
    for ticket in 5000..5100 {
        queue.push(row(&quiet, ticket, "text"));
    }
    // So little that the busy would hold all of it.
    let mut driver = Driver::start(Settings { memory_limit: 256 << 10, ..settings() });
    driver.settle(&mut queue, 100);
    assert_eq!(queue.completed.keys().copied().collect::<HashSet<_>>(), tickets(5000..5100));
    // Not only one after the other.
    assert!(model.requests().len() < 50, "{}", model.requests().len());
}

#[test]
fn two_owners_share_no_request() {
    let model = support::openai::server();
    let quotas = Arc::new(Quotas::default());
    let vectorizers = [1, 2].map(|role| of(role, &quotas, column_vectorizer(role as i32, &model.url)));
    let mut queue = MemoryQueue::new(vectorizers.iter().cloned());
    for (vectorizer, ticket) in vectorizers.iter().cycle().zip(0..20) {
        queue.push(row(vectorizer, ticket, &format!("of {}", vectorizer.id)));
    }
    Driver::start(settings()).settle(&mut queue, 20);
    assert_eq!(queue.completed.len(), 20, "{:?}", queue.failed);
    for request in model.requests() {
        assert_eq!(inputs(&request).iter().collect::<HashSet<_>>().len(), 1);
    }
}

#[test]
fn rows_of_what_comes_last_are_claimed_after_others_and_fewer_at_a_time() {
    let model = Server::start_gated(|request, gate| {
        gate.wait();
        answer(request)
    });
    let last = Arc::new(Vectorizer { comes_last: true, ..column_vectorizer(1, &model.url) });
    let first = Arc::new(column_vectorizer(2, &model.url));
    let mut queue = MemoryQueue::new([Arc::clone(&last), Arc::clone(&first)]);
    for ticket in 0..100 {
        queue.push(row(&last, ticket, "text"));
    }
    for ticket in 100..200 {
        queue.push(row(&first, ticket, "text"));
    }

    let mut driver = Driver::start(Settings { max_documents_in_flight: 40, ..settings() });
    driver.until(&mut queue, |queue| queue.claimed.len() == 50);
    let of_last = tickets(0..100).intersection(&queue.claimed).count();
    assert_eq!((of_last, queue.claimed_for.first()), (10, Some(&2)));
    model.gate.open();
    driver.settle(&mut queue, 200);
}
