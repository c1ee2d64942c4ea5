//! Which chunks stay as they are.

use std::collections::HashMap;
use std::sync::Arc;

use super::prepared::Formatted;
use crate::document::{Chunk, Digest, ExistingChunk};

/// A document's chunks before the new ones have their vectors.
pub(super) enum Planned {
    /// The store has it already.
    Kept(ExistingChunk),
    /// It is to be embedded.
    New(Arc<str>),
}

/// Matches inputs with the chunks that the store has, each of which serves once; one at the same
/// place is preferred, so that nothing moves without need.
pub(super) fn plan(inputs: Vec<Formatted>, existing: Vec<ExistingChunk>) -> Vec<Planned> {
    let mut known: HashMap<Digest, Vec<ExistingChunk>> = HashMap::new();
    for chunk in existing {
        known.entry(chunk.digest).or_default().push(chunk);
    }
    let mut plan: Vec<Option<Planned>> = inputs.iter().map(|_| None).collect();
    for (place, input) in inputs.iter().enumerate() {
        let same = known.get_mut(&input.digest);
        if let Some(kept) = same.and_then(|same| take_where(same, |chunk| chunk.seq as usize == place)) {
            plan[place] = Some(Planned::Kept(kept));
        }
    }
    let fill = |(slot, input): (Option<Planned>, Formatted)| {
        let elsewhere = || known.get_mut(&input.digest).and_then(Vec::pop).map(Planned::Kept);
        slot.or_else(elsewhere).unwrap_or(Planned::New(input.text))
    };
    plan.into_iter().zip(inputs).map(fill).collect()
}

fn take_where<T>(items: &mut Vec<T>, wanted: impl FnMut(&T) -> bool) -> Option<T> {
    items.iter().position(wanted).map(|place| items.swap_remove(place))
}

/// The inputs that must be embedded, in order.
pub(super) fn new_inputs(plan: &[Planned]) -> Vec<Arc<str>> {
    plan.iter()
        .filter_map(|planned| match planned {
            Planned::New(text) => Some(Arc::clone(text)),
            Planned::Kept(_) => None,
        })
        .collect()
}

/// The chunks, with one vector for each new input.
pub(super) fn finish(plan: Vec<Planned>, vectors: Vec<Vec<f32>>) -> Vec<Chunk> {
    let mut vectors = vectors.into_iter();
    plan.into_iter()
        .map(|planned| match planned {
            Planned::Kept(existing) => Chunk::Kept(existing),
            Planned::New(text) => {
                Chunk::New { text: text.to_string(), embedding: vectors.next().unwrap_or_default() }
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(text: &str) -> Formatted {
        Formatted { text: text.into(), digest: digest(text) }
    }

    fn digest(text: &str) -> Digest {
        <sha2::Sha256 as sha2::Digest>::digest(text.as_bytes()).into()
    }

    fn existing(seq: i32, text: &str) -> ExistingChunk {
        ExistingChunk { id: [seq as u8; 16], seq, digest: digest(text) }
    }

    fn planned(inputs: &[&str], store: &[&str]) -> String {
        let store = store.iter().enumerate().map(|(seq, text)| existing(seq as i32, text)).collect();
        let plan = plan(inputs.iter().map(|text| input(text)).collect(), store);
        let word = |planned: &Planned| match planned {
            Planned::Kept(chunk) => format!("{}", chunk.seq),
            Planned::New(text) => text.to_string(),
        };
        plan.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn unchanged_chunks_are_kept_wherever_they_are_now() {
        assert_eq!(planned(&["a", "b"], &["a", "b"]), "0 1");
        assert_eq!(planned(&["new", "b", "a"], &["a", "b", "c"]), "new 1 0");
        assert_eq!(planned(&[], &["a"]), "");
    }

    #[test]
    fn each_serves_once_and_stays_at_its_place_if_it_can() {
        assert_eq!(planned(&["a", "a", "a"], &["a", "a"]), "0 1 a");
        assert_eq!(planned(&["x", "a"], &["a", "a"]), "x 1");
    }
}
