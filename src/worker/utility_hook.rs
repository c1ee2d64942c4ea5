//! Ends the worker of a database for DROP DATABASE and similar statements, which fail while any process is
//! connected to it.

use std::ffi::CStr;
use std::time::Duration;

use pgrx::pg_sys;
use pgrx::prelude::*;

use crate::shared;
use crate::trigger::wake;

/// The time for which no worker comes back. The statement itself waits five seconds for connections to end
/// (`CountOtherDBBackends`), and copying a template takes a while.
const PAUSE: Duration = Duration::from_secs(10);

static mut PREVIOUS: pg_sys::ProcessUtility_hook_type = None;

/// Installs the hook for utility statements before any others. It is called while the library is preloaded.
pub fn install() {
    // SAFETY: the postmaster's main thread, before any other runs.
    unsafe {
        PREVIOUS = pg_sys::ProcessUtility_hook;
        pg_sys::ProcessUtility_hook = Some(process_utility);
    }
}

unsafe extern "C-unwind" {
    // As Postgres has it: through pgrx's binding every error of every utility statement would be
    // caught and raised anew, without its context, position and names of constraints.
    fn standard_ProcessUtility(
        statement: *mut pg_sys::PlannedStmt,
        text: *const std::ffi::c_char,
        read_only_tree: bool,
        context: pg_sys::ProcessUtilityContext::Type,
        parameters: pg_sys::ParamListInfo,
        environment: *mut pg_sys::QueryEnvironment,
        receiver: *mut pg_sys::DestReceiver,
        completion: *mut pg_sys::QueryCompletion,
    );
}

/// The hook. It has no guard and nothing to drop, so that errors pass over this frame as over one of C.
#[allow(clippy::too_many_arguments)]
unsafe extern "C-unwind" fn process_utility(
    statement: *mut pg_sys::PlannedStmt,
    text: *const std::ffi::c_char,
    read_only_tree: bool,
    context: pg_sys::ProcessUtilityContext::Type,
    parameters: pg_sys::ParamListInfo,
    environment: *mut pg_sys::QueryEnvironment,
    receiver: *mut pg_sys::DestReceiver,
    completion: *mut pg_sys::QueryCompletion,
) {
    // SAFETY: the chain of hooks, with the arguments as they came.
    unsafe {
        look(statement);
        let next = match PREVIOUS {
            Some(previous) => previous,
            None => standard_ProcessUtility,
        };
        next(statement, text, read_only_tree, context, parameters, environment, receiver, completion)
    }
}

/// Looks at a utility statement before it runs, with a guard because Rust code may raise an error.
#[pg_guard]
unsafe extern "C-unwind" fn look(statement: *mut pg_sys::PlannedStmt) {
    // SAFETY: Postgres hands over a live statement.
    if unsafe { wake::commits_prepared((*statement).utilityStmt) } {
        wake::worker_at_commit();
    }
    // SAFETY: as above.
    if let Some(database) = unsafe { needed_alone((*statement).utilityStmt) }
        && may_be_asked_for(database)
    {
        ask_worker_to_leave(database);
    }
}

/// Returns whether the current user owns the database. If not, the statement is about to fail.
fn may_be_asked_for(database: pg_sys::Oid) -> bool {
    let user = crate::pg::identity::current_user();
    // SAFETY: reads the catalogs.
    unsafe {
        #[cfg(feature = "pg15")]
        return pg_sys::pg_database_ownercheck(database, user);
        #[cfg(not(feature = "pg15"))]
        return pg_sys::object_ownercheck(pg_sys::DatabaseRelationId, database, user);
    }
}

/// Returns the database that a statement needs without connections, or `None` if it needs none or does not
/// exist.
unsafe fn needed_alone(node: *mut pg_sys::Node) -> Option<pg_sys::Oid> {
    use pg_sys::NodeTag;
    if node.is_null() {
        return None;
    }

    // SAFETY: a node's tag tells its type.
    let name = unsafe {
        match (*node).type_ {
            NodeTag::T_DropdbStmt => (*node.cast::<pg_sys::DropdbStmt>()).dbname,
            NodeTag::T_CreatedbStmt => template((*node.cast::<pg_sys::CreatedbStmt>()).options)?,
            NodeTag::T_AlterDatabaseStmt => (*node.cast::<pg_sys::AlterDatabaseStmt>()).dbname,
            NodeTag::T_RenameStmt => {
                let rename = &*node.cast::<pg_sys::RenameStmt>();
                if rename.renameType != pg_sys::ObjectType::OBJECT_DATABASE {
                    return None;
                }
                rename.subname
            }
            _ => return None,
        }
    };
    if name.is_null() {
        return None;
    }

    // SAFETY: a C string of the parse tree; the look-up does not raise for an unknown name.
    let database = unsafe { pg_sys::get_database_oid(name, true) };
    (database != pg_sys::InvalidOid).then_some(database)
}

/// Returns the value of CREATE DATABASE's option TEMPLATE.
unsafe fn template(options: *mut pg_sys::List) -> Option<*mut std::ffi::c_char> {
    if options.is_null() {
        return None;
    }
    // SAFETY: a list of DefElem, as the grammar makes it.
    unsafe {
        let elements = std::slice::from_raw_parts((*options).elements, (*options).length as usize);
        let options = elements.iter().map(|element| element.ptr_value.cast::<pg_sys::DefElem>());
        let mut templates = options
            .filter(|option| CStr::from_ptr((**option).defname) == c"template" && !(**option).arg.is_null());
        templates.next().map(|option| pg_sys::defGetString(option))
    }
}

fn ask_worker_to_leave(database: pg_sys::Oid) {
    // SAFETY: reads the clock.
    let until = unsafe { pg_sys::GetCurrentTimestamp() } + PAUSE.as_micros() as i64;
    let mut worker = 0;
    shared::update(database, |slot| {
        slot.away_until = until;
        worker = slot.worker;
    });
    if worker != 0 {
        // SAFETY: a process id that the worker itself put there and takes away when it ends.
        unsafe { libc::kill(worker, libc::SIGTERM) };
    }
}
