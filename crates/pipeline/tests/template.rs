//! The formatter against Python's `string.Template`, whose output is in `template/cases.json`;
//! see `template/generate.py`.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use pgai_rs_pipeline::format::{FormatError, Template, rename_column};
use serde::Deserialize;

#[derive(Deserialize)]
struct Cases {
    fields: BTreeMap<String, String>,
    cases: Vec<(String, Option<String>, Option<String>)>,
}

/// Python's words for an error: its message, or the name it does not know.
fn in_python(error: FormatError) -> String {
    match error {
        FormatError::InvalidPlaceholder { .. } | FormatError::TooLong { .. } => error.to_string(),
        FormatError::UnknownName { name, .. } => name,
    }
}

fn render(template: &str, chunk: &str, fields: &[(String, String)]) -> Result<String, FormatError> {
    Template::parse(template)?.render(chunk, fields)
}

#[test]
fn templates_are_filled_as_python_fills_them() {
    let Cases { fields, cases } = serde_json::from_str(include_str!("template/cases.json")).unwrap();
    let chunk = fields["chunk"].clone();
    let fields: Vec<(String, String)> = fields.into_iter().filter(|(name, _)| name != "chunk").collect();
    assert!(cases.len() > 300, "only {} cases", cases.len());
    for (template, result, error) in cases {
        match (render(&template, &chunk, &fields), result, error) {
            (Ok(rendered), Some(result), _) => {
                assert_eq!(rendered, result, "template {template:?}")
            }
            // Python fills from left to right, and so meets the unknown name first; we read the
            // whole template before we fill it.
            (Err(ours @ FormatError::InvalidPlaceholder { .. }), None, Some(python))
                if !python.starts_with("Invalid placeholder") =>
            {
                assert!(template.contains(&python), "template {template:?}: {ours}");
            }
            (Err(ours), None, Some(python)) => {
                assert_eq!(in_python(ours), python, "template {template:?}")
            }
            (ours, result, error) => {
                panic!("template {template:?}: {ours:?}, Python: {result:?} {error:?}")
            }
        }
    }
}

#[test]
fn a_renamed_column_is_filled_in_as_before() {
    let Cases { fields, cases } = serde_json::from_str(include_str!("template/cases.json")).unwrap();
    let chunk = fields["chunk"].clone();
    let columns: Vec<(String, String)> = fields.into_iter().filter(|(name, _)| name != "chunk").collect();
    let mut renamed = 0;
    for (template, result, _) in cases {
        let Some(result) = result else { continue };
        for (place, (name, _)) in columns.iter().enumerate() {
            let Some(template) = rename_column(&template, name, "by_another_name").unwrap() else { continue };
            let mut columns = columns.clone();
            columns[place].0 = "by_another_name".to_owned();
            assert_eq!(render(&template, &chunk, &columns).unwrap(), result, "template {template:?}");
            renamed += 1;
        }
    }
    assert!(renamed > 50, "only {renamed} templates named a column");
}
