//! Definitions of vectorizers that there might be.

use pgai_rs_queue::definition::{Definition, Field, Target, Words};
use pgai_rs_queue::key::{Key, KeyColumn};
use pgai_rs_queue::quote::ident;
use pgai_rs_queue::statements::Statements;
use pgai_rs_queue::tables::{OwnColumns, QueueTables, Remembered, Texts};

/// Returns a column of a key.
pub fn key_column(name: &str, attnum: i32, position: i32, type_name: &str) -> KeyColumn {
    KeyColumn {
        name: name.to_owned(),
        attnum,
        position,
        type_name: type_name.to_owned(),
        collate: String::new(),
        equals: "OPERATOR(pg_catalog.=)".to_owned(),
        compared_as: String::new(),
        has_cast: false,
    }
}

/// Returns a column that is read.
pub fn field(name: &str, type_name: &str) -> Field {
    Field { name: name.to_owned(), type_name: type_name.to_owned() }
}

fn tables(id: i32) -> QueueTables {
    let name = |stem: &str| format!("\"public\".{}", ident(&format!("_vectorizer_{stem}_{id}")));
    QueueTables { inbox: name("q"), work: name("work"), failed: name("q_failed"), origin: name("origin") }
}

/// Returns a vectorizer of texts, with a store.
pub fn texts() -> Definition {
    let key = Key::new(vec![key_column("id", 1, 1, "integer")]).unwrap();
    Definition {
        id: 1,
        source: "\"public\".\"blog\"".to_owned(),
        source_oid: 0,
        in_hierarchy: false,
        tables: tables(1),
        own: OwnColumns::beside(&key),
        key,
        loaded: field("body", "text"),
        by_address: false,
        fields: vec![field("title", "text"), field("price", "float8")],
        target: Target::Store("\"public\".\"blog_store\"".to_owned()),
        vector_type: "\"public\".\"vector\"".to_owned(),
        remembered: Remembered::Nothing,
        texts: Texts::Absent,
        cited: false,
        words: None,
        statements: Statements::default(),
    }
}

/// `simple`, the text search configuration that has this OID in every database.
pub const SIMPLE: u32 = 3748;

/// Returns a vectorizer of texts, with a store, that keeps words.
pub fn with_words() -> Definition {
    let words = Words { table: "\"public\".\"blog_store_words\"".to_owned(), configuration: Some(SIMPLE) };
    Definition { words: Some(words), ..texts() }
}

/// Returns a vectorizer of documents at addresses, with a column for vectors, of a partitioned table whose key has
/// names that a queue has, too.
pub fn addresses() -> Definition {
    let columns = vec![
        key_column("tenant \"of\"", 2, 1, "text"),
        key_column("created_at", 1, 2, "timestamp with time zone"),
    ];
    let key = Key::new(columns).unwrap();
    Definition {
        id: 2,
        source: "\"public\".\"events\"".to_owned(),
        source_oid: 0,
        in_hierarchy: true,
        tables: tables(2),
        own: OwnColumns::beside(&key),
        key,
        loaded: field("uri", "text"),
        by_address: true,
        fields: Vec::new(),
        target: Target::Column("embedding".to_owned()),
        vector_type: "\"public\".\"vector\"".to_owned(),
        remembered: Remembered::Input,
        texts: Texts::Removed,
        cited: false,
        words: None,
        statements: Statements::default(),
    }
}

/// Returns a vectorizer of documents in a column, with a store, that keeps their texts.
pub fn documents() -> Definition {
    Definition {
        id: 1,
        loaded: field("body", "bytea"),
        remembered: Remembered::Text,
        texts: Texts::Kept,
        ..texts()
    }
}
