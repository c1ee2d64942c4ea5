//! Documents that tests make, and damage.

#![allow(dead_code)]

use std::io::{Cursor, Write as _};

use pgai_rs_parser::{ParseError, ParsedDocument, Source, parse};
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

/// Returns a zip archive of these files.
pub fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        let method =
            if *name == "mimetype" { CompressionMethod::Stored } else { CompressionMethod::Deflated };
        writer.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Returns what is read of a document.
pub fn read(bytes: &[u8]) -> Result<ParsedDocument, ParseError> {
    parse(&Source { bytes, name: None, content_type: None })
}

/// Returns the text of a document that can be read.
pub fn text(bytes: &[u8]) -> String {
    read(bytes).unwrap().text
}

/// Reads a document with each of many damages. Whatever becomes of it, nothing panics.
pub fn survives_damage(bytes: &[u8]) {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..150 {
        let mut damaged = bytes.to_vec();
        for _ in 0..4 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let place = usize::try_from(state % damaged.len() as u64).unwrap();
            damaged[place] = (state >> 32) as u8;
        }
        _ = read(&damaged);
        damaged.truncate(usize::try_from(state % damaged.len() as u64).unwrap());
        _ = read(&damaged);
    }
}
