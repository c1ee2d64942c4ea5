//! Amazon Bedrock: with whose credentials it is asked, and the models that `providers.rs` does not try.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pgai_rs_pipeline::config::{Author, Embedding};
use pgai_rs_pipeline::embed::{Groups, check, client, embed_query};
use pgai_rs_pipeline::failure::Failure;
use pgai_rs_pipeline::s3::Clients;
use pgai_rs_pipeline::settings::{S3Settings, Settings};
use pgai_rs_pipeline::usage::Bill;
use serde_json::{Value, json};
use support::http::{Reply, Request, Server};
use support::openai::vector;
use support::s3::{ROLE, session_credentials, settings, sts_error};

const TITAN: &str = "bedrock/amazon.titan-embed-text-v2:0";

fn embedding(model: &str, dimensions: u32, options: Value) -> Embedding {
    let config = json!({"implementation": "litellm", "model": model, "dimensions": dimensions, "extra_options": options});
    serde_json::from_value(config).unwrap()
}

/// Titan embeds one text a request.
fn titan(request: &Request) -> Reply {
    let body = request.json();
    Reply::new(
        200,
        json!({"embedding": vector(body["inputText"].as_str().unwrap()), "inputTextTokenCount": 1})
            .to_string(),
    )
}

fn asks_for_role(request: &Request) -> bool {
    !request.target.starts_with("/model/")
}

/// Embeds each text for a document of its own, in three dimensions.
async fn embed(
    server: &Server,
    settings: Settings,
    options: Value,
    texts: &[&str],
) -> Vec<Result<Vec<f32>, Failure>> {
    let mut all = json!({"api_base": server.url});
    all.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    let mut vectorizer = support::column_vectorizer(1, "");
    vectorizer.config.embedding = embedding(TITAN, 3, all);
    let aws = Arc::new(Clients::new(&settings));
    let group = Groups::new(client().unwrap(), Arc::new(settings), aws).group(&vectorizer).unwrap();
    let one = async |text: &str| group.embed([text.into()]).await.map(|vectors| vectors[0].clone());
    futures_util::future::join_all(texts.iter().map(|text| one(text))).await
}

fn authorizations(server: &Server) -> Vec<String> {
    let requests = server.requests();
    let asked = requests.iter().filter(|request| !asks_for_role(request));
    asked.map(|request| request.header("authorization").unwrap().to_owned()).collect()
}

#[tokio::test]
async fn each_request_is_signed_with_the_servers_credentials() {
    let server = Server::start(titan);
    let texts = ["a", "b", "c"];
    let expected: Vec<_> = texts.iter().map(|text| Ok(vector(text))).collect();
    assert_eq!(embed(&server, settings(&server), json!({"normalize": true}), &texts).await, expected);
    let signed = authorizations(&server);
    assert_eq!(signed.len(), 3);
    for authorization in signed {
        assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKID/"), "{authorization}");
        assert!(authorization.contains("/us-east-1/bedrock/aws4_request, "), "{authorization}");
    }
    let request = &server.requests()[0];
    assert_eq!(request.target, "/model/amazon.titan-embed-text-v2%3A0/invoke");
    assert_eq!(request.json()["normalize"], json!(true));
}

#[tokio::test]
async fn a_role_is_assumed_once_and_in_the_region_that_is_asked_for() {
    let end = SystemTime::now() + Duration::from_secs(3600);
    let server = Server::start(move |request| match asks_for_role(request) {
        true => session_credentials("the-token", end),
        false => titan(request),
    });
    let options = json!({"aws_role_name": ROLE, "aws_region_name": "eu-north-1"});
    assert!(embed(&server, settings(&server), options, &["a", "b"]).await.iter().all(Result::is_ok));
    for authorization in authorizations(&server) {
        assert!(authorization.contains("Credential=ROLEKEY000000001/"), "{authorization}");
        assert!(authorization.contains("/eu-north-1/bedrock/"), "{authorization}");
    }
    let (sts, bedrock): (Vec<_>, Vec<_>) = server.requests().into_iter().partition(asks_for_role);
    assert_eq!((sts.len(), bedrock.len()), (1, 2));
    assert_eq!(bedrock[0].header("x-amz-security-token").unwrap(), "the-token");
}

#[tokio::test]
async fn a_refused_role_and_one_that_is_not_allowed_are_told() {
    let server = Server::start(|_| sts_error(403, "AccessDenied", "not you"));
    let options = || json!({"aws_role_name": ROLE});
    let failure = embed(&server, settings(&server), options(), &["a"]).await.remove(0).unwrap_err();
    assert_eq!(failure.code, "role_refused");

    let asked = server.requests().len();
    let s3 = S3Settings { allowed_role_arns: vec!["arn:aws:iam::1:".into()], ..settings(&server).s3 };
    let others = Settings { s3, ..settings(&server) };
    let failure = embed(&server, others, options(), &["a"]).await.remove(0).unwrap_err();
    assert_eq!(failure.code, "role_not_allowed");

    let s3 = S3Settings { role_only: true, ..settings(&server).s3 };
    let role_only = Settings { s3, ..settings(&server) };
    let failure = embed(&server, role_only, json!({}), &["a"]).await.remove(0).unwrap_err();
    assert_eq!((failure.code, server.requests().len()), ("role_required", asked));
}

#[tokio::test]
async fn a_query_is_signed_too() {
    let server = Server::start(titan);
    let titan = embedding(TITAN, 3, json!({"api_base": server.url}));
    assert_eq!(
        embed_query(&titan, Author::Superuser, None, &settings(&server), "words", None, &Bill::default())
            .await,
        Ok(vector("words"))
    );
    assert_eq!(authorizations(&server).len(), 1);
}

#[test]
fn what_can_not_work_is_refused_when_it_is_declared() {
    let s3 = S3Settings { region: Some("eu-west-1".into()), ..S3Settings::default() };
    let settings = Settings { s3, ..Settings::default() };
    let objection = |model: &str, dimensions, options| {
        check(&embedding(model, dimensions, options), Author::Superuser, None, &settings)
            .err()
            .map(|failure| failure.message)
    };
    assert_eq!(objection(TITAN, 512, json!({})), None);
    assert_eq!(
        objection(TITAN, 768, json!({})).unwrap(),
        "dimensions must be one of 256, 512, 1024 for amazon.titan-embed-text-v2:0"
    );
    assert!(objection("bedrock/anthropic.claude-3", 3, json!({})).unwrap().contains("is not supported"));
    assert!(
        objection(TITAN, 512, json!({"aws_region_name": "evil/"})).unwrap().contains("not an AWS region")
    );
    assert!(
        objection(TITAN, 512, json!({"aws_secret_access_key": "x"}))
            .unwrap()
            .contains("does not support the option")
    );
}
