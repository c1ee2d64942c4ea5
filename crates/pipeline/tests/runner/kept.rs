//! A text that is kept is cut again, and nothing else is read for it.

use pgai_rs_pipeline::document::{Kept, NewText, TextToKeep};
use pgai_rs_pipeline::parse::KeptText;
use pgai_rs_pipeline::run::wants_text;

use super::unchanged::{cut_at_lines, stored};
use super::*;

const ADDRESS: &str = "s3://bucket/key.md";

/// A store with one object, a vectorizer that keeps its text, and what the queue has kept last.
struct Keeping {
    bucket: Server,
    _model: Server,
    text: Arc<Mutex<&'static str>>,
    vectorizer: Arc<Vectorizer>,
    queue: MemoryQueue,
    driver: Driver,
    last: Option<NewText>,
    tickets: u64,
}

impl Keeping {
    fn new() -> Self {
        let text = Arc::new(Mutex::new("# a\nb"));
        let bucket = bucket_of(&text);
        let model = support::openai::server();
        let mut vectorizer = uri_vectorizer(1, &model.url);
        vectorizer.config.chunking = cut_at_lines();
        vectorizer.config.parsing.keep_text = true;
        let vectorizer = Arc::new(vectorizer);
        let queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
        let driver = Driver::start(s3(&bucket));
        Keeping { bucket, _model: model, text, vectorizer, queue, driver, last: None, tickets: 0 }
    }

    /// Changes the vectorizer's config.
    fn change(&mut self, change: impl Fn(&mut Vectorizer)) {
        let mut vectorizer = uri_vectorizer(1, &self._model.url);
        vectorizer.config = self.vectorizer.config.clone();
        change(&mut vectorizer);
        self.vectorizer = Arc::new(vectorizer);
        self.queue.vectorizers = vec![Arc::clone(&self.vectorizer)];
    }

    /// The row as it is claimed next, with what was written the time before.
    fn claimed(&self) -> Document {
        let mut document = row(&self.vectorizer, self.tickets, ADDRESS);
        if let Some(before) = self.tickets.checked_sub(1).map(Ticket) {
            document.provenance = self.queue.provenances[&before].clone();
            document.existing = stored(&self.queue.completed[&before]);
        }
        document.kept = self.last.as_ref().map(|kept| Kept { made_of: kept.made_of, parsed: None });
        if wants_text(&document) {
            let NewText { text, outline, .. } = self.last.clone().unwrap();
            document.kept.as_mut().unwrap().parsed = KeptText::read(text, &outline).map(|kept| kept.parsed);
        }
        document
    }

    /// The texts of the chunks, whether the object was asked for without a condition, and what became of its text.
    fn processed(&mut self, document: Document) -> (Vec<String>, bool, TextToKeep) {
        let before = self.bucket.requests().len();
        let ticket = document.ticket;
        self.queue.push(document);
        self.driver.until(&mut self.queue, |queue| queue.completed.contains_key(&ticket));
        self.tickets += 1;

        let asked = &self.bucket.requests()[before..];
        assert_eq!(asked.len(), 1);
        let text = self.queue.texts[&ticket].clone();
        self.last = text.as_new().cloned().or(self.last.take());
        let chunks = self.queue.completed[&ticket].iter().map(|chunk| match chunk {
            Chunk::New { text, .. } => text.clone(),
            Chunk::Kept(kept) => format!("kept {}", kept.seq),
        });
        (chunks.collect(), asked[0].header("if-none-match").is_none(), text)
    }
}

fn is_new(text: &TextToKeep, expected: &str) -> bool {
    text.as_new().is_some_and(|new| new.text == expected)
}

#[test]
fn another_chunking_cuts_the_text_that_was_kept() {
    let mut keeping = Keeping::new();
    let (chunks, was_read, text) = keeping.processed(keeping.claimed());
    assert!(was_read && is_new(&text, "# a\nb"));
    assert_eq!(chunks, ["# a", "b"]);

    // As long as nothing changes, nobody needs it.
    assert!(!wants_text(&keeping.claimed()));
    let (chunks, was_read, text) = keeping.processed(keeping.claimed());
    assert_eq!((chunks, was_read, text), (vec!["kept 0".into(), "kept 1".into()], false, TextToKeep::Same));

    keeping.change(|vectorizer| vectorizer.config.chunking = Chunking::None);
    assert!(wants_text(&keeping.claimed()));
    let (chunks, was_read, text) = keeping.processed(keeping.claimed());
    assert_eq!((chunks, was_read, text), (vec!["# a\nb".into()], false, TextToKeep::Same));
}

#[test]
fn another_object_and_another_way_to_it_are_read() {
    let mut keeping = Keeping::new();
    keeping.processed(keeping.claimed());
    keeping.change(|vectorizer| vectorizer.config.chunking = Chunking::None);
    *keeping.text.lock().unwrap() = "c";
    // It was asked for with a condition, and came.
    let (chunks, was_read, text) = keeping.processed(keeping.claimed());
    assert!(!was_read && is_new(&text, "c"));
    assert_eq!(chunks, ["c"]);

    keeping.change(|vectorizer| {
        if let Loading::Uri { s3, .. } = &mut vectorizer.config.loading {
            s3.region = Some("eu-central-1".into());
        }
    });
    assert!(!wants_text(&keeping.claimed()));
    let (_, was_read, text) = keeping.processed(keeping.claimed());
    assert!(was_read && is_new(&text, "c"));
}

#[test]
fn an_object_is_read_whose_text_should_be_kept_and_is_not() {
    let mut keeping = Keeping::new();
    keeping.processed(keeping.claimed());

    let mut lost = keeping.claimed();
    lost.kept = None;
    let (chunks, was_read, text) = keeping.processed(lost);
    assert!(was_read && is_new(&text, "# a\nb"));
    assert_eq!(chunks, ["kept 0", "kept 1"]);

    let mut of_another = keeping.claimed();
    of_another.kept.as_mut().unwrap().made_of = [0; 32];
    assert!(keeping.processed(of_another).1);

    keeping.change(|vectorizer| vectorizer.config.parsing.keep_text = false);
    let mut dropped = keeping.claimed();
    dropped.kept = None;
    assert!(!keeping.processed(dropped).1);
}

#[test]
fn a_document_in_a_column_is_known_by_its_content() {
    let model = support::openai::server();
    let mut vectorizer = column_vectorizer(1, &model.url);
    vectorizer.config.chunking = cut_at_lines();
    vectorizer.config.parsing.keep_text = true;
    let vectorizer = Arc::new(vectorizer);
    let mut queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
    let mut driver = Driver::start(settings());
    let bytes = |ticket, content: &str| {
        let mut document = row(&vectorizer, ticket, "");
        document.payload = Payload::Bytes(content.into());
        document
    };

    queue.push(bytes(0, "a\nb"));
    driver.settle(&mut queue, 1);
    let kept = queue.texts[&Ticket(0)].as_new().unwrap().clone();
    assert_eq!(kept.text, "a\nb");

    // What is cut is what was kept, and not what the column has.
    let parsed = KeptText::read("c\nd".to_owned(), &kept.outline).map(|kept| kept.parsed);
    for (ticket, content) in [(1, "a\nb"), (2, "other")] {
        let mut document = bytes(ticket, content);
        document.kept = Some(Kept { made_of: kept.made_of, parsed: parsed.clone() });
        assert!(wants_text(&document));
        queue.push(document);
    }
    driver.settle(&mut queue, 3);
    assert_eq!(queue.completed[&Ticket(1)], [new("c"), new("d")]);
    assert_eq!(queue.texts[&Ticket(1)], TextToKeep::Same);
    assert_eq!(queue.completed[&Ticket(2)], [new("other")]);
    assert!(is_new(&queue.texts[&Ticket(2)], "other"));

    let mut empty = bytes(3, "");
    empty.kept = Some(Kept { made_of: kept.made_of, parsed: None });
    queue.push(empty);
    queue.push(row(&vectorizer, 4, "a text"));
    driver.settle(&mut queue, 5);
    assert_eq!(queue.texts[&Ticket(3)], TextToKeep::Nothing);
    assert_eq!(queue.texts[&Ticket(4)], TextToKeep::Nothing);
}
