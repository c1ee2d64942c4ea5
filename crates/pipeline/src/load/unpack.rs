//! Decompressing what was stored compressed.

use std::io::Read;

use bytes::Bytes;
use bzip2::read::MultiBzDecoder;
use flate2::read::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// Media types that speak of the compression and not of what is compressed.
const MEDIA_TYPES: &[&str] = &[
    "application/gzip",
    "application/x-gzip",
    "application/zstd",
    "application/x-bzip2",
    "application/x-bzip",
];

/// So much a decoder may keep however small the limit is: what decoders are asked to support (RFC 8878).
const SMALL_WINDOW: u64 = 8 << 20;

/// A way of compressing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compression {
    Gzip,
    Zstandard,
    Bzip2,
}

impl Compression {
    /// By the word of an HTTP `Content-Encoding`.
    fn by_encoding(word: &str) -> Option<Self> {
        match word.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => Some(Compression::Gzip),
            "zstd" => Some(Compression::Zstandard),
            "bzip2" | "x-bzip2" => Some(Compression::Bzip2),
            _ => None,
        }
    }

    /// By the ending of a file's name.
    fn by_ending(ending: &str) -> Option<Self> {
        match ending.to_ascii_lowercase().as_str() {
            "gz" => Some(Compression::Gzip),
            "zst" => Some(Compression::Zstandard),
            "bz2" => Some(Compression::Bzip2),
            _ => None,
        }
    }

    /// How whatever is compressed in this way begins.
    fn signature(self) -> &'static [u8] {
        match self {
            Compression::Gzip => b"\x1f\x8b",
            Compression::Zstandard => b"\x28\xb5\x2f\xfd",
            Compression::Bzip2 => b"BZh",
        }
    }

    fn decompress(self, packed: &[u8], limit: u64) -> Result<Vec<u8>, UnpackError> {
        let mut unpacked = Vec::new();
        match self {
            Compression::Gzip => read(MultiGzDecoder::new(packed), &mut unpacked, limit)?,
            Compression::Bzip2 => read(MultiBzDecoder::new(packed), &mut unpacked, limit)?,
            Compression::Zstandard => zstandard(packed, &mut unpacked, limit)?,
        }
        Ok(unpacked)
    }
}

/// Why something can't be decompressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum UnpackError {
    /// There is more in it than was allowed.
    TooLarge,
    /// It is not what it says to be; the decoder's words.
    Broken(String),
}

/// How an object says that it is compressed, from the outer to the inner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Packing(Vec<Compression>);

impl Packing {
    /// By its headers, then by its name. What they say is not always so: some who upload set
    /// `Content-Encoding` for what is not compressed, and the ending for what was compressed once.
    pub(super) fn new(name: Option<&str>, content_encoding: Option<&str>) -> Self {
        let words = content_encoding.unwrap_or_default().rsplit(',');
        let ending = name.and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending);
        let encodings = words.filter_map(Compression::by_encoding);
        Packing(encodings.chain(ending.and_then(Compression::by_ending)).collect())
    }

    /// Whether nothing says that it is compressed.
    pub(super) fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// The content, of at most `limit` bytes.
    pub(super) fn unpack(&self, packed: Bytes, limit: u64) -> Result<Bytes, UnpackError> {
        self.0.iter().try_fold(packed, |packed, compression| {
            match packed.starts_with(compression.signature()) {
                true => compression.decompress(&packed, limit).map(Bytes::from),
                false => Ok(packed),
            }
        })
    }
}

/// What the file is called when it is decompressed.
pub(super) fn inner_name(name: String) -> String {
    match name.rsplit_once('.') {
        Some((inner, ending)) if !inner.is_empty() && Compression::by_ending(ending).is_some() => {
            inner.to_owned()
        }
        _ => name,
    }
}

/// The media type of the content, if this is not that of what it is packed in.
pub(super) fn inner_type(content_type: Option<String>) -> Option<String> {
    content_type.filter(|of| {
        let media_type = of.split(';').next().unwrap_or_default().trim();
        !MEDIA_TYPES.iter().any(|known| known.eq_ignore_ascii_case(media_type))
    })
}

fn read(decoder: impl Read, unpacked: &mut Vec<u8>, limit: u64) -> Result<(), UnpackError> {
    let room = limit.saturating_sub(unpacked.len() as u64);
    let read = decoder.take(room.saturating_add(1)).read_to_end(unpacked).map_err(|error| broken(&error))?;
    if read as u64 > room {
        return Err(UnpackError::TooLarge);
    }
    Ok(())
}

/// A file may hold several frames, and such as are to be skipped.
fn zstandard(mut packed: &[u8], unpacked: &mut Vec<u8>, limit: u64) -> Result<(), UnpackError> {
    while !packed.is_empty() {
        let header = packed;
        let mut frame = FrameDecoder::new();
        match frame.init(&mut packed) {
            Ok(()) => {}
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length, ..
            })) => {
                let skipped = usize::try_from(length).ok().and_then(|length| packed.get(length..));
                packed = skipped.ok_or_else(|| UnpackError::Broken("it ends within a frame".to_owned()))?;
                continue;
            }
            Err(error) => return Err(broken(&error)),
        }
        if zstandard_window(header).unwrap_or_else(|| frame.content_size()) > limit.max(SMALL_WINDOW) {
            return Err(UnpackError::TooLarge);
        }
        while !frame.is_finished() {
            let some = BlockDecodingStrategy::UptoBytes(1 << 20);
            frame.decode_blocks(&mut packed, some).map_err(|error| broken(&error))?;
            frame.collect_to_writer(&mut *unpacked).map_err(|error| broken(&error))?;
            if unpacked.len() as u64 > limit {
                return Err(UnpackError::TooLarge);
            }
        }
        if frame.get_checksum_from_data().is_some_and(|sum| Some(sum) != frame.get_calculated_checksum()) {
            return Err(UnpackError::Broken("its checksum is another".to_owned()));
        }
    }
    Ok(())
}

/// How many bytes the decoder keeps for one frame, before it gives away the first of them; `None` if
/// that is the whole frame (RFC 8878, 3.1.1.1.2).
fn zstandard_window(header: &[u8]) -> Option<u64> {
    const SINGLE_SEGMENT: u8 = 1 << 5;
    let (descriptor, window) = (header.get(4)?, header.get(5)?);
    if descriptor & SINGLE_SEGMENT != 0 {
        return None;
    }
    let base = 1_u64 << (10 + (window >> 3));
    Some(base + base / 8 * u64::from(window & 7))
}

fn broken(error: &dyn std::error::Error) -> UnpackError {
    UnpackError::Broken(crate::shorten::shorten(&error.to_string(), 200))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use ruzstd::encoding::{compress_to_vec, CompressionLevel};

    use super::*;

    const TEXT: &[u8] = b"a text that is long enough to be compressed, compressed, compressed";

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn bzip2(text: &[u8]) -> Vec<u8> {
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        compress_to_vec(text, CompressionLevel::Fastest)
    }

    fn unpack(packed: &[u8], name: &str, encoding: &str, limit: u64) -> Result<Vec<u8>, UnpackError> {
        let packing = Packing::new(Some(name), Some(encoding));
        packing.unpack(Bytes::copy_from_slice(packed), limit).map(|bytes| bytes.to_vec())
    }

    #[test]
    fn what_is_compressed_by_name_or_header_is_unpacked() {
        let skipped = [b"\x50\x2a\x4d\x18\x03\0\0\0xyz".as_slice(), &zstd(TEXT)].concat();
        for (packed, name, encoding) in [
            (gzip(TEXT), "a.md.gz", ""),
            (gzip(TEXT), "A.MD.GZ", ""),
            (gzip(TEXT), "a.md", "gzip"),
            (gzip(TEXT), "a.md", "aws-chunked, X-GZIP"),
            (gzip(TEXT), "a.md.gz", "gzip"),
            (gzip(&gzip(TEXT)), "a.md.gz", "gzip"),
            (gzip(&zstd(TEXT)), "a.md", "zstd, gzip"),
            ([gzip(&TEXT[..9]), gzip(&TEXT[9..])].concat(), "a.md.gz", ""),
            (bzip2(TEXT), "a.md.bz2", ""),
            ([bzip2(&TEXT[..9]), bzip2(&TEXT[9..])].concat(), "a.md.bz2", ""),
            (zstd(TEXT), "a.md.zst", ""),
            ([zstd(&TEXT[..9]), skipped[..11].to_vec(), zstd(&TEXT[9..])].concat(), "a.md.zst", ""),
            (TEXT.to_vec(), "a.md.gz", "gzip"),
            (TEXT.to_vec(), "a.md", ""),
        ] {
            assert_eq!(unpack(&packed, name, encoding, 1000).as_deref(), Ok(TEXT), "{name} {encoding}");
        }
        // Nothing says so: that is for the parser to see.
        assert_eq!(unpack(&gzip(TEXT), "a.md", "", 1000).unwrap(), gzip(TEXT));
    }

    #[test]
    fn a_bomb_ends_at_the_limit() {
        let zeros = vec![0; 10 << 20];
        for (packed, name) in [(gzip(&zeros), "z.gz"), (bzip2(&zeros), "z.bz2"), (zstd(&zeros), "z.zst")] {
            assert!(packed.len() < 1 << 20);
            assert_eq!(unpack(&packed, name, "", 1 << 20), Err(UnpackError::TooLarge), "{name}");
            assert_eq!(unpack(&packed, name, "", 10 << 20).map(|text| text.len()), Ok(10 << 20), "{name}");
        }
        // A frame that asks the decoder to keep a GiB.
        let greedy = b"\x28\xb5\x2f\xfd\x00\xa0\x01\0\0";
        assert_eq!(unpack(greedy, "z.zst", "", 1 << 20), Err(UnpackError::TooLarge));
    }

    #[test]
    fn what_is_broken_is_told() {
        for (packed, name) in [(gzip(TEXT), "a.gz"), (bzip2(TEXT), "a.bz2"), (zstd(TEXT), "a.zst")] {
            let cut = unpack(&packed[..packed.len() - 3], name, "", 1000);
            assert!(matches!(cut, Err(UnpackError::Broken(_))), "{name}: {cut:?}");
            let mut flipped = packed.clone();
            let last = flipped.len() - 6;
            flipped[last] ^= 0xff;
            let flipped = unpack(&flipped, name, "", 1000);
            assert!(matches!(flipped, Err(UnpackError::Broken(_))), "{name}: {flipped:?}");
        }
    }

    #[test]
    fn name_and_type_are_those_of_the_content() {
        for (name, inner) in [("a.md.gz", "a.md"), ("a.BZ2", "a"), (".zst", ".zst"), ("a.md", "a.md")] {
            assert_eq!(inner_name(name.to_owned()), inner);
        }
        assert_eq!(inner_type(Some("Application/Gzip; x=y".to_owned())), None);
        assert_eq!(inner_type(Some("text/plain".to_owned())).as_deref(), Some("text/plain"));
    }
}
