//! Faults of readers: a panic ends one document, and nobody sees its message, which may quote the document.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, Location};

thread_local! {
    /// The place of this thread's last panic.
    static PLACE: Cell<Option<String>> = const { Cell::new(None) };
}

/// Makes panics of all threads say nothing, and remember only their place.
pub fn silence() {
    panic::set_hook(Box::new(|panic| {
        PLACE.set(panic.location().map(place));
    }));
}

/// Returns what a reader returns. If it panics, returns the place in the source where it did, as far as it is known.
pub(crate) fn catch<T>(read: impl FnOnce() -> T) -> Result<T, String> {
    PLACE.set(None);
    // Nothing that the reader had its hands on is used afterwards, but for the document, which is read only.
    panic::catch_unwind(AssertUnwindSafe(read))
        .map_err(|_panic| PLACE.take().unwrap_or_else(|| "an unknown place".to_owned()))
}

/// Returns a place in words: the crate with its version and the file in it, wherever they were built.
fn place(location: &Location<'_>) -> String {
    format!("{}:{}", public_path(location.file()), location.line())
}

/// Returns the part of a source file's path that is the same on every machine.
fn public_path(path: &str) -> &str {
    // A dependency lies in a folder of its registry, which lies in one of cargo's.
    if let Some((_, in_registries)) = path.split_once("/registry/src/") {
        return in_registries.split_once('/').map_or(in_registries, |(_, in_registry)| in_registry);
    }
    if let Some((_, in_library)) = path.split_once("/library/") {
        return in_library;
    }
    match path.rsplit_once("/crates/") {
        Some((_, in_workspace)) => in_workspace,
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_caught() {
        assert_eq!(catch(|| 1), Ok(1));
        assert!(catch(|| panic!("the document's words")).is_err_and(|place| !place.contains("words")));
    }

    #[test]
    fn a_place_says_nothing_of_the_machine_it_was_built_on() {
        let built = "/home/x/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/zip-8.0.0/src/read.rs";
        assert_eq!(public_path(built), "zip-8.0.0/src/read.rs");
        assert_eq!(public_path("/rustc/0ab/library/core/src/str/mod.rs"), "core/src/str/mod.rs");
        assert_eq!(public_path("/build/pgai_rs/crates/parser/src/rtf.rs"), "parser/src/rtf.rs");
        assert_eq!(public_path("src/rtf.rs"), "src/rtf.rs");
    }
}
