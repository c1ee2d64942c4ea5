//! `ai.search`: the chunks that are nearest to a question, or share words with it, in the caller's backend and with the
//! caller's rights. `ai.explain_search` searches in the same way, and returns how it went.
//!
//! * [`arguments`]: the arguments of a call
//! * [`terms`]: the terms of a search that they make
//! * [`one`]: a search in one vectorizer
//! * [`several`]: a search in several
//! * [`explained`]: the steps of a search as rows

mod arguments;
mod explained;
mod one;
mod several;
mod terms;

use pgrx::prelude::*;
use pgrx::{FromDatum, fcinfo, pg_sys};

use self::arguments::{AsQuestion, InOne, InSeveral};
use self::explained::Discarded;
use crate::pg::error::PgError;
use crate::pg::result::ReturnedRows;
use crate::pg::vector::Vector;
use crate::search::known::Named;
use crate::search::steps::Steps;

macro_rules! set_function {
    ($name:ident, $info:ident, $answer:expr) => {
        #[doc = concat!("`pg_finfo` record of [`", stringify!($name), "`].")]
        #[unsafe(no_mangle)]
        pub extern "C" fn $info() -> *const pg_sys::Pg_finfo_record {
            const RECORD: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
            &RECORD
        }

        #[doc = "An overload of `ai.search` or of `ai.explain_search`."]
        ///
        /// # Safety
        /// Called by Postgres with a call record of the declared signature.
        #[unsafe(no_mangle)]
        #[pg_guard]
        pub unsafe extern "C-unwind" fn $name(call: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
            // SAFETY: the SQL signature has arguments of these types, and returns a set.
            match unsafe { $answer(call, &ReturnedRows::of(call)) } {
                // SAFETY: the call record is live; of a set that is returned as a whole the value itself is not read.
                Ok(()) => unsafe { fcinfo::pg_return_null(call) },
                Err(error) => PgError::throw(error),
            }
        }
    };
}

set_function!(search_name_text, pg_finfo_search_name_text, search::<String, String>);
set_function!(search_name_vector, pg_finfo_search_name_vector, search::<String, Vector>);
set_function!(search_id_text, pg_finfo_search_id_text, search::<i32, String>);
set_function!(search_id_vector, pg_finfo_search_id_vector, search::<i32, Vector>);
set_function!(search_names_text, pg_finfo_search_names_text, search_several);

set_function!(explain_name_text, pg_finfo_explain_name_text, explain::<String, String>);
set_function!(explain_name_vector, pg_finfo_explain_name_vector, explain::<String, Vector>);
set_function!(explain_id_text, pg_finfo_explain_id_text, explain::<i32, String>);
set_function!(explain_id_vector, pg_finfo_explain_id_vector, explain::<i32, Vector>);
set_function!(explain_names_text, pg_finfo_explain_names_text, explain_several);

/// Returns the rows that a search in one vectorizer finds.
///
/// # Safety
///
/// A call record of `ai.search` whose first arguments have types that are read as `V` and `Q`.
unsafe fn search<V, Q>(call: pg_sys::FunctionCallInfo, returned: &ReturnedRows) -> Result<(), PgError>
where
    V: FromDatum + Into<Named>,
    Q: AsQuestion,
{
    // SAFETY: by the caller.
    let given = unsafe { InOne::read::<V, Q>(call) };
    one::search(given, &Steps::unnoted(), returned).map(drop)
}

/// Returns the steps of a search in one vectorizer.
///
/// # Safety
///
/// A call record of `ai.explain_search` whose first arguments have types that are read as `V` and `Q`.
unsafe fn explain<V, Q>(call: pg_sys::FunctionCallInfo, returned: &ReturnedRows) -> Result<(), PgError>
where
    V: FromDatum + Into<Named>,
    Q: AsQuestion,
{
    // SAFETY: by the caller.
    let given = unsafe { InOne::read::<V, Q>(call) };
    let steps = Steps::noted();
    one::search(given, &steps, &Discarded)?;
    explained::put(&steps, returned)
}

/// Returns the rows that a search in several vectorizers finds.
///
/// # Safety
///
/// A call record of `ai.search` with a list of vectorizers.
unsafe fn search_several(call: pg_sys::FunctionCallInfo, returned: &ReturnedRows) -> Result<(), PgError> {
    // SAFETY: by the caller.
    let given = unsafe { InSeveral::read(call) };
    several::search(given, &Steps::unnoted())?.into_iter().try_for_each(|row| row.put(returned))
}

/// Returns the steps of a search in several vectorizers.
///
/// # Safety
///
/// A call record of `ai.explain_search` with a list of vectorizers.
unsafe fn explain_several(call: pg_sys::FunctionCallInfo, returned: &ReturnedRows) -> Result<(), PgError> {
    // SAFETY: by the caller.
    let given = unsafe { InSeveral::read(call) };
    let steps = Steps::noted();
    several::search(given, &steps)?;
    explained::put_named(&steps, returned)
}
