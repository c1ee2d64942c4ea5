//! The search that a vectorizer is prepared for.

use serde::{Deserialize, Serialize};

/// `ai.search_*`: what is kept beside the vectors, so that chunks are found by their words as well.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "implementation", rename_all = "snake_case")]
pub enum Search {
    /// Nothing: chunks are found by their vectors.
    #[default]
    None,
    /// The words of each chunk.
    Hybrid {
        /// The text search configuration by which a text is cut into words, as `regconfig` reads it. Without a schema it is
        /// one of Postgres's own.
        language: String,
    },
}

impl Search {
    /// Returns the text search configuration with its schema, as `regconfig` reads it; `None` if no words are kept.
    pub fn qualified_language(&self) -> Option<String> {
        match self {
            Search::None => None,
            Search::Hybrid { language } if has_schema(language) => Some(language.clone()),
            Search::Hybrid { language } => Some(format!("pg_catalog.{language}")),
        }
    }
}

/// Returns whether a name has a dot outside quotes.
fn has_schema(name: &str) -> bool {
    let mut is_quoted = false;
    name.chars().any(|c| {
        is_quoted ^= c == '"';
        c == '.' && !is_quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_builders_write() {
        let read = |json: &str| serde_json::from_str::<Search>(json);
        assert_eq!(read(r#"{"config_type": "search", "implementation": "none"}"#).unwrap(), Search::None);
        let stored = r#"{"config_type": "search", "implementation": "hybrid", "language": "german",
                         "words_schema": "public", "words_table": "document_embedding_store_words"}"#;
        assert_eq!(read(stored).unwrap(), Search::Hybrid { language: "german".to_owned() });
        assert!(read(r#"{"implementation": "hybrid"}"#).is_err());
        assert!(read(r#"{"implementation": "magic"}"#).is_err());
    }

    #[test]
    fn a_language_without_a_schema_is_postgres_s_own() {
        let qualified =
            |language: &str| Search::Hybrid { language: language.to_owned() }.qualified_language();
        assert_eq!(qualified("english").as_deref(), Some("pg_catalog.english"));
        assert_eq!(qualified("public.mine").as_deref(), Some("public.mine"));
        assert_eq!(qualified(r#""a.b""#).as_deref(), Some(r#"pg_catalog."a.b""#));
        assert_eq!(qualified(r#""a.b"."c""#).as_deref(), Some(r#""a.b"."c""#));
        assert_eq!(Search::None.qualified_language(), None);
    }
}
