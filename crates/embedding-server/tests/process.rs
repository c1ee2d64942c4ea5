//! The program: it refuses a wrong model, says where it listens, and stops at a signal.

// In a test an unwrap is an assertion.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

fn program(model_dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgai_rs_embedding_server"));
    command.arg("--model-dir").arg(model_dir).args(["--listen", "127.0.0.1:0", "--threads", "1"]);
    command
}

/// Returns what the program says when it will not start with this directory.
fn refusal(model_dir: &Path) -> String {
    let output = program(model_dir).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_model_that_is_absent_or_not_the_published_one_is_refused() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("wrong-model-{}", std::process::id()));
    if dir.exists() {
        fs::remove_dir_all(&dir).unwrap();
    }
    let message = refusal(&dir);
    assert!(message.contains("cannot read") && message.contains("fetch_model.py"), "{message}");

    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("tokenizer.json"), "{}").unwrap();
    fs::write(dir.join("model.safetensors"), "").unwrap();
    let message = refusal(&dir);
    assert!(message.contains("tokenizer.json is not the published file"), "{message}");
    assert!(message.contains("be50c3628f2bf5bb"), "{message}");
    fs::remove_dir_all(&dir).unwrap();
}

/// A running server; killed at the end if it has not stopped.
struct Running {
    child: Child,
    address: String,
}

impl Running {
    fn start() -> Self {
        let mut child = program(&common::model_dir()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line
            .strip_prefix("listening on http://")
            .and_then(|rest| rest.strip_suffix("/v1\n"))
            .unwrap_or_else(|| panic!("not the line that was promised: {line:?}"));
        Self { address: address.to_string(), child }
    }

    /// Sends a request and leaves the answer to be read.
    fn post(&self, input: Value) -> TcpStream {
        let body = json!({"model": "all-MiniLM-L6-v2", "input": input}).to_string();
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        stream
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has stopped already if all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(mut stream: impl Read) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn it_answers_and_stops_at_a_signal_though_it_has_work() {
    for signal in ["TERM", "INT"] {
        let mut server = Running::start();
        let answer = read(server.post(json!("hello")));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains(r#""prompt_tokens":3"#), "{answer}");

        // Minutes of work, which the signal must cut short.
        let large = server.post(json!(vec!["word ".repeat(300); 2048]));
        // Once this is answered, the large one waits in the queue or is being computed.
        read(server.post(json!("hello")));
        let id = server.child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
        assert!(server.child.wait().unwrap().success(), "SIG{signal}");
        let mut answer = Vec::new();
        // Refused, or cut off where it was not yet read.
        if (&large).read_to_end(&mut answer).is_ok() {
            assert!(!answer.starts_with(b"HTTP/1.1 200"), "SIG{signal}");
        }
    }
}

/// Starts a server on a socket, and returns it with the line that it says where it listens.
fn start_on(socket: &Path) -> (Running, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgai_rs_embedding_server"));
    command.arg("--model-dir").arg(common::model_dir()).arg("--unix").arg(socket).args(["--threads", "1"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (Running { child, address: String::new() }, line)
}

#[test]
fn it_listens_on_a_unix_socket_and_takes_it_away_again() {
    let socket = std::env::temp_dir().join(format!("pgai_rs-{}.sock", std::process::id()));
    // An earlier process that had this one's number may have been killed.
    let _ = fs::remove_file(&socket);
    // One that an earlier server left: nobody listens any more.
    drop(UnixListener::bind(&socket).unwrap());

    let (mut server, line) = start_on(&socket);
    assert_eq!(line, format!("listening on unix:{}\n", socket.display()));
    let mut stream = UnixStream::connect(&socket).unwrap();
    write!(stream, "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let answer = read(stream);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    // A second one leaves the first alone.
    let (mut second, line) = start_on(&socket);
    assert_eq!(line, "");
    assert_eq!(second.child.wait().unwrap().code(), Some(1));

    let id = server.child.id().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
    assert!(server.child.wait().unwrap().success());
    assert!(!socket.exists());
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let file = std::env::temp_dir().join(format!("pgai_rs-{}.txt", std::process::id()));
    fs::write(&file, "mine").unwrap();
    let (mut server, line) = start_on(&file);
    assert_eq!((line.as_str(), server.child.wait().unwrap().code()), ("", Some(1)));
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    fs::remove_file(&file).unwrap();
}
