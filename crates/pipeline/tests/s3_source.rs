//! Listing a bucket, asking about objects and listening to events, against servers that make mistakes.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pgai_rs_pipeline::config::{MetadataPlace, S3Access, SourceConfig};
use pgai_rs_pipeline::failure::Failure;
use pgai_rs_pipeline::quota::Owner;
use pgai_rs_pipeline::s3::Clients;
use pgai_rs_pipeline::secret::Secret;
use pgai_rs_pipeline::settings::{S3Settings, Settings, UrlStyle};
use pgai_rs_pipeline::source::{
    EventBatch, Heard, Inquiry, Listener, Listing, ListingPage, ListingPart, ListingScope, Network,
    ObjectAnswer, ObjectState,
};
use serde_json::json;
use support::http::{MOST_SENT, Reply, Request, Server};
use tokio::sync::Notify;

/// A source of `s3://bucket/docs/`, the network that it asks, and a bell that rings for news.
struct World {
    network: Network,
    scope: Arc<ListingScope>,
    bell: Arc<Notify>,
}

fn settings(url: &str) -> Settings {
    Settings {
        s3: S3Settings {
            region: Some("us-east-1".into()),
            endpoint_url: Some(url.into()),
            url_style: UrlStyle::Path,
            access_key: Some(("AKID".into(), Secret::new("the-secret"))),
            ..S3Settings::default()
        },
        ..Settings::default()
    }
}

fn network(settings: &Settings, bell: &Arc<Notify>) -> Network {
    let ring = Arc::clone(bell);
    let wake = Arc::new(move || ring.notify_one());
    Network::new(tokio::runtime::Handle::current(), Arc::new(Clients::new(settings)), 4, wake)
}

impl World {
    fn new(url: &str, config: &SourceConfig) -> World {
        let settings = settings(url);
        let bell = Arc::new(Notify::new());
        let network = network(&settings, &bell);
        World {
            network,
            scope: Arc::new(ListingScope::new("s3://bucket/docs/", config, &settings).unwrap()),
            bell,
        }
    }

    /// Looks again whenever there is news, until there is an answer.
    async fn until<T>(&self, mut look: impl FnMut() -> Option<T>) -> T {
        loop {
            match look() {
                Some(found) => return found,
                None => self.bell.notified().await,
            }
        }
    }

    /// All pages, and how it ended.
    async fn list(&self) -> (Vec<ListingPage>, Result<(), Failure>) {
        let mut listing = Listing::start(&self.network, self.scope.clone(), S3Access::default());
        let mut pages = Vec::new();
        loop {
            match self.until(|| listing.try_next()).await {
                ListingPart::Page(page) => pages.push(page),
                ListingPart::End => return (pages, Ok(())),
                ListingPart::Failed(failure) => return (pages, Err(failure)),
            }
        }
    }

    async fn ask(&self, key: &str) -> ObjectState {
        let mut inquiry =
            Inquiry::start(&self.network, self.scope.clone(), S3Access::default(), vec![key.into()]);
        self.until(|| inquiry.answers()).await.remove(0).state
    }
}

async fn world(server: &Server) -> World {
    World::new(&server.url, &SourceConfig::default())
}

fn page(keys: &[&str], rest: &str) -> Reply {
    let contents: String = keys
        .iter()
        .map(|key| format!("<Contents><Key>{key}</Key><ETag>&quot;e&quot;</ETag><Size>7</Size></Contents>"))
        .collect();
    let body = format!("<?xml version=\"1.0\"?><ListBucketResult>{contents}{rest}</ListBucketResult>");
    Reply::new(200, body).with("Content-Type", "application/xml")
}

const MORE: &str = "<IsTruncated>true</IsTruncated><NextContinuationToken>two</NextContinuationToken>";
const URL: &str = "<EncodingType>url</EncodingType>";

/// First a page that promises more, then this.
fn then(second: Reply) -> Server {
    Server::start(move |request| match request.target.contains("continuation-token") {
        false => page(&["docs/a"], MORE),
        true => second.clone(),
    })
}

#[tokio::test]
async fn a_page_without_an_end_is_cut_off() {
    let server = Server::start(|_| Reply::endless(200));
    let (_, end) = world(&server).await.list().await;
    assert_eq!(end.unwrap_err().code, "truncated");
    assert!(server.sent() < MOST_SENT, "{}", server.sent());
}

#[tokio::test]
async fn a_page_of_nothing_but_empty_entries_is_cut_off() {
    let entries = "<Contents/>".repeat(100_000);
    let server = Server::start(move |_| page(&[], &entries));
    let (_, end) = world(&server).await.list().await;
    assert_eq!(end.unwrap_err().code, "truncated");
}

#[tokio::test]
async fn a_queues_answer_of_nothing_but_empty_messages_is_cut_off() {
    let answer = format!(r#"{{"Messages":[{}{{}}]}}"#, "{},".repeat(10_000));
    let server = Server::start(move |_| Reply::new(200, answer.clone()));
    let world = world(&server).await;
    let mut listener = listen(&world, &server);
    let Heard::Failed(failure) = world.until(|| listener.try_next()).await else { panic!("it was taken") };
    assert!(failure.to_string().contains("too many bytes or parts"), "{failure}");
}

#[tokio::test]
async fn a_queues_answer_without_an_end_is_cut_off() {
    for status in [200, 403] {
        let server = Server::start(move |_| Reply::endless(status));
        let world = world(&server).await;
        let mut listener = listen(&world, &server);
        let heard = world.until(|| listener.try_next()).await;
        assert!(matches!(heard, Heard::Failed(_)));
        drop(listener);
        assert!(server.sent() < MOST_SENT, "{}", server.sent());
    }
}

#[tokio::test]
async fn a_queue_whose_host_its_author_chose_does_not_lead_into_private_networks() {
    let server = Server::start(|_| Reply::new(200, "{}"));
    let port = server.url.rsplit(':').next().unwrap();
    for host in ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"] {
        let mut world = world(&server).await;
        let s3 = S3Settings { allowed_queues: vec!["http://".into()], ..settings(&server.url).s3 };
        world.network = network(&Settings { s3, ..settings(&server.url) }, &world.bell);
        let url = format!("http://{host}:{port}/123/queue");
        let mut listener = Listener::start(&world.network, world.scope.clone(), S3Access::default(), url);
        let Heard::Failed(failure) = world.until(|| listener.try_next()).await else { panic!("{host}") };
        assert_eq!(failure.code, "address_not_allowed", "{failure:?}");
    }
    assert!(server.requests().is_empty());
}

/// Long enough for an answer that nobody waits for, and a test ends that waits in vain.
const PATIENCE: Duration = Duration::from_secs(30);

fn says_slow(request: &Request) -> bool {
    request.target.contains("slow") || String::from_utf8_lossy(&request.body).contains("slow")
}

fn is_poll(request: &Request) -> bool {
    request.header("x-amz-target").is_some()
}

/// A world with room for few requests and few queues at a time, and a server that answers nobody who says "slow" until
/// its gate is opened.
async fn narrow_world() -> (World, Server) {
    let server = Server::start_gated(|request, gate| {
        if says_slow(request) {
            gate.wait();
        }
        match is_poll(request) {
            true => Reply::new(200, "{}"),
            false if request.method == "HEAD" => Reply::new(200, ""),
            false => page(&["docs/a"], ""),
        }
    });
    let mut world = world(&server).await;
    let settings = Settings { connections: 8, ..settings(&server.url) };
    world.network = network(&settings, &world.bell);
    (world, server)
}

#[tokio::test]
async fn one_owners_slow_buckets_leave_requests_to_others() {
    let (mut world, server) = narrow_world().await;
    let slow = ListingScope::new("s3://bucket/slow/", &SourceConfig::default(), &settings(&server.url));
    let slow = Arc::new(slow.unwrap());
    let busy = world.network.of(Owner::of(1));
    let listings: Vec<_> =
        (0..10).map(|_| Listing::start(&busy, slow.clone(), S3Access::default())).collect();
    let keys = || (0..10).map(|n| format!("slow/{n}")).collect();
    let inquiry = Inquiry::start(&busy, slow, S3Access::default(), keys());

    world.network = world.network.of(Owner::of(2));
    let (pages, end) = tokio::time::timeout(PATIENCE, world.list()).await.unwrap();
    assert_eq!((pages.len(), end), (1, Ok(())));
    let state = tokio::time::timeout(PATIENCE, world.ask("docs/a")).await.unwrap();
    assert!(matches!(state, ObjectState::Present(_)), "{state:?}");
    drop((listings, inquiry));
}

#[tokio::test]
async fn one_owners_slow_queues_leave_polls_to_others() {
    let (world, server) = narrow_world().await;
    let listen = |role, queue: &str| {
        let url = format!("{}/1234/{queue}", server.url);
        let network = world.network.of(Owner::of(role));
        Listener::start(&network, world.scope.clone(), S3Access::default(), url)
    };
    let busy: Vec<_> = (0..10).map(|_| listen(1, "slow")).collect();

    let mut listener = listen(2, "quick");
    let heard = tokio::time::timeout(PATIENCE, world.until(|| listener.try_next())).await.unwrap();
    assert!(matches!(heard, Heard::Ready), "{heard:?}");
    drop(busy);
}

#[tokio::test]
async fn there_are_so_many_requests_and_polls_at_a_time() {
    let (world, server) = narrow_world().await;
    let settings = Settings { connections: 8, ..settings(&server.url) };
    let slow = ListingScope::new("s3://bucket/slow/", &SourceConfig::default(), &settings);
    let slow = Arc::new(slow.unwrap());

    // Of many owners, so that no part of one's is left to others.
    let owners: Vec<_> = (1..=20).map(|role| world.network.of(Owner::of(role))).collect();
    let listings: Vec<_> =
        owners.iter().map(|network| Listing::start(network, slow.clone(), S3Access::default())).collect();
    let url = format!("{}/1234/slow", server.url);
    let listen = |network| Listener::start(network, world.scope.clone(), S3Access::default(), url.clone());
    let listeners: Vec<_> = owners.iter().map(listen).collect();

    let held = || {
        let requests = server.requests();
        let (polls, others): (Vec<_>, Vec<_>) =
            requests.iter().filter(|request| says_slow(request)).partition(|request| is_poll(request));
        (others.len(), polls.len())
    };
    let most = (settings.s3_requests_at_a_time(), settings.polls_at_a_time());
    while held().0 < most.0 || held().1 < most.1 {
        tokio::task::yield_now().await;
    }

    // Whoever asks by other clients is answered, again and again; by then the others have asked, too, if they may.
    let other = World::new(&server.url, &SourceConfig::default());
    for _ in 0..20 {
        assert_eq!(other.list().await.1, Ok(()));
    }
    assert_eq!(held(), most);
    drop((listings, listeners));
}

#[tokio::test]
async fn a_listing_is_all_pages_and_an_end() {
    let server = then(page(&["docs/x/%C3%A9+%2B%0B.md", "docs/folder/", "other"], URL));
    let (pages, end) = world(&server).await.list().await;
    assert_eq!(end, Ok(()));
    let keys: Vec<_> = pages.iter().flat_map(|p| p.objects.iter().map(|o| o.key.as_str())).collect();
    assert_eq!(keys, ["docs/a", "docs/x/é +\u{b}.md"]);
    assert_eq!((pages[1].scanned, pages[1].skipped), (3, 2));
    assert_eq!((pages[0].objects[0].etag.as_deref(), pages[0].objects[0].size), (Some("e"), 7));
    assert!(server.requests().iter().all(|request| request.target.contains("prefix=docs%2F")));
}

#[tokio::test]
async fn keys_are_decoded_only_if_the_server_says_so() {
    let server = Server::start(|_| page(&["docs/a+b%20c"], ""));
    let (pages, _) = world(&server).await.list().await;
    assert_eq!(pages[0].objects[0].key, "docs/a+b%20c");
}

#[tokio::test]
async fn half_a_listing_is_never_a_whole_one() {
    let no_token = "<IsTruncated>true</IsTruncated>";
    let broken = [
        (then(Reply::new(500, "")), "s3_error"),
        (then(Reply::new(403, "")), "access_denied"),
        (then(page(&["docs/b"], no_token)), "broken_listing"),
        (then(page(&["docs/b"], MORE)), "broken_listing"),
        (then(page(&["docs/%FF"], URL)), "broken_listing"),
        (then(page(&["docs/b"], "<NextContinuationToken>two</NextContinuationToken>")), "broken_listing"),
    ];
    for (server, code) in broken {
        let (pages, end) = world(&server).await.list().await;
        assert_eq!((pages.len(), end.unwrap_err().code), (1, code));
    }
    // A connection that is cut, and whatever a proxy says of its own accord.
    let cut = Reply::cut(200, 1000, "<?xml version=\"1.0\"?><ListBucketResult>");
    for reply in [cut, Reply::Close, Reply::new(200, ""), Reply::new(200, "<html>Welcome</html>")] {
        let (pages, end) = world(&then(reply)).await.list().await;
        assert!(pages.len() == 1 && end.is_err());
    }
}

#[tokio::test]
async fn a_listing_that_leads_in_a_circle_of_pages_ends() {
    let leads_to = |token| {
        format!("<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>")
    };
    let asked = AtomicUsize::new(0);
    let server = Server::start(move |request| match request.target.contains("continuation-token=two") {
        // Else whoever goes round would never come to an end.
        _ if asked.fetch_add(1, Ordering::SeqCst) == 10 => page(&["docs/c"], ""),
        true => page(&["docs/b"], &leads_to("three")),
        false => page(&["docs/a"], &leads_to("two")),
    });
    let (pages, end) = world(&server).await.list().await;
    assert_eq!((pages.len(), end.unwrap_err().code), (2, "broken_listing"));
}

#[tokio::test]
async fn an_object_is_there_or_gone_or_nobody_knows() {
    let server = Server::start(|request| match request.target.as_str() {
        "/bucket/docs/there" => Reply::new(200, "12345")
            .with("ETag", "\"v2\"")
            .with("Content-Type", "text/plain")
            .with("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT"),
        "/bucket/docs/gone" => Reply::new(404, ""),
        _ => Reply::new(403, ""),
    });
    let config = SourceConfig { max_size: Some(5), ..SourceConfig::default() };
    let world = World::new(&server.url, &config);
    let ObjectState::Present(object) = world.ask("docs/there").await else { panic!("not there") };
    assert_eq!((object.etag.as_deref(), object.size), (Some("v2"), 5));
    assert_eq!(object.content_type.as_deref(), Some("text/plain"));
    assert_eq!(object.last_modified, Some(1_445_412_480_000_000));
    assert_eq!(world.ask("docs/gone").await, ObjectState::Absent);
    assert!(matches!(world.ask("docs/secret").await, ObjectState::Unknown(f) if f.code == "access_denied"));
    let small = World::new(&server.url, &SourceConfig { max_size: Some(4), ..SourceConfig::default() });
    assert_eq!(small.ask("docs/there").await, ObjectState::Absent);
}

/// A queue whose first answer has these messages, and a bucket that has every object but `docs/unknown`.
fn queue(bodies: &[String]) -> Server {
    let messages: Vec<_> = bodies
        .iter()
        .enumerate()
        .map(|(i, body)| json!({"MessageId": format!("id-{i}"), "ReceiptHandle": format!("receipt-{i}"), "Body": body}))
        .collect();
    let received = AtomicUsize::new(0);
    Server::start_gated(move |request, gate| match request.header("x-amz-target") {
        Some("AmazonSQS.ReceiveMessage") if received.fetch_add(1, Ordering::SeqCst) == 0 => {
            Reply::new(200, json!({ "Messages": messages }).to_string())
        }
        Some("AmazonSQS.ReceiveMessage") => {
            gate.wait();
            Reply::Close
        }
        Some(_) => Reply::new(200, json!({"Successful": [], "Failed": []}).to_string()),
        None if request.target == "/bucket/docs/unknown" => Reply::new(403, ""),
        None => Reply::new(200, "1"),
    })
}

fn event(bucket: &str, key: &str) -> String {
    json!({"Records": [{"s3": {"bucket": {"name": bucket}, "object": {"key": key}}}]}).to_string()
}

fn deletions(server: &Server) -> Vec<Request> {
    let deletes = |r: &Request| r.header("x-amz-target") == Some("AmazonSQS.DeleteMessageBatch");
    server.requests().into_iter().filter(deletes).collect()
}

fn listen(world: &World, server: &Server) -> Listener {
    let url = format!("{}/1234/events", server.url);
    Listener::start(&world.network, world.scope.clone(), S3Access::default(), url)
}

async fn batch(world: &World, listener: &mut Listener) -> (EventBatch, Vec<String>) {
    let mut malformed = Vec::new();
    loop {
        match world.until(|| listener.try_next()).await {
            Heard::Batch(batch) => return (batch, malformed),
            Heard::Malformed(id, _) => malformed.push(id),
            Heard::Ready => {}
            Heard::Failed(failure) => panic!("{failure}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_deleted_once_it_is_settled_and_no_other() {
    let bodies = [
        event("bucket", "docs/a"),
        event("bucket", "docs/unknown"),
        event("bucket", "docs/a"),
        event("another", "docs/b"),
        "hello".to_owned(),
    ];
    let server = queue(&bodies);
    let world = world(&server).await;
    let mut listener = listen(&world, &server);
    let (batch, malformed) = batch(&world, &mut listener).await;
    assert_eq!(malformed, ["id-4"]);
    let mut keys: Vec<_> = batch.answers.iter().map(|ObjectAnswer { key, .. }| key.as_str()).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["docs/a", "docs/unknown"]);
    assert!(deletions(&server).is_empty());
    listener.settle(HashSet::from(["docs/unknown".to_owned()]));
    while deletions(&server).is_empty() {
        tokio::task::yield_now().await;
    }
    let body = deletions(&server)[0].json();
    let receipts: Vec<_> =
        body["Entries"].as_array().unwrap().iter().map(|e| e["ReceiptHandle"].as_str().unwrap()).collect();
    // The one that speaks of an object that nobody could ask about stays, and so does the odd one.
    assert_eq!(receipts, ["receipt-0", "receipt-2", "receipt-3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metadata_of_a_few_objects_is_held_at_a_time() {
    let records: Vec<_> = (0..250)
        .map(|n| json!({"s3": {"bucket": {"name": "bucket"}, "object": {"key": format!("docs/{n}")}}}))
        .collect();
    let server = queue(&[json!({ "Records": records }).to_string()]);
    let config = SourceConfig { metadata: vec![MetadataPlace::User], ..SourceConfig::default() };
    let world = World::new(&server.url, &config);
    let mut listener = listen(&world, &server);

    let mut sizes = Vec::new();
    let mut messages = 0;
    for _ in 0..3 {
        let (batch, _) = batch(&world, &mut listener).await;
        assert!(deletions(&server).is_empty());
        sizes.push(batch.answers.len());
        messages += batch.messages;
        listener.settle(HashSet::new());
    }
    assert_eq!((sizes, messages), (vec![100, 100, 50], 1));
    while deletions(&server).is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_messages_id_is_told_up_to_a_length() {
    let message = json!({"MessageId": "x".repeat(10_000), "ReceiptHandle": "r", "Body": "hello"});
    let answer = json!({"Messages": [message]}).to_string();
    let server = Server::start(move |_| Reply::new(200, answer.clone()));
    let world = world(&server).await;
    let mut listener = listen(&world, &server);
    let id = loop {
        match world.until(|| listener.try_next()).await {
            Heard::Ready => {}
            Heard::Malformed(id, _) => break id,
            other => panic!("{other:?}"),
        }
    };
    assert!((100..110).contains(&id.len()), "{}", id.len());
}

#[tokio::test]
async fn a_queue_that_does_not_answer_is_a_failure_with_a_hint() {
    let no_such = r#"{"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "no"}"#;
    for (reply, code) in [
        (Reply::new(400, no_such), "no_such_queue"),
        (Reply::new(403, r#"{"__type": "AccessDenied"}"#), "queue_access_denied"),
    ] {
        let server = Server::start(move |_| reply.clone());
        let world = world(&server).await;
        let mut listener = listen(&world, &server);
        let Heard::Failed(failure) = world.until(|| listener.try_next()).await else { panic!("no failure") };
        assert!(failure.code == code && failure.hint.is_some(), "{failure:?}");
    }
}
