//! The SQL functions, one file a family, named as users name them. Their signatures are in `sql/`.

pub mod create_vectorizer;
pub mod drop_vectorizer;
pub mod search;
pub mod validate;
pub mod worker;
