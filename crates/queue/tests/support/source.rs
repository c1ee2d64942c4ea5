//! A source in a database, with the tables of its queue.

use pgai_rs_queue::definition::{Definition, Target};
use pgai_rs_queue::tables::definitions;
use postgres::Client;

use super::client::ClientSession;
use super::definitions::{addresses, documents, texts, with_words};
use super::server::Server;

/// A source in a database of its own.
#[derive(Clone)]
pub struct Source {
    server: &'static Server,
    database: String,
    /// The role that owns all tables.
    pub owner: String,
    /// The vectorizer.
    pub definition: Definition,
    /// The tables that are locked for its work, by name and OID.
    pub tables: Vec<(String, u32)>,
}

impl Source {
    /// Returns a source of texts, with a store.
    pub fn of_texts(server: &'static Server) -> Source {
        let source = "CREATE TABLE blog (id int PRIMARY KEY, title text, body text, price float8);
                      CREATE TABLE blog_store (
                          embedding_uuid uuid NOT NULL PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
                          id int NOT NULL, chunk_seq int4 NOT NULL, chunk text NOT NULL,
                          embedding vector(3) NOT NULL, UNIQUE (id, chunk_seq))";
        Source::create(server, source, texts())
    }

    /// Returns a source of texts, with a store and the words of its chunks.
    pub fn of_words(server: &'static Server) -> Source {
        let source = "CREATE TABLE blog (id int PRIMARY KEY, title text, body text, price float8);
                      CREATE TABLE blog_store (
                          embedding_uuid uuid NOT NULL PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
                          id int NOT NULL, chunk_seq int4 NOT NULL, chunk text NOT NULL,
                          embedding vector(3) NOT NULL, UNIQUE (id, chunk_seq));
                      CREATE TABLE blog_store_words (
                          embedding_uuid uuid PRIMARY KEY REFERENCES blog_store (embedding_uuid) ON DELETE CASCADE,
                          words tsvector NOT NULL)";
        Source::create(server, source, with_words())
    }

    /// Returns a source of documents, with a store, whose texts are kept.
    pub fn of_documents(server: &'static Server) -> Source {
        let source = "CREATE TABLE blog (id int PRIMARY KEY, title text, body bytea, price float8);
                      CREATE TABLE blog_store (
                          embedding_uuid uuid NOT NULL PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
                          id int NOT NULL, chunk_seq int4 NOT NULL, chunk text NOT NULL,
                          embedding vector(3) NOT NULL, UNIQUE (id, chunk_seq))";
        Source::create(server, source, documents())
    }

    /// Returns a partitioned source of addresses, with a column for vectors.
    pub fn of_addresses(server: &'static Server) -> Source {
        let source = "CREATE TABLE events (
                          created_at timestamptz, \"tenant \"\"of\"\"\" text, uri text, embedding vector(3),
                          PRIMARY KEY (\"tenant \"\"of\"\"\", created_at)) PARTITION BY RANGE (created_at);
                      CREATE TABLE events_2026 PARTITION OF events
                          FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')";
        Source::create(server, source, addresses())
    }

    fn create(server: &'static Server, source: &str, mut definition: Definition) -> Source {
        let database = server.database();
        let owner = format!("owner_of_{database}");
        let mut client = server.connect(&database);
        let queue = definitions(&definition.tables, &definition.key, definition.remembered);
        client
            .batch_execute(&format!(
                "CREATE ROLE {owner}; GRANT CREATE ON SCHEMA public TO {owner}; SET ROLE {owner}; {source}; {}",
                queue.join(";")
            ))
            .unwrap();

        let mut names = vec![definition.source.clone()];
        names.extend(definition.tables.all(definition.remembered).into_iter().map(str::to_owned));
        if let Target::Store(store) = &definition.target {
            names.push(store.clone());
        }
        names.extend(definition.words.iter().map(|words| words.table.clone()));
        let oid = |name: &str, client: &mut Client| -> u32 {
            client.query_one("SELECT to_regclass($1)::oid", &[&name]).unwrap().get(0)
        };
        definition.source_oid = oid(&definition.source, &mut client);
        let tables = names.into_iter().map(|name| (name.clone(), oid(&name, &mut client))).collect();
        Source { server, database, owner, definition, tables }
    }

    /// Returns a new connection, as superuser.
    pub fn connect(&self) -> Client {
        self.server.connect(&self.database)
    }

    /// Returns a new session.
    pub fn session(&self) -> ClientSession {
        ClientSession::new(self.connect(), self.clone())
    }
}
