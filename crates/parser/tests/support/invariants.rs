//! Promises about any document whatever; the fuzzer's target, too.

use std::io::{Cursor, Write as _};

use pgai_rs_parser::{Source, parse};
use zip::result::ZipResult;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

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
    let (name, bytes) = first_line(input);
    document(&Source { bytes, name, content_type: None });
}

/// The line before the path of each file of an [`unpacked_document`].
const FILE: &[u8] = b"\n=== ";

/// A document that is an archive, whose name is the first line of the input: its files follow, each after a line with its
/// path. So a change of the input is one of what is read, and not of compressed bytes whose checksum is wrong.
pub fn unpacked_document(input: &[u8]) {
    let (name, _) = first_line(input);
    // What can't be packed, such as two files of one path, is no archive.
    if let Ok(bytes) = pack(input) {
        document(&Source { bytes: &bytes, name, content_type: None });
    }
}

/// Returns the archive of an [`unpacked_document`].
pub fn pack(input: &[u8]) -> ZipResult<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut rest = input;
    while let Some(start) = position(rest, FILE) {
        rest = &rest[start + FILE.len()..];
        let file = &rest[..position(rest, FILE).unwrap_or(rest.len())];
        let (path, content) = first_line(file);
        archive.start_file(path.unwrap_or_default(), stored)?;
        archive.write_all(content)?;
    }
    Ok(archive.finish()?.into_inner())
}

/// Returns the first line, unless it is empty or no UTF-8, and what follows it.
pub fn first_line(input: &[u8]) -> (Option<&str>, &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n');
    let (line, rest) = end.map_or((&b""[..], input), |end| (&input[..end], &input[end + 1..]));
    (std::str::from_utf8(line).ok().filter(|line| !line.is_empty()), rest)
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
