//! A source's primary key, and the SQL for it.

use serde_json::{Value, json};

use crate::quote::ident;
use crate::session::Param;

/// A column of the primary key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyColumn {
    /// Its name.
    pub name: String,
    /// Its number in the table (`attnum`).
    pub attnum: i32,
    /// Its position in the key, from 1.
    pub position: i32,
    /// Its type with modifiers, schema-qualified outside pg_catalog.
    pub type_name: String,
    /// `COLLATE …` if the column's collation differs from its type's; else empty.
    pub collate: String,
    /// The equality operator of the key's index, qualified: the `=` of a type may be in any schema.
    pub equals: String,
    /// The cast `::type` of the values that are compared; empty for most types. Postgres resolves its operators
    /// of any enum for enums only, and not for domains over them.
    pub compared_as: String,
    /// True if a function casts its type to text, whose result the type's input need not accept.
    pub has_cast: bool,
}

impl KeyColumn {
    /// Returns a condition that is true if two expressions of the column's type are equal.
    pub fn equal(&self, left: &str, right: &str) -> String {
        let KeyColumn { equals, compared_as, .. } = self;
        format!("{left}{compared_as} {equals} {right}{compared_as}")
    }

    /// Returns its value in a relation with an alias as text, in the form that its type reads.
    fn as_text(&self, alias: &str) -> String {
        let name = ident(&self.name);
        match self.has_cast {
            true => format!("pg_catalog.format('%s', {alias}.{name})"),
            false => format!("{alias}.{name}::text"),
        }
    }
}

/// The columns of a primary key, in the key's order. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(Vec<KeyColumn>);

impl Key {
    /// Returns a key of these columns, in the key's order; `None` if there are none.
    pub fn new(columns: Vec<KeyColumn>) -> Option<Key> {
        if columns.is_empty() { None } else { Some(Key(columns)) }
    }

    /// Returns the columns in the key's order.
    pub fn columns(&self) -> &[KeyColumn] {
        &self.0
    }

    /// Returns the number of columns, at least one.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns pgai's `source_pk`.
    pub fn to_json(&self) -> Value {
        self.0
            .iter()
            .map(|c| json!({"attname": c.name, "attnum": c.attnum, "pknum": c.position, "typname": c.type_name}))
            .collect()
    }

    /// Returns column definitions for a table that has this key, in the source's column order.
    pub fn definitions(&self) -> String {
        let mut columns: Vec<_> = self.0.iter().collect();
        columns.sort_by_key(|c| c.attnum);
        let definition = |c: &&KeyColumn| format!("{} {}{} NOT NULL", ident(&c.name), c.type_name, c.collate);
        columns.iter().map(definition).collect::<Vec<_>>().join(", ")
    }

    /// Returns `"a", "b"`, or `x."a", x."b"` with an alias.
    pub fn names(&self, alias: Option<&str>) -> String {
        let prefix = alias.map(|alias| format!("{alias}.")).unwrap_or_default();
        self.0.iter().map(|c| format!("{prefix}{}", ident(&c.name))).collect::<Vec<_>>().join(", ")
    }

    /// Returns `x."a"::text, x."b"::text`, in the form that [`Key::given`] reads.
    pub fn as_text(&self, alias: &str) -> String {
        self.0.iter().map(|column| column.as_text(alias)).collect::<Vec<_>>().join(", ")
    }

    /// Returns a condition that is true if no column of a row's key is NULL; a table that inherits need not
    /// enforce that. IS NOT NULL would not do: for a composite type it looks at each field.
    pub fn is_whole(&self, alias: &str) -> String {
        format!("pg_catalog.num_nulls({}) OPERATOR(pg_catalog.=) 0", self.names(Some(alias)))
    }

    /// Returns a condition that is true if the rows of two relations, both with this key's columns, have the
    /// same key.
    pub fn same(&self, left: &str, right: &str) -> String {
        let value = |alias: &str, c: &KeyColumn| format!("{alias}.{}", ident(&c.name));
        let equal = |c: &KeyColumn| c.equal(&value(left, c), &value(right, c));
        self.0.iter().map(equal).collect::<Vec<_>>().join(" AND ")
    }

    /// Returns a condition that is true if a row of a relation with this key's columns has the same key as a
    /// row of [`Key::given`].
    pub fn same_given(&self, left: &str) -> String {
        let columns = self.0.iter().enumerate();
        let equal = columns.map(|(i, c)| c.equal(&format!("{left}.{}", ident(&c.name)), &format!("k.k{i}")));
        equal.collect::<Vec<_>>().join(" AND ")
    }

    /// Returns the key's columns in a relation `k` of [`Key::given`].
    pub fn given_names(&self) -> String {
        (0..self.len()).map(|i| format!("k.k{i}")).collect::<Vec<_>>().join(", ")
    }

    /// Returns a relation of keys given as parameters, one `text[]` per key column from `$1` on. Its columns
    /// are `k0`, `k1` … for the key (the source's own names could be anything) and `ord`, the position from
    /// 1. More arrays of the same length can follow, given as pairs of column name and type.
    pub fn given(&self, more: &[(&str, &str)]) -> String {
        let mut parameters = Vec::new();
        let mut names = Vec::new();
        let mut columns = vec!["u.ord".to_owned()];

        for (i, c) in self.0.iter().enumerate() {
            parameters.push(format!("pg_catalog.unnest(${}::text[])", i + 1));
            names.push(format!("k{i}"));
            columns.push(format!("u.k{i}::{} AS k{i}", c.type_name));
        }
        for (i, (name, type_name)) in more.iter().enumerate() {
            parameters.push(format!("pg_catalog.unnest(${}::{type_name}[])", self.0.len() + i + 1));
            names.push((*name).to_owned());
            columns.push(format!("u.{name}"));
        }

        format!(
            "(SELECT {} FROM ROWS FROM ({}) WITH ORDINALITY AS u ({}, ord))",
            columns.join(", "),
            parameters.join(", "),
            names.join(", "),
        )
    }
}

/// The values of a key, as text, in the key's order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyValues(pub Vec<String>);

impl KeyValues {
    /// Returns the key as a JSON object, for error rows and logs.
    pub fn to_json(&self, key: &Key) -> Value {
        let pairs = key.columns().iter().zip(&self.0);
        Value::Object(pairs.map(|(c, v)| (c.name.clone(), Value::String(v.clone()))).collect())
    }
}

/// Keys as parameters, in the form that [`Key::given`] reads: a list of values for each column.
#[derive(Debug)]
pub struct GivenKeys<'a>(Vec<Vec<&'a str>>);

impl<'a> GivenKeys<'a> {
    /// Returns keys of so many columns.
    pub fn new(keys: impl Iterator<Item = &'a KeyValues>, columns: usize) -> Self {
        let mut lists = vec![Vec::new(); columns];
        for key in keys {
            for (list, value) in lists.iter_mut().zip(&key.0) {
                list.push(value.as_str());
            }
        }
        GivenKeys(lists)
    }

    /// Returns the lists.
    pub fn into_columns(self) -> impl Iterator<Item = Vec<&'a str>> {
        self.0.into_iter()
    }

    /// Returns the parameters, to which more can be added.
    pub fn params(&self) -> Vec<Param<'_>> {
        self.0.iter().map(|list| Param::Texts(list)).collect()
    }
}
