//! A source's primary key, and how statements speak of it.

use pgrx::pg_sys;
use serde_json::{json, Value};

use crate::pg::error::PgError;
use crate::pg::sql::{self, ident};

/// A column of the primary key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyColumn {
    /// Its name.
    pub name: String,
    /// Its place in the table.
    pub attnum: i32,
    /// Its place in the key, from 1.
    pub position: i32,
    /// Its type with modifiers, schema-qualified outside pg_catalog.
    pub type_name: String,
    /// `COLLATE …` where the column's collation is not its type's; else empty.
    pub collate: String,
    /// The operator that the key's index calls equality, qualified: a type's `=` may live anywhere.
    pub equals: String,
}

/// The columns of a primary key, in the key's order. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(Vec<KeyColumn>);

const KEY_COLUMNS: &str = "
    SELECT a.attname::text, a.attnum::int4, k.position::int4,
           pg_catalog.format_type(a.atttypid, a.atttypmod),
           CASE WHEN a.attcollation OPERATOR(pg_catalog.<>) t.typcollation
                THEN pg_catalog.format(' COLLATE %I.%I', cn.nspname, c.collname) ELSE '' END,
           pg_catalog.format('OPERATOR(%I.%s)', n.nspname, o.oprname)
    FROM pg_catalog.pg_index i
    CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, position)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
    JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_catalog.pg_collation c ON c.oid = a.attcollation
    LEFT JOIN pg_catalog.pg_namespace cn ON cn.oid = c.collnamespace
    JOIN pg_catalog.pg_opclass oc ON oc.oid = i.indclass[k.position - 1]
    JOIN pg_catalog.pg_amop ao ON ao.amopfamily = oc.opcfamily AND ao.amopstrategy = 3
         AND ao.amoplefttype = oc.opcintype AND ao.amoprighttype = oc.opcintype
         AND oc.opcmethod = (SELECT am.oid FROM pg_catalog.pg_am am WHERE am.amname = 'btree')
    JOIN pg_catalog.pg_operator o ON o.oid = ao.amopopr
    JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
    WHERE i.indrelid = $1 AND i.indisprimary AND k.position <= i.indnkeyatts
    ORDER BY k.position";

impl Key {
    /// The primary key of a table; none if it has none.
    pub fn of(relation: pg_sys::Oid) -> Result<Option<Key>, PgError> {
        let columns = sql::read_now(KEY_COLUMNS, &[relation.into()], |row| {
            Ok(KeyColumn {
                name: row.get(1)?,
                attnum: row.get(2)?,
                position: row.get(3)?,
                type_name: row.get(4)?,
                collate: row.get(5)?,
                equals: row.get(6)?,
            })
        })?;
        Ok(if columns.is_empty() { None } else { Some(Key(columns)) })
    }

    /// The columns in the key's order.
    pub fn columns(&self) -> &[KeyColumn] {
        &self.0
    }

    /// How many columns there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// pgai's `source_pk`.
    pub fn to_json(&self) -> Value {
        self.0
            .iter()
            .map(|c| json!({"attname": c.name, "attnum": c.attnum, "pknum": c.position, "typname": c.type_name}))
            .collect()
    }

    /// Column definitions for a table that has this key, in the source's column order.
    pub fn definitions(&self) -> String {
        let mut columns: Vec<_> = self.0.iter().collect();
        columns.sort_by_key(|c| c.attnum);
        let definition = |c: &&KeyColumn| format!("{} {}{} NOT NULL", ident(&c.name), c.type_name, c.collate);
        columns.iter().map(definition).collect::<Vec<_>>().join(", ")
    }

    /// `"a", "b"`, or `x."a", x."b"` with an alias.
    pub fn names(&self, alias: Option<&str>) -> String {
        let prefix = alias.map(|alias| format!("{alias}.")).unwrap_or_default();
        self.0.iter().map(|c| format!("{prefix}{}", ident(&c.name))).collect::<Vec<_>>().join(", ")
    }

    /// `x."a"::text, x."b"::text`, as [`Key::given`] reads them back.
    pub fn as_text(&self, alias: &str) -> String {
        self.0.iter().map(|c| format!("{alias}.{}::text", ident(&c.name))).collect::<Vec<_>>().join(", ")
    }

    /// Whether two relations that both have this key's columns mean the same row.
    pub fn same(&self, left: &str, right: &str) -> String {
        let equal = |c: &KeyColumn| format!("{left}.{n} {} {right}.{n}", c.equals, n = ident(&c.name));
        self.0.iter().map(equal).collect::<Vec<_>>().join(" AND ")
    }

    /// Whether a relation that has this key's columns and one of [`Key::given`] mean the same row.
    pub fn same_given(&self, left: &str) -> String {
        let columns = self.0.iter().enumerate();
        let equal = columns.map(|(i, c)| format!("{left}.{} {} k.k{i}", ident(&c.name), c.equals));
        equal.collect::<Vec<_>>().join(" AND ")
    }

    /// The key's columns in a relation `k` of [`Key::given`].
    pub fn given_names(&self) -> String {
        (0..self.len()).map(|i| format!("k.k{i}")).collect::<Vec<_>>().join(", ")
    }

    /// A relation of keys given as parameters, one `text[]` per column from `$1` on, with the
    /// columns `k0`, `k1` … of the key (under names of their own, for the source's may be any) and `ord`, the place from 1. More arrays of the same length can be given
    /// after them, as pairs of column name and type.
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
    /// The key as a JSON object, for error rows and logs.
    pub fn to_json(&self, key: &Key) -> Value {
        let pairs = key.columns().iter().zip(&self.0);
        Value::Object(pairs.map(|(c, v)| (c.name.clone(), Value::String(v.clone()))).collect())
    }
}

/// The parameters that [`Key::given`] reads: a list of values per column.
pub fn transpose<'a>(keys: impl Iterator<Item = &'a KeyValues>, columns: usize) -> Vec<Vec<String>> {
    let mut lists = vec![Vec::new(); columns];
    for key in keys {
        for (list, value) in lists.iter_mut().zip(&key.0) {
            list.push(value.clone());
        }
    }
    lists
}
