//! `ai._sees_all`, `ai._watches_all`, `ai._sees_vectorizer` and `ai._s3_source_is_visible`, which the policies of the catalog's
//! tables call.

use pgrx::pg_sys;
use pgrx::prelude::*;

use crate::catalog::table::Table;
use crate::catalog::visibility;
use crate::pg::identity::current_user;
use crate::source::seen_name;

#[pg_extern(sql = false)]
fn sees_all() -> bool {
    visibility::sees_all(current_user())
}

#[pg_extern(sql = false)]
fn watches_all() -> bool {
    visibility::watches_all(current_user())
}

/// Returns whether the current user sees a vectorizer with these relations. It belongs to the owner of its
/// source, or, if that is gone, of its inbox.
#[pg_extern(sql = false)]
fn sees_vectorizer(
    source: Option<pg_sys::Oid>,
    inbox: Option<pg_sys::Oid>,
    store: Option<pg_sys::Oid>,
    view: Option<pg_sys::Oid>,
) -> bool {
    let relations: Vec<Table> =
        [source, inbox, store, view].into_iter().flatten().filter_map(Table::look).collect();
    let first = relations.iter().find(|table| [source, inbox].contains(&Some(table.oid)));
    first.is_some_and(|first| visibility::sees(current_user(), first.owner, &relations))
}

#[pg_extern(sql = false)]
fn s3_source_is_visible(source_id: Option<i32>, target: Option<pg_sys::Oid>) -> bool {
    let user = current_user();
    visibility::sees_all(user) || source_id.is_some_and(|id| sees_s3_source(user, id, target))
}

/// Returns whether a role sees an S3 source, which belongs to the owner of its table of seen keys, or, if
/// that is gone, of its target.
pub fn sees_s3_source(role: pg_sys::Oid, id: i32, target: Option<pg_sys::Oid>) -> bool {
    let tables: Vec<Table> = [seen_table(id), target.and_then(Table::look)].into_iter().flatten().collect();
    tables.first().is_some_and(|first| visibility::sees(role, first.owner, &tables))
}

fn seen_table(id: i32) -> Option<Table> {
    let name = std::ffi::CString::new(seen_name(id)).ok()?;
    // SAFETY: looks up the catalogs on the main thread, in a transaction; the names are C strings.
    let found =
        unsafe { pg_sys::get_relname_relid(name.as_ptr(), pg_sys::get_namespace_oid(c"ai".as_ptr(), true)) };
    Table::look(found)
}
