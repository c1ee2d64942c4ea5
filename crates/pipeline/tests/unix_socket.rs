//! A model that is asked over a Unix socket, and who may name one.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use pgai_rs_pipeline::config::{Author, Embedding};
use pgai_rs_pipeline::embed::{Groups, check, client, embed_query};
use pgai_rs_pipeline::failure::Failure;
use pgai_rs_pipeline::s3::Clients;
use pgai_rs_pipeline::secret::{ApiKey, Secret};
use pgai_rs_pipeline::settings::Settings;
use pgai_rs_pipeline::usage::Bill;
use serde_json::{Value, json};
use support::http::{Reply, Request};
use support::openai::{answer, vector};

/// A model on a Unix socket, with the requests that it got.
struct Model {
    path: PathBuf,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Model {
    fn start() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("pgai_rs-model-{}-{number}.sock", std::process::id()));
        // An earlier process that had this one's number may have been killed.
        let _ = std::fs::remove_file(&path);

        let listener = UnixListener::bind(&path).unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, seen) = (stream.unwrap(), Arc::clone(&seen));
                thread::spawn(move || serve(stream, &seen));
            }
        });
        Model { path, requests }
    }

    fn address(&self) -> String {
        format!("unix:{}", self.path.display())
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        std::fs::remove_file(&self.path).unwrap();
    }
}

/// Answers the requests of one connection.
fn serve(mut stream: UnixStream, seen: &Mutex<Vec<Request>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(request) = read(&mut reader) {
        let Reply::Http { body, .. } = answer(&request) else { unreachable!() };
        seen.lock().unwrap().push(request);
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).unwrap();
        stream.write_all(&body).unwrap();
    }
}

fn read(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let mut request =
        Request { method: words.next()?, target: words.next()?, headers: Vec::new(), body: Vec::new() };

    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        request.headers.push((name.to_owned(), value.to_owned()));
    }
    request.body = vec![0; request.header("content-length")?.parse().unwrap()];
    reader.read_exact(&mut request.body).ok()?;
    Some(request)
}

fn embedding(implementation: &str, base_url: Option<&str>, key: Option<&str>) -> Embedding {
    let mut config = json!({
        "implementation": implementation, "model": "m", "dimensions": support::openai::DIMENSIONS,
        "base_url": base_url,
    });
    if implementation != "ollama" {
        config["api_key_name"] = key.into();
    }
    serde_json::from_value(config).unwrap()
}

fn litellm(model: &str, options: Value) -> Embedding {
    serde_json::from_value(json!({
        "implementation": "litellm", "model": model, "dimensions": 3, "extra_options": options,
    }))
    .unwrap()
}

fn settings(allowed: &[&str], keys: &[&str]) -> Settings {
    let owned = |list: &[&str]| list.iter().map(|item| (*item).to_owned()).collect();
    Settings { allowed_base_urls: owned(allowed), api_key_names: owned(keys), ..support::queue::settings() }
}

fn key() -> Option<ApiKey> {
    Some(ApiKey::of_server(Secret::new("sk-1".to_owned())))
}

fn code(embedding: &Embedding, author: Author, settings: &Settings) -> Option<&'static str> {
    let failure: Option<Failure> = check(embedding, author, None, settings).err();
    failure.map(|failure| {
        assert!(failure.hint.is_some(), "{failure}");
        failure.code
    })
}

#[tokio::test]
async fn a_model_answers_over_a_socket_that_the_administrator_lists() {
    let model = Model::start();
    let address = model.address();
    let settings = settings(&[&address], &[]);
    let config = embedding("openai", Some(&address), None);

    let embedded =
        embed_query(&config, Author::Other, None, &settings, "a text", None, &Bill::default()).await.unwrap();
    assert_eq!(embedded, vector("a text"));
    let request = &model.requests()[0];
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/v1/embeddings"));
    assert_eq!(request.header("host"), Some("localhost"));
    assert_eq!(request.header("authorization"), None);
}

#[tokio::test]
async fn documents_are_embedded_over_it_and_two_sockets_are_two_servers() {
    let models = [Model::start(), Model::start()];
    let addresses = models.each_ref().map(Model::address);
    let settings = settings(&addresses.each_ref().map(String::as_str), &[]);
    let groups =
        Groups::new(client().unwrap(), Arc::new(settings.clone()), Arc::new(Clients::new(&settings)));

    for (id, address) in addresses.iter().enumerate() {
        let mut vectorizer = support::column_vectorizer(id as i32, address);
        vectorizer.author = Author::Other;
        let group = groups.group(&vectorizer).unwrap();
        assert_eq!(group.embed(["a".into()]).await.unwrap(), [vector("a")]);
    }
    for model in &models {
        assert_eq!(model.requests().len(), 1);
    }
}

#[tokio::test]
async fn the_administrators_default_may_be_a_socket() {
    let model = Model::start();
    let settings = Settings { openai_base_url: model.address(), ..settings(&[], &[]) };
    let config = embedding("openai", None, None);
    let embedded =
        embed_query(&config, Author::Other, None, &settings, "a", None, &Bill::default()).await.unwrap();
    assert_eq!(embedded, vector("a"));
    // That makes nobody's word of it.
    let named = embedding("openai", Some(&model.address()), None);
    assert_eq!(code(&named, Author::Other, &settings), Some("base_url_not_allowed"));
}

#[test]
fn nobody_may_name_a_socket_that_is_not_listed_exactly() {
    let address = "unix:/run/pgai/model.sock";
    let config = embedding("openai", Some(address), None);
    for author in [Author::Other, Author::Superuser] {
        for listed in [
            "",
            "unix:",
            "unix://",
            "unix:/",
            "unix:/run",
            "unix:/run/pgai/",
            "unix:/run/pgai/model.sock/",
            "unix:/run/pgai/model.sock2",
            "UNIX:/run/pgai/model.sock",
            "/run/pgai/model.sock",
            "http://",
            "https://",
            "http://localhost",
            "*",
        ] {
            assert_eq!(
                code(&config, author, &settings(&[listed], &[])),
                Some("base_url_not_allowed"),
                "{listed}"
            );
        }
        assert_eq!(code(&config, author, &settings(&["https://h", address], &[])), None);
    }
}

#[test]
fn no_other_spelling_means_a_socket() {
    for spelling in [
        "UNIX:/run/a.sock",
        "Unix:/run/a.sock",
        " unix:/run/a.sock",
        "http+unix://%2Frun%2Fa.sock",
        "unix+http:/run/a",
        "file:///run/a.sock",
        "/run/a.sock",
    ] {
        let config = embedding("openai", Some(spelling), None);
        // Not even if it is listed.
        assert!(code(&config, Author::Other, &settings(&[spelling], &[])).is_some(), "{spelling}");
    }
}

#[test]
fn a_listed_path_that_can_be_read_otherwise_is_refused() {
    for address in ["unix:", "unix:a.sock", "unix:/run/../a.sock", "unix://run/a.sock", "unix:/a b"] {
        let config = embedding("openai", Some(address), None);
        assert_eq!(
            code(&config, Author::Other, &settings(&[address], &[])),
            Some("invalid_base_url"),
            "{address}"
        );
    }
}

#[test]
fn only_protocols_of_servers_that_people_run_themselves_are_spoken() {
    let address = "unix:/run/pgai/model.sock";
    let settings = settings(&[address], &[]);
    let options = json!({"api_base": address});
    for config in [
        embedding("ollama", Some(address), None),
        litellm("openai/m", options.clone()),
        litellm("ollama/m", options.clone()),
    ] {
        assert_eq!(code(&config, Author::Other, &settings), None);
    }
    for config in [
        embedding("voyageai", Some(address), None),
        litellm("cohere/m", options.clone()),
        litellm("azure/m", options.clone()),
        litellm("huggingface/m", options),
    ] {
        assert_eq!(code(&config, Author::Superuser, &settings), Some("invalid_base_url"));
    }
}

#[tokio::test]
async fn a_key_goes_over_a_socket_only_if_it_is_paired_with_it() {
    let model = Model::start();
    let address = model.address();
    let config = embedding("openai", Some(&address), Some("OPENAI_API_KEY"));

    for keys in ["OPENAI_API_KEY", "OPENAI_API_KEY=unix:/run/other.sock", "OPENAI_API_KEY=unix:"] {
        let refused = code(&config, Author::Other, &settings(&[&address], &[keys]));
        assert_eq!(refused, Some("api_key_not_for_server"), "{keys}");
    }

    let paired = settings(&[&address], &[&format!("OPENAI_API_KEY={address}")]);
    embed_query(&config, Author::Other, key(), &paired, "a", None, &Bill::default()).await.unwrap();
    assert_eq!(model.requests()[0].header("authorization"), Some("Bearer sk-1"));
}

#[tokio::test]
async fn a_socket_on_which_nobody_listens_is_a_server_that_can_not_be_reached() {
    let address = "unix:/nowhere/pgai/model.sock";
    let settings = settings(&[address], &[]);
    let config = embedding("openai", Some(address), None);
    let failure =
        embed_query(&config, Author::Other, None, &settings, "a", None, &Bill::default()).await.unwrap_err();
    assert_eq!(failure.code, "provider_unavailable", "{failure}");
}
