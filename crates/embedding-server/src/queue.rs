//! The queue between the requests and the threads that compute.
//!
//! A request is served one batch at a time and then goes to the end of the queue, so that a client with one
//! question does not wait for another's 2,048 texts. What a small request leaves free in a batch is filled
//! from the next one. A request whose client has disconnected is dropped. The server limits the number of
//! requests in the queue.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::embed::{Embed, ModelError};

/// The limit for the tokens of a batch. More is no faster, because there is no padding to save: the weights
/// are read once per 512 tokens, which is enough. Less is slower for short texts.
const BATCH_TOKENS: usize = 512;

/// The reason why a request got no vectors.
#[derive(Debug, thiserror::Error)]
pub enum NoVectors {
    /// The server is being stopped.
    #[error("the server is shutting down")]
    Closed,
    /// The model failed.
    #[error(transparent)]
    Failed(#[from] ModelError),
}

type Vectors = Vec<Vec<f32>>;

/// The waiting requests, shared by the server and its threads.
pub struct RequestQueue {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    open: bool,
    waiting: VecDeque<WaitingRequest>,
}

/// The inputs of a request that are still to be computed.
struct WaitingRequest {
    /// The index in the request, and the tokens.
    inputs: VecDeque<(usize, Vec<u32>)>,
    answer: Arc<Mutex<Answer>>,
}

/// The results of a request so far.
struct Answer {
    vectors: Vectors,
    missing: usize,
    /// The channel to the client; `None` once the answer has been sent.
    reply: Option<oneshot::Sender<Result<Vectors, ModelError>>>,
}

/// One input in a batch.
struct Piece {
    place: usize,
    tokens: Vec<u32>,
    answer: Arc<Mutex<Answer>>,
}

/// Locks a mutex, ignoring poison: nothing panics while it holds a lock of this file, so the data is sound.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RequestQueue {
    /// Returns an empty queue, with `threads` new threads that each run `model`. Errors if a thread can't be
    /// started.
    pub fn start(model: &Arc<dyn Embed>, threads: usize) -> std::io::Result<Arc<Self>> {
        let queue = Arc::new(Self::new());
        for n in 0..threads {
            let queue = Arc::clone(&queue);
            let model = Arc::clone(model);
            std::thread::Builder::new().name(format!("embed-{n}")).spawn(move || queue.work(&*model))?;
        }
        Ok(queue)
    }

    fn new() -> Self {
        let state = State { open: true, waiting: VecDeque::new() };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Returns the vectors of `inputs` (tokens), in their order.
    pub async fn embed(&self, inputs: Vec<Vec<u32>>) -> Result<Vectors, NoVectors> {
        let Some(reply) = self.submit(inputs) else {
            return Ok(Vec::new());
        };
        // The queue lets go of an unanswered request only when it closes.
        reply.await.map_err(|_| NoVectors::Closed)?.map_err(NoVectors::Failed)
    }

    /// Enqueues a request. Returns the channel for its answer, or `None` if it has no inputs.
    fn submit(&self, inputs: Vec<Vec<u32>>) -> Option<oneshot::Receiver<Result<Vectors, ModelError>>> {
        if inputs.is_empty() {
            return None;
        }

        let (reply, receiver) = oneshot::channel();
        let answer =
            Answer { vectors: vec![Vec::new(); inputs.len()], missing: inputs.len(), reply: Some(reply) };
        let inputs = inputs.into_iter().enumerate().collect();
        let request = WaitingRequest { inputs, answer: Arc::new(Mutex::new(answer)) };

        let mut state = lock(&self.state);
        if state.open {
            state.waiting.push_back(request);
            // All: a request may have work for every thread.
            self.changed.notify_all();
        }

        Some(receiver)
    }

    /// Refuses all waiting and future requests, and lets the threads end.
    pub fn close(&self) {
        let mut state = lock(&self.state);
        state.open = false;
        state.waiting.clear();
        self.changed.notify_all();
    }

    /// Computes batches until the queue is closed.
    fn work(&self, model: &dyn Embed) {
        while let Some(batch) = self.next_batch() {
            // A bug in the model fails the batch, not the thread: there is nobody to start another.
            let result = catch_unwind(AssertUnwindSafe(|| compute(model, &batch)))
                .unwrap_or_else(|_| Err(ModelError("the model panicked; see the log".into())));

            match result {
                Ok(vectors) => {
                    for (piece, vector) in batch.iter().zip(vectors) {
                        lock(&piece.answer).put(piece.place, vector);
                    }
                }
                Err(error) => {
                    eprintln!("pgai_rs_embedding_server: {error}");
                    for piece in &batch {
                        lock(&piece.answer).fail(&error);
                    }
                }
            }
        }
    }

    /// Waits for a batch. Returns `None` when the queue is closed.
    fn next_batch(&self) -> Option<Vec<Piece>> {
        let mut state = lock(&self.state);
        while state.open {
            let batch = state.take_batch();
            if !batch.is_empty() {
                return Some(batch);
            }

            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        None
    }
}

fn compute(model: &dyn Embed, batch: &[Piece]) -> Result<Vectors, ModelError> {
    let sequences: Vec<&[u32]> = batch.iter().map(|piece| piece.tokens.as_slice()).collect();
    let vectors = model.embed(&sequences)?;
    if vectors.len() != batch.len() {
        let got = vectors.len();
        let wanted = batch.len();
        return Err(ModelError(format!("the model gave {got} vectors for {wanted} inputs")));
    }
    Ok(vectors)
}

impl State {
    /// Returns up to [`BATCH_TOKENS`] from the requests at the head of the queue; empty if none wait.
    fn take_batch(&mut self) -> Vec<Piece> {
        let mut batch = Vec::new();
        let mut room = BATCH_TOKENS;
        while let Some(mut request) = self.waiting.pop_front() {
            if !request.is_wanted() {
                continue;
            }
            request.take(&mut batch, &mut room);

            if !request.inputs.is_empty() {
                self.waiting.push_back(request);
                break;
            }
        }
        batch
    }
}

impl WaitingRequest {
    /// Returns whether the client is still connected and no other part of the request has failed.
    fn is_wanted(&self) -> bool {
        lock(&self.answer).reply.as_ref().is_some_and(|reply| !reply.is_closed())
    }

    /// Moves inputs to `batch` while they fit. An input that is longer than a whole batch goes alone.
    fn take(&mut self, batch: &mut Vec<Piece>, room: &mut usize) {
        while let Some((place, tokens)) = self.inputs.pop_front() {
            if tokens.len() > *room && !batch.is_empty() {
                self.inputs.push_front((place, tokens));
                return;
            }
            *room = room.saturating_sub(tokens.len());
            batch.push(Piece { place, tokens, answer: Arc::clone(&self.answer) });
        }
    }
}

impl Answer {
    /// Stores a vector, and sends the answer if it was the last one.
    fn put(&mut self, place: usize, vector: Vec<f32>) {
        self.vectors[place] = vector;
        self.missing -= 1;
        if self.missing == 0 {
            let vectors = std::mem::take(&mut self.vectors);
            self.send(Ok(vectors));
        }
    }

    fn fail(&mut self, error: &ModelError) {
        self.send(Err(error.clone()));
    }

    fn send(&mut self, result: Result<Vectors, ModelError>) {
        if let Some(reply) = self.reply.take() {
            // Sending fails if the client has disconnected, which is no error.
            let _ = reply.send(result);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The places in the next batch, with the length of the tokens to tell requests apart.
    fn batch(queue: &RequestQueue) -> Vec<(usize, usize)> {
        let batch = lock(&queue.state).take_batch();
        batch.iter().map(|piece| (piece.place, piece.tokens.len())).collect()
    }

    #[test]
    fn requests_take_turns() {
        let queue = RequestQueue::new();
        let _large = queue.submit(vec![vec![0; 200]; 5]);
        let _small = queue.submit(vec![vec![0; 10]; 2]);
        assert_eq!(batch(&queue), [(0, 200), (1, 200)]);
        assert_eq!(batch(&queue), [(0, 10), (1, 10), (2, 200), (3, 200)]);
        assert_eq!(batch(&queue), [(4, 200)]);
        assert_eq!(batch(&queue), []);
    }

    #[test]
    fn an_input_longer_than_a_batch_goes_alone() {
        let queue = RequestQueue::new();
        let _reply = queue.submit(vec![vec![0; 1000], vec![0; 1]]);
        assert_eq!(batch(&queue), [(0, 1000)]);
        assert_eq!(batch(&queue), [(1, 1)]);
    }

    #[test]
    fn a_request_nobody_waits_for_is_dropped() {
        let queue = RequestQueue::new();
        let gone = queue.submit(vec![vec![0; 200]; 5]);
        assert_eq!(batch(&queue).len(), 2);
        drop(gone);
        let _reply = queue.submit(vec![vec![0; 10]]);
        assert_eq!(batch(&queue), [(0, 10)]);
        assert_eq!(batch(&queue), []);
    }

    #[test]
    fn closing_refuses_what_waits_and_what_comes() {
        let queue = RequestQueue::new();
        let mut waiting = queue.submit(vec![vec![0; 10]]).unwrap();
        queue.close();
        let mut late = queue.submit(vec![vec![0; 10]]).unwrap();
        for reply in [&mut waiting, &mut late] {
            assert_eq!(reply.try_recv().unwrap_err(), oneshot::error::TryRecvError::Closed);
        }
        assert!(queue.next_batch().is_none());
    }
}
