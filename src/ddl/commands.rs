//! The commands of a statement after Postgres has executed them, each with the OIDs of what it changed.
//!
//! A name in the statement may mean something else by the time the event trigger runs: an expression in the
//! statement may have set the search path, or a schema may have been renamed while the statement waited for a
//! lock. So the parse tree only tells whether there may be something to do, and nothing is looked up by its
//! names.

use pgrx::pg_sys;
use pgrx::{FromDatum, IntoDatum};

use super::statement::StatementChange;
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::sql;

/// Selects the commands, in a type that SQL can't read.
const COMMANDS: &str = "SELECT c.command FROM pg_catalog.pg_event_trigger_ddl_commands() c";

/// Returns the changes of the current statement that may concern a vectorizer. Must be called by an event
/// trigger on `ddl_command_end`.
pub fn changes() -> Result<Vec<StatementChange>, PgError> {
    let commands = as_superuser(|| sql::read_now(COMMANDS, &[], |row| row.get::<Command>(1)))?;
    // SAFETY: Postgres keeps the commands, which are its own, until the statement's event triggers have run.
    Ok(commands.into_iter().filter_map(|command| unsafe { StatementChange::of(&*command.0) }).collect())
}

/// A value of `pg_ddl_command`: a pointer.
struct Command(*const pg_sys::CollectedCommand);

impl FromDatum for Command {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Self> {
        (!is_null).then(|| Command(datum.cast_mut_ptr::<pg_sys::CollectedCommand>()))
    }
}

impl IntoDatum for Command {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        Some(self.0.into())
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::PG_DDL_COMMANDOID
    }
}
