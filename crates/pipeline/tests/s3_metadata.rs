//! The metadata of objects, as servers tell it: well, badly, without an end, or not at all.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;

use pgai_rs_pipeline::config::{MetadataPlace, S3Access, SourceConfig};
use pgai_rs_pipeline::failure::Failure;
use pgai_rs_pipeline::s3::Clients;
use pgai_rs_pipeline::secret::Secret;
use pgai_rs_pipeline::settings::{S3Settings, Settings, UrlStyle};
use pgai_rs_pipeline::source::{
    Inquiry, Listing, ListingPage, ListingPart, ListingScope, Network, ObjectAnswer, ObjectState,
};
use serde_json::{Value, json};
use support::http::{MOST_SENT, Reply, Request, Server};
use tokio::sync::Notify;

/// A source of `s3://bucket/docs/` that reads metadata, and a bell that rings for news.
struct World {
    network: Network,
    scope: Arc<ListingScope>,
    bell: Arc<Notify>,
}

impl World {
    fn new(server: &Server, metadata: &[MetadataPlace]) -> World {
        let settings = Settings {
            s3: S3Settings {
                region: Some("us-east-1".into()),
                endpoint_url: Some(server.url.clone()),
                url_style: UrlStyle::Path,
                access_key: Some(("AKID".into(), Secret::new("the-secret"))),
                ..S3Settings::default()
            },
            ..Settings::default()
        };
        let config = SourceConfig { metadata: metadata.to_vec(), ..SourceConfig::default() };
        let bell = Arc::new(Notify::new());
        let ring = Arc::clone(&bell);
        let wake = Arc::new(move || ring.notify_one());
        let clients = Arc::new(Clients::new(&settings));
        World {
            network: Network::new(tokio::runtime::Handle::current(), clients, 4, wake),
            scope: Arc::new(ListingScope::new("s3://bucket/docs/", &config, &settings).unwrap()),
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

    async fn answer(&self) -> ObjectAnswer {
        let keys = vec!["docs/a.md".to_owned()];
        let mut inquiry = Inquiry::start(&self.network, self.scope.clone(), S3Access::default(), keys);
        self.until(|| inquiry.answers()).await.remove(0)
    }

    /// The metadata of the object, and what it was read from.
    async fn metadata(&self) -> (Value, String) {
        let ObjectState::Present(object) = self.answer().await.state else { panic!("it is not there") };
        let metadata = object.metadata.unwrap();
        (serde_json::from_str(&metadata.json).unwrap(), metadata.version)
    }

    /// The reason why the object, which is there, has no metadata.
    async fn invalid(&self) -> Failure {
        let ObjectAnswer { state: ObjectState::Present(object), invalid_metadata, .. } = self.answer().await
        else {
            panic!("it is not there")
        };
        assert_eq!(object.metadata, None);
        invalid_metadata.unwrap()
    }

    /// The reason why nobody knows the object's metadata.
    async fn unknown(&self) -> Failure {
        let ObjectState::MetadataUnknown(failure) = self.answer().await.state else { panic!("it is known") };
        failure
    }

    async fn only_page(&self) -> ListingPage {
        let mut listing = Listing::start(&self.network, self.scope.clone(), S3Access::default());
        match self.until(|| listing.try_next()).await {
            ListingPart::Page(page) => page,
            other => panic!("{other:?}"),
        }
    }
}

const OBJECT: &str = "/bucket/docs/a.md";
const SIDECAR: &str = "/bucket/docs/a.md.metadata.json";

fn is_of_tags(request: &Request) -> bool {
    request.target.starts_with(OBJECT) && request.target.contains("tagging")
}

fn tags(pairs: &[(&str, &str)]) -> Reply {
    let tag = |(key, value): &(&str, &str)| format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>");
    let tags: String = pairs.iter().map(tag).collect();
    let body = format!("<?xml version=\"1.0\"?><Tagging><TagSet>{tags}</TagSet></Tagging>");
    Reply::new(200, body).with("Content-Type", "application/xml")
}

fn object() -> Reply {
    Reply::new(200, "12345")
        .with("ETag", "\"v1\"")
        .with("x-amz-meta-Department", "legal")
        .with("x-amz-meta-author", "=?UTF-8?B?R3LDtsOfZQ==?=")
}

/// A bucket whose object has headers, these tags and this sidecar.
fn bucket(tagging: Reply, sidecar: Reply) -> Server {
    Server::start(move |request| match request.target.as_str() {
        _ if is_of_tags(request) => tagging.clone(),
        target if target.starts_with(SIDECAR) => sidecar.clone(),
        _ => object(),
    })
}

fn missing() -> Reply {
    Reply::new(404, "<Error><Code>NoSuchKey</Code></Error>")
}

fn sidecar(text: &str) -> Reply {
    Reply::new(200, text).with("ETag", "\"s1\"")
}

#[tokio::test]
async fn each_place_is_read_and_the_first_counts() {
    use MetadataPlace::{Sidecar, Tags, User};
    let server = bucket(
        tags(&[("department", "sales"), ("t", "&lt;1&gt;")]),
        sidecar(r#"{"metadataAttributes": {"department": "hr", "year": 2024}}"#),
    );
    let user = json!({"department": "legal", "author": "Größe"});
    assert_eq!(World::new(&server, &[User]).metadata().await, (user, "user:".into()));
    assert_eq!(
        World::new(&server, &[Tags]).metadata().await,
        (json!({"department": "sales", "t": "<1>"}), "tags:".into())
    );
    assert_eq!(
        World::new(&server, &[Sidecar, Tags, User]).metadata().await,
        (
            json!({"department": "hr", "year": 2024, "t": "<1>", "author": "Größe"}),
            "sidecar,tags,user:s1".into()
        )
    );
    assert_eq!(World::new(&server, &[Tags, Sidecar]).metadata().await.0["department"], "sales");
}

#[tokio::test]
async fn only_the_places_that_are_wanted_are_asked() {
    let server = bucket(tags(&[]), missing());
    World::new(&server, &[MetadataPlace::User]).metadata().await;
    assert_eq!(server.requests().iter().filter(|request| request.method == "GET").count(), 0);
    let ObjectState::Present(object) = World::new(&server, &[]).answer().await.state else { panic!() };
    assert_eq!(object.metadata, None);
}

#[tokio::test]
async fn what_has_nothing_has_an_empty_object() {
    let no_tags = Reply::new(404, "<Error><Code>NoSuchTagSet</Code></Error>");
    for tagging in [tags(&[]), no_tags] {
        let server = bucket(tagging, missing());
        let places = [MetadataPlace::Tags, MetadataPlace::Sidecar];
        assert_eq!(World::new(&server, &places).metadata().await, (json!({}), "tags,sidecar:".into()));
    }
}

#[tokio::test]
async fn an_object_that_vanishes_meanwhile_is_gone() {
    let server = bucket(missing(), missing());
    assert_eq!(World::new(&server, &[MetadataPlace::Tags]).answer().await.state, ObjectState::Absent);
}

#[tokio::test]
async fn a_sidecar_that_can_not_be_stored_is_told_and_leaves_nothing() {
    let places = [MetadataPlace::User, MetadataPlace::Sidecar];
    for (text, why) in [
        ("no secret", "is not JSON"),
        ("[1]", "is not a JSON object"),
        (r#"{"metadataAttributes": 1}"#, "metadataAttributes of its sidecar"),
        (r#"{"a": "\u0000"}"#, "a NUL character"),
        (&format!("{{\"a\": \"{}\"}}", "x".repeat(10 << 10)), "more than 10240 bytes"),
    ] {
        let failure = World::new(&bucket(tags(&[]), sidecar(text)), &places).invalid().await;
        assert_eq!(failure.code, "invalid_metadata");
        assert!(
            failure.message.contains("s3://bucket/docs/a.md: ") && failure.message.contains(why),
            "{failure}"
        );
        assert!(failure.hint.is_some() && !failure.message.contains("secret"), "{failure}");
    }
}

#[tokio::test]
async fn a_sidecar_of_the_largest_size_is_read() {
    let text = format!("{{\"a\": \"{}\"}}", "x".repeat((10 << 10) - 9));
    assert_eq!(text.len(), 10 << 10);
    let server = bucket(tags(&[]), sidecar(&text));
    let (metadata, _) = World::new(&server, &[MetadataPlace::Sidecar]).metadata().await;
    assert_eq!(metadata["a"].as_str().unwrap().len(), (10 << 10) - 9);
}

#[tokio::test]
async fn a_sidecar_without_an_end_is_cut_off() {
    let server = bucket(tags(&[]), Reply::endless(200));
    let failure = World::new(&server, &[MetadataPlace::Sidecar]).invalid().await;
    assert!(failure.message.contains("more than 10240 bytes"), "{failure}");
    assert!(server.sent() < MOST_SENT, "{}", server.sent());
}

#[tokio::test]
async fn metadata_without_bounds_is_invalid() {
    let long = "x".repeat(1 << 10);
    let many: Vec<(String, &str)> = (0..40).map(|i| (format!("t{i}"), long.as_str())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(key, value)| (key.as_str(), *value)).collect();
    let failure = World::new(&bucket(tags(&many), missing()), &[MetadataPlace::Tags]).invalid().await;
    assert!(failure.message.contains("more than 32768 bytes"), "{failure}");
}

#[tokio::test]
async fn a_refusal_names_the_permission() {
    let denied = || Reply::new(403, "<Error><Code>AccessDenied</Code></Error>");
    let failure = World::new(&bucket(denied(), missing()), &[MetadataPlace::Tags]).unknown().await;
    assert_eq!(failure.code, "access_denied");
    assert_eq!(failure.message, "S3 denied access to the tags of s3://bucket/docs/a.md (AccessDenied)");
    assert!(failure.hint.unwrap().contains("s3:GetObjectTagging"));

    let failure = World::new(&bucket(tags(&[]), denied()), &[MetadataPlace::Sidecar]).unknown().await;
    assert!(failure.message.contains("s3://bucket/docs/a.md.metadata.json"), "{failure}");
    assert!(failure.hint.unwrap().contains("s3:GetObject on the object"));
}

#[tokio::test]
async fn what_breaks_off_is_not_taken_for_the_whole() {
    let cut = Reply::cut(200, 100, r#"{"a": 1}"#);
    let failure = World::new(&bucket(tags(&[]), cut), &[MetadataPlace::Sidecar]).unknown().await;
    assert_eq!(failure.code, "truncated");
    let no_such_bucket = Reply::new(404, "<Error><Code>NoSuchBucket</Code></Error>");
    let failure = World::new(&bucket(tags(&[]), no_such_bucket), &[MetadataPlace::Sidecar]).unknown().await;
    assert_eq!(failure.code, "no_such_bucket");
    for broken in [
        Reply::new(200, "<html>Welcome</html>"),
        Reply::new(501, "<Error><Code>NotImplemented</Code></Error>"),
    ] {
        World::new(&bucket(broken, missing()), &[MetadataPlace::Tags]).unknown().await;
    }
}

#[tokio::test]
async fn a_listing_tells_sidecars_from_objects() {
    let key = |key: &str| {
        format!("<Contents><Key>docs/{key}</Key><ETag>&quot;e&quot;</ETag><Size>7</Size></Contents>")
    };
    let keys = ["a.md", "a.md.metadata.json", "gone.md.metadata.json", "x/.metadata.json"].map(key).concat();
    let server = Server::start(move |_| {
        let body = format!("<?xml version=\"1.0\"?><ListBucketResult>{keys}</ListBucketResult>");
        Reply::new(200, body).with("Content-Type", "application/xml")
    });
    let page = World::new(&server, &[MetadataPlace::Sidecar]).only_page().await;
    let objects: Vec<_> = page.objects.iter().map(|object| object.key.as_str()).collect();
    let sidecars: Vec<_> = page.sidecars.iter().map(|s| (s.document.as_str(), s.etag.as_str())).collect();
    assert_eq!(objects, ["docs/a.md"]);
    assert_eq!(sidecars, [("docs/a.md", "e"), ("docs/gone.md", "e")]);
    assert_eq!((page.scanned, page.skipped), (4, 1));

    let page = World::new(&server, &[MetadataPlace::Tags]).only_page().await;
    assert_eq!((page.objects.len(), page.sidecars.len()), (4, 0));
}
