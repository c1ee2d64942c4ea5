//! The body of an answer: read within bounds, and as it was before somebody compressed it.

use reqwest::header::{CONTENT_ENCODING, HeaderMap};

use super::network_error::network_error;
use crate::compression::{Compression, MOST_LAYERS, UnpackBounds, UnpackError, is_text};
use crate::embed::error::EmbedError;
use crate::message::truncate_message;

/// The bytes of a body, and whether these are all.
pub(in crate::embed) async fn read_body(
    mut response: reqwest::Response,
    most: usize,
) -> Result<(Vec<u8>, bool), EmbedError> {
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(network_error)? {
        if body.len() + part.len() > most {
            return Ok((body, false));
        }
        body.extend_from_slice(&part);
    }
    Ok((body, true))
}

/// Returns whether a body may be compressed, so that [`plain`] has work to do.
pub(in crate::embed) fn may_be_compressed(headers: &HeaderMap, body: &[u8]) -> bool {
    encodings(headers).next().is_some() || Compression::by_signature(body).is_some()
}

/// Returns a body as it was before somebody on the way compressed it, although nobody asked for that.
///
/// # Errors
///
/// If it has more bytes than the bounds allow, is compressed in an unknown way or too often, or damaged.
pub(in crate::embed) fn plain(
    headers: &HeaderMap,
    mut body: Vec<u8>,
    bounds: UnpackBounds<'_>,
) -> Result<Vec<u8>, EmbedError> {
    for (layer, word) in encodings(headers).enumerate() {
        if layer == MOST_LAYERS {
            return Err(encoded(&format!("says to be compressed more than {MOST_LAYERS} times")));
        }
        body = match Compression::by_encoding(word) {
            Some(compression) => undo(compression, body, bounds)?,
            None if is_text(&body) => body,
            None => {
                return Err(encoded(&format!("has the Content-Encoding {:?}", truncate_message(word, 40))));
            }
        };
    }

    // Whoever compresses without being asked may not say so either. No JSON begins like that.
    match Compression::by_signature(&body) {
        Some(compression) => undo(compression, body, bounds),
        None => Ok(body),
    }
}

/// Returns the words of `Content-Encoding` that stand for something, from the outer to the inner.
fn encodings(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(CONTENT_ENCODING).iter().rev().filter_map(|value| value.to_str().ok());
    let words = values.flat_map(|value| value.rsplit(',')).map(str::trim);
    words.filter(|word| !word.is_empty() && !word.eq_ignore_ascii_case("identity"))
}

fn undo(compression: Compression, body: Vec<u8>, bounds: UnpackBounds<'_>) -> Result<Vec<u8>, EmbedError> {
    match compression.undo(&body, bounds) {
        Ok(plain) => Ok(plain.unwrap_or(body)),
        Err(UnpackError::TooLarge) => {
            Err(EmbedError::BadResponse(format!("it has more than {} bytes", bounds.limit)))
        }
        Err(UnpackError::Broken(_) | UnpackError::Unknown(_)) => {
            Err(encoded(&format!("is compressed ({compression:?}), and damaged")))
        }
        Err(UnpackError::Stopped) => Err(EmbedError::BadResponse("nobody waits for it any more".to_owned())),
    }
}

fn encoded(what: &str) -> EmbedError {
    EmbedError::BadResponse(format!("it {what}, which was not requested"))
}
