//! The body of an answer: read within bounds, and as it was before somebody compressed it.

use reqwest::header::{CONTENT_ENCODING, HeaderMap};

use super::network_error::network_error;
use crate::compression::{Compression, UnpackError, is_text};
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

/// A body as it was before somebody on the way compressed it, although nobody asked for that.
pub(in crate::embed) fn plain(
    headers: &HeaderMap,
    mut body: Vec<u8>,
    most: usize,
) -> Result<Vec<u8>, EmbedError> {
    let said = headers.get_all(CONTENT_ENCODING).iter().rev();
    let words =
        said.filter_map(|value| value.to_str().ok()).flat_map(|value| value.rsplit(',')).map(str::trim);

    for word in words.filter(|word| !word.is_empty() && !word.eq_ignore_ascii_case("identity")) {
        body = match Compression::by_encoding(word) {
            Some(compression) => undo(compression, body, most)?,
            None if is_text(&body) => body,
            None => {
                return Err(encoded(&format!("has the Content-Encoding {:?}", truncate_message(word, 40))));
            }
        };
    }

    // Whoever compresses without being asked may not say so either. No JSON begins like that.
    match Compression::by_signature(&body) {
        Some(compression) => undo(compression, body, most),
        None => Ok(body),
    }
}

fn undo(compression: Compression, body: Vec<u8>, most: usize) -> Result<Vec<u8>, EmbedError> {
    match compression.undo(&body, most as u64) {
        Ok(plain) => Ok(plain.unwrap_or(body)),
        Err(UnpackError::TooLarge) => Err(EmbedError::BadResponse(format!("it has more than {most} bytes"))),
        Err(UnpackError::Broken(_) | UnpackError::Unknown(_)) => {
            Err(encoded(&format!("is compressed ({compression:?}), and damaged")))
        }
    }
}

fn encoded(what: &str) -> EmbedError {
    EmbedError::BadResponse(format!("it {what}, which was not requested"))
}
