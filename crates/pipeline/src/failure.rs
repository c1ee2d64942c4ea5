//! Failures of documents: the reason, the scope, and what becomes of the document.

use std::fmt;
use std::time::Duration;

use crate::message::storable_message;

/// The stage in which a document failed.
///
/// A later one is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// Fetching the document.
    Loading,
    /// Turning it into text.
    Parsing,
    /// Cutting the text.
    Chunking,
    /// Filling the template.
    Formatting,
    /// Asking the model.
    Embedding,
    /// Writing to the store.
    Writing,
}

impl Step {
    /// All of them, in the order in which a document takes them.
    pub const ALL: [Step; 6] =
        [Step::Loading, Step::Parsing, Step::Chunking, Step::Formatting, Step::Embedding, Step::Writing];
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::Loading => "loading",
            Step::Parsing => "parsing",
            Step::Chunking => "chunking",
            Step::Formatting => "formatting",
            Step::Embedding => "embedding",
            Step::Writing => "writing",
        })
    }
}

/// The scope of a failure: the row alone, or all rows that would meet the same.
///
/// It is set where the failure is made, by whoever knows; everybody else reads it here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The row: the others go on.
    Row,
    /// All rows whose documents lie in the same object store, which is a bucket as its vectorizer asks it.
    Store,
    /// All rows of the vectorizer, because of its model's provider.
    Provider,
    /// All rows of the vectorizer, because a quota or a budget is used up.
    Limit,
    /// All rows of the vectorizer, for another reason.
    Vectorizer,
}

/// The way in which a row is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It would fail again: set the row aside now.
    Never,
    /// An attempt is spent, with backoff: something about this row may pass, or nobody can tell whether
    /// it is the row's fault.
    Backoff,
    /// The row is tried again after this time, and no attempt is spent: it is not its fault (provider throttled, no key).
    After(Duration),
    /// The row is tried again as soon as what the failure's scope names is in order, and no attempt is spent: it is not its
    /// fault (storage or provider down).
    OnRecovery,
    /// Nothing has failed: the row waits, at the latest until this time in microseconds since 1970, for what its vectorizer has
    /// asked for. Whoever has the answer makes the row due by that time, which nothing else has.
    Until(i64),
}

/// The reason why a document failed, in words that lead to the fix.
///
/// None of the texts holds a secret, a signed URL or a part of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The stage that failed.
    pub step: Step,
    /// A stable word for machines: `no_such_key`, `access_denied`, `throttled`, `bad_response` …
    pub code: &'static str,
    /// The message that says what happened.
    pub message: String,
    /// The advice to a person who can do something about it.
    pub hint: Option<String>,
    /// The rows that it concerns.
    pub scope: Scope,
    /// The rule for trying again.
    pub retry: Retry,
}

/// The largest number of bytes of a message, whatever it quotes: an address may have megabytes.
const LONGEST_MESSAGE: usize = 500;

impl Failure {
    /// A failure without a hint, whose message is cut if it is long. One that costs its row a try, or more, is the row's; any other concerns
    /// the whole vectorizer. [`concerning`](Self::concerning) says otherwise.
    pub fn new(step: Step, code: &'static str, message: impl Into<String>, retry: Retry) -> Self {
        let scope = match retry {
            Retry::Never | Retry::Backoff | Retry::Until(_) => Scope::Row,
            Retry::After(_) | Retry::OnRecovery => Scope::Vectorizer,
        };
        let message = storable_message(message.into(), LONGEST_MESSAGE);
        Failure { step, code, message, hint: None, scope, retry }
    }

    /// Says whom it concerns.
    pub fn concerning(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// Makes the failure the fault of its row alone, which is tried again.
    pub fn of_row(self) -> Self {
        Failure { scope: Scope::Row, retry: Retry::Backoff, ..self }
    }

    /// Adds what a person can do about it.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed: {}", self.step, self.message)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_can_be_stored_whatever_it_quotes() {
        let failed = |message: String| Failure::new(Step::Loading, "c", message, Retry::Never).message;
        assert_eq!(failed("é".repeat(LONGEST_MESSAGE)), format!("{}...", "é".repeat(LONGEST_MESSAGE / 2)));
        assert_eq!(failed("the code \0 was unknown".to_owned()), "the code   was unknown");
    }
}
