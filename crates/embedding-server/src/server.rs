//! The routes, and the path of a request: admitted, read, tokenised, queued, answered.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::embed::Embed;
use crate::protocol::{self, ApiError};
use crate::queue::{NoVectors, RequestQueue};

/// The largest body of a request, in bytes.
pub const MAX_BODY: usize = 32 << 20;
/// The number of requests whose bodies and tokens are in memory at once; others wait unread.
const MAX_REQUESTS: usize = 64;

struct Server {
    model: Arc<dyn Embed>,
    queue: Arc<RequestQueue>,
    admission: Semaphore,
}

/// Returns the API on `model`, whose vectors `queue` computes.
pub fn router(model: Arc<dyn Embed>, queue: Arc<RequestQueue>) -> Router {
    let server = Arc::new(Server { model, queue, admission: Semaphore::new(MAX_REQUESTS) });
    let embeddings = post(embeddings)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(Arc::clone(&server), admit));

    Router::new()
        .route("/v1/embeddings", embeddings)
        .route("/v1/models", get(|| async { Json(protocol::models()) }))
        .route("/health", get(|| async { Json(json!({"status": "ok"})) }))
        .fallback(|| async { ApiError::new(StatusCode::NOT_FOUND, "There is nothing at this URL.") })
        .method_not_allowed_fallback(|| async {
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "This URL has another method.")
        })
        .with_state(server)
}

/// Delays a request, before its body is read, while [`MAX_REQUESTS`] others are served.
async fn admit(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    match server.admission.acquire().await {
        Ok(_permit) => next.run(request).await,
        Err(error) => internal(error).into_response(),
    }
}

async fn embeddings(
    State(server): State<Arc<Server>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let body = body.map_err(|error| ApiError::new(error.status(), error.body_text()))?;
    let reader = Arc::clone(&server);
    let (request, inputs) = aside(move || read(&reader, &body)).await?;

    let tokens = inputs.iter().map(Vec::len).sum();
    let vectors = server.queue.embed(inputs).await.map_err(unanswered)?;

    let answer =
        aside(move || protocol::answer(&request.model, vectors, request.encoding, tokens).map_err(internal))
            .await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], answer).into_response())
}

/// Reads a request, and the tokens of its texts.
fn read(server: &Server, body: &[u8]) -> Result<(protocol::EmbeddingRequest, Vec<Vec<u32>>), ApiError> {
    let request = protocol::EmbeddingRequest::parse(body)?;
    let mut inputs = Vec::with_capacity(request.texts.len());
    for text in &request.texts {
        inputs.push(server.model.tokenize(text).map_err(internal)?);
    }
    Ok((request, inputs))
}

/// Runs work that may take long outside the threads that serve connections.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.map_err(internal)?
}

fn unanswered(error: NoVectors) -> ApiError {
    match error {
        NoVectors::Closed => ApiError::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        NoVectors::Failed(error) => internal(error),
    }
}

fn internal(error: impl std::fmt::Display) -> ApiError {
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}
