//! The two files of the model: reads them, checks their hashes, and parses the weights.
//!
//! The bytes that are hashed are the bytes that are used, so that a file can't be replaced in between. The
//! hash determines the content, so the shapes are those that `model.rs` asks for.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

/// A file as published in `sentence-transformers/all-MiniLM-L6-v2`.
pub struct Published {
    /// The file's name.
    pub name: &'static str,
    /// The SHA-256 of its content, in hexadecimal digits.
    pub sha256: &'static str,
}

/// The weights, in the safetensors format.
pub const WEIGHTS: Published = Published {
    name: "model.safetensors",
    sha256: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
};

/// The vocabulary and the rules of the tokenizer.
pub const TOKENIZER: Published = Published {
    name: "tokenizer.json",
    sha256: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
};

/// The reason why the model can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file can't be read.
    #[error(
        "cannot read {path}: {source}; crates/embedding-server/fetch_model.py --dir DIR gets \
         the model"
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// A file is another than the published one.
    #[error(
        "{path} is not the published file of all-MiniLM-L6-v2: its sha256 is {found}, \
         expected {expected}; crates/embedding-server/fetch_model.py --dir DIR gets the right one"
    )]
    Hash {
        /// The file.
        path: PathBuf,
        /// The SHA-256 of the file.
        found: String,
        /// The SHA-256 of the published file.
        expected: &'static str,
    },
    /// The file of the weights is not what the safetensors format asks for.
    #[error("the weights are malformed: {0}")]
    Weights(String),
    /// The tokenizer's file is not one.
    #[error("the tokenizer does not load: {0}")]
    Tokenizer(tokenizers::Error),
}

/// Reads `file` from `dir`. Errors unless it is the published one, byte for byte.
pub fn read(dir: &Path, file: &Published) -> Result<Vec<u8>, LoadError> {
    let path = dir.join(file.name);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(source) => return Err(LoadError::Read { path, source }),
    };

    let found = hex(&Sha256::digest(&bytes));
    if found != file.sha256 {
        return Err(LoadError::Hash { path, found, expected: file.sha256 });
    }
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    /// The begin and the end in bytes, counted from the end of the header.
    data_offsets: (usize, usize),
}

/// The tensors of a safetensors file. It consists of the length of the header in eight bytes, little-endian,
/// the header in JSON, and the numbers.
pub struct Tensors<'a> {
    header: HashMap<String, serde_json::Value>,
    data: &'a [u8],
}

impl<'a> Tensors<'a> {
    /// Parses the header of `file`. Errors if it is incomplete or no JSON.
    pub fn parse(file: &'a [u8]) -> Result<Self, LoadError> {
        let cut = || LoadError::Weights("the file is cut short".into());
        let (length, rest) = file.split_first_chunk::<8>().ok_or_else(cut)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| cut())?;
        let (header, data) = rest.split_at_checked(length).ok_or_else(cut)?;
        let header =
            serde_json::from_slice(header).map_err(|error| LoadError::Weights(format!("header: {error}")))?;
        Ok(Self { header, data })
    }

    /// Returns the numbers of the tensor `name`. Errors unless it is f32 and has this shape.
    pub fn get(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadError> {
        let malformed = |what: &str| LoadError::Weights(format!("tensor {name}: {what}"));
        let entry = self.header.get(name).ok_or_else(|| malformed("is missing"))?;
        let entry = Entry::deserialize(entry).map_err(|error| malformed(&error.to_string()))?;
        if entry.dtype != "F32" || entry.shape != shape {
            return Err(malformed(&format!("is {} {:?}, not F32 {shape:?}", entry.dtype, entry.shape)));
        }

        let (begin, end) = entry.data_offsets;
        let bytes = self.data.get(begin..end).ok_or_else(|| malformed("is cut short"))?;
        let (numbers, rest) = bytes.as_chunks::<4>();
        if !rest.is_empty() || numbers.len() != shape.iter().product::<usize>() {
            return Err(malformed("has another length than its shape"));
        }
        Ok(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[f32]) -> Vec<u8> {
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header.as_bytes());
        file.extend(data.iter().flat_map(|number| number.to_le_bytes()));
        file
    }

    const HEADER: &str = r#"{"__metadata__":{"format":"pt"},
        "a":{"dtype":"F32","shape":[1,2],"data_offsets":[4,12]}}"#;

    #[test]
    fn a_tensor_is_found_at_its_offset() {
        let file = file(HEADER, &[1.0, 2.0, 3.0]);
        let tensors = Tensors::parse(&file).unwrap();
        assert_eq!(tensors.get("a", &[1, 2]).unwrap(), [2.0, 3.0]);
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let whole = file(HEADER, &[1.0, 2.0, 3.0]);
        let tensors = Tensors::parse(&whole).unwrap();
        let error = |name, shape: &[usize]| tensors.get(name, shape).unwrap_err().to_string();
        assert!(error("b", &[1, 2]).contains("is missing"));
        assert!(error("a", &[2, 1]).contains("not F32 [2, 1]"));
        let short = file(HEADER, &[1.0, 2.0]);
        let short = Tensors::parse(&short).unwrap().get("a", &[1, 2]).unwrap_err();
        assert!(short.to_string().contains("cut short"));
        assert!(Tensors::parse(&whole[..20]).is_err());
        assert!(Tensors::parse(&[0xff; 9]).is_err());
    }

    #[test]
    fn a_hash_is_written_as_sha256sum_writes_it() {
        assert_eq!(
            hex(&Sha256::digest(b"abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
