//! The search for chunks of a row that are there already, and may stay.

use std::collections::HashMap;

use crate::document::{Digest, ExistingChunk};

/// Returns for each new chunk, in order, the existing one that has its text and may stay.
///
/// An existing chunk serves once. One that stays in its place is preferred, so that an insertion
/// moves as few rows as it can; the others are taken in the order of their places.
pub(super) fn reuse(existing: Vec<ExistingChunk>, digests: &[Digest]) -> Vec<Option<ExistingChunk>> {
    let mut kept: Vec<Option<ExistingChunk>> = vec![None; digests.len()];
    let mut elsewhere = Vec::new();
    for chunk in existing {
        let seq = usize::try_from(chunk.seq).unwrap_or(usize::MAX);
        match kept.get_mut(seq) {
            Some(kept) if kept.is_none() && digests[seq] == chunk.digest => *kept = Some(chunk),
            _ => elsewhere.push(chunk),
        }
    }

    // Candidates are popped from the end, and so in the order of their places.
    elsewhere.sort_by_key(|chunk| std::cmp::Reverse(chunk.seq));
    let mut available: HashMap<Digest, Vec<ExistingChunk>> = HashMap::new();
    for chunk in elsewhere {
        available.entry(chunk.digest).or_default().push(chunk);
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

    /// Each chunk used to be compared with all others, which takes hours with as many as a document may have.
    #[test]
    fn a_document_of_equal_chunks_keeps_them() {
        let count = 100_000;
        let existing: Vec<ExistingChunk> = (0..count).rev().map(|seq| chunk(1, seq, 7)).collect();
        let digests = vec![[7; 32]; 2 * count as usize];
        let kept = reuse(existing, &digests);
        assert!(
            kept.iter().take(count as usize).zip(0..).all(|(kept, seq)| kept.as_ref().unwrap().seq == seq)
        );
        assert!(kept.iter().skip(count as usize).all(Option::is_none));
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
