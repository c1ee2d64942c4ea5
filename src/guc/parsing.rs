//! Settings for parsing documents: limits of the program that does it.

use std::ffi::{CStr, OsStr, c_void};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use pgrx::pg_sys;

use pgai_rs_pipeline::settings::{Settings, defaults};

use super::setting::*;

settings! {
    int PARSE_CONCURRENCY = defaults::PARSE_CONCURRENCY;
    int PARSE_MEMORY_LIMIT = defaults::PARSE_MEMORY_LIMIT;
    int PARSE_TIMEOUT = defaults::PARSE_TIMEOUT;
}

/// The parser's file, beside the extension's library.
const PARSER: &str = "pgai_rs_parser";

/// Defines these settings.
pub fn define(d: &Definer) {
    d.int(
        c"pgai_rs.parse_concurrency",
        &PARSE_CONCURRENCY,
        (1, 256),
        NO_UNIT,
        (
            c"Sets the maximum number of documents that a worker parses at a time.",
            c"Each is parsed by a process of its own. Plain text and Markdown need none.",
        ),
    );
    d.int(
        c"pgai_rs.parse_memory_limit",
        &PARSE_MEMORY_LIMIT,
        (512, 65_536),
        GucFlags::UNIT_MB,
        (
            c"Sets the maximum memory of a process that parses a document.",
            c"A document that needs more is set aside.",
        ),
    );
    d.int(
        c"pgai_rs.parse_timeout",
        &PARSE_TIMEOUT,
        (1_000, 3_600_000),
        GucFlags::UNIT_MS,
        (
            c"Sets the maximum time to parse a document.",
            c"It is for the time on the clock and for that on a processor. A document that needs more is set aside.",
        ),
    );
}

/// Copies these settings into those of the pipeline.
pub fn tell(settings: &mut Settings) {
    settings.parser = Some(parser());
    settings.parse_concurrency = number(&PARSE_CONCURRENCY);
    settings.parse_memory_limit = (number(&PARSE_MEMORY_LIMIT) as u64) << 20;
    settings.parse_timeout = millis(&PARSE_TIMEOUT);
}

/// Returns the parser's file, beside the library that this is in.
///
/// That is the directory of Postgres's loadable modules, unless `dynamic_library_path` has led elsewhere, as it does where
/// extensions are mounted into a container.
fn parser() -> PathBuf {
    if let Some(library) = library() {
        return library.with_file_name(PARSER);
    }

    // SAFETY: the server has written it, ended by a zero, before it loads modules, and does not change it.
    let directory = unsafe { CStr::from_ptr((&raw const pg_sys::pkglib_path).cast()) };
    path(directory).join(PARSER)
}

/// Returns the file that the server has loaded this library from, by the path that it gave.
fn library() -> Option<PathBuf> {
    let mut found = MaybeUninit::<libc::Dl_info>::uninit();
    // SAFETY: the address is that of a function of this library, which is loaded, and there is room for the answer.
    if unsafe { libc::dladdr(library as *const c_void, found.as_mut_ptr()) } == 0 {
        return None;
    }

    // SAFETY: the call has succeeded, and so filled it in.
    let name = unsafe { found.assume_init() }.dli_fname;
    // SAFETY: the loader's own name of the file, ended by a zero, lasts as long as the library is loaded.
    let file = path(unsafe { CStr::from_ptr(name) });
    file.is_absolute().then_some(file)
}

fn path(name: &CStr) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(name.to_bytes()))
}
