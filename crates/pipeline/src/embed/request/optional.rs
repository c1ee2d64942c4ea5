//! The parts of a request that it can do without.

use super::refusal::ProviderRefusal;

/// The parts of a request that it can do without, and still has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::embed) struct Optional {
    /// Asking for vectors in base64, which is a third of the size of numbers.
    pub base64: bool,
    /// Telling the number of dimensions, which is the model's own anyway if it has one only.
    pub dimensions: bool,
}

impl Optional {
    /// Leaves the dimensions out if the refusal is about them. The answer's are checked anyway.
    pub(in crate::embed) fn without_dimensions(self, refusal: &ProviderRefusal) -> Self {
        let words = ["dimensions", "dimension", "matryoshka"];
        let refused = refusal.is_bad_request() && words.iter().any(|word| refusal.is_about(word));
        Optional { dimensions: self.dimensions && !refused, ..self }
    }
}
