//! The names and expressions that the queue's SQL is made of.

use std::sync::Arc;

use crate::key::{GivenKeys, Key, KeyValues};
use crate::statements::Statements;
use crate::tables::{OwnColumns, QueueTables, Remembered, Texts};

/// A column of the source that is read.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// The unqualified name of its type, such as `text`; for a domain, that of its base type.
    pub type_name: String,
}

/// A source whose rows are sampled.
#[derive(Debug, Clone, Copy)]
pub struct Sampled<'a> {
    /// Its qualified name.
    pub source: &'a str,
    /// The column that is loaded.
    pub loaded: &'a Field,
    /// True if the loaded column holds the addresses of documents, false if it holds the documents.
    pub by_address: bool,
    /// The column of the sizes of the documents at these addresses, if there is one.
    pub size: Option<&'a Field>,
    /// The columns that the template names.
    pub fields: &'a [Field],
}

/// The place where the vectors go.
#[derive(Debug, Clone)]
pub enum Target {
    /// A store of chunks, by its qualified name.
    Store(String),
    /// A column of the source, by its name.
    Column(String),
}

/// The table of the words of a store's chunks.
#[derive(Debug, Clone)]
pub struct Words {
    /// Its qualified name.
    pub table: String,
    /// The OID of the text search configuration that makes words of a text; `None` for chunks that are to have none,
    /// because there are more than a `tsvector` can hold.
    pub configuration: Option<u32>,
}

/// A vectorizer as its queue's statements need it: nothing here is missing or left to be checked.
#[derive(Debug, Clone)]
pub struct Definition {
    /// The vectorizer's id.
    pub id: i32,
    /// The qualified name of the source.
    pub source: String,
    /// The OID of the source.
    pub source_oid: u32,
    /// True if the source is a partitioned table, or one that inherits or is inherited.
    pub in_hierarchy: bool,
    /// The key of the source and of all tables of the queue.
    pub key: Key,
    /// The names of the queue's tables.
    pub tables: QueueTables,
    /// The names of the queue's own columns.
    pub own: OwnColumns,
    /// The column that is loaded.
    pub loaded: Field,
    /// True if the loaded column holds the addresses of documents, false if it holds the documents.
    pub by_address: bool,
    /// The columns that the template names, in the source's order.
    pub fields: Vec<Field>,
    /// The place where the vectors go.
    pub target: Target,
    /// The qualified name of pgvector's type.
    pub vector_type: String,
    /// The information that is remembered for each row.
    pub remembered: Remembered,
    /// The treatment of documents' texts.
    pub texts: Texts,
    /// True if the store keeps the places of chunks in their documents.
    pub cited: bool,
    /// The table of the words of the store's chunks; `None` if they are not kept.
    pub words: Option<Words>,
    /// The texts of its statements. Whoever changes another field does so before the first of them runs, or in a clone.
    pub statements: Statements,
}

impl Definition {
    /// Returns the definition by which chunks are written without words, in a table that keeps some.
    pub fn without_words(&self) -> Definition {
        let words = self.words.clone().map(|words| Words { configuration: None, ..words });
        Definition { words, ..self.clone() }
    }

    /// Returns the text of the statement with this name, which `write` writes for this definition.
    pub fn statement(&self, name: &'static str, write: impl FnOnce(&Definition) -> String) -> Arc<str> {
        self.statements.get(name, || write(self))
    }

    /// Returns these keys as parameters.
    pub fn keys<'a>(&self, keys: impl Iterator<Item = &'a KeyValues>) -> GivenKeys<'a> {
        GivenKeys::new(keys, self.key.len())
    }
}
