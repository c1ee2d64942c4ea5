//! The search for chunks of a row that are there already, and may stay.

use std::collections::HashMap;

use crate::document::{Digest, ExistingChunk};

/// Returns for each new chunk, in order, the existing one that has its text and may stay.
///
/// An existing chunk serves once. One that stays in its place is preferred, so that an insertion
/// moves as few rows as it can; the others are taken in the order of their places.
pub(super) fn reuse(mut existing: Vec<ExistingChunk>, digests: &[Digest]) -> Vec<Option<ExistingChunk>> {
    // Candidates are popped from the end, and so in the order of their places.
    existing.sort_by_key(|chunk| std::cmp::Reverse(chunk.seq));
    let mut available: HashMap<Digest, Vec<ExistingChunk>> = HashMap::new();
    for chunk in existing {
        available.entry(chunk.digest).or_default().push(chunk);
    }

    let mut kept: Vec<Option<ExistingChunk>> = vec![None; digests.len()];
    for (seq, (digest, kept)) in digests.iter().zip(&mut kept).enumerate() {
        if let Some(candidates) = available.get_mut(digest) {
            let in_place = candidates.iter().position(|chunk| usize::try_from(chunk.seq) == Ok(seq));
            *kept = in_place.map(|at| candidates.remove(at));
        }
    }

    for (digest, kept) in digests.iter().zip(&mut kept) {
        if kept.is_none() {
            *kept = available.get_mut(digest).and_then(Vec::pop);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(id: u8, seq: i32, digest: u8) -> ExistingChunk {
        ExistingChunk { id: [id; 16], seq, digest: [digest; 32] }
    }

    /// The ids of the chunks that stay, 0 for none.
    fn kept(existing: &[ExistingChunk], digests: &[u8]) -> Vec<u8> {
        let digests: Vec<Digest> = digests.iter().map(|&digest| [digest; 32]).collect();
        reuse(existing.to_vec(), &digests)
            .into_iter()
            .map(|chunk| chunk.map_or(0, |chunk| chunk.id[0]))
            .collect()
    }

    #[test]
    fn what_is_unchanged_stays() {
        let existing = [chunk(1, 0, 7), chunk(2, 1, 8)];
        assert_eq!(kept(&existing, &[7, 8]), [1, 2]);
        assert_eq!(kept(&existing, &[9, 7, 8]), [0, 1, 2]);
        assert_eq!(kept(&existing, &[8]), [2]);
        assert_eq!(kept(&existing, &[]), [0; 0]);
    }

    #[test]
    fn each_serves_once_and_stays_in_its_place_if_it_can() {
        let existing = [chunk(2, 1, 7), chunk(1, 0, 7), chunk(3, 2, 7)];
        assert_eq!(kept(&existing, &[7, 7, 7, 7]), [1, 2, 3, 0]);
        assert_eq!(kept(&existing, &[9, 7, 9, 7]), [0, 2, 0, 1]);
    }
}
