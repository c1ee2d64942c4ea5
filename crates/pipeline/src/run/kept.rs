//! The text that the queue keeps of a document, and whether it may be cut again.

use super::fingerprint::{Basis, Original, text_fingerprint};
use crate::config::{Loading, VectorizerConfig};
use crate::document::{Digest, Document, Kept, NewText, Payload, Provenance, TextToKeep};
use crate::parse::Parsed;

/// The longest text that is kept, in bytes. Postgres holds no value of more than a gigabyte, and copies one several times.
const LONGEST_KEPT: usize = 256 << 20;

/// Returns whether the text that the queue keeps of a document may spare reading it, so that the queue should read that
/// text. It takes up memory in vain where the chunks are as they should be, or the text was made otherwise.
///
/// The document is one that was claimed, with all that is known of it but the text itself.
pub fn wants_text(document: &Document) -> bool {
    let config = &document.vectorizer.config;
    let Some(kept) = document.kept.as_ref().filter(|_| config.parsing.keep_text) else { return false };
    match (&config.loading, &document.payload, &document.provenance) {
        // What its content is, is found out off the queue's thread.
        (Loading::Column { .. }, Payload::Bytes(_), _) => true,
        (Loading::Uri { .. }, Payload::Text(uri), Some(Provenance { etag, fingerprint })) => {
            let basis = Basis::new(config, uri, &document.fields);
            let now = basis.and_then(|basis| basis.fingerprint_of(&document.existing));
            now != Some(*fingerprint) && is_of(kept, text_fingerprint(config, Original::Object(uri, etag)))
        }
        _ => false,
    }
}

/// Returns whether a kept text was made of what has this fingerprint.
fn is_of(kept: &Kept, made_of: Option<Digest>) -> bool {
    made_of == Some(kept.made_of)
}

/// Returns the kept text if it was made of what has this fingerprint, and was read.
pub(super) fn usable(kept: Option<Kept>, made_of: Option<Digest>) -> Option<Parsed> {
    kept.filter(|kept| is_of(kept, made_of))?.parsed
}

/// All that is there already of an object, so that nothing is read if the object is still the same.
pub(super) struct Known {
    /// The object, and its chunks.
    pub provenance: Provenance,
    /// The part that serves again.
    pub reusable: Reusable,
}

/// The part of a document's way that needs not be gone again.
pub(super) enum Reusable {
    /// All of it: the chunks are as they should be.
    Chunks,
    /// The way to the text, which is to be cut otherwise.
    Text(Box<Parsed>),
}

impl Known {
    /// Returns what is known of the object at an address; `None` if it has to be read in any case. `now` is the
    /// fingerprint of the chunks that the store has. Where texts are kept, chunks without their text are no reason not
    /// to read the object.
    pub(super) fn of(
        config: &VectorizerConfig,
        uri: &str,
        now: Option<Digest>,
        provenance: Option<Provenance>,
        kept: Option<Kept>,
    ) -> Option<Known> {
        let provenance = provenance?;
        let are_current = now == Some(provenance.fingerprint);
        if !config.parsing.keep_text {
            return are_current.then_some(Known { provenance, reusable: Reusable::Chunks });
        }

        let made_of = text_fingerprint(config, Original::Object(uri, &provenance.etag));
        let kept = kept.filter(|kept| is_of(kept, made_of))?;
        let reusable = if are_current { Reusable::Chunks } else { Reusable::Text(Box::new(kept.parsed?)) };
        Some(Known { provenance, reusable })
    }

    /// Returns the version of the object.
    pub(super) fn etag(&self) -> &str {
        &self.provenance.etag
    }
}

/// The facts that a text is to be kept with.
pub(super) enum Keeping {
    /// It is not kept.
    Nothing,
    /// It is kept already.
    Same,
    /// Its fingerprint, and its outline.
    New(Digest, String),
}

impl Keeping {
    /// Returns how to keep a text that was parsed now, if there is a fingerprint of what it was made of.
    pub(super) fn of(parsed: &Parsed, made_of: Option<Digest>) -> Keeping {
        let made_of = made_of.filter(|_| parsed.text.len() <= LONGEST_KEPT);
        match made_of.and_then(|made_of| Some((made_of, parsed.outline()?))) {
            Some((made_of, outline)) => Keeping::New(made_of, outline),
            None => Keeping::Nothing,
        }
    }

    /// Returns the bytes that it holds.
    pub(super) fn held(&self) -> u64 {
        match self {
            Keeping::Nothing | Keeping::Same => 0,
            Keeping::New(_, outline) => outline.len() as u64,
        }
    }

    /// Returns whether the text itself is needed after it was cut.
    pub(super) fn needs_text(&self) -> bool {
        matches!(self, Keeping::New(..))
    }

    /// Returns what is to be written, with the text if it is needed.
    pub(super) fn with(self, text: Option<String>) -> TextToKeep {
        match (self, text) {
            (Keeping::Same, _) => TextToKeep::Same,
            (Keeping::New(made_of, outline), Some(text)) => {
                TextToKeep::New(NewText { made_of, text, outline })
            }
            _ => TextToKeep::Nothing,
        }
    }
}
