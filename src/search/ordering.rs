//! The order of a search: by which distance, and written how, so that an index serves it.
//!
//! An index serves an ORDER BY only if that names its operator and casts the column as the index does. So the index
//! decides, and without one the config of the index to come.

use pgrx::pg_sys;

use pgai_rs_pipeline::config::indexing::Indexing;
use pgai_rs_pipeline::search::metric::Metric;

use super::columns;
use crate::catalog::vectorizer::Vectorizer;
use crate::pg::error::PgError;
use crate::pg::sql::{self, Row, ident};

/// The order of a search on one column of vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct Ordering {
    /// The distance.
    pub metric: Metric,
    /// pgvector's type `vector`.
    pub vector: pg_sys::Oid,
    /// The part of the vectors that is indexed; `None` if no index serves it.
    indexed: Option<Indexed>,
    /// The number of dimensions.
    dimensions: u32,
    /// The schema of pgvector.
    namespace: pg_sys::Oid,
    /// Its name, quoted if necessary.
    schema: String,
    /// The column of vectors, quoted if necessary.
    column: String,
    /// True if the column itself is a `halfvec`.
    is_halfvec: bool,
}

/// The part of the vectors that an index has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Indexed {
    /// The column itself.
    Column,
    /// The column cast to `halfvec`.
    CastToHalfvec,
    /// A bit for the sign of each number.
    Bits,
}

/// The indexes of a column `a.attname` of vectors, the best first: one of more than bits, one of the operator class `$3`
/// (its name after the type's), then one on the column itself.
///
/// The expression of an index is compared with the one that we would write, for the table's owner may have written
/// another.
const INDEXES: &str = "
    SELECT n.nspname::pg_catalog.text, v.oid, h.oid, i.operator, i.cast_to, n.oid
    FROM pg_catalog.pg_extension e
    JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) e.extnamespace
    JOIN pg_catalog.pg_type v ON v.typnamespace OPERATOR(pg_catalog.=) n.oid AND v.typname OPERATOR(pg_catalog.=) 'vector'
    JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) $1
         AND a.attname::pg_catalog.text OPERATOR(pg_catalog.=) $2 AND NOT a.attisdropped
    LEFT JOIN pg_catalog.pg_type h ON h.typnamespace OPERATOR(pg_catalog.=) n.oid AND h.typname OPERATOR(pg_catalog.=) 'halfvec'
         AND h.typtype OPERATOR(pg_catalog.=) 'b'
    LEFT JOIN LATERAL (
        SELECT o.oprname::pg_catalog.text AS operator,
               CASE WHEN x.indkey[0] OPERATOR(pg_catalog.=) 0 THEN ct.typname::pg_catalog.text END AS cast_to
        FROM pg_catalog.pg_index x
        JOIN pg_catalog.pg_opclass c ON c.oid OPERATOR(pg_catalog.=) x.indclass[0]
        JOIN pg_catalog.pg_type ct ON ct.oid OPERATOR(pg_catalog.=) c.opcintype
             AND (ct.typnamespace OPERATOR(pg_catalog.=) n.oid
                  OR ct.oid OPERATOR(pg_catalog.=) 'pg_catalog.bit'::pg_catalog.regtype)
        JOIN pg_catalog.pg_amop m ON m.amopfamily OPERATOR(pg_catalog.=) c.opcfamily
             AND m.amoppurpose OPERATOR(pg_catalog.=) 'o'
             AND m.amoplefttype OPERATOR(pg_catalog.=) c.opcintype
             AND m.amoprighttype OPERATOR(pg_catalog.=) c.opcintype
        JOIN pg_catalog.pg_operator o ON o.oid OPERATOR(pg_catalog.=) m.amopopr
             AND o.oprnamespace OPERATOR(pg_catalog.=) n.oid
        WHERE x.indrelid OPERATOR(pg_catalog.=) $1 AND x.indisvalid AND x.indpred IS NULL
          AND (x.indkey[0] OPERATOR(pg_catalog.=) a.attnum
               OR x.indkey[0] OPERATOR(pg_catalog.=) 0
                  AND pg_catalog.pg_get_expr(x.indexprs, x.indrelid) OPERATOR(pg_catalog.=)
                      CASE WHEN ct.typname OPERATOR(pg_catalog.=) 'halfvec'
                           THEN pg_catalog.format('(%I)::%s', a.attname, pg_catalog.format_type(ct.oid, $4))
                           WHEN o.oprname OPERATOR(pg_catalog.=) '<~>'
                                AND (a.atttypid OPERATOR(pg_catalog.=) v.oid OR a.atttypid OPERATOR(pg_catalog.=) h.oid)
                           THEN pg_catalog.format('(%I.binary_quantize(%I))::%s', n.nspname, a.attname,
                                                  pg_catalog.format_type(ct.oid, $4)) END)
          -- Its schema may be one in which others make operators, and those of `bit` came with 0.7 only.
          AND EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_operator'::pg_catalog.regclass
                        AND d.objid OPERATOR(pg_catalog.=) o.oid
                        AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass
                        AND d.refobjid OPERATOR(pg_catalog.=) e.oid AND d.deptype OPERATOR(pg_catalog.=) 'e')
        ORDER BY ct.typname OPERATOR(pg_catalog.=) 'bit', c.opcname::pg_catalog.text OPERATOR(pg_catalog.=)
                     pg_catalog.format('%s_%s', ct.typname, $3) DESC,
                 x.indkey[0] OPERATOR(pg_catalog.=) 0, x.indexrelid
        LIMIT 1) i ON true
    WHERE e.extname OPERATOR(pg_catalog.=) 'vector'";

impl Ordering {
    /// Returns the order of a search in a vectorizer's vectors, as their indexes are now. Errors if pgvector or the
    /// column is gone. Must be called under the pinned path, as which expressions are written.
    pub fn of(vectorizer: &Vectorizer) -> Result<Ordering, PgError> {
        let (_, column) = vectorizer.vectors();
        let dimensions = vectorizer.config.embedding.dimensions();
        let wanted = wanted(vectorizer);
        let read = |row: &Row<'_>| {
            let (metric, indexed) = indexed(row.get_opt(4)?, row.get_opt(5)?).unzip();
            Ok(Ordering {
                metric: metric.flatten().unwrap_or(wanted),
                vector: row.get(2)?,
                indexed,
                dimensions,
                namespace: row.get(6)?,
                schema: ident(&row.get::<String>(1)?),
                column: ident(column),
                is_halfvec: is_halfvec(vectorizer, row.get(2)?, row.get_opt(3)?)?,
            })
        };

        let args = [
            vectorizer.table_of_vectors().into(),
            column.to_owned().into(),
            wanted.opclass().to_owned().into(),
            i32::try_from(dimensions).unwrap_or(-1).into(),
        ];
        let found = sql::read_now(INDEXES, &args, read)?;
        found.into_iter().next().ok_or_else(|| {
            PgError::raised(format!("vectorizer \"{}\" has no column of vectors", vectorizer.name)).with_hint(
                "Check that extension vector is installed, or drop the vectorizer and create it again.",
            )
        })
    }

    /// Returns whether an index serves it.
    pub fn is_indexed(&self) -> bool {
        self.indexed.is_some()
    }

    /// Returns whether the index knows only roughly which rows are the nearest, so that more of them have to be compared
    /// exactly.
    pub fn is_rough(&self) -> bool {
        self.indexed == Some(Indexed::Bits)
    }

    /// Returns whether pgvector's types are still in the schema that the order names. A schema's new name disturbs
    /// watches; that an extension has moved to another schema does not.
    pub fn has_its_schema(&self) -> bool {
        // SAFETY: looks up the catalogs on the main thread, in a transaction; the entry is released again.
        unsafe {
            let kind = pg_sys::Datum::from(self.vector);
            let found = pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::TYPEOID as _, kind);
            if found.is_null() {
                return false;
            }
            let schema = (*pg_sys::GETSTRUCT(found).cast::<pg_sys::FormData_pg_type>()).typnamespace;
            pg_sys::ReleaseSysCache(found);
            schema == self.namespace
        }
    }

    /// Returns the distance between the vector of a row, in full precision, and `$1`. Both have a type of pgvector's, to
    /// which a domain over it is converted: there may be an operator of somebody's for the domain.
    pub fn distance(&self, alias: &str) -> String {
        let (stored, given) = self.vectors_and_question(alias);
        self.between(&stored, &given)
    }

    /// Returns what an index orders by.
    pub fn by_index(&self, alias: &str) -> String {
        let Ordering { schema, dimensions, column, .. } = self;
        match self.indexed {
            None | Some(Indexed::Column) => self.distance(alias),
            Some(Indexed::CastToHalfvec) => {
                let cast = format!("::{schema}.halfvec({dimensions})");
                self.between(&format!("({alias}.{column}{cast})"), &format!("$1{cast}"))
            }
            Some(Indexed::Bits) => {
                let (_, given) = self.vectors_and_question(alias);
                let bits =
                    |of: &str| format!("({schema}.binary_quantize({of})::pg_catalog.bit({dimensions}))");
                // The column has one of pgvector's own types here. A cast to it would be another expression than the index's.
                format!("{} OPERATOR({schema}.<~>) {}", bits(&self.vectors(alias)), bits(&given))
            }
        }
    }

    /// Returns the vector of a row and `$1`, both as the type that the column has.
    fn vectors_and_question(&self, alias: &str) -> (String, String) {
        let cast = format!("::{}.{}", self.schema, if self.is_halfvec { "halfvec" } else { "vector" });
        (format!("{alias}.{}{cast}", self.column), format!("$1{cast}"))
    }

    /// Returns an order by distance that no index serves: Postgres finds the rows in another way, and sorts them.
    pub fn exactly(&self, alias: &str) -> String {
        format!("({}) OPERATOR(pg_catalog.+) 0::pg_catalog.float8", self.distance(alias))
    }

    /// Returns the column of vectors.
    pub fn vectors(&self, alias: &str) -> String {
        format!("{alias}.{}", self.column)
    }

    fn between(&self, left: &str, right: &str) -> String {
        format!("{left} OPERATOR({}.{}) {right}", self.schema, self.metric.operator())
    }
}

/// Returns the metric of an index, if it tells one, and what is indexed; `None` if there is no index. The index orders by
/// the operator, and is on the column cast to a type if one is given.
fn indexed(operator: Option<String>, cast_to: Option<String>) -> Option<(Option<Metric>, Indexed)> {
    let operator = operator?;
    match cast_to.as_deref() {
        Some("bit") => Some((None, Indexed::Bits)),
        Some(_) => Some((Some(Metric::of_operator(&operator)?), Indexed::CastToHalfvec)),
        None => Some((Some(Metric::of_operator(&operator)?), Indexed::Column)),
    }
}

/// Returns whether a vectorizer's column of vectors is a `halfvec`, rather than a `vector`. Errors (42804) if it is neither, so
/// that operators of somebody's would be meant.
fn is_halfvec(
    vectorizer: &Vectorizer,
    vector: pg_sys::Oid,
    halfvec: Option<pg_sys::Oid>,
) -> Result<bool, PgError> {
    let (_, column) = vectorizer.vectors();
    let relations = &vectorizer.relations;
    let table =
        relations.store.as_ref().filter(|_| vectorizer.store().is_some()).unwrap_or(&relations.source);
    match columns::base_type(table.oid, column) {
        Some(found) if found == vector => Ok(false),
        Some(found) if Some(found) == halfvec => Ok(true),
        _ => Err(columns::other_type(table, column)),
    }
}

/// Returns the metric of the index that the config asks for; if it asks for none, that of `ai.indexing_hnsw()`.
fn wanted(vectorizer: &Vectorizer) -> Metric {
    match vectorizer.config.indexing.get() {
        Ok(Indexing::Hnsw { index, .. }) => Metric::of_opclass(&index.opclass).unwrap_or(Metric::Cosine),
        _ => Metric::Cosine,
    }
}
