//! The depth to which documents may be nested.

/// The deepest nesting of XML, in elements, whoever reads it. Readers call themselves for what is within, and each level
/// takes from the stack, which bounds it from above; no document that people write is nested half as deep.
pub(crate) const DEEPEST: usize = 256;
