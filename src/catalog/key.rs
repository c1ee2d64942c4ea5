//! A source's primary key, and the SQL for it.

use pgrx::{PgSqlErrorCode, pg_sys};
use serde_json::{Value, json};

use crate::pg::error::PgError;
use crate::pg::sql::{self, ident};

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
    equals: String,
    /// The cast `::type` of the values that are compared; empty for most types. Postgres resolves its operators
    /// of any enum for enums only, and not for domains over them.
    compared_as: String,
    /// True if a function casts its type to text, whose result the type's input need not accept.
    pub has_cast: bool,
}

impl KeyColumn {
    /// Returns a condition that is true if two expressions of the column's type are equal.
    pub fn equal(&self, left: &str, right: &str) -> String {
        let KeyColumn { equals, compared_as, .. } = self;
        format!("{left}{compared_as} {equals} {right}{compared_as}")
    }
}

/// The columns of a primary key, in the key's order. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(Vec<KeyColumn>);

const KEY_COLUMNS: &str = "
    SELECT a.attname::text, a.attnum::int4, k.position::int4,
           pg_catalog.format_type(a.atttypid, a.atttypmod),
           CASE WHEN a.attcollation OPERATOR(pg_catalog.<>) t.typcollation
                THEN pg_catalog.format(' COLLATE %I.%I', cn.nspname, c.collname) ELSE '' END,
           CASE WHEN o.oid IS NOT NULL THEN pg_catalog.format('OPERATOR(%I.%s)', n.nspname, o.oprname) END,
           EXISTS (SELECT FROM pg_catalog.pg_cast ct
                   WHERE ct.castsource = base.oid AND ct.casttarget = 'text'::pg_catalog.regtype
                     AND ct.castmethod = 'f' AND base.oid >= 16384),
           CASE WHEN base.oid OPERATOR(pg_catalog.<>) t.oid AND base.typtype = 'e'
                THEN '::' OPERATOR(pg_catalog.||) pg_catalog.format_type(base.oid, -1) ELSE '' END
    FROM pg_catalog.pg_index i
    CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, position)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
    JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
    -- Below all domains.
    CROSS JOIN LATERAL (
        WITH RECURSIVE below (oid) AS (
            SELECT t.oid
            UNION ALL
            SELECT d.typbasetype FROM below b JOIN pg_catalog.pg_type d ON d.oid = b.oid WHERE d.typtype = 'd')
        SELECT y.oid, y.typtype FROM below b JOIN pg_catalog.pg_type y ON y.oid = b.oid WHERE y.typtype <> 'd') base
    LEFT JOIN pg_catalog.pg_collation c ON c.oid = a.attcollation
    LEFT JOIN pg_catalog.pg_namespace cn ON cn.oid = c.collnamespace
    -- The index of a key WITHOUT OVERLAPS is a GiST one: then as a btree one would have it.
    LEFT JOIN LATERAL (
        SELECT ao.amopopr
        FROM pg_catalog.pg_opclass oc
        JOIN pg_catalog.pg_am am ON am.oid = oc.opcmethod AND am.amname = 'btree'
        JOIN pg_catalog.pg_amop ao ON ao.amopfamily = oc.opcfamily AND ao.amopstrategy = 3
             AND ao.amoplefttype = oc.opcintype AND ao.amoprighttype = oc.opcintype
        WHERE oc.oid = i.indclass[k.position - 1] OR oc.opcdefault AND oc.opcintype IN (
            base.oid,
            CASE WHEN base.oid = 'varchar'::pg_catalog.regtype THEN 'text'::pg_catalog.regtype END,
            CASE base.typtype WHEN 'r' THEN 'anyrange'::pg_catalog.regtype
                              WHEN 'm' THEN 'anymultirange'::pg_catalog.regtype
                              WHEN 'e' THEN 'anyenum'::pg_catalog.regtype END)
        ORDER BY oc.oid = i.indclass[k.position - 1] DESC, oc.opcintype = base.oid DESC LIMIT 1) eq ON true
    LEFT JOIN pg_catalog.pg_operator o ON o.oid = eq.amopopr
    LEFT JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
    WHERE i.indrelid = $1 AND i.indisprimary AND k.position <= i.indnkeyatts
    ORDER BY k.position";

impl Key {
    /// Returns the primary key of a table; `None` if it has none.
    pub fn of(relation: pg_sys::Oid) -> Result<Option<Key>, PgError> {
        let columns = sql::read_now(KEY_COLUMNS, &[relation.into()], |row| {
            let name: String = row.get(1)?;
            let type_name: String = row.get(4)?;
            let equals = row.get_opt(6)?.ok_or_else(|| unordered(&name, &type_name))?;
            Ok(KeyColumn {
                name,
                attnum: row.get(2)?,
                position: row.get(3)?,
                type_name,
                collate: row.get(5)?,
                equals,
                has_cast: row.get(7)?,
                compared_as: row.get(8)?,
            })
        })?;
        Ok(if columns.is_empty() { None } else { Some(Key(columns)) })
    }

    /// Returns the columns in the key's order.
    pub fn columns(&self) -> &[KeyColumn] {
        &self.0
    }

    /// Returns the number of columns.
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
        let text = |c: &KeyColumn| match c.has_cast {
            true => format!("pg_catalog.format('%s', {alias}.{})", ident(&c.name)),
            false => format!("{alias}.{}::text", ident(&c.name)),
        };
        self.0.iter().map(text).collect::<Vec<_>>().join(", ")
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

/// Returns the error for a primary key that a queue can't have: on Postgres 18, one with a GiST index.
fn unordered(column: &str, type_name: &str) -> PgError {
    let column = ident(column);
    PgError::new(
        PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
        format!(
            "primary key column {column} has type {type_name}, which has no default btree operator class"
        ),
    )
    .with_detail("The tables of a vectorizer's queue have the same key, with a btree index on it.")
    .with_hint("Use another primary key, such as a column that is GENERATED ALWAYS AS IDENTITY.")
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

/// Returns the parameters that [`Key::given`] reads: a list of values per column.
pub fn transpose<'a>(keys: impl Iterator<Item = &'a KeyValues>, columns: usize) -> Vec<Vec<String>> {
    let mut lists = vec![Vec::new(); columns];
    for key in keys {
        for (list, value) in lists.iter_mut().zip(&key.0) {
            list.push(value.clone());
        }
    }
    lists
}
