//! Work on large answers, off the threads that drive the network and shared among the owners of the inputs.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use reqwest::header::HeaderMap;

use super::parse::{Expected, Parsed, parse};
use crate::compression::UnpackBounds;
use crate::embed::error::EmbedError;
use crate::embed::provider::Protocol;
use crate::embed::request::body::plain;
use crate::offload::Offload;
use crate::quota::Owner;

/// Answers from this size on are read off the network's threads: a megabyte takes milliseconds.
const LARGE_ANSWER: usize = 1 << 20;

/// The slots in which an owner's large answers are worked on.
#[derive(Debug, Clone)]
pub(in crate::embed) struct LargeAnswers {
    offload: Offload,
    owner: Owner,
}

impl LargeAnswers {
    /// Answers to this owner's inputs, worked on in these slots together with whatever else is.
    pub(in crate::embed) fn new(offload: Offload, owner: Owner) -> Self {
        LargeAnswers { offload, owner }
    }

    /// Returns the body of an answer as it was before somebody compressed it, as [`plain`] does. That may take
    /// as long as reading the most that can be in it.
    pub(in crate::embed) async fn plain(
        &self,
        headers: HeaderMap,
        body: Vec<u8>,
        most: usize,
    ) -> Result<Vec<u8>, EmbedError> {
        let unpack =
            move |stop: &AtomicBool| plain(&headers, body, UnpackBounds { limit: most as u64, stop });
        self.run(most, unpack).await
    }

    /// Reads an answer, as [`parse`] does.
    pub(super) async fn parse(
        &self,
        protocol: &Arc<dyn Protocol>,
        body: Vec<u8>,
        expected: Expected,
    ) -> Parsed {
        let work = if body.len() < LARGE_ANSWER { 0 } else { body.len() };
        let protocol = Arc::clone(protocol);
        let read = self.run(work, move |_| Ok(parse(&*protocol, &body, expected))).await;
        read.unwrap_or_else(|error| Parsed { tokens: None, vectors: Err(error) })
    }

    /// Does work on an answer that takes as much processor time as looking at so many bytes.
    pub(in crate::embed) async fn run<T: Send + 'static>(
        &self,
        work: usize,
        read: impl FnOnce(&AtomicBool) -> Result<T, EmbedError> + Send + 'static,
    ) -> Result<T, EmbedError> {
        let read = self.offload.run(self.owner, work, read).await;
        read.unwrap_or_else(|_| Err(EmbedError::BadResponse("reading it was interrupted".to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::mpsc;

    use futures_util::FutureExt;
    use reqwest::header::{CONTENT_ENCODING, HeaderValue};

    use super::*;
    use crate::embed::model::Model;
    use crate::offload::SMALL;

    const A: Owner = Owner::of(1);
    const B: Owner = Owner::of(2);

    const ONE: Expected = Expected { inputs: 1, dimensions: 3, shortened_to: None, proven: false };

    fn answer(blanks: usize) -> Vec<u8> {
        format!(r#"{{"data":[{{"index":0,"embedding":[1,2,3]}}]}}{}"#, " ".repeat(blanks)).into_bytes()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// Does this while there is one thread, and one slot for each of two owners: work of the first has the thread
    /// and its slot until the sender is dropped.
    fn while_busy(test: impl AsyncFnOnce(Offload, mpsc::Sender<()>)) {
        let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
        let offload = Offload::with_slots(2, 1);
        let (end, ended) = mpsc::channel::<()>();
        let (begin, begun) = tokio::sync::oneshot::channel();
        let work = move |_: &AtomicBool| {
            let _ = begin.send(());
            let _ = ended.recv();
        };

        runtime.block_on(async {
            let busy = offload.clone();
            tokio::spawn(async move { busy.run(A, SMALL, work).await });
            begun.await.unwrap();
            test(offload, end).await;
        });
    }

    #[test]
    fn a_large_answer_has_its_owners_slot() {
        while_busy(async |offload, end| {
            let protocol = Model::of_openai("http://h/v1", None).protocol();
            let answers = LargeAnswers::new(offload.clone(), A);
            assert_eq!(answers.parse(&protocol, answer(0), ONE).await.vectors.unwrap().len(), 1);

            let mut waits = Box::pin(answers.parse(&protocol, answer(LARGE_ANSWER), ONE));
            assert!(waits.as_mut().now_or_never().is_none());
            assert!(offload.has_slot_for(B), "it has the slot of another");
            drop(end);
            assert_eq!(waits.await.vectors.unwrap().len(), 1);
        });
    }

    #[test]
    fn a_compressed_answer_has_its_owners_slot() {
        while_busy(async |offload, end| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            let answers = LargeAnswers::new(offload.clone(), A);

            let mut waits = Box::pin(answers.plain(headers, gzip(b"text"), 1 << 20));
            assert!(waits.as_mut().now_or_never().is_none());
            assert!(offload.has_slot_for(B), "it has the slot of another");
            drop(end);
            assert_eq!(waits.await.unwrap(), b"text");
        });
    }
}
