//! Names in the text of a statement.

use super::settings::read_as_written;

/// Returns an identifier, quoted if necessary.
pub fn ident(name: &str) -> String {
    read_as_written(|| pgrx::spi::quote_identifier(name))
}

/// Returns a schema-qualified name, quoted if necessary.
pub fn qualified(schema: &str, name: &str) -> String {
    read_as_written(|| pgrx::spi::quote_qualified_identifier(schema, name))
}
