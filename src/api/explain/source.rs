//! The table whose rows are looked at.

use pgrx::pg_sys;

use pgai_rs_pipeline::config::{Author, Loading, VectorizerConfig};
use pgai_rs_queue::definition::Field;

use crate::catalog::relation::{Column, Relation};
use crate::catalog::source_columns::template_columns;
use crate::catalog::table::Table;
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::sql;

/// A table, and what of it a vectorizer would read.
pub struct ExplainedSource {
    /// The table.
    pub table: Table,
    /// The author of the config.
    pub author: Author,
    /// The column that is loaded.
    pub loaded: Field,
    /// True if it holds the addresses of documents.
    pub by_address: bool,
    /// The column with the sizes of these documents, if the table is that of an S3 source.
    pub size: Option<Field>,
    /// The columns that the template names.
    pub fields: Vec<Field>,
}

impl ExplainedSource {
    /// Returns what a vectorizer with this config would read of a table with these columns.
    pub fn new(
        relation: &Relation,
        columns: &[Column],
        config: &VectorizerConfig,
        author: Author,
    ) -> Result<Self, PgError> {
        let name = config.loading.column_name();
        let loaded = columns.iter().find(|column| column.name == name).map(field).ok_or_else(|| {
            PgError::raised(format!("column {name:?} of {} does not exist", relation.qualified()))
        })?;
        let by_address = matches!(config.loading, Loading::Uri { .. });
        Ok(ExplainedSource {
            table: relation.table()?,
            author,
            loaded,
            size: if by_address { size_column(relation.oid, columns)? } else { None },
            by_address,
            fields: template_columns(columns, &config.formatting)?.into_iter().map(field).collect(),
        })
    }
}

fn field(column: &Column) -> Field {
    Field { name: column.name.clone(), type_name: column.type_name.clone() }
}

/// Returns the column in which an S3 source keeps the sizes of its objects, if this is its table.
fn size_column(table: pg_sys::Oid, columns: &[Column]) -> Result<Option<Field>, PgError> {
    let look = "SELECT FROM ai.s3_source s WHERE s.target = $1";
    let is_s3_source = !as_superuser(|| sql::read_now(look, &[table.into()], |_| Ok(())))?.is_empty();
    let size = columns.iter().find(|column| column.name == "size" && column.type_name == "int8");
    Ok(size.filter(|_| is_s3_source).map(field))
}
