//! The seam between the queue's protocol and a connection to Postgres.
//!
//! The extension's worker implements it on SPI. What SPI gives it, and a connection of a client's does not, is
//! named at each method, with what a worker outside the server has to do instead.
//!
//! Texts of statements come from [`sql`](crate::sql) and depend on a vectorizer's names alone. So there are a few
//! dozen for each vectorizer, and an implementation may prepare each once and keep it until the vectorizer's
//! definition changes.

use std::fmt;

use serde_json::Value as Json;

/// A parameter of a statement, lent for the call. Vectors are copied once, into what is sent to Postgres.
#[derive(Debug, Clone, Copy)]
pub enum Param<'a> {
    /// `bool`.
    Bool(bool),
    /// `int4`.
    Int4(i32),
    /// `int8`.
    Int8(i64),
    /// `int8`, the number of rows that are enough. The best plan depends on it: an implementation that keeps plans
    /// keeps one for a few rows, and makes one for each run with more.
    Limit(i64),
    /// `float8`.
    Float8(f64),
    /// `oid`.
    Oid(u32),
    /// `text`.
    Text(&'a str),
    /// `jsonb`.
    Jsonb(&'a Json),
    /// `int4[]`.
    Int4s(&'a [i32]),
    /// `int8[]`.
    Int8s(&'a [i64]),
    /// `text[]`.
    Texts(&'a [&'a str]),
    /// `text[]`, with NULLs.
    OptionalTexts(&'a [Option<&'a str>]),
    /// `bytea[]`, with NULLs.
    OptionalBytes(&'a [Option<&'a [u8]>]),
    /// `uuid[]`.
    Uuids(&'a [[u8; 16]]),
    /// pgvector's `vector[]`. The implementation errors if pgvector would reject one of them.
    Vectors(&'a [&'a [f32]]),
}

/// A row of a result. Columns count from 1; a getter returns `None` if its column is NULL, and errors if it has
/// another type.
pub trait Row {
    /// The error of the connection.
    type Error: QueueError;

    /// Returns a `bool`.
    fn bool(&self, ordinal: usize) -> Result<Option<bool>, Self::Error>;

    /// Returns an `int4`.
    fn int4(&self, ordinal: usize) -> Result<Option<i32>, Self::Error>;

    /// Returns an `int8`.
    fn int8(&self, ordinal: usize) -> Result<Option<i64>, Self::Error>;

    /// Returns an `oid`.
    fn oid(&self, ordinal: usize) -> Result<Option<u32>, Self::Error>;

    /// Returns a `text`.
    fn text(&self, ordinal: usize) -> Result<Option<String>, Self::Error>;

    /// Returns a `bytea`.
    fn bytes(&self, ordinal: usize) -> Result<Option<Vec<u8>>, Self::Error>;

    /// Returns a `uuid`.
    fn uuid(&self, ordinal: usize) -> Result<Option<[u8; 16]>, Self::Error>;
}

/// A type of a column.
pub trait Column: Sized {
    /// Returns a column of a row; `None` if it is NULL.
    fn read<R: Row + ?Sized>(row: &R, ordinal: usize) -> Result<Option<Self>, R::Error>;
}

macro_rules! columns {
    ($($type:ty: $getter:ident,)*) => {$(
        impl Column for $type {
            fn read<R: Row + ?Sized>(row: &R, ordinal: usize) -> Result<Option<Self>, R::Error> {
                row.$getter(ordinal)
            }
        }
    )*};
}

columns! {
    bool: bool,
    i32: int4,
    i64: int8,
    u32: oid,
    String: text,
    Vec<u8>: bytes,
    [u8; 16]: uuid,
}

impl<E: QueueError> dyn Row<Error = E> + '_ {
    /// Returns the value of a column, counted from 1; errors if it is NULL.
    pub fn get<T: Column>(&self, ordinal: usize) -> Result<T, E> {
        self.get_opt(ordinal)?.ok_or_else(|| {
            E::new(Sqlstate::NullValueNotAllowed, format!("column {ordinal} of an internal query is null"))
        })
    }

    /// Returns the value of a column, counted from 1; `None` if it is NULL.
    pub fn get_opt<T: Column>(&self, ordinal: usize) -> Result<Option<T>, E> {
        T::read(self, ordinal)
    }
}

/// The SQLSTATEs of the queue's own errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sqlstate {
    /// 22004.
    NullValueNotAllowed,
    /// 40001.
    SerializationFailure,
    /// XX000.
    InternalError,
}

/// An error of a connection, or of the queue on it.
pub trait QueueError: fmt::Display {
    /// Creates an error of the queue's own.
    fn new(sqlstate: Sqlstate, message: String) -> Self;

    /// Returns the five characters of the SQLSTATE.
    fn sqlstate(&self) -> String;

    /// Returns the HINT, or `None` if there is none.
    fn hint(&self) -> Option<&str>;

    /// Returns whether the error comes from concurrent statements (lock not available, deadlock, serialization
    /// failure), so that a retry can succeed.
    fn is_contention(&self) -> bool {
        matches!(self.sqlstate().as_str(), "55P03" | "40P01" | "40001")
    }

    /// Returns whether the statement was cancelled or ran out of a resource of the server. Retrying it in
    /// smaller parts would cost as much again.
    fn is_costly(&self) -> bool {
        const INSUFFICIENT_RESOURCES: &str = "53";
        let sqlstate = self.sqlstate();
        sqlstate == "57014" || sqlstate.starts_with(INSUFFICIENT_RESOURCES)
    }
}

/// A connection that runs statements. Each statement sees the changes of those before it, and what others committed before it began.
pub trait Connection {
    /// The error of a statement.
    type Error: QueueError;

    /// Runs a statement and returns the number of rows that it touched or returned.
    fn execute(&mut self, sql: &str, args: &[Param<'_>]) -> Result<u64, Self::Error>;

    /// Runs a statement and maps each row that it returns.
    fn query<T>(
        &mut self,
        sql: &str,
        args: &[Param<'_>],
        row: impl FnMut(&dyn Row<Error = Self::Error>) -> Result<T, Self::Error>,
    ) -> Result<Vec<T>, Self::Error>;

    /// Does the same with a statement that changes nothing and takes no lock on a row. An implementation may run
    /// it more cheaply.
    fn read<T>(
        &mut self,
        sql: &str,
        args: &[Param<'_>],
        row: impl FnMut(&dyn Row<Error = Self::Error>) -> Result<T, Self::Error>,
    ) -> Result<Vec<T>, Self::Error> {
        self.query(sql, args, row)
    }
}

/// A connection at work on one vectorizer, whose owner and tables it knows.
pub trait Session: Connection {
    /// Runs `f` in a new transaction at READ COMMITTED, which commits, or aborts on `Err`. It must be called
    /// outside a transaction.
    fn transaction<R>(
        &mut self,
        f: impl FnOnce(&mut Self) -> Result<R, Self::Error>,
    ) -> Result<R, Self::Error>;

    /// Runs `f` as the vectorizer's owner, within a transaction. Its tables are locked first (ACCESS SHARE), and it
    /// errors (40001) unless each is the one that the vectorizer is bound to, with the owner and the name that its
    /// statements were written for. Nothing of the owner's is left to run at the transaction's end.
    ///
    /// SPI does it in a security-restricted operation, under a pinned search path, and has every name of a
    /// statement looked up among the tables that are held. A client has none of the three. It must be logged in as
    /// the owner, or as a role that the owner has been granted to and that has no other rights: then what an owner's
    /// trigger does with SET ROLE, it does with rights that this owner has anyway. It must pin `search_path` to
    /// `pg_catalog, pg_temp`, and qualify all names, as these statements do. It can't keep a schema from being renamed
    /// meanwhile. So it has to look, after its statements, whether the names still mean the tables that it has locked,
    /// and abort if not, which is what [`is_outdated`](Self::is_outdated) is asked for.
    fn as_owner<R>(&mut self, f: impl FnOnce(&mut Self) -> Result<R, Self::Error>) -> Result<R, Self::Error>;

    /// Does the same as [`as_owner`](Self::as_owner), to read the inbox and the work table alone.
    fn as_owner_of_queue<R>(
        &mut self,
        f: impl FnOnce(&mut Self) -> Result<R, Self::Error>,
    ) -> Result<R, Self::Error>;

    /// Runs `f`, whose statements on the extension's own tables need its rights, within a transaction.
    ///
    /// SPI is a superuser's. A client needs a role that was granted INSERT, UPDATE and DELETE on
    /// `ai._vectorizer_errors`, or functions that are SECURITY DEFINER and look whose vectorizer it is.
    fn as_extension<R>(
        &mut self,
        f: impl FnOnce(&mut Self) -> Result<R, Self::Error>,
    ) -> Result<R, Self::Error>;

    /// Runs `f`, whose statements fire the owner's triggers and evaluate functions in the owner's indexes: these
    /// may rely on the owner's own search path. It must be called within [`as_owner`](Self::as_owner).
    ///
    /// SPI reads the statements under the pinned path, and plans and runs them under the owner's. A client can only
    /// set the path for both; its statements have qualified names, but operators and types are looked up there, too.
    /// Such a client is safe as long as the client's role has no other rights than the owner.
    fn with_own_search_path<R>(
        &mut self,
        f: impl FnOnce(&mut Self) -> Result<R, Self::Error>,
    ) -> Result<R, Self::Error>;

    /// Runs `f`, which writes vectors to a column of the source. The vectorizer's trigger does not take its
    /// statements for a user's, but those of the triggers that they fire.
    ///
    /// SPI's statements and the trigger run in one process, where a variable says so. A client can't be trusted to
    /// say so: whoever could set a mark could keep rows from being embedded. The trigger has to know the backend by
    /// something that only the extension writes, such as a row that a function made for the worker's role, with
    /// the backend's process id and its start time.
    fn writing_vectors<R>(
        &mut self,
        f: impl FnOnce(&mut Self) -> Result<R, Self::Error>,
    ) -> Result<R, Self::Error>;

    /// Returns the process id of the backend, by which others find out whether the holder of a lease is alive.
    ///
    /// It must be that of the backend, and not of a client: [`recover`](crate::suspects::recover) asks
    /// `pg_stat_activity` for it. Two workers on one database are told apart by it; the leases of a worker on
    /// another host are safe, for its backend is on this one.
    fn holder(&self) -> i32;

    /// Returns whether the vectorizer's definition or its tables have changed in the catalog since its statements
    /// were written, so that their names may mean other objects. It must be called within a transaction, after
    /// statements whose locks prevent later changes.
    ///
    /// SPI is told of changes, and looks only then. A client has to look each time: at the version of the catalog's
    /// row, and at the OIDs, owners and names of the tables.
    fn is_outdated(&mut self) -> Result<bool, Self::Error>;

    /// Returns whether no other transaction holds the lock on a table that adding a partition holds (SHARE UPDATE
    /// EXCLUSIVE). It does not wait, and keeps no lock. Once it has returned true, the next statement knows what the
    /// former holders have committed.
    ///
    /// A client takes it with LOCK TABLE ... NOWAIT in a savepoint that it rolls back. Where it may not, it has to
    /// return false.
    fn try_lock(&mut self, table: u32) -> Result<bool, Self::Error>;

    /// Does the same as [`as_owner`](Self::as_owner), and errors (40001) if the definition has changed by the end of `f`:
    /// columns that have changed places would have been taken for each other. Whoever settles or deletes something does
    /// it like this.
    fn as_owner_unchanged<R>(
        &mut self,
        f: impl FnOnce(&mut Self) -> Result<R, Self::Error>,
    ) -> Result<R, Self::Error> {
        self.as_owner(|s| {
            let result = f(s)?;
            s.require_unchanged()?;
            Ok(result)
        })
    }

    /// Errors (40001) if the definition has changed; see [`is_outdated`](Self::is_outdated).
    fn require_unchanged(&mut self) -> Result<(), Self::Error> {
        match self.is_outdated()? {
            false => Ok(()),
            true => Err(Self::Error::new(
                Sqlstate::SerializationFailure,
                "its definition has changed meanwhile".to_owned(),
            )),
        }
    }
}
