//! The queue's session over SPI: a connection at work on one vectorizer.

use pgai_rs_queue::session::{Connection, Param, Row, Session};
use pgrx::pg_sys;

use super::active::Active;
use crate::pg::connection::Spi;
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, with_own_search_path};
use crate::pg::transaction::transaction;
use crate::trigger;

/// The lock that adding a partition holds on the parent until all processes have been told.
const PARTITION_LOCK: pg_sys::LOCKMODE = pg_sys::ShareUpdateExclusiveLock as pg_sys::LOCKMODE;

/// The current process's connection to itself, at work on a vectorizer.
pub struct SpiSession<'a> {
    active: &'a Active,
    spi: Spi,
}

impl<'a> SpiSession<'a> {
    /// Returns a session for a vectorizer.
    pub fn on(active: &'a Active) -> Self {
        SpiSession { active, spi: Spi }
    }
}

impl Connection for SpiSession<'_> {
    type Error = PgError;

    fn execute(&mut self, sql: &str, args: &[Param<'_>]) -> Result<u64, PgError> {
        self.spi.execute(sql, args)
    }

    fn query<T>(
        &mut self,
        sql: &str,
        args: &[Param<'_>],
        row: impl FnMut(&dyn Row<Error = PgError>) -> Result<T, PgError>,
    ) -> Result<Vec<T>, PgError> {
        self.spi.query(sql, args, row)
    }

    fn read<T>(
        &mut self,
        sql: &str,
        args: &[Param<'_>],
        row: impl FnMut(&dyn Row<Error = PgError>) -> Result<T, PgError>,
    ) -> Result<Vec<T>, PgError> {
        self.spi.read(sql, args, row)
    }
}

impl Session for SpiSession<'_> {
    fn transaction<R>(&mut self, f: impl FnOnce(&mut Self) -> Result<R, PgError>) -> Result<R, PgError> {
        transaction(|| f(self))
    }

    fn as_owner<R>(&mut self, f: impl FnOnce(&mut Self) -> Result<R, PgError>) -> Result<R, PgError> {
        self.active.as_owner(|| f(self))
    }

    fn as_owner_of_queue<R>(
        &mut self,
        f: impl FnOnce(&mut Self) -> Result<R, PgError>,
    ) -> Result<R, PgError> {
        self.active.as_owner_of_queue(|| f(self))
    }

    fn as_extension<R>(&mut self, f: impl FnOnce(&mut Self) -> Result<R, PgError>) -> Result<R, PgError> {
        as_superuser(|| f(self))
    }

    fn with_own_search_path<R>(
        &mut self,
        f: impl FnOnce(&mut Self) -> Result<R, PgError>,
    ) -> Result<R, PgError> {
        with_own_search_path(|| f(self))
    }

    fn writing_vectors<R>(&mut self, f: impl FnOnce(&mut Self) -> Result<R, PgError>) -> Result<R, PgError> {
        trigger::writing_vectors(self.active.vectorizer.source.oid, || f(self))
    }

    fn holder(&self) -> i32 {
        std::process::id() as i32
    }

    fn is_outdated(&mut self) -> Result<bool, PgError> {
        self.active.is_outdated()
    }

    /// Taking the lock processes the invalidation messages that were sent before, so this process then knows what
    /// the former holders have done.
    fn try_lock(&mut self, table: u32) -> Result<bool, PgError> {
        let table = pg_sys::Oid::from(table);
        // SAFETY: on the main thread, in a transaction; does not wait. Such a lock can be taken, and
        // released, on a table that has gone meanwhile as well.
        unsafe {
            let free = pg_sys::ConditionalLockRelationOid(table, PARTITION_LOCK);
            if free {
                pg_sys::UnlockRelationOid(table, PARTITION_LOCK);
            }
            Ok(free)
        }
    }
}
