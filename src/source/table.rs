//! A source's table. It is accessed as its owner, in transactions of its own.

use std::collections::HashSet;

use pgrx::datum::DatumWithOid;
use pgrx::{PgSqlErrorCode, pg_sys};

use pgai_rs_pipeline::source::{ListingPage, Object, S3Prefix, Sidecar, metadata_version};

use super::entry::S3Source;
use super::runs::Run;
use super::seen_name;
use super::statements::SourceStatements;
use super::target;
use super::write::{self, Refused};
use crate::catalog::relation::Relation;
use crate::catalog::table as catalog;
use crate::pg::error::PgError;
use crate::pg::identity::{as_user_on, with_own_search_path};
use crate::pg::roles::role_name;
use crate::pg::sql;
use crate::pg::statement::Tables;
use crate::pg::transaction::{make_constraints_immediate, transaction};

/// The table, and the statements that run on it.
pub struct MirrorTable {
    target: catalog::Table,
    /// The table of seen keys, which has the same owner.
    seen: catalog::Table,
    named: Tables,
    statements: SourceStatements,
    /// The version of metadata without a sidecar; `None` if metadata is not read.
    version: Option<String>,
}

/// An object that the table lacks, or has with another etag or size.
#[derive(Debug, Clone)]
pub struct Difference {
    /// The object in S3.
    pub object: Object,
    /// True if the table has no row for it.
    pub new: bool,
}

/// A slice of the table's rows.
#[derive(Debug)]
pub struct Slice {
    /// Its last address; `None` at the end of the table.
    pub last: Option<String>,
    /// The number of its rows that are the source's.
    pub rows: u64,
    /// The addresses of those that the listing has not seen.
    pub vanished: Vec<String>,
}

/// Rows of a slice of the table whose sidecars are others than those that their metadata is of.
#[derive(Debug)]
pub struct OtherSidecars {
    /// The last address of the slice; `None` at the end of the table.
    pub last: Option<String>,
    /// The addresses of these rows.
    pub uris: Vec<String>,
}

/// The result of writing rows.
#[derive(Debug, Default)]
pub struct Written {
    /// The number of rows that were inserted, updated or deleted.
    pub rows: u64,
    /// Those that the table refused.
    pub refused: Vec<Refused>,
}

/// Converts objects to a statement's parameters, one array per column.
struct Columns<'a> {
    prefix: &'a S3Prefix,
    objects: &'a [&'a Object],
}

impl Columns<'_> {
    fn uris(&self) -> DatumWithOid<'static> {
        self.objects.iter().map(|object| self.prefix.uri(&object.key)).collect::<Vec<_>>().into()
    }

    fn etags(&self) -> DatumWithOid<'static> {
        self.objects.iter().map(|object| object.etag.clone()).collect::<Vec<_>>().into()
    }

    fn sizes(&self) -> DatumWithOid<'static> {
        let size = |object: &&Object| i64::try_from(object.size).unwrap_or(i64::MAX);
        self.objects.iter().map(size).collect::<Vec<_>>().into()
    }

    fn times(&self) -> DatumWithOid<'static> {
        self.objects.iter().map(|object| object.last_modified).collect::<Vec<_>>().into()
    }

    fn types(&self) -> DatumWithOid<'static> {
        self.objects.iter().map(|object| object.content_type.clone()).collect::<Vec<_>>().into()
    }

    fn metadata(&self) -> DatumWithOid<'static> {
        let json = |object: &&Object| object.metadata.as_ref().map(|metadata| metadata.json.clone());
        self.objects.iter().map(json).collect::<Vec<_>>().into()
    }

    fn versions(&self) -> DatumWithOid<'static> {
        let version = |object: &&Object| object.metadata.as_ref().map(|metadata| metadata.version.clone());
        self.objects.iter().map(version).collect::<Vec<_>>().into()
    }
}

impl MirrorTable {
    /// Loads the table of a source.
    ///
    /// # Errors
    ///
    /// If the table is not suitable, with the statement that repairs it as the hint.
    pub fn load(entry: &S3Source) -> Result<MirrorTable, PgError> {
        let metadata = &entry.declared.config.metadata;
        let (relation, target, seen) = transaction(|| {
            let relation = Relation::load(entry.declared.target)?.ok_or_else(|| gone(entry))?;
            target::require_table(&relation)?;
            require_same_owner(entry, &relation)?;
            target::require_columns(&relation, !metadata.is_empty())?;
            target::require_unique(&relation)?;
            target::require_vectorizers_ready(&relation)?;
            let target = relation.table()?;
            let seen = catalog::Table::look(entry.seen);
            let seen = seen.filter(|seen| seen.owner == target.owner).ok_or_else(|| changed(&target))?;
            Ok((relation, target, seen))
        })?;
        let statements = SourceStatements::new(entry.id, &relation, asks_about_objects(entry), metadata);
        let version = (!metadata.is_empty()).then(|| metadata_version(metadata, ""));
        Ok(MirrorTable { named: [target.oid, seen.oid].into(), target, seen, statements, version })
    }

    /// Locks both tables. Errors if one of them has changed since the statements were written, because its
    /// name may mean another table by now.
    fn hold(&self) -> Result<(), PgError> {
        for table in [&self.target, &self.seen] {
            table.hold(pg_sys::AccessShareLock).map_err(|_| changed(table))?;
        }
        Ok(())
    }

    /// Runs `f` in a transaction as the table's owner. Constraints are immediate, so that nothing is left to
    /// run at commit. Parameters must be made within `f`: they need memory of the transaction.
    fn apply<R>(&self, f: impl FnOnce() -> Result<R, PgError>) -> Result<R, PgError> {
        transaction(|| {
            self.hold()?;
            as_user_on(self.target.owner, &self.named, || {
                make_constraints_immediate();
                f()
            })
        })
    }

    /// Runs `f` as [`apply`](Self::apply) does, but with the owner's search path, for the owner's triggers on
    /// the table.
    fn write<R>(&self, f: impl FnOnce() -> Result<R, PgError>) -> Result<R, PgError> {
        self.apply(|| with_own_search_path(f))
    }

    /// Deletes the keys that an earlier worker has recorded as seen by this run.
    pub fn forget_run(&self, run: Run) -> Result<(), PgError> {
        self.apply(|| sql::execute(&self.statements.forget_run, &[run.number.into()])).map(drop)
    }

    /// Deletes all seen keys. If it is not done, no harm results, because each run reads its own only.
    pub fn forget_seen(&self) -> Result<(), PgError> {
        self.apply(|| {
            let seen = sql::read(&self.statements.has_seen, &[], |row| row.get::<bool>(1))?;
            if seen.contains(&true) {
                sql::execute(&self.statements.forget, &[])?;
            }
            Ok(())
        })
    }

    /// Records that a run has seen the objects of a page and their sidecars. Returns the objects that are to be written,
    /// because the table lacks them, or has them with another etag or size, or with metadata that may be another.
    pub fn see(&self, run: Run, prefix: &S3Prefix, page: &ListingPage) -> Result<Vec<Difference>, PgError> {
        let objects = &page.objects;
        let refs: Vec<&Object> = objects.iter().collect();
        let columns = Columns { prefix, objects: &refs };
        let differing = self.apply(|| {
            if !page.sidecars.is_empty() {
                let (uris, etags) = sidecars(prefix, &page.sidecars);
                sql::execute(&self.statements.see_sidecars, &[uris, etags, run.number.into()])?;
            }
            sql::execute(&self.statements.see, &[columns.uris(), run.number.into()])?;

            let mut args = vec![columns.uris(), columns.etags(), columns.sizes()];
            if let Some(version) = &self.version {
                args.extend([columns.times(), version.clone().into(), run.refresh_metadata.into()]);
            }
            sql::query(&self.statements.compare, &args, |row| Ok((row.get::<i64>(1)?, row.get::<bool>(2)?)))
        })?;

        let mut differences = Vec::with_capacity(differing.len());
        for (ordinal, new) in differing {
            if let Some(object) = usize::try_from(ordinal - 1).ok().and_then(|index| objects.get(index)) {
                differences.push(Difference { object: object.clone(), new });
            }
        }
        Ok(differences)
    }

    /// Records that these addresses exist, for a run that may have passed them already.
    pub fn note_seen(&self, run: Run, uris: Vec<String>) -> Result<(), PgError> {
        self.apply(|| sql::execute(&self.statements.see, &[uris.into(), run.number.into()])).map(drop)
    }

    /// Writes objects, where their rows differ.
    pub fn upsert(&self, prefix: &S3Prefix, objects: &[Object]) -> Result<Written, PgError> {
        let rows: Vec<(String, &Object)> = objects.iter().map(|o| (prefix.uri(&o.key), o)).collect();
        let mut written = Written::default();
        written.refused = write::each(&rows, &mut |rows: &[(String, &Object)]| {
            let objects: Vec<&Object> = rows.iter().map(|(_, object)| *object).collect();
            let c = Columns { prefix, objects: &objects };
            let args = || {
                let mut args = vec![c.uris(), c.etags(), c.sizes(), c.times(), c.types()];
                if self.version.is_some() {
                    args.extend([c.metadata(), c.versions()]);
                }
                args
            };
            written.rows += self.write(|| sql::execute(&self.statements.upsert, &args()))?;
            Ok(())
        })?;
        Ok(written)
    }

    /// Deletes the rows of addresses.
    pub fn delete(&self, uris: Vec<String>) -> Result<Written, PgError> {
        let rows: Vec<(String, ())> = uris.into_iter().map(|uri| (uri, ())).collect();
        let mut written = Written::default();
        written.refused = write::each(&rows, &mut |rows: &[(String, ())]| {
            let uris: Vec<String> = rows.iter().map(|(uri, ())| uri.clone()).collect();
            written.rows += self.write(|| sql::execute(&self.statements.delete, &[uris.into()]))?;
            Ok(())
        })?;
        Ok(written)
    }

    /// Returns the number of its rows; of a large table, about that.
    pub fn count(&self) -> Result<u64, PgError> {
        let counts = self.apply(|| sql::query(&self.statements.count, &[], |row| row.get::<i64>(1)))?;
        Ok(counts.first().and_then(|count| u64::try_from(*count).ok()).unwrap_or_default())
    }

    /// Returns those of these addresses that have no row.
    pub fn new_among(&self, uris: Vec<String>) -> Result<HashSet<String>, PgError> {
        let new = self.apply(|| sql::query(&self.statements.new_among, &[uris.into()], |row| row.get(1)))?;
        Ok(new.into_iter().collect())
    }

    /// Returns the rows of the slice after the address `after` whose sidecars are others than those that a run has seen.
    pub fn other_sidecars(&self, run: Run, prefix: &S3Prefix, after: &str) -> Result<OtherSidecars, PgError> {
        let version = self.version.clone().unwrap_or_default();
        let slices = self.apply(|| {
            let prefix = prefix.to_string();
            let args = [prefix.into(), after.to_owned().into(), run.number.into(), version.into()];
            sql::query(&self.statements.other_sidecars, &args, |row| {
                Ok(OtherSidecars { last: row.get_opt(1)?, uris: row.get_opt(2)?.unwrap_or_default() })
            })
        })?;
        slices.into_iter().next().ok_or_else(|| PgError::internal("aggregate query returned no row"))
    }

    /// Returns the slice of rows after the address `after`, compared with what a run has seen.
    pub fn slice(&self, run: Run, prefix: &S3Prefix, after: &str) -> Result<Slice, PgError> {
        let slices = self.apply(|| {
            let args = [prefix.to_string().into(), after.to_owned().into(), run.number.into()];
            sql::query(&self.statements.vanished, &args, |row| {
                let rows = u64::try_from(row.get::<i64>(2)?).unwrap_or_default();
                Ok(Slice { last: row.get_opt(1)?, rows, vanished: row.get_opt(3)?.unwrap_or_default() })
            })
        })?;
        slices.into_iter().next().ok_or_else(|| PgError::internal("aggregate query returned no row"))
    }
}

/// Returns whether S3 is asked about each object. With a queue of events it always is, because an event may
/// be outdated; and with metadata, which a listing does not tell.
pub fn asks_about_objects(entry: &S3Source) -> bool {
    let config = &entry.declared.config;
    config.head_objects || config.queue_url.is_some() || !config.metadata.is_empty()
}

/// Converts sidecars to a statement's parameters: the addresses of their documents, and their etags.
fn sidecars(prefix: &S3Prefix, sidecars: &[Sidecar]) -> (DatumWithOid<'static>, DatumWithOid<'static>) {
    let uris: Vec<String> = sidecars.iter().map(|sidecar| prefix.uri(&sidecar.document)).collect();
    let etags: Vec<String> = sidecars.iter().map(|sidecar| sidecar.etag.clone()).collect();
    (uris.into(), etags.into())
}

fn gone(entry: &S3Source) -> PgError {
    PgError::new(PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE, "the source's table does not exist")
        .with_hint(format!("SELECT ai.drop_s3_source('{}');", entry.name))
}

fn changed(table: &catalog::Table) -> PgError {
    PgError::new(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("the definition of {} was changed since the run began", table.qualified()),
    )
    .with_detail("Its owner, its name or its schema was changed.")
    .with_hint("The next run uses the present definition.")
}

/// Errors unless the table and the source have the same owner, whose rights all of the work uses.
fn require_same_owner(entry: &S3Source, relation: &Relation) -> Result<(), PgError> {
    if relation.owner == entry.owner {
        return Ok(());
    }
    let owner = role_name(relation.owner)?;
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        format!("{} and its S3 source have different owners", relation.qualified()),
    )
    .with_hint(format!("ALTER TABLE ai.{} OWNER TO {owner};", seen_name(entry.id))))
}
