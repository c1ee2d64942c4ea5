//! The remains of a vectorizer that has lost some of its relations.

use pgrx::pg_sys;

use super::binding::{has_bindings, uuid};
use super::schema;
use super::table::Table;
use super::triggers::Identity;
use super::{failed_name, inbox_name, work_name};
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::sql::{self, Row};

/// The remains of a vectorizer that has lost some of its relations.
pub struct Remains {
    /// The vectorizer as its triggers name it.
    pub identity: Identity,
    /// Its source; `None` if it is gone.
    pub source: Option<Table>,
    /// Its inbox; `None` if it is gone.
    pub inbox: Option<Table>,
    /// The tables of its queue that still exist.
    pub queue: Vec<Table>,
    /// Its store; `None` if it has none or it is gone.
    pub store: Option<Table>,
    /// Its view; `None` if it has none or it is gone.
    pub view: Option<Table>,
    /// The table of its chunks' words; `None` if it has none or it is gone.
    pub words: Option<Table>,
    /// The name of a table of its queue that is gone; `None` if they all exist.
    pub gone: Option<String>,
}

/// Returns the remains of a vectorizer according to its binding; `None` if there is no such vectorizer.
pub fn of(id: i32) -> Result<Option<Remains>, PgError> {
    schema::require_trusted()?;
    let binding = match has_bindings() {
        true => "ai._vectorizer_binding b",
        false => NO_BINDING,
    };
    let statement = format!(
        "SELECT {}, b.source, b.inbox, b.work, b.failed, b.origin, b.store, b.view, b.words
         FROM ai.vectorizer v LEFT JOIN {binding} ON b.vectorizer_id = v.id
         WHERE v.id = $1",
        uuid()
    );

    let found = as_superuser(|| sql::read_now(&statement, &[id.into()], |row| remains_of(id, row)))?;
    Ok(found.into_iter().next())
}

fn remains_of(id: i32, row: &Row<'_>) -> Result<Remains, PgError> {
    let table = |column| Ok::<_, PgError>(row.get_opt::<pg_sys::Oid>(column)?.and_then(Table::look));
    let inbox = table(3)?;
    let queue = [inbox.clone(), table(4)?, table(5)?, table(6)?];
    let named = [inbox_name(id), work_name(id), failed_name(id)];
    let gone = named.into_iter().zip(&queue).find(|(_, table)| table.is_none()).map(|(name, _)| name);
    Ok(Remains {
        identity: Identity { id, uuid: row.get_opt(1)? },
        source: table(2)?,
        inbox,
        queue: queue.into_iter().flatten().collect(),
        store: table(7)?,
        view: table(8)?,
        words: table(9)?,
        gone,
    })
}

/// An empty substitute for the bindings, for objects of an older version of the extension.
const NO_BINDING: &str =
    "(SELECT NULL::int4 AS vectorizer_id, NULL::oid AS source, NULL::oid AS inbox, NULL::oid AS work,
    NULL::oid AS failed, NULL::oid AS origin, NULL::oid AS store, NULL::oid AS view, NULL::oid AS words) b";
