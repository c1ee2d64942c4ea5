//! Views that read a store, or a column of vectors, kept while it is replaced: they are defined anew by the names that the new one
//! gets.
//!
//! They may belong to others. Whatever is done to a view is done as its owner.

use pgrx::{PgSqlErrorCode, pg_sys};

use super::grants::{self, Grant};
use super::hierarchy::DESCENDANTS;
use super::table::Table;
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, as_user};
use crate::pg::lock;
use crate::pg::sql::{self, execute};

/// A table, or a column of a table and of those that inherit from it, that views read.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The table.
    pub table: &'a Table,
    /// The name of the column; `None` if the whole table is meant.
    pub column: Option<&'a str>,
}

impl Place<'_> {
    /// Returns the tables that it is in.
    fn tables(&self) -> Result<Vec<pg_sys::Oid>, PgError> {
        match self.column {
            Some(_) => {
                as_superuser(|| sql::read_now(DESCENDANTS, &[self.table.oid.into()], |row| row.get(1)))
            }
            None => Ok(vec![self.table.oid]),
        }
    }
}

/// A view as it was before what it reads was replaced.
pub struct View {
    /// The view.
    pub table: Table,
    /// True if it names the place itself, and not only another view.
    is_direct: bool,
    definition: String,
    /// Its options, as `WITH` takes them; `None` if it has none.
    options: Option<String>,
    /// The rights on it.
    grants: Vec<Grant>,
    /// Its comment as a literal; `None` if it has none.
    comment: Option<String>,
}

/// The largest number of views that are taken along, and of bytes that their definitions may have as Postgres stores them.
const MOST_VIEWS: usize = 500;
const MOST_BYTES: i64 = 256 * 1024;

/// The views that name some relations (`$1`), or the column of this name (`$2`) of them, with the relation and the stored size of the
/// view's definition, `$3` of them at most. Their owners may read what they name, and can lose that: a view of anybody else shows
/// nothing, and stays as it is.
///
/// Anybody may make views, and as many as they like: whose a view is, is looked at once for each owner.
const NAMING: &str = "
    WITH naming AS MATERIALIZED (
        SELECT DISTINCT w.oid AS rule, w.ev_class AS reader, d.refobjid AS named, c.relowner AS owner
        FROM pg_catalog.pg_depend d
        JOIN pg_catalog.pg_rewrite w ON w.oid = d.objid AND w.rulename = '_RETURN' AND w.ev_class <> d.refobjid
        JOIN pg_catalog.pg_class c ON c.oid = w.ev_class AND c.relkind = 'v' AND c.relpersistence <> 't'
        WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = ANY ($1)
          AND d.classid = 'pg_catalog.pg_rewrite'::regclass
          AND ($2::text IS NULL
               OR d.refobjsubid = (SELECT a.attnum FROM pg_catalog.pg_attribute a
                                   WHERE a.attrelid = d.refobjid AND a.attname::text = $2::text))),
    allowed AS MATERIALIZED (
        SELECT o.owner, o.named
        FROM (SELECT DISTINCT n.owner, n.named FROM naming n) o
        WHERE pg_catalog.has_any_column_privilege(o.owner, o.named, 'SELECT'))
    SELECT n.reader, n.named, pg_catalog.pg_column_size(w.ev_action)::int8
    FROM naming n
    JOIN allowed a ON a.owner = n.owner AND a.named = n.named
    JOIN pg_catalog.pg_rewrite w ON w.oid = n.rule
    ORDER BY 1, 2
    LIMIT $3";

/// The properties of views (`$1`) that are kept.
const DESCRIBED: &str = "
    SELECT c.oid, pg_catalog.pg_get_viewdef(c.oid), pg_catalog.array_to_string(c.reloptions, ', '),
           pg_catalog.quote_literal(pg_catalog.obj_description(c.oid, 'pg_class'))
    FROM pg_catalog.pg_class c
    WHERE c.oid = ANY ($1)";

/// The functions, operators, types and collations that views (`$1`) use, except for pgvector's.
const USED: &str = "
    SELECT DISTINCT w.ev_class, d.refclassid, d.refobjid
    FROM pg_catalog.pg_rewrite w
    JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid
    WHERE w.ev_class = ANY ($1) AND d.refclassid <> 'pg_catalog.pg_class'::regclass
      AND NOT EXISTS (
          SELECT FROM pg_catalog.pg_depend e
          JOIN pg_catalog.pg_extension x ON x.oid = e.refobjid AND x.extname = 'vector'
          WHERE e.classid = d.refclassid AND e.objid = d.refobjid AND e.deptype = 'e'
            AND e.refclassid = 'pg_catalog.pg_extension'::regclass)";

/// A view that reads a place, and the relations of those that it names.
struct Reader {
    oid: pg_sys::Oid,
    named: Vec<pg_sys::Oid>,
    is_direct: bool,
}

/// Returns the views that read a place, directly or not: those first that others read. Errors (54000) if they are too many, or too
/// large, to be taken along, or if they read each other in a circle.
fn readers(place: Place<'_>) -> Result<Vec<Reader>, PgError> {
    let places = place.tables()?;
    let mut found: Vec<Reader> = Vec::new();
    let mut bytes = 0;
    let (mut looked_at, mut column) = (places.clone(), place.column);
    while !looked_at.is_empty() {
        // The column of the views that name the table may have any name.
        let naming = naming(&looked_at, column.take())?;
        looked_at.clear();
        for (reader, named, size) in naming {
            let is_direct = places.contains(&named);
            if let Some(known) = found.iter_mut().find(|known| known.oid == reader) {
                known.named.push(named);
                known.is_direct |= is_direct;
                continue;
            }
            found.push(Reader { oid: reader, named: vec![named], is_direct });
            looked_at.push(reader);
            bytes += size;
        }
        if found.len() > MOST_VIEWS || bytes > MOST_BYTES {
            return Err(too_many(place, format!("There are {} of {bytes} bytes, or more.", found.len())));
        }
    }
    in_order(place, found)
}

/// Returns the views that name some relations, or the column of this name of them: each with the relation, and the bytes of its
/// definition.
fn naming(
    relations: &[pg_sys::Oid],
    column: Option<&str>,
) -> Result<Vec<(pg_sys::Oid, pg_sys::Oid, i64)>, PgError> {
    let most = (MOST_VIEWS * MOST_VIEWS) as i64;
    let args = [relations.to_vec().into(), column.map(str::to_owned).into(), most.into()];
    as_superuser(|| sql::read_now(NAMING, &args, |row| Ok((row.get(1)?, row.get(2)?, row.get(3)?))))
}

/// Returns views in an order in which each comes after those that it reads.
fn in_order(place: Place<'_>, found: Vec<Reader>) -> Result<Vec<Reader>, PgError> {
    let mut left = found;
    let mut ordered = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let waiting: Vec<pg_sys::Oid> = left.iter().map(|reader| reader.oid).collect();
        let is_next = |reader: &mut Reader| !reader.named.iter().any(|named| waiting.contains(named));
        let next: Vec<Reader> = left.extract_if(.., is_next).collect();
        if next.is_empty() {
            return Err(too_many(place, "Some of them read each other in a circle.".to_owned()));
        }
        ordered.extend(next);
    }
    Ok(ordered)
}

fn too_many(place: Place<'_>, detail: String) -> PgError {
    PgError::new(
        PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
        format!("cannot define the views that read {} anew", place.table.qualified()),
    )
    .with_detail(detail)
    .with_hint(format!(
        "At most {MOST_VIEWS} views of together {MOST_BYTES} bytes are defined anew. Drop some of them."
    ))
}

/// Returns the OIDs of views.
pub fn oids(views: &[View]) -> Vec<pg_sys::Oid> {
    views.iter().map(|view| view.table.oid).collect()
}

/// Errors (2BP01) if one of these views, which read a place, names another place as well: that has another name by the time that the
/// view is defined anew.
pub fn require_none_of_both(views: &[View], other: Place<'_>) -> Result<(), PgError> {
    let named = naming(&other.tables()?, other.column)?;
    let reads_it =
        |view: &&View| view.is_direct && named.iter().any(|(reader, ..)| *reader == view.table.oid);
    let Some(view) = views.iter().find(reads_it) else { return Ok(()) };
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST,
        format!(
            "cannot replace the vectors, because view {} reads the new and the old ones",
            view.table.qualified()
        ),
    )
    .with_hint("Drop the view, or leave out of it the vectors that are built or kept beside."))
}

/// Returns the views that read a place, directly or not: those first that others read. Errors (54000) as said there.
pub fn of(place: Place<'_>) -> Result<Vec<View>, PgError> {
    let readers = readers(place)?;
    let oids: Vec<pg_sys::Oid> = readers.iter().map(|reader| reader.oid).collect();
    let described = as_superuser(|| {
        sql::read_now(DESCRIBED, &[oids.into()], |row| {
            let oid: pg_sys::Oid = row.get(1)?;
            Ok((oid, row.get_opt::<String>(2)?, row.get_opt::<String>(3)?, row.get_opt::<String>(4)?))
        })
    })?;

    let mut views = Vec::with_capacity(readers.len());
    for reader in readers {
        let found = described.iter().find(|(oid, ..)| *oid == reader.oid);
        let (Some((_, Some(definition), options, comment)), Some(table)) = (found, Table::look(reader.oid))
        else {
            continue;
        };
        views.push(View {
            is_direct: reader.is_direct,
            definition: definition.clone(),
            options: options.clone(),
            grants: grants::of(reader.oid)?,
            comment: comment.clone(),
            table,
        });
    }
    Ok(views)
}

/// The relations, and the schemas of all objects, that the definitions of views (`$1`) name.
const NAMED: &str = "
    SELECT DISTINCT i.schema, CASE WHEN d.refclassid = 'pg_catalog.pg_class'::regclass THEN d.refobjid END
    FROM pg_catalog.pg_rewrite w
    JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid
    CROSS JOIN LATERAL pg_catalog.pg_identify_object(d.refclassid, d.refobjid, 0) i
    WHERE w.ev_class = ANY ($1) AND i.schema IS NOT NULL";

/// Keeps what the definitions of views name from getting other names until the transaction ends, so that they mean the same when
/// they are read again. A function or an operator only its owner renames.
fn hold_names(views: &[View]) -> Result<(), PgError> {
    let views: Vec<pg_sys::Oid> = views.iter().map(|view| view.table.oid).collect();
    let named = as_superuser(|| {
        sql::read_now(NAMED, &[views.into()], |row| {
            Ok((row.get::<String>(1)?, row.get_opt::<pg_sys::Oid>(2)?))
        })
    })?;
    let schemas: Vec<&str> = named.iter().map(|(schema, _)| schema.as_str()).collect();
    lock::schema_names(&schemas)?;
    let relations = named.iter().filter_map(|(_, relation)| relation.and_then(Table::look));
    relations.into_iter().for_each(|relation| relation.lock(pg_sys::AccessShareLock));
    Ok(())
}

/// Locks the views that read a place and returns them as they are then. Errors (40001) if others have come meanwhile.
pub fn hold(place: Place<'_>) -> Result<Vec<View>, PgError> {
    let before = of(place)?;
    before.iter().try_for_each(|view| view.table.hold(pg_sys::AccessExclusiveLock))?;
    hold_names(&before)?;
    let held = of(place)?;
    let names = |views: &[View]| views.iter().map(|view| view.table.clone()).collect::<Vec<_>>();
    if names(&before) == names(&held) {
        return Ok(held);
    }
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE,
        format!("views that read {} were changed concurrently", place.table.qualified()),
    )
    .with_hint("Repeat the statement."))
}

/// The objects that views use: for each, and by the catalog, their OIDs.
#[derive(PartialEq, Eq)]
pub struct Uses(Vec<(u32, u32, u32)>);

/// Returns the objects other than relations that views use, except for pgvector's. `places` are the views in the order of before, so
/// that those which were created anew are compared with what they were.
pub fn used(places: &[pg_sys::Oid]) -> Result<Uses, PgError> {
    let place = |oid: pg_sys::Oid| places.iter().position(|place| *place == oid).unwrap_or_default() as u32;
    let mut found = as_superuser(|| {
        sql::read_now(USED, &[places.to_vec().into()], |row| {
            let (view, class, object): (pg_sys::Oid, pg_sys::Oid, pg_sys::Oid) =
                (row.get(1)?, row.get(2)?, row.get(3)?);
            Ok((place(view), class.to_u32(), object.to_u32()))
        })
    })?;
    found.sort_unstable();
    Ok(Uses(found))
}

/// Errors (42P16) unless views use the same functions, operators, types and collations as before: read again, a name in a definition
/// may fit something that somebody has made since.
pub fn require_same_uses(before: &Uses, now: &Uses) -> Result<(), PgError> {
    if before == now {
        return Ok(());
    }
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_INVALID_TABLE_DEFINITION,
        "a view that reads the vectors would use other functions, operators or types than before",
    )
    .with_detail("Its definition is read again, and now something else fits it.")
    .with_hint(
        "Define the view with casts and the schemas of functions, or drop it and create it afterwards.",
    ))
}

impl View {
    /// Returns whether it names the store itself, and not only another view.
    pub fn is_direct(&self) -> bool {
        self.is_direct
    }

    /// Has a view read what the names in this one's definition mean now, as the owner of both, with its options. The types of the
    /// columns must be the same.
    pub fn define(&self, view: &Table) -> Result<(), PgError> {
        view.require_unchanged()?;
        as_user(view.owner, || execute(&self.statement("CREATE OR REPLACE VIEW", view), &[])).map(drop)
    }

    /// Creates the view, which was dropped, with the rights on it and its comment. Returns it.
    pub fn create(&self) -> Result<Table, PgError> {
        let Table { owner, schema, name, .. } = &self.table;
        as_user(*owner, || execute(&self.statement("CREATE VIEW", &self.table), &[]))?;
        let made = Table::made(schema, name, &[*owner])?;
        self.bestow(&made)?;
        Ok(made)
    }

    /// Gives a view the rights of this one, and its comment, as its owner.
    pub fn bestow(&self, view: &Table) -> Result<(), PgError> {
        grants::have(view, &self.grants)?;
        let Some(comment) = &self.comment else { return Ok(()) };
        let statement = format!("COMMENT ON VIEW {} IS {comment}", view.qualified());
        as_user(view.owner, || execute(&statement, &[])).map(drop)
    }

    fn statement(&self, create: &str, view: &Table) -> String {
        let options = self.options.as_ref().map(|options| format!(" WITH ({options})")).unwrap_or_default();
        format!("{create} {}{options} AS {}", view.qualified(), self.definition)
    }
}
