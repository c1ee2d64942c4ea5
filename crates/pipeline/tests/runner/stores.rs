//! Object stores that are down.

use super::*;

/// A store whose buckets are down as long as a test says so: those whose name holds a word.
struct Buckets {
    server: Server,
    down: Arc<Mutex<Option<&'static str>>>,
}

impl Buckets {
    fn down(word: &'static str) -> Self {
        let down = Arc::new(Mutex::new(Some(word)));
        let is_down = Arc::clone(&down);
        let server = Server::start(move |request| match *is_down.lock().unwrap() {
            Some(word) if request.target.contains(word) => Reply::Close,
            _ => Reply::new(200, "text"),
        });
        Buckets { server, down }
    }

    fn heal(&self) {
        *self.down.lock().unwrap() = None;
    }
}

#[test]
fn an_outage_of_the_store_costs_no_tries_and_leaves_the_queue_alone() {
    let (model, buckets) = (support::openai::server(), Buckets::down("bucket"));
    let vectorizer = Arc::new(uri_vectorizer(1, &model.url));
    let mut queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
    queue.brings_back = true;
    for ticket in 0..1000 {
        queue.push(row(&vectorizer, ticket, &format!("s3://bucket/{ticket}.txt")));
    }
    let mut driver = Driver::start(Settings { max_documents_in_flight: 50, ..s3(&buckets.server) });
    driver.until(&mut queue, |queue| queue.given_back.values().sum::<usize>() > 50);
    assert_eq!(waits(&driver), [(1, Step::Loading, Scope::Store)]);
    // Those that were under way when it began, and one at a time since.
    assert!(queue.claims.len() <= 50 + 2, "{}", queue.claims.len());
    assert_eq!(queue.settled(), 0);

    buckets.heal();
    driver.settle(&mut queue, 1000);
    assert_eq!((queue.failed, waits(&driver)), (HashMap::new(), Vec::new()));
}

#[test]
fn rows_of_another_bucket_go_on() {
    let (model, buckets) = (support::openai::server(), Buckets::down("broken"));
    let vectorizer = Arc::new(uri_vectorizer(1, &model.url));
    let mut queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
    queue.brings_back = true;
    for ticket in 0..1000 {
        let bucket = if ticket < 500 { "broken" } else { "whole" };
        queue.push(row(&vectorizer, ticket, &format!("s3://{bucket}/{ticket}.txt")));
    }
    let mut driver = Driver::start(Settings { max_documents_in_flight: 50, ..s3(&buckets.server) });
    driver.settle(&mut queue, 500);
    assert!(queue.completed.keys().all(|ticket| ticket.0 >= 500), "{:?}", queue.failed);
    let touched = queue.claims.keys().filter(|ticket| ticket.0 < 500).count();
    assert!(touched <= 50 + 20, "{touched}");
    assert_eq!(waits(&driver), [(1, Step::Loading, Scope::Store)]);

    buckets.heal();
    driver.settle(&mut queue, 1000);
    assert_eq!(queue.failed, HashMap::new());
}

#[test]
fn one_object_that_fails_stops_neither_its_bucket_nor_itself_for_ever() {
    let model = support::openai::server();
    let bucket = Server::start(|request| match request.target.contains("forbidden") {
        true => Reply::new(403, ""),
        false => Reply::new(200, "text"),
    });
    let vectorizer = Arc::new(uri_vectorizer(1, &model.url));
    let mut queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
    queue.brings_back = true;
    queue.push(row(&vectorizer, 0, "s3://bucket/forbidden"));
    for ticket in 1..300 {
        queue.push(row(&vectorizer, ticket, &format!("s3://bucket/{ticket}.txt")));
    }
    let mut driver = Driver::start(s3(&bucket));
    driver.settle(&mut queue, 300);
    assert_eq!(queue.failed.len(), 1);
    let failure = &queue.failed[&Ticket(0)];
    assert_eq!((failure.code, failure.scope, failure.retry), ("access_denied", Scope::Row, Retry::Backoff));
    assert_eq!(waits(&driver), []);
}

#[test]
fn a_role_that_is_refused_stops_its_vectorizer_and_no_other() {
    let model = support::openai::server();
    let granted = Arc::new(AtomicBool::new(false));
    let is_granted = Arc::clone(&granted);
    let store = Server::start(move |request| match support::s3::is_sts(request) {
        false => Reply::new(200, "text"),
        true if is_granted.load(Ordering::SeqCst) => {
            let expiry = SystemTime::now() + Duration::from_secs(3600);
            support::s3::session_credentials("token", expiry)
        }
        true => support::s3::sts_error(403, "AccessDenied", "no"),
    });
    let mut refused = uri_vectorizer(1, &model.url);
    let Loading::Uri { s3: access, .. } = &mut refused.config.loading else { unreachable!() };
    access.aws_role_arn = Some(support::s3::ROLE.into());
    let (refused, own) = (Arc::new(refused), Arc::new(uri_vectorizer(2, &model.url)));
    let mut queue = MemoryQueue::new([Arc::clone(&refused), Arc::clone(&own)]);
    queue.brings_back = true;
    for ticket in 0..300 {
        queue.push(row(&refused, ticket, &format!("s3://bucket/{ticket}.txt")));
        queue.push(row(&own, 1000 + ticket, &format!("s3://bucket/{ticket}.txt")));
    }
    let mut settings = Settings { max_documents_in_flight: 50, ..s3(&store) };
    settings.s3.allowed_role_arns = vec!["arn:".into()];
    let mut driver = Driver::start(settings);
    driver.until(&mut queue, |queue| queue.settled() == 300 && !queue.given_back.is_empty());
    assert!(queue.completed.keys().all(|ticket| ticket.0 >= 1000), "{:?}", queue.failed);
    assert_eq!(waits(&driver), [(1, Step::Loading, Scope::Vectorizer)]);

    granted.store(true, Ordering::SeqCst);
    driver.settle(&mut queue, 600);
    assert_eq!(queue.failed, HashMap::new());
}
