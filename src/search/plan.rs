//! The plan of a statement, as EXPLAIN tells it.

use pgrx::datum::DatumWithOid;
use serde_json::Value;

use crate::pg::error::PgError;
use crate::pg::result::{Reads, with_rows};

/// The plan of a statement.
pub struct Plan(Value);

impl Plan {
    /// Returns the plan of a statement with these arguments, as Postgres would make it now; `None` if it has more levels than
    /// are read, some sixty.
    pub fn of(text: &str, args: &[DatumWithOid<'_>]) -> Result<Option<Plan>, PgError> {
        let explain = format!("EXPLAIN (FORMAT JSON, COSTS OFF) {text}");
        with_rows(&explain, args, Reads::Anew, |rows| {
            // A `json` is its text.
            let plan = rows.value::<String>(0, 1);
            Ok(plan.and_then(|plan| serde_json::from_str(&plan).ok()).map(Plan))
        })
    }

    /// Returns the names of the indexes that return rows in the order of a distance.
    pub fn indexes_in_order(&self) -> Vec<&str> {
        let mut found = Vec::new();
        each_node(&self.0, &mut |node| {
            if node.get("Order By").is_some() {
                found.extend(index_of(node));
            }
        });
        found
    }

    /// Returns the names of the indexes by which rows of the relation with this alias are found.
    pub fn indexes_of(&self, alias: &str) -> Vec<&str> {
        let mut found = Vec::new();
        each_node(&self.0, &mut |node| {
            if node.get("Alias").and_then(Value::as_str) == Some(alias) {
                each_node(node, &mut |below| found.extend(index_of(below)));
            }
        });
        found
    }
}

fn index_of(node: &Value) -> Option<&str> {
    node.get("Index Name").and_then(Value::as_str)
}

/// Visits a node of a plan and all below it. The list of statements that EXPLAIN returns is visited as one.
fn each_node<'a>(node: &'a Value, visit: &mut dyn FnMut(&'a Value)) {
    if let Value::Array(statements) = node {
        statements
            .iter()
            .filter_map(|statement| statement.get("Plan"))
            .for_each(|plan| each_node(plan, visit));
        return;
    }

    visit(node);
    let below = node.get("Plans").and_then(Value::as_array);
    below.into_iter().flatten().for_each(|node| each_node(node, visit));
}
