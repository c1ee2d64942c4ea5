//! Names and texts in the text of a statement.

/// Returns an identifier, in quotes.
///
/// ```
/// assert_eq!(pgai_rs_queue::quote::ident("user"), r#""user""#);
/// assert_eq!(pgai_rs_queue::quote::ident(r#"a "name""#), r#""a ""name""""#);
/// ```
pub fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Returns a schema-qualified name, in quotes.
pub fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", ident(schema), ident(name))
}

/// Returns a text as a literal, which reads the same whatever `standard_conforming_strings` is.
///
/// ```
/// assert_eq!(pgai_rs_queue::quote::literal("it's"), "'it''s'");
/// assert_eq!(pgai_rs_queue::quote::literal(r"C:\"), r"E'C:\\'");
/// ```
pub fn literal(text: &str) -> String {
    let quoted = format!("'{}'", text.replace('\'', "''"));
    match text.contains('\\') {
        true => format!("E{}", quoted.replace('\\', "\\\\")),
        false => quoted,
    }
}
