//! The ending of a document's name, by which worker and parser tell types alike.

/// Returns the ending of a file's name in lower case, without the dot; `None` if there is nothing on one side of it. That
/// of a compressed file is the one before it, for its content was decompressed.
///
/// ```
/// use pgai_rs_parser_protocol::name_ending;
///
/// assert_eq!(name_ending("Report.PDF").as_deref(), Some("pdf"));
/// assert_eq!(name_ending("notes.md.gz").as_deref(), Some("md"));
/// assert_eq!(name_ending(".profile"), None);
/// ```
pub fn name_ending(name: &str) -> Option<String> {
    let (stem, last) = split(name)?;
    match last.as_str() {
        "gz" | "bz2" | "zst" => split(stem).map(|(_, before)| before),
        _ => Some(last),
    }
}

/// Splits a name at its last dot; the ending is in lower case. `None` if there is nothing on one side of it.
fn split(name: &str) -> Option<(&str, String)> {
    let (stem, ending) = name.rsplit_once('.')?;
    (!stem.is_empty() && !ending.is_empty()).then(|| (stem, ending.to_ascii_lowercase()))
}
