//! Promises about any document whatever; the fuzzer's target, too.

use pgai_rs_parser::{Source, parse};

/// The longest message about a document, in bytes: it goes into an error row.
const LONGEST_MESSAGE: usize = 1000;

/// A document is text without U+0000, whose pages begin in it one after the other; or it is refused briefly.
pub fn document(source: &Source<'_>) {
    match parse(source) {
        Ok(parsed) => {
            let starts: Vec<usize> = parsed.pages.iter().map(|page| page.start).collect();
            assert!(starts.is_sorted(), "pages in disorder");
            assert!(
                starts.iter().all(|start| parsed.text.is_char_boundary(*start)),
                "a page within a character"
            );
        }
        Err(error) => assert!(error.to_string().len() <= LONGEST_MESSAGE, "a long message"),
    }
}

/// A document whose name is the first line of the input.
pub fn named_document(input: &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n');
    let (name, bytes) = end.map_or((&b""[..], input), |end| (&input[..end], &input[end + 1..]));
    let name = std::str::from_utf8(name).ok().filter(|name| !name.is_empty());
    document(&Source { bytes, name, content_type: None });
}
