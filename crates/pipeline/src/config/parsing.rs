//! The way from a document to its text.

use serde::{Deserialize, Serialize};

/// `ai.parsing_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Parsing {
    /// The parser that is asked for.
    #[serde(flatten)]
    pub parser: ParserChoice,
    /// True if the queue keeps the texts of documents.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keep_text: bool,
}

/// The parser that a vectorizer asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "implementation", rename_all = "snake_case")]
pub enum ParserChoice {
    /// The parser is chosen by the document's type.
    #[default]
    Auto,
    /// The payload is text already.
    None,
    /// pgai's name for its PDF and EPUB parser; here the same as [`ParserChoice::Auto`].
    Pymupdf,
    /// pgai's name for its layout-aware parser; here the same as [`ParserChoice::Auto`].
    Docling,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_kept_where_it_is_said() {
        let read = |json: &str| serde_json::from_str::<Parsing>(json);
        let auto = Parsing { parser: ParserChoice::Auto, keep_text: false };
        let stored = r#"{"config_type": "parsing", "implementation": "auto"}"#;
        assert_eq!(read(stored).unwrap(), auto);
        let kept = r#"{"config_type": "parsing", "implementation": "auto", "keep_text": true}"#;
        assert_eq!(read(kept).unwrap(), Parsing { keep_text: true, ..auto });
        assert_eq!(serde_json::to_string(&auto).unwrap(), r#"{"implementation":"auto"}"#);

        let unknown = read(r#"{"implementation": "magic"}"#).unwrap_err().to_string();
        assert!(unknown.contains("unknown variant `magic`"), "{unknown}");
        assert!(read(r#"{"implementation": "auto", "keep_text": "yes"}"#).is_err());
    }
}
