//! Chunkers whose regular expressions are large: compiled anew when they are needed, and kept as far as there is room.
//!
//! Each vectorizer has a chunker, and a chunker may take megabytes. Hundreds of them would take as much memory as all
//! documents may. So those with large expressions are not their vectorizer's: whoever cuts a text asks for one, and it
//! is compiled, in milliseconds, unless it was used a short time before.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use super::{Allowance, ChunkError, Chunker, Piece, chunker};
use crate::config::Chunking;

/// The largest number of bytes of expressions that are a vectorizer's own: its config may be larger.
const SMALL: usize = 16 << 10;

/// The largest number of bytes that all others take, beside those that are in use.
const MOST_BYTES: usize = 16 << 20;

/// The chunkers of this process, which are shared by all vectorizers of the same config.
static COMPILED: LazyLock<CompiledChunkers> = LazyLock::new(|| CompiledChunkers::new(MOST_BYTES));

/// Returns a chunker that cuts as [`chunker`]'s does, and holds little memory while it is not used.
///
/// # Errors
///
/// Fails as [`chunker`] does.
pub(crate) fn shared_chunker(config: &Chunking) -> Result<Box<dyn Chunker>, ChunkError> {
    let compiled = chunker(config)?;
    match compiled.compiled_bytes() {
        0..=SMALL => Ok(compiled),
        _ => Ok(Box::new(SharedChunker {
            config: config.clone(),
            overlap: compiled.overlap(),
            compiled: &COMPILED,
        })),
    }
}

/// A chunker that is compiled when it is needed.
struct SharedChunker {
    config: Chunking,
    overlap: usize,
    compiled: &'static CompiledChunkers,
}

impl Chunker for SharedChunker {
    fn chunk(&self, text: &str, allowance: Allowance<'_>) -> Result<Vec<String>, ChunkError> {
        self.compiled.get(&self.config)?.chunk(text, allowance)
    }

    fn pieces(&self, text: &str, allowance: Allowance<'_>) -> Result<Vec<Piece>, ChunkError> {
        self.compiled.get(&self.config)?.pieces(text, allowance)
    }

    fn overlap(&self) -> usize {
        self.overlap
    }
}

/// Compiled chunkers, of which the one that was used longest ago is forgotten first.
struct CompiledChunkers {
    most_bytes: usize,
    /// The last one was used last.
    kept: Mutex<VecDeque<Kept>>,
}

struct Kept {
    config: Chunking,
    chunker: Arc<dyn Chunker>,
}

impl CompiledChunkers {
    /// Keeps none yet, and later as many as take so many bytes.
    fn new(most_bytes: usize) -> Self {
        CompiledChunkers { most_bytes, kept: Mutex::default() }
    }

    /// Returns the chunker of a config, compiled now if it is not kept.
    fn get(&self, config: &Chunking) -> Result<Arc<dyn Chunker>, ChunkError> {
        if let Some(kept) = self.take(config) {
            return Ok(self.keep(kept));
        }
        // Not under the lock, for which all threads wait. Two of them may compile the same.
        let chunker = Arc::from(chunker(config)?);
        Ok(self.keep(Kept { config: config.clone(), chunker }))
    }

    fn take(&self, config: &Chunking) -> Option<Kept> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let place = kept.iter().position(|kept| kept.config == *config)?;
        kept.remove(place)
    }

    /// Keeps a chunker as the one that was used last, and forgets those that are too much with it.
    fn keep(&self, used: Kept) -> Arc<dyn Chunker> {
        let chunker = Arc::clone(&used.chunker);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|kept| kept.config != used.config);
        kept.push_back(used);

        while bytes(&kept) > self.most_bytes && kept.pop_front().is_some() {}
        chunker
    }
}

fn bytes(kept: &VecDeque<Kept>) -> usize {
    kept.iter().map(|kept| kept.chunker.compiled_bytes()).sum()
}

#[cfg(test)]
mod tests {
    use super::super::tests::ample;
    use super::*;

    /// A config whose separators differ by this number, and take more than half a megabyte.
    fn large(number: u32) -> Chunking {
        let sign = |place| char::from_u32(0x2190 + number * 100 + place).unwrap();
        Chunking::RecursiveCharacterTextSplitter {
            chunk_size: 3,
            chunk_overlap: 0,
            separators: (0..100).map(|place| format!(r"[\w{}]+;", sign(place))).collect(),
            is_separator_regex: true,
        }
    }

    #[test]
    fn chunkers_together_take_so_much_at_most() {
        let compiled = CompiledChunkers::new(4 << 20);
        for number in 0..20 {
            assert!(compiled.get(&large(number)).unwrap().compiled_bytes() > 500 << 10);
            assert!(bytes(&compiled.kept.lock().unwrap()) <= 4 << 20);
        }
        assert!(bytes(&compiled.kept.lock().unwrap()) > 2 << 20);
    }

    #[test]
    fn vectorizers_of_the_same_config_share_a_chunker_until_it_is_forgotten() {
        let compiled = CompiledChunkers::new(4 << 20);
        let first = compiled.get(&large(0)).unwrap();
        assert!(Arc::ptr_eq(&first, &compiled.get(&large(0)).unwrap()));
        assert_eq!(compiled.kept.lock().unwrap().len(), 1);

        (1..20).for_each(|number| drop(compiled.get(&large(number)).unwrap()));
        assert_eq!(Arc::strong_count(&first), 1, "it was not forgotten");
        assert!(!Arc::ptr_eq(&first, &compiled.get(&large(0)).unwrap()));
    }

    #[test]
    fn a_vectorizer_holds_no_large_expressions_and_cuts_as_if_it_did() {
        let (shared, own) = (shared_chunker(&large(0)).unwrap(), chunker(&large(0)).unwrap());
        assert_eq!(shared.compiled_bytes(), 0);
        let cut = |chunker: &dyn Chunker| chunker.chunk("one;two three;four", ample());
        assert_eq!(cut(&*shared), cut(&*own));
        assert!(shared_chunker(&Chunking::default()).unwrap().compiled_bytes() <= SMALL);
    }

    #[test]
    fn chunks_that_overlap_are_found_in_the_text_as_if_they_were_the_vectorizers_own() {
        let mut config = large(0);
        if let Chunking::RecursiveCharacterTextSplitter { chunk_size, chunk_overlap, .. } = &mut config {
            (*chunk_size, *chunk_overlap) = (9, 4);
        }
        let (shared, own) = (shared_chunker(&config).unwrap(), chunker(&config).unwrap());
        let pieces =
            |chunker: &dyn Chunker| chunker.pieces("one;two;one;two;three;one;two;", ample()).unwrap();
        assert_eq!(shared.overlap(), 4);
        assert_eq!(pieces(&*shared), pieces(&*own));
        assert!(pieces(&*shared).iter().all(|piece| piece.span.is_some()));
    }
}
