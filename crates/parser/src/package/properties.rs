//! The statements of an Office file about itself.

use pgai_rs_parser_protocol::Metadata;

use super::{Package, Relationships};
use crate::ParseError;
use crate::markdown::some_line;

/// Returns the metadata of the package: its core properties.
pub(crate) fn read(package: &mut Package<'_>, root: &Relationships) -> Result<Metadata, ParseError> {
    let name = root.part("core-properties").unwrap_or("docProps/core.xml").to_owned();
    let Some(tree) = package.optional_tree(&name)? else { return Ok(Metadata::default()) };

    let text = |name: &str| some_line(&tree.root().child(name)?.text());
    Ok(Metadata {
        title: text("title"),
        author: text("creator").map(|creators| authors(&creators)),
        created: text("created"),
        modified: text("modified"),
        language: text("language"),
        page_count: None,
    })
}

/// Returns names of authors, which Office separates by semicolons, as metadata has them.
fn authors(creators: &str) -> String {
    let names: Vec<&str> = creators.split(';').map(str::trim).filter(|name| !name.is_empty()).collect();
    names.join(", ")
}
