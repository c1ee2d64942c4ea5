//! Names in the text of a statement.

use super::settings::read_as_written;

/// An identifier, quoted where it must be.
pub fn ident(name: &str) -> String {
    read_as_written(|| pgrx::spi::quote_identifier(name))
}

/// A schema-qualified name, quoted where it must be.
pub fn qualified(schema: &str, name: &str) -> String {
    read_as_written(|| pgrx::spi::quote_qualified_identifier(schema, name))
}
