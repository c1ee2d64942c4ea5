//! An HTTP server whose answers, and faults, a test decides.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// A client's request.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

/// The reply that it gets.
#[derive(Debug, Clone)]
pub enum Reply {
    /// A well-formed answer.
    Http { status: u16, headers: Vec<(&'static str, String)>, body: Vec<u8> },
    /// These bytes, and the connection is closed.
    Raw(Vec<u8>),
    /// This, and then more of that than any client should take.
    Endless { head: Vec<u8>, part: Vec<u8> },
    /// The connection is closed without a word.
    Close,
}

/// Where an endless answer ends nevertheless, lest a client that takes it all take the machine along.
const END: usize = 256 << 20;
/// Most that is sent of an endless answer to a client that has had enough, what the system has in its buffers
/// included.
pub const MOST_SENT: usize = 64 << 20;

impl Reply {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Reply::Http { status, headers: Vec::new(), body: body.into() }
    }

    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        if let Reply::Http { headers, .. } = &mut self {
            headers.push((name, value.into()));
        }
        self
    }

    /// An answer whose body does not end.
    pub fn endless(status: u16) -> Self {
        let head = format!("HTTP/1.1 {status} X\r\nContent-Type: application/xml\r\n\r\n");
        Reply::Endless { head: head.into_bytes(), part: vec![b' '; 1 << 16] }
    }

    /// An answer whose headers don't end.
    pub fn endless_headers() -> Self {
        let head = b"HTTP/1.1 200 X\r\n".to_vec();
        Reply::Endless { head, part: format!("X-More: {}\r\n", "x".repeat(1 << 12)).into_bytes() }
    }

    /// The beginning of an answer that says it is longer.
    pub fn cut(status: u16, length: usize, body: &str) -> Self {
        Reply::Raw(format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes())
    }
}

/// Something that handlers wait for, until a test opens it. Dropping the server opens it as well.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    pub fn wait(&self) {
        let mut open = self.0.0.lock().unwrap();
        while !*open {
            open = self.0.1.wait(open).unwrap();
        }
    }
}

/// A server on a port of its own, a thread a connection.
pub struct Server {
    pub url: String,
    pub gate: Gate,
    requests: Arc<Mutex<Vec<Request>>>,
    sent: Arc<AtomicUsize>,
}

impl Server {
    pub fn start(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_gated(move |request, _| handler(request))
    }

    pub fn start_gated(handler: impl Fn(&Request, &Gate) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (gate, requests) = (Gate::default(), Arc::new(Mutex::new(Vec::new())));
        let server =
            Server { url, gate: gate.clone(), requests: Arc::clone(&requests), sent: Arc::default() };
        let sent = Arc::clone(&server.sent);
        let handler = Arc::new(handler);
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (handler, gate, requests) = (Arc::clone(&handler), gate.clone(), Arc::clone(&requests));
                let sent = Arc::clone(&sent);
                thread::spawn(move || {
                    serve(connection, &sent, |request| {
                        requests.lock().unwrap().push(request.clone());
                        handler(request, &gate)
                    })
                });
            }
        });
        server
    }

    /// Bytes that clients have taken of endless answers, a request.
    pub fn sent(&self) -> usize {
        self.sent.load(Ordering::SeqCst) / self.requests().len().max(1)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.gate.open();
    }
}

/// Answers requests until the client, or an answer, closes the connection. Errors are the
/// client's hanging up, which some tests provoke.
fn serve(connection: TcpStream, sent: &AtomicUsize, answer: impl Fn(&Request) -> Reply) {
    let Ok(mut writer) = connection.try_clone() else { return };
    let mut reader = BufReader::new(connection);
    while let Some(request) = read(&mut reader) {
        let bytes = match answer(&request) {
            Reply::Http { status, headers, body } => {
                let mut head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n", body.len());
                for (name, value) in headers {
                    head.push_str(&format!("{name}: {value}\r\n"));
                }
                [format!("{head}\r\n").as_bytes(), &body].concat()
            }
            Reply::Raw(bytes) => {
                let _ = writer.write_all(&bytes);
                return;
            }
            Reply::Endless { head, part } => {
                let mut written = writer.write_all(&head);
                let mut left = END;
                while written.is_ok() && left > 0 {
                    written = writer.write_all(&part);
                    sent.fetch_add(part.len(), Ordering::SeqCst);
                    left = left.saturating_sub(part.len());
                }
                return;
            }
            Reply::Close => return,
        };
        if writer.write_all(&bytes).is_err() {
            return;
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut first = lines.first()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let header =
        |line: &String| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
    let headers: Vec<_> = lines[1..].iter().filter_map(header).collect();
    let mut request = Request { method, target, headers, body: Vec::new() };
    let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    request.body = vec![0; length];
    reader.read_exact(&mut request.body).ok()?;
    Some(request)
}
