//! Descriptors that the operating system does not have: a fault of the whole process, never of a row.

use std::error::Error;
use std::io;
use std::time::Duration;

use crate::failure::{Failure, Retry, Step};

/// The time that whoever ran out of descriptors rests. Descriptors come back as soon as others have
/// their answers.
const PAUSE: Duration = Duration::from_secs(5);

/// Returns whether an error, or one that it wraps, says that this process or the system has too many
/// open files.
pub(crate) fn is_out_of_descriptors(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| wrapped_by(*error)).any(|error| {
        let error = error.downcast_ref::<io::Error>();
        matches!(error.and_then(io::Error::raw_os_error), Some(libc::EMFILE | libc::ENFILE))
    })
}

/// Returns the error that an error wraps. An `io::Error` names as its source the source of what it
/// wraps, and so hides the latter.
fn wrapped_by<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    wrapped.map(|wrapped| wrapped as &(dyn Error + 'static)).or_else(|| error.source())
}

/// The failure of whatever needed one.
pub(crate) fn failure(step: Step) -> Failure {
    let message = "out of file descriptors for another connection (too many open files)";
    Failure::new(step, "too_many_open_files", message, Retry::After(PAUSE)).with_hint(
        "Increase the limit of open files for the Postgres server (LimitNOFILE in its systemd unit, ulimit -n), \
         or reduce max_files_per_process or pgai_rs.worker_connection_limit.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_table_of_descriptors_is_known_however_deep_it_is_wrapped() {
        let wrapped = |code| io::Error::other(io::Error::from_raw_os_error(code));
        assert!(is_out_of_descriptors(&wrapped(libc::EMFILE)));
        assert!(is_out_of_descriptors(&io::Error::from_raw_os_error(libc::ENFILE)));
        assert!(!is_out_of_descriptors(&wrapped(libc::ECONNREFUSED)));
    }
}
