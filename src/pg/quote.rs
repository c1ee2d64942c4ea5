//! Names in the text of a statement.

use super::settings::read_as_written;

/// Maximum length of an identifier in bytes: Postgres's NAMEDATALEN minus one.
pub const MAX_IDENTIFIER: usize = 63;

/// Returns a name with an ending, for which a long name is shortened.
pub fn with_ending(name: &str, ending: &str) -> String {
    let kept = name.floor_char_boundary(MAX_IDENTIFIER.saturating_sub(ending.len()));
    format!("{}{ending}", &name[..kept])
}

/// Returns an identifier, quoted if necessary.
pub fn ident(name: &str) -> String {
    read_as_written(|| pgrx::spi::quote_identifier(name))
}

/// Returns a schema-qualified name, quoted if necessary.
pub fn qualified(schema: &str, name: &str) -> String {
    read_as_written(|| pgrx::spi::quote_qualified_identifier(schema, name))
}
