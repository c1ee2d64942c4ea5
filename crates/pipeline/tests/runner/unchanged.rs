//! Documents and chunks that did not change cost nothing.

use super::*;

#[test]
fn unchanged_chunks_are_not_sent() {
    let model = support::openai::server();
    let mut vectorizer = column_vectorizer(1, &model.url);
    vectorizer.config.chunking = cut_at_lines();
    let vectorizer = Arc::new(vectorizer);
    let mut queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
    let mut unchanged = row(&vectorizer, 0, "a\nb");
    unchanged.existing = vec![existing(1, 0, "a"), existing(2, 1, "b")];
    queue.push(unchanged);
    let mut driver = Driver::start(settings());
    driver.settle(&mut queue, 1);
    assert_eq!(
        queue.completed[&Ticket(0)],
        [Chunk::Kept(existing(1, 0, "a")), Chunk::Kept(existing(2, 1, "b"))]
    );
    assert!(model.requests().is_empty());

    let mut changed = row(&vectorizer, 1, "a\nc\nb\nc");
    changed.existing = vec![existing(1, 0, "a"), existing(2, 1, "b")];
    queue.push(changed);
    driver.settle(&mut queue, 2);
    let expected = [Chunk::Kept(existing(1, 0, "a")), new("c"), Chunk::Kept(existing(2, 1, "b")), new("c")];
    assert_eq!(queue.completed[&Ticket(1)], expected);
    assert_eq!(inputs(&model.requests()[0]), ["c"]);
}

/// A store with one object, and a vectorizer that embeds its lines with a column of the row.
struct Touched {
    bucket: Server,
    model: Server,
    text: Arc<Mutex<&'static str>>,
    vectorizer: Arc<Vectorizer>,
    queue: MemoryQueue,
    driver: Driver,
}

impl Touched {
    fn new() -> Self {
        let text = Arc::new(Mutex::new("a\nb"));
        let bucket = bucket_of(&text);
        let model = support::openai::server();
        let mut vectorizer = uri_vectorizer(1, &model.url);
        vectorizer.config.chunking = cut_at_lines();
        vectorizer.config.formatting =
            Formatting::PythonTemplate { template: "$title: $chunk".into(), document_fields: Vec::new() };
        let vectorizer = Arc::new(vectorizer);
        let queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
        let driver = Driver::start(s3(&bucket));
        Touched { bucket, model, text, vectorizer, queue, driver }
    }

    /// The row as it is claimed for the `ticket`th time, with what was stored and remembered the
    /// time before.
    fn claimed(&self, ticket: u64) -> Document {
        let mut document = row(&self.vectorizer, ticket, "s3://bucket/key.txt");
        document.fields = vec![("title".into(), "T".into())];
        if let Some(before) = ticket.checked_sub(1).map(Ticket) {
            document.provenance = self.queue.provenances[&before].clone();
            document.existing = stored(&self.queue.completed[&before]);
        }
        document
    }

    /// Returns whether objects were read, and inputs were sent, for this document.
    fn processed(&mut self, document: Document) -> (bool, bool) {
        let before = (self.bucket.requests().len(), self.model.requests().len());
        let ticket = document.ticket;
        self.queue.push(document);
        self.driver.until(&mut self.queue, |queue| queue.completed.contains_key(&ticket));
        let asked = &self.bucket.requests()[before.0..];
        assert_eq!(asked.len(), 1);
        (asked[0].header("if-none-match").is_none(), self.model.requests().len() > before.1)
    }
}

/// A chunking that makes a chunk of each line.
pub fn cut_at_lines() -> Chunking {
    Chunking::CharacterTextSplitter {
        chunk_size: 1,
        chunk_overlap: 0,
        separator: "\n".into(),
        is_separator_regex: false,
    }
}

/// The chunks that the store has when these are written.
pub fn stored(chunks: &[Chunk]) -> Vec<ExistingChunk> {
    let stored = chunks.iter().zip(0..).map(|(chunk, seq)| match chunk {
        Chunk::Kept(kept) => ExistingChunk { seq, ..kept.clone() },
        Chunk::New { text, .. } => existing(u8::try_from(seq).unwrap(), seq, text),
    });
    stored.collect()
}

#[test]
fn a_touched_row_of_an_unchanged_object_costs_one_conditional_request() {
    let mut touched = Touched::new();
    let first = touched.claimed(0);
    assert_eq!(touched.processed(first), (true, true));
    let chunks = stored(&touched.queue.completed[&Ticket(0)]);
    for ticket in 1..3 {
        let mut document = touched.claimed(ticket);
        // In whatever order the store gives them.
        document.existing.reverse();
        assert_eq!(touched.processed(document), (false, false));
        let kept: Vec<_> = chunks.iter().cloned().map(Chunk::Kept).collect();
        assert_eq!(touched.queue.completed[&Ticket(ticket)], kept);
        assert_eq!(touched.queue.provenances[&Ticket(ticket)], touched.queue.provenances[&Ticket(0)]);
    }
}

#[test]
fn whatever_decides_the_chunks_makes_the_object_be_read_again() {
    let mut touched = Touched::new();
    let first = touched.claimed(0);
    touched.processed(first);

    let mut retitled = touched.claimed(1);
    retitled.fields = vec![("title".into(), "U".into())];
    assert_eq!(touched.processed(retitled), (true, true));
    assert_eq!(touched.queue.completed[&Ticket(1)], [new("U: a"), new("U: b")]);

    let mut incomplete = touched.claimed(2);
    incomplete.fields = vec![("title".into(), "U".into())];
    incomplete.existing.pop();
    assert_eq!(touched.processed(incomplete), (true, true));

    let back = touched.claimed(3);
    assert_eq!(touched.processed(back), (true, true));

    *touched.text.lock().unwrap() = "a\nc";
    let changed = touched.claimed(4);
    // It was asked for with a condition, and came.
    assert_eq!(touched.processed(changed), (false, true));
    let kept = stored(&touched.queue.completed[&Ticket(3)]).remove(0);
    assert_eq!(touched.queue.completed[&Ticket(4)], [Chunk::Kept(kept), new("T: c")]);

    let mut config = touched.vectorizer.config.clone();
    config.formatting =
        Formatting::PythonTemplate { template: "$title $chunk".into(), document_fields: Vec::new() };
    touched.vectorizer = Arc::new(Vectorizer {
        id: 1,
        name: "other".into(),
        config,
        author: Author::Superuser,
        api_key: touched.vectorizer.api_key.clone(),
        account: touched.vectorizer.account.clone(),
        meter: touched.vectorizer.meter.clone(),
        comes_last: false,
    });
    touched.queue.vectorizers = vec![Arc::clone(&touched.vectorizer)];
    let reformatted = touched.claimed(5);
    assert_eq!(touched.processed(reformatted), (true, true));
}

#[test]
fn an_object_without_a_version_is_read_each_time() {
    let model = support::openai::server();
    let bucket = Server::start(|_| Reply::new(200, "text"));
    let vectorizer = Arc::new(uri_vectorizer(1, &model.url));
    let mut queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
    queue.push(row(&vectorizer, 0, "s3://bucket/key.txt"));
    Driver::start(s3(&bucket)).settle(&mut queue, 1);
    assert_eq!(queue.provenances[&Ticket(0)], None);
}
