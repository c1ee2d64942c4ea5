//! A session on a client's connection. It is what a worker outside the server would use, but for what is said at
//! [`Session`]: here the client is a superuser, and there is no trigger that has to know it.

use std::collections::HashMap;
use std::fmt;

use pgai_rs_queue::session::{Connection, Param, QueueError, Row, Session, Sqlstate};
use postgres::types::{ToSql, Type};
use postgres::{Client, Statement};

use super::params::{Uuid, encoded};
use super::source::Source;

/// An error of the server's, or of the queue on it.
#[derive(Debug)]
pub struct ClientError {
    sqlstate: String,
    message: String,
    hint: Option<String>,
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.sqlstate)
    }
}

impl From<postgres::Error> for ClientError {
    fn from(error: postgres::Error) -> Self {
        match error.as_db_error() {
            Some(error) => ClientError {
                sqlstate: error.code().code().to_owned(),
                message: error.message().to_owned(),
                hint: error.hint().map(str::to_owned),
            },
            None => ClientError { sqlstate: "XX000".to_owned(), message: format!("{error:?}"), hint: None },
        }
    }
}

impl QueueError for ClientError {
    fn new(sqlstate: Sqlstate, message: String) -> Self {
        let sqlstate = match sqlstate {
            Sqlstate::NullValueNotAllowed => "22004",
            Sqlstate::SerializationFailure => "40001",
            Sqlstate::InternalError => "XX000",
        };
        ClientError { sqlstate: sqlstate.to_owned(), message, hint: None }
    }

    fn sqlstate(&self) -> String {
        self.sqlstate.clone()
    }

    fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

/// Called before each statement with its text; an error ends the transaction.
pub type Hook = Box<dyn FnMut(&str) -> Result<(), ClientError> + Send>;

/// A client's session at work on a source.
pub struct ClientSession {
    client: Client,
    source: Source,
    /// Statements that were prepared once, by their texts.
    prepared: HashMap<String, Statement>,
    holder: i32,
    /// Called before each statement.
    pub hook: Option<Hook>,
    /// A mistake to plant: a part of a statement, and what stands there instead.
    pub mistake: Option<(&'static str, &'static str)>,
    /// The number of statements that were prepared.
    pub preparations: usize,
}

impl ClientSession {
    pub fn new(mut client: Client, source: Source) -> Self {
        let holder = client.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
        client.batch_execute("SET search_path = pg_catalog, pg_temp").unwrap();
        let prepared = HashMap::new();
        ClientSession { client, source, prepared, holder, hook: None, mistake: None, preparations: 0 }
    }

    /// Returns the connection itself.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    fn prepare(&mut self, sql: &str, types: &[Type]) -> Result<Statement, ClientError> {
        if let Some(hook) = &mut self.hook {
            hook(sql)?;
        }
        let sql = match self.mistake {
            Some((part, instead)) => sql.replace(part, instead),
            None => sql.to_owned(),
        };
        if let Some(statement) = self.prepared.get(&sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare_typed(&sql, types)?;
        self.preparations += 1;
        self.prepared.insert(sql, statement.clone());
        Ok(statement)
    }

    /// Locks tables by their names, and errors unless they are the owner's tables of these OIDs.
    fn hold(&mut self, tables: &[(String, u32)]) -> Result<(), ClientError> {
        for (name, oid) in tables {
            self.client.batch_execute(&format!("LOCK TABLE {name} IN ACCESS SHARE MODE"))?;
            if !is_table(&mut self.client, name, *oid, &self.source.owner)? {
                return Err(ClientError::new(
                    Sqlstate::SerializationFailure,
                    format!("{name} is another table"),
                ));
            }
        }
        Ok(())
    }

    fn as_owner_on<R>(
        &mut self,
        tables: Vec<(String, u32)>,
        f: impl FnOnce(&mut Self) -> Result<R, ClientError>,
    ) -> Result<R, ClientError> {
        self.hold(&tables)?;
        let role = &self.source.owner;
        self.client.batch_execute(&format!("SET LOCAL ROLE {role}; SET CONSTRAINTS ALL IMMEDIATE"))?;
        let result = f(self)?;
        self.client.batch_execute("RESET ROLE")?;
        Ok(result)
    }
}

fn is_table(client: &mut Client, name: &str, oid: u32, owner: &str) -> Result<bool, ClientError> {
    let found = client.query_one(
        "SELECT EXISTS (SELECT FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner
                        WHERE c.oid = $2 AND c.oid = to_regclass($1) AND r.rolname = $3)",
        &[&name, &oid, &owner],
    )?;
    Ok(found.get(0))
}

impl Connection for ClientSession {
    type Error = ClientError;

    fn execute(&mut self, sql: &str, args: &[Param<'_>]) -> Result<u64, ClientError> {
        let (types, values): (Vec<Type>, Vec<_>) = args.iter().map(encoded).unzip();
        let statement = self.prepare(sql, &types)?;
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| &**value).collect();
        Ok(self.client.execute(&statement, &values)?)
    }

    fn query<T>(
        &mut self,
        sql: &str,
        args: &[Param<'_>],
        mut row: impl FnMut(&dyn Row<Error = ClientError>) -> Result<T, ClientError>,
    ) -> Result<Vec<T>, ClientError> {
        let (types, values): (Vec<Type>, Vec<_>) = args.iter().map(encoded).unzip();
        let statement = self.prepare(sql, &types)?;
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| &**value).collect();
        self.client.query(&statement, &values)?.iter().map(|found| row(&ClientRow(found))).collect()
    }
}

impl Session for ClientSession {
    fn transaction<R>(
        &mut self,
        f: impl FnOnce(&mut Self) -> Result<R, ClientError>,
    ) -> Result<R, ClientError> {
        self.client.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED")?;
        let result = f(self);
        let end = if result.is_ok() { "COMMIT" } else { "ROLLBACK" };
        self.client.batch_execute(end)?;
        result
    }

    fn as_owner<R>(&mut self, f: impl FnOnce(&mut Self) -> Result<R, ClientError>) -> Result<R, ClientError> {
        self.as_owner_on(self.source.tables.clone(), f)
    }

    fn as_owner_of_queue<R>(
        &mut self,
        f: impl FnOnce(&mut Self) -> Result<R, ClientError>,
    ) -> Result<R, ClientError> {
        let queue = &self.source.definition.tables;
        let read = |(name, _): &&(String, u32)| [&queue.inbox, &queue.work].contains(&name);
        self.as_owner_on(self.source.tables.iter().filter(read).cloned().collect(), f)
    }

    fn as_extension<R>(
        &mut self,
        f: impl FnOnce(&mut Self) -> Result<R, ClientError>,
    ) -> Result<R, ClientError> {
        f(self)
    }

    fn with_own_search_path<R>(
        &mut self,
        f: impl FnOnce(&mut Self) -> Result<R, ClientError>,
    ) -> Result<R, ClientError> {
        self.client.batch_execute("SET LOCAL search_path = \"$user\", public")?;
        let result = f(self)?;
        self.client.batch_execute("SET LOCAL search_path = pg_catalog, pg_temp")?;
        Ok(result)
    }

    fn writing_vectors<R>(
        &mut self,
        f: impl FnOnce(&mut Self) -> Result<R, ClientError>,
    ) -> Result<R, ClientError> {
        f(self)
    }

    fn holder(&self) -> i32 {
        self.holder
    }

    fn is_outdated(&mut self) -> Result<bool, ClientError> {
        for (name, oid) in &self.source.tables {
            if !is_table(&mut self.client, name, *oid, &self.source.owner)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn try_lock(&mut self, table: u32) -> Result<bool, ClientError> {
        let name: String = self.client.query_one("SELECT $1::oid::regclass::text", &[&table])?.get(0);
        let lock = format!("SAVEPOINT lock; LOCK TABLE {name} IN SHARE UPDATE EXCLUSIVE MODE NOWAIT");
        let locked = self.client.batch_execute(&lock).map_err(ClientError::from);
        self.client.batch_execute("ROLLBACK TO lock; RELEASE lock")?;
        match locked {
            Ok(()) => Ok(true),
            Err(error) if error.is_contention() => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// A row of a result.
struct ClientRow<'a>(&'a postgres::Row);

macro_rules! getters {
    ($($getter:ident: $type:ty,)*) => {$(
        fn $getter(&self, ordinal: usize) -> Result<Option<$type>, ClientError> {
            Ok(self.0.try_get(ordinal - 1)?)
        }
    )*};
}

impl Row for ClientRow<'_> {
    type Error = ClientError;

    getters! {
        bool: bool,
        int4: i32,
        int8: i64,
        oid: u32,
        text: String,
        bytes: Vec<u8>,
    }

    fn uuid(&self, ordinal: usize) -> Result<Option<[u8; 16]>, ClientError> {
        Ok(self.0.try_get::<_, Option<Uuid>>(ordinal - 1)?.map(|id| id.0))
    }
}
