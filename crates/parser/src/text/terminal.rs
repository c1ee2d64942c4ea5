//! Text that was meant for a terminal.

/// Returns what one would see in the end: without colours, and without what was overwritten in its line.
pub(super) fn plain(text: &str) -> String {
    let text = without_escapes(text);
    let lines = text.split('\n').map(|line| {
        let line = line.trim_end_matches('\r');
        line.rsplit_once('\r').map_or(line, |(_, last)| last)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns the text without escape sequences, such as `ESC [ 31 m`.
fn without_escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut parts = text.split('\x1b');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let Some(sequence) = part.strip_prefix('[') else {
            out.push_str(part);
            continue;
        };
        let end = sequence.find(|c: char| ('@'..='~').contains(&c));
        out.push_str(end.map_or(sequence, |end| &sequence[end + 1..]));
    }
    out
}
