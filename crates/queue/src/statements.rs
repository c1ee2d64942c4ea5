//! The texts of a definition's statements, each written when it is first needed: a row that comes alone would
//! otherwise cost more for the writing than for many a statement.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Texts of statements, by names.
#[derive(Debug, Default)]
pub struct Statements(Mutex<HashMap<&'static str, Arc<str>>>);

impl Statements {
    /// Returns the text with this name, which `write` writes if it is asked for the first time.
    pub fn get(&self, name: &'static str, write: impl FnOnce() -> String) -> Arc<str> {
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(texts.entry(name).or_insert_with(|| write().into()))
    }
}

impl Clone for Statements {
    /// Returns an empty value: the clone is of a definition that may be changed.
    fn clone(&self) -> Self {
        Statements::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_written_once_and_a_clone_writes_its_own() {
        let statements = Statements::default();
        assert_eq!(&*statements.get("a", || "one".to_owned()), "one");
        assert_eq!(&*statements.get("a", || "two".to_owned()), "one");
        assert_eq!(&*statements.get("b", || "two".to_owned()), "two");
        assert_eq!(&*statements.clone().get("a", || "three".to_owned()), "three");
    }
}
