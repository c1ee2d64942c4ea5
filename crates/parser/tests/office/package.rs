//! Archives and compound files for tests.

use std::io::{Cursor, Write as _};

use pgai_rs_parser::{ParseError, ParsedDocument, Source};
use zip::write::SimpleFileOptions;

/// The namespaces that a document of Word's declares.
pub const WORD: &str = "xmlns:w='http://w' xmlns:r='http://r' xmlns:m='http://m'";

/// The namespaces that a presentation declares.
pub const SLIDE: &str = "xmlns:p='http://p' xmlns:a='http://a' xmlns:r='http://r' xmlns:c='http://c'";

/// Returns an archive of these files.
pub fn zip(files: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Returns the file that says which parts a part refers to: ids, kinds and targets, of which URLs are external.
pub fn relationships(references: &[(&str, &str, &str)]) -> String {
    let one = |(id, kind, target): &(&str, &str, &str)| {
        let mode = if target.contains(':') || target.is_empty() { " TargetMode='External'" } else { "" };
        format!("<Relationship Id='{id}' Type='http://x/{kind}' Target='{target}'{mode}/>")
    };
    format!("<Relationships>{}</Relationships>", references.iter().map(one).collect::<String>())
}

/// Returns what becomes of a file.
pub fn parse(bytes: &[u8]) -> Result<ParsedDocument, ParseError> {
    pgai_rs_parser::parse(&Source { bytes, name: None, content_type: None })
}

/// Returns a compound file of these streams.
pub fn compound(streams: &[(&str, &[u8])]) -> Vec<u8> {
    let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
    for (name, content) in streams {
        file.create_stream(name).unwrap().write_all(content).unwrap();
    }
    file.flush().unwrap();
    file.into_inner().into_inner()
}
