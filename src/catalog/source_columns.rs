//! The columns of its source that a vectorizer reads, and those whose change makes it read them again.

use pgrx::PgSqlErrorCode;

use pgai_rs_pipeline::config::{Formatting, Loading};
use pgai_rs_pipeline::format::Template;

use super::relation::Column;
use super::vectorizer::Vectorizer;
use crate::pg::error::PgError;

/// Returns the columns of a source that a template names, in their order.
pub fn template_columns<'a>(
    columns: &'a [Column],
    formatting: &Formatting,
) -> Result<Vec<&'a Column>, PgError> {
    let Formatting::PythonTemplate { template, document_fields } = formatting;
    let template = Template::parse(template).map_err(|error| PgError::raised(error.to_string()))?;
    let is_column = |name: &str| name != "chunk" && !document_fields.iter().any(|field| field == name);
    let named: Vec<&str> = template.placeholders().filter(|name| is_column(name)).collect();
    Ok(columns.iter().filter(|column| named.contains(&column.name.as_str())).collect())
}

impl Vectorizer {
    /// Returns the columns that the template names, in the source's order.
    pub fn template_columns(&self) -> Result<Vec<&Column>, PgError> {
        template_columns(&self.columns, &self.config.formatting)
    }

    /// Returns the columns, besides the key, whose change by a user makes a row be processed again.
    ///
    /// If the documents are outside the database, these are all columns except those that vectorizers write
    /// to: updating `updated_at` is how a user says that the object changed.
    pub fn watched_columns(&self) -> Result<Vec<&Column>, PgError> {
        match &self.config.loading {
            Loading::Uri { .. } => Ok(self.seen(|column| !self.embedding_columns.contains(&column.name))),
            Loading::Column { .. } => self.read_columns(),
        }
    }

    /// Returns the columns that the chunks are made of.
    pub fn read_columns(&self) -> Result<Vec<&Column>, PgError> {
        let template = self.template_columns()?;
        let loading = self.config.loading.column_name();
        Ok(self.seen(|column| column.name == loading || template.contains(&column)))
    }

    /// Returns the used columns that a trigger sees; virtual generated columns are replaced by those that
    /// they are generated from.
    fn seen(&self, used: impl Fn(&Column) -> bool) -> Vec<&Column> {
        let below: Vec<&String> =
            self.columns.iter().filter(|c| used(c)).flat_map(|column| &column.virtual_from).collect();
        let seen = |c: &&Column| c.virtual_from.is_empty() && (used(c) || below.contains(&&c.name));
        self.columns.iter().filter(seen).collect()
    }

    /// Returns the type of the column that is loaded. Errors if the column does not exist.
    pub fn loading_type(&self) -> Result<&str, PgError> {
        let name = self.config.loading.column_name();
        self.columns.iter().find(|c| c.name == name).map(|c| c.type_name.as_str()).ok_or_else(|| {
            PgError::new(
                PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
                format!("column {name:?} of the source of vectorizer \"{}\" does not exist", self.name),
            )
            .with_hint("Rename the column back, or drop the vectorizer and create it again.")
        })
    }
}
