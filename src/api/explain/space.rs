//! The space that a store and its index take.

use pgai_rs_pipeline::config::indexing::{Element, Indexing};
use pgai_rs_pipeline::config::{Destination, VectorType, VectorizerConfig};

/// A page of Postgres, and its part that holds tuples.
const PAGE: f64 = 8192.0;
const ROOM_OF_PAGE: f64 = 8152.0;

/// Bytes of a store's row beside its vector and its text: header, line pointer, UUID, key and place.
const PER_CHUNK: f64 = 84.0;

/// Bytes of a row in the two B-trees of a store, which are three quarters full.
const PER_CHUNK_IN_KEYS: f64 = 100.0;

/// The size of a row from which on Postgres moves its text out of it (`TOAST_TUPLE_THRESHOLD`), the size of the pointer that stays,
/// and what a piece of it takes beside its bytes, with its entry of an index.
const MOST_IN_ROW: f64 = 2_032.0;
const POINTER: f64 = 18.0;
const PER_PIECE: f64 = 70.0;

/// The largest piece of a value out of line (`TOAST_MAX_CHUNK_SIZE`).
const PIECE: f64 = 1_996.0;

/// The links of an element of an HNSW index to others, unless something else is declared.
const DEFAULT_M: f64 = 16.0;

/// Bytes of a link, of an element beside its vector, and of its list of links.
const PER_LINK: f64 = 6.0;
const PER_ELEMENT: f64 = 96.0;

/// Returns the bytes that vectors and texts take that are written, for so many chunks with so many bytes of text. Texts that are
/// out of line count as if they could not be compressed.
pub fn store(config: &VectorizerConfig, chunks: f64, text: f64) -> f64 {
    let vector = vector_bytes(config.destination.vector_type(), config.embedding.dimensions());
    if let Destination::Column { .. } = config.destination {
        return chunks * vector;
    }

    // Vectors stay in their rows as long as these fit on a page (`STORAGE PLAIN` and `MAIN`).
    let text_of_one = if chunks > 0.0 { text / chunks } else { 0.0 };
    let (vector_in_row, vector_outside) = match PER_CHUNK + vector <= ROOM_OF_PAGE {
        true => (vector, 0.0),
        false => (POINTER, outside(vector)),
    };
    let (text_in_row, text_outside) = match PER_CHUNK + vector_in_row + text_of_one <= MOST_IN_ROW {
        true => (text_of_one, 0.0),
        false => (POINTER, outside(text_of_one)),
    };
    let in_a_page = (ROOM_OF_PAGE / (PER_CHUNK + vector_in_row + text_in_row)).floor().max(1.0);
    let rows = (chunks / in_a_page).ceil() * PAGE;
    rows + chunks * (PER_CHUNK_IN_KEYS + vector_outside + text_outside)
}

/// Returns the bytes that a value takes out of line.
fn outside(bytes: f64) -> f64 {
    bytes + (bytes / PIECE).ceil() * PER_PIECE
}

/// Returns the bytes of the index, once there is one; `None` if none is declared, or its size is not known beforehand.
pub fn index(config: &VectorizerConfig, chunks: f64) -> Option<f64> {
    let indexing = config.indexing.get().ok()?;
    let Indexing::Hnsw { index, when } = indexing else { return None };
    if chunks < f64::from(when.min_rows) {
        return Some(0.0);
    }

    let dimensions = config.embedding.dimensions();
    let vector = match indexing.element(config.destination.vector_type(), dimensions) {
        Element::Vector => vector_bytes(VectorType::Vector, dimensions),
        Element::Halfvec | Element::CastToHalfvec => vector_bytes(VectorType::Halfvec, dimensions),
        Element::Bits => f64::from(dimensions) / 8.0 + 8.0,
    };
    let m = index.m.map_or(DEFAULT_M, f64::from);
    // Twice as many links on the lowest layer, and one element in m is on the next.
    let links = PER_LINK * m * (2.0 + 1.0 / (m - 1.0).max(1.0));
    let in_a_page = (ROOM_OF_PAGE / (vector + links + PER_ELEMENT)).floor().max(1.0);
    Some((chunks / in_a_page).ceil() * PAGE)
}

fn vector_bytes(stored: VectorType, dimensions: u32) -> f64 {
    stored.bytes(dimensions) as f64
}
