//! Views that read a store, or a column of vectors, kept while it is replaced: they are defined anew by the names that the new one
//! gets.
//!
//! They may belong to others. Whatever is done to a view is done as its owner.

use pgrx::{PgSqlErrorCode, pg_sys};

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

/// A view as it was before what it reads was replaced.
pub struct View {
    /// The view.
    pub table: Table,
    /// True if it names the place itself, and not only another view.
    is_direct: bool,
    definition: String,
    /// Its options, as `WITH` takes them; `None` if it has none.
    options: Option<String>,
    /// The rights on it: what is granted and to whom.
    grants: Vec<(String, String)>,
    /// Its comment as a literal; `None` if it has none.
    comment: Option<String>,
}

/// The largest number of views that are taken along, and of bytes that their definitions may have as Postgres stores them.
const MOST_VIEWS: usize = 500;
const MOST_BYTES: i64 = 256 * 1024;

/// The views that read a table (`$1`), or the column of this name (`$2`) of it or of what inherits from it, directly or not: for each,
/// the views and tables among them that it names, whether one is such a table, and the stored size of its definition. Their owners
/// may read what they name, and can lose that: a view of anybody else shows nothing, and stays as it is.
const READERS: &str = "
    WITH RECURSIVE places (oid) AS (
        SELECT $1::oid
        UNION
        SELECT i.inhrelid FROM places p JOIN pg_catalog.pg_inherits i ON i.inhparent = p.oid WHERE $2::text IS NOT NULL),
    names (reader, named) AS (
        SELECT w.ev_class, d.refobjid
        FROM pg_catalog.pg_rewrite w
        JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid
             AND d.refclassid = 'pg_catalog.pg_class'::regclass
        JOIN pg_catalog.pg_class c ON c.oid = w.ev_class
        WHERE w.rulename = '_RETURN' AND w.ev_class <> d.refobjid AND c.relkind = 'v' AND c.relpersistence <> 't'
          AND pg_catalog.has_any_column_privilege(c.relowner, d.refobjid, 'SELECT')
          AND ($2::text IS NULL OR d.refobjid NOT IN (SELECT p.oid FROM places p)
               OR EXISTS (SELECT FROM pg_catalog.pg_attribute a
                          WHERE a.attrelid = d.refobjid AND a.attnum = d.refobjsubid AND a.attname::text = $2::text))),
    readers (oid) AS (
        SELECT p.oid FROM places p
        UNION
        SELECT n.reader FROM readers r JOIN names n ON n.named = r.oid)
    SELECT r.oid, pg_catalog.array_agg(DISTINCT n.named), pg_catalog.bool_or(n.named IN (SELECT p.oid FROM places p)),
           max(pg_catalog.pg_column_size(w.ev_action))::int8
    FROM readers r
    JOIN names n ON n.reader = r.oid AND n.named IN (SELECT a.oid FROM readers a)
    JOIN pg_catalog.pg_rewrite w ON w.ev_class = r.oid AND w.rulename = '_RETURN'
    WHERE r.oid NOT IN (SELECT p.oid FROM places p)
    GROUP BY r.oid
    ORDER BY r.oid";

/// The properties of views (`$1`) that are kept.
const DESCRIBED: &str = "
    SELECT c.oid, pg_catalog.pg_get_viewdef(c.oid), pg_catalog.array_to_string(c.reloptions, ', '),
           pg_catalog.quote_literal(pg_catalog.obj_description(c.oid, 'pg_class'))
    FROM pg_catalog.pg_class c
    WHERE c.oid = ANY ($1)";

/// The rights on a relation (`$1`) and its columns that its owner has granted to others, as GRANT takes them.
const GRANTS: &str = "
    SELECT g.privilege_type || coalesce(' (' || pg_catalog.quote_ident(g.column_name) || ')', ''),
           CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(r.rolname) END,
           CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
    FROM (SELECT a.privilege_type, a.grantee, a.is_grantable, NULL::text AS column_name, c.relowner
          FROM pg_catalog.pg_class c CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) a
          WHERE c.oid = $1
          UNION ALL
          SELECT a.privilege_type, a.grantee, a.is_grantable, t.attname, c.relowner
          FROM pg_catalog.pg_class c
          JOIN pg_catalog.pg_attribute t ON t.attrelid = c.oid AND NOT t.attisdropped
          CROSS JOIN LATERAL pg_catalog.aclexplode(t.attacl) a
          WHERE c.oid = $1) g
    LEFT JOIN pg_catalog.pg_roles r ON r.oid = g.grantee
    WHERE g.grantee <> g.relowner AND (g.grantee = 0 OR r.oid IS NOT NULL)
    ORDER BY 1, 2";

/// Objects that can't be kept where views (`$1`) are created anew, or where a store (`$2`) is replaced that has words (`$3`). Those
/// of owners who may not read what they depend on are none.
const OBSTACLES: &str = "
    SELECT DISTINCT pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid)
    FROM pg_catalog.pg_depend d
    LEFT JOIN pg_catalog.pg_rewrite w ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND w.oid = d.objid
    LEFT JOIN pg_catalog.pg_class v ON v.oid = w.ev_class
    LEFT JOIN pg_catalog.pg_proc f ON d.classid = 'pg_catalog.pg_proc'::regclass AND f.oid = d.objid
    -- The table that a constraint, a policy or a trigger belongs to.
    LEFT JOIN LATERAL (
        SELECT k.conrelid FROM pg_catalog.pg_constraint k
        WHERE d.classid = 'pg_catalog.pg_constraint'::regclass AND k.oid = d.objid
        UNION ALL
        SELECT p.polrelid FROM pg_catalog.pg_policy p WHERE d.classid = 'pg_catalog.pg_policy'::regclass AND p.oid = d.objid
        UNION ALL
        SELECT t.tgrelid FROM pg_catalog.pg_trigger t
        WHERE d.classid = 'pg_catalog.pg_trigger'::regclass AND t.oid = d.objid) o (relation) ON true
    LEFT JOIN pg_catalog.pg_type y ON d.refclassid = 'pg_catalog.pg_type'::regclass AND y.oid = d.refobjid
    WHERE (w.oid IS NULL OR w.rulename <> '_RETURN' OR v.relkind <> 'v')
      AND (d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = ANY ($1) AND d.deptype IN ('n', 'a')
           OR d.deptype = 'n' AND (y.typrelid = ANY ($1 || $2)
                                   OR y.typelem IN (SELECT c.reltype FROM pg_catalog.pg_class c WHERE c.oid = ANY ($1 || $2)))
           OR d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = $2 AND d.deptype = 'n'
              AND (o.relation IS NULL OR o.relation <> $2 AND o.relation IS DISTINCT FROM $3))
      AND CASE WHEN coalesce(v.relowner, f.proowner) IS NULL OR d.refclassid <> 'pg_catalog.pg_class'::regclass THEN true
               ELSE pg_catalog.has_any_column_privilege(coalesce(v.relowner, f.proowner), d.refobjid, 'SELECT') END
    ORDER BY 1
    LIMIT 20";

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

/// Returns the rights on a relation that its owner has granted: each with the roles, as GRANT takes it around the relation's
/// name.
fn grants(relation: pg_sys::Oid) -> Result<Vec<(String, String)>, PgError> {
    as_superuser(|| {
        sql::read_now(GRANTS, &[relation.into()], |row| {
            let (right, role, option): (String, String, String) = (row.get(1)?, row.get(2)?, row.get(3)?);
            Ok((right, format!("{role}{option}")))
        })
    })
}

/// Grants on a relation what is granted on another one and nothing else, as its owner.
pub fn have_grants_of(from: pg_sys::Oid, to: &Table) -> Result<(), PgError> {
    have_grants(to, &grants(from)?)
}

/// Grants these rights on a relation and no others, as its owner.
fn have_grants(relation: &Table, wanted: &[(String, String)]) -> Result<(), PgError> {
    let there = grants(relation.oid)?;
    if wanted == there {
        return Ok(());
    }
    let name = relation.qualified();
    as_user(relation.owner, || {
        for (right, to_whom) in &there {
            let role = to_whom.trim_end_matches(" WITH GRANT OPTION");
            execute(&format!("REVOKE {right} ON {name} FROM {role} CASCADE"), &[])?;
        }
        wanted.iter().try_for_each(|(right, to_whom)| {
            execute(&format!("GRANT {right} ON {name} TO {to_whom}"), &[]).map(drop)
        })
    })
}

/// A view that reads a place, and the relations of those that it names.
struct Reader {
    oid: pg_sys::Oid,
    named: Vec<pg_sys::Oid>,
    is_direct: bool,
}

/// Returns the views that read a place, directly or not: those first that others read. Errors (54000) if they are too many, or too
/// large, to be taken along, or if they read each other in a circle.
fn readers(place: Place<'_>) -> Result<Vec<Reader>, PgError> {
    let args = [place.table.oid.into(), place.column.map(str::to_owned).into()];
    let found = as_superuser(|| {
        sql::read_now(READERS, &args, |row| {
            let reader = Reader { oid: row.get(1)?, named: row.get(2)?, is_direct: row.get(3)? };
            Ok((reader, row.get::<i64>(4)?))
        })
    })?;
    let bytes: i64 = found.iter().map(|(_, bytes)| *bytes).sum();
    if found.len() > MOST_VIEWS || bytes > MOST_BYTES {
        return Err(too_many(place, format!("There are {} of {bytes} bytes.", found.len())));
    }

    let mut left: Vec<Reader> = found.into_iter().map(|(reader, _)| reader).collect();
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
            grants: grants(reader.oid)?,
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

/// Errors (2BP01) if something depends on a store that would not go over to another one, or on a view that is created anew
/// because the type of its columns changes.
pub fn require_replaceable(
    store: Option<&Table>,
    words: Option<&Table>,
    created_anew: &[View],
) -> Result<(), PgError> {
    let views: Vec<pg_sys::Oid> = created_anew.iter().map(|view| view.table.oid).collect();
    let args = [views.into(), store.map(|store| store.oid).into(), words.map(|words| words.oid).into()];
    let found = as_superuser(|| sql::read_now(OBSTACLES, &args, |row| row.get::<String>(1)))?;
    require_none(&store.map_or_else(|| "the vectors".to_owned(), Table::qualified), &found)
}

/// Errors (2BP01) if there are objects, described as Postgres does, that depend on what is to be replaced.
pub fn require_none(replaced: &str, obstacles: &[String]) -> Result<(), PgError> {
    if obstacles.is_empty() {
        return Ok(());
    }
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST,
        format!("cannot replace {replaced} because other objects depend on it"),
    )
    .with_detail(format!("They are: {}.", obstacles.join("; ")))
    .with_hint("Views go over to what replaces it. Drop the other objects, and create them again afterwards."))
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
        have_grants(view, &self.grants)?;
        let Some(comment) = &self.comment else { return Ok(()) };
        let statement = format!("COMMENT ON VIEW {} IS {comment}", view.qualified());
        as_user(view.owner, || execute(&statement, &[])).map(drop)
    }

    fn statement(&self, create: &str, view: &Table) -> String {
        let options = self.options.as_ref().map(|options| format!(" WITH ({options})")).unwrap_or_default();
        format!("{create} {}{options} AS {}", view.qualified(), self.definition)
    }
}
