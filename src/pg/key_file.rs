//! The key that encrypts the secrets of this server's databases: a file in the data directory, outside every
//! database.
//!
//! It is created when the first secret is set. A copy of the data directory contains it; logical replication
//! and dumps do not carry it.

use std::ffi::CStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use pgrx::{PgSqlErrorCode, pg_sys};

use pgai_rs_pipeline::seal::{SealError, SealKey};

use super::error::PgError;

/// Name of the file.
pub const NAME: &str = "pgai_rs.secret_key";

/// The reason why there is no usable key.
#[derive(Debug)]
pub enum NoKey {
    /// The file does not exist.
    Missing,
    /// The file can't be read.
    Unreadable(io::Error),
    /// The content of the file is not a key.
    Damaged,
}

/// Reads the key.
pub fn read() -> Result<SealKey, NoKey> {
    let file = File::open(directory().join(NAME)).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => NoKey::Missing,
        _ => NoKey::Unreadable(error),
    })?;
    let mut bytes = Vec::new();
    file.take(SealKey::LENGTH as u64 + 1).read_to_end(&mut bytes).map_err(NoKey::Unreadable)?;
    SealKey::new(&bytes).map_err(|_| NoKey::Damaged)
}

/// Reads the key, and creates it first if the file does not exist.
pub fn read_or_make() -> Result<SealKey, PgError> {
    match read() {
        Err(NoKey::Missing) => make()?,
        found => return found.map_err(cannot_be_used),
    }
    read().map_err(cannot_be_used)
}

/// Creates the file atomically: of two processes that do so at once one wins and both use its key, and a
/// crash leaves either no file or a complete one.
fn make() -> Result<(), PgError> {
    let key = SealKey::random().map_err(|error: SealError| {
        PgError::new(
            PgSqlErrorCode::ERRCODE_SYSTEM_ERROR,
            format!("could not create a key for secrets: {error}"),
        )
    })?;

    let directory = directory();
    let made = format!("{NAME}.{}", std::process::id());
    let whole = directory.join(NAME);
    let part = directory.join(made);
    let result = write(&part, &key, mode(&directory)).and_then(|()| match fs::hard_link(&part, &whole) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    });

    let removed = fs::remove_file(&part);
    result.and(removed).and_then(|()| File::open(&directory)?.sync_all()).map_err(|error| {
        PgError::new(
            PgSqlErrorCode::ERRCODE_IO_ERROR,
            format!("could not write the key for secrets: {error}"),
        )
        .with_hint(format!("The key is in the file {NAME} of the server's data directory."))
    })
}

fn write(path: &Path, key: &[u8], mode: u32) -> io::Result<()> {
    // A file that a crash has left here has no owner.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(key)?;
    file.sync_all()
}

/// Returns the mode of Postgres's own files: if the group may read the data directory, as for backups, it may
/// read the file.
fn mode(directory: &Path) -> u32 {
    const GROUP: u32 = 0o040;
    let of_group = fs::metadata(directory).map_or(0, |metadata| metadata.mode() & GROUP);
    0o600 | of_group
}

fn directory() -> PathBuf {
    // SAFETY: set when the server starts, and never changed.
    let directory = unsafe { CStr::from_ptr(pg_sys::DataDir) };
    PathBuf::from(std::ffi::OsStr::from_bytes(directory.to_bytes()))
}

/// Returns the error for a key that exists but is unusable. It is not replaced: with another key the secrets
/// of other databases would be unreadable for good.
fn cannot_be_used(error: NoKey) -> PgError {
    PgError::new(
        PgSqlErrorCode::ERRCODE_CONFIG_FILE_ERROR,
        format!("could not use the key for secrets: {}", error.words()),
    )
    .with_hint(format!(
        "Restore the file {NAME} of the server's data directory from a backup, or remove it: a new key is then \
         created, and all secrets have to be set again."
    ))
}

impl NoKey {
    /// Returns a description for people.
    pub fn words(&self) -> String {
        match self {
            NoKey::Missing => format!("the file {NAME} in the server's data directory does not exist"),
            NoKey::Unreadable(error) => {
                format!("the file {NAME} in the server's data directory could not be read: {error}")
            }
            NoKey::Damaged => format!("the file {NAME} in the server's data directory is damaged"),
        }
    }
}
