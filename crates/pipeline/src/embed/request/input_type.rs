//! The purpose for which a text is embedded. Some models give a question and its answer different
//! vectors.

use crate::embed::error::invalid;
use crate::failure::Failure;

/// The purpose for which a text is embedded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::embed) enum Purpose<'a> {
    /// The text is to be found.
    Document,
    /// The text is to find others, or whatever the caller says: `query`, `document` or a word of the
    /// provider's.
    Query(Option<&'a str>),
}

/// A provider's words for what a text is embedded for.
#[derive(Debug)]
pub(in crate::embed) struct InputTypes {
    /// Name of the option.
    pub option: &'static str,
    /// All that it may be.
    pub all: &'static [&'static str],
    /// The word for a text that is to be found.
    pub document: &'static str,
    /// The word for a text that finds others.
    pub query: &'static str,
    /// The word for documents of which nothing is declared.
    pub default: Option<&'static str>,
    /// The word for queries, where documents have none.
    pub untyped_query: Option<&'static str>,
}

impl InputTypes {
    /// Chooses the word that is sent for this purpose, if documents are declared to be something.
    ///
    /// # Errors
    ///
    /// `invalid_embedding` for a word that the provider does not know.
    pub(in crate::embed) fn choose<'a>(
        &self,
        provider: &str,
        declared: Option<&'a str>,
        purpose: Purpose<'a>,
    ) -> Result<Option<&'a str>, Failure> {
        let document = declared.or(self.default);
        let chosen = match purpose {
            Purpose::Document => document,
            Purpose::Query(Some("query")) => Some(self.query),
            Purpose::Query(Some("document")) => Some(self.document),
            Purpose::Query(Some(other)) => Some(other),
            Purpose::Query(None) if document == Some(self.document) => Some(self.query),
            Purpose::Query(None) => document.or(self.untyped_query),
        };

        match chosen {
            Some(unknown) if !self.all.contains(&unknown) => Err(invalid(
                format!("invalid {} for {provider}: {unknown:?}", self.option),
                format!("The possible values are {}.", self.all.join(", ")),
            )),
            chosen => Ok(chosen),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPES: InputTypes = InputTypes {
        option: "input_type",
        all: &["search_document", "search_query", "clustering"],
        document: "search_document",
        query: "search_query",
        default: Some("search_document"),
        untyped_query: None,
    };

    #[test]
    fn a_query_is_the_counterpart_of_a_document() {
        let choose = |declared, purpose| TYPES.choose("P", declared, purpose).unwrap();
        assert_eq!(choose(None, Purpose::Document), Some("search_document"));
        assert_eq!(choose(None, Purpose::Query(None)), Some("search_query"));
        assert_eq!(choose(Some("clustering"), Purpose::Query(None)), Some("clustering"));
        assert_eq!(choose(Some("clustering"), Purpose::Query(Some("query"))), Some("search_query"));
        assert_eq!(choose(None, Purpose::Query(Some("document"))), Some("search_document"));
    }

    #[test]
    fn where_documents_have_no_type_the_provider_decides() {
        for untyped_query in [None, Some("search_query")] {
            let types = InputTypes { default: None, untyped_query, ..TYPES };
            assert_eq!(types.choose("P", None, Purpose::Document).unwrap(), None);
            assert_eq!(types.choose("P", None, Purpose::Query(None)).unwrap(), untyped_query);
        }
    }

    #[test]
    fn refuses_an_unknown_word() {
        let failure = TYPES.choose("P", Some("poem"), Purpose::Document).unwrap_err();
        assert_eq!(failure.message, "invalid input_type for P: \"poem\"");
        assert_eq!(
            failure.hint.unwrap(),
            "The possible values are search_document, search_query, clustering."
        );
    }
}
