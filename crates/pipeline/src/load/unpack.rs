//! Decompressing what was stored compressed.

use bytes::Bytes;

use crate::compression::{Compression, MOST_LAYERS, UnpackBounds, UnpackError, is_text};

/// Media types that speak of the compression and not of what is compressed.
const MEDIA_TYPES: &[&str] = &[
    "application/gzip",
    "application/x-gzip",
    "application/zstd",
    "application/x-bzip2",
    "application/x-bzip",
];

/// Words of `Content-Encoding` that say nothing of a compression: HTTP's, S3's, and what some take for one.
const PLAIN: &[&str] = &["", "identity", "none", "aws-chunked", "utf-8", "utf8", "binary", "base64"];

/// The ways in which an object is compressed, as it says itself, from the outer to the inner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Packing {
    layers: Vec<Compression>,
    /// A word of its headers for a way that is not known here.
    unknown: Option<String>,
}

impl Packing {
    /// Reads the headers, then the name. They are not always right: some who upload set
    /// `Content-Encoding` for what is not compressed, and the ending for what was compressed once.
    pub(super) fn new(name: Option<&str>, content_encoding: Option<&str>) -> Self {
        let mut layers = Vec::new();
        let mut unknown = None;
        for word in content_encoding.unwrap_or_default().rsplit(',').map(str::trim) {
            match Compression::by_encoding(word) {
                Some(compression) => layers.push(compression),
                None if PLAIN.iter().any(|plain| plain.eq_ignore_ascii_case(word)) => {}
                None => unknown = Some(crate::message::truncate_message(word, 40)),
            }
        }

        let ending = name.and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending);
        layers.extend(ending.and_then(Compression::by_ending));
        Packing { layers, unknown }
    }

    /// Returns whether nothing says that the object is compressed.
    pub(super) fn is_none(&self) -> bool {
        self.layers.is_empty() && self.unknown.is_none()
    }

    /// The content, within these bounds. What a layer is unpacked from and what comes out of it are never more together
    /// than the object and the limit.
    ///
    /// # Errors
    ///
    /// [`UnpackError`]; its `Broken` also for more layers than [`MOST_LAYERS`], its `Unknown` for what is no text and says to be
    /// compressed in a way that is not known here.
    pub(super) fn unpack(&self, packed: Bytes, bounds: UnpackBounds<'_>) -> Result<Bytes, UnpackError> {
        if let Some(word) = &self.unknown
            && !is_text(&packed)
        {
            return Err(UnpackError::Unknown(word.clone()));
        }

        if self.layers.len() > MOST_LAYERS {
            return Err(UnpackError::Broken(format!("it says to be compressed {} times", self.layers.len())));
        }

        let room = bounds.limit.saturating_add(packed.len() as u64);
        let mut content = packed;
        for compression in &self.layers {
            let limit = bounds.limit.min(room.saturating_sub(content.len() as u64));
            if let Some(unpacked) = compression.undo(&content, UnpackBounds { limit, ..bounds })? {
                content = unpacked.into();
            }
        }
        Ok(content)
    }
}

/// Returns the name of the file when it is decompressed.
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
    let content_type = content_type?;
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if MEDIA_TYPES.iter().any(|known| known.eq_ignore_ascii_case(media_type)) {
        return None;
    }
    Some(content_type)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::atomic::{AtomicBool, Ordering};

    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

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

    fn zlib(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn deflate(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    /// [`TEXT`] in one block that is stored as it is (RFC 7932, 9.2), and the empty last one.
    fn brotli() -> Vec<u8> {
        // WBITS 16, ISLAST 0, MNIBBLES 4, MLEN - 1 in 16 bits, ISUNCOMPRESSED 1, from the lowest bit on.
        let header = u32::try_from(TEXT.len() - 1).unwrap() << 4 | 1 << 20;
        [&header.to_le_bytes()[..3], TEXT, &[3]].concat()
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        compress_to_vec(text, CompressionLevel::Fastest)
    }

    fn unpack(packed: &[u8], name: &str, encoding: &str, limit: u64) -> Result<Vec<u8>, UnpackError> {
        unpack_until(&AtomicBool::new(false), packed, name, encoding, limit)
    }

    fn unpack_until(
        stop: &AtomicBool,
        packed: &[u8],
        name: &str,
        encoding: &str,
        limit: u64,
    ) -> Result<Vec<u8>, UnpackError> {
        let packing = Packing::new(Some(name), Some(encoding));
        let bounds = UnpackBounds { limit, stop };
        packing.unpack(Bytes::copy_from_slice(packed), bounds).map(|bytes| bytes.to_vec())
    }

    #[test]
    fn what_is_compressed_by_name_or_header_is_unpacked() {
        let skipped = [b"\x50\x2a\x4d\x18\x03\0\0\0xyz".as_slice(), &zstd(TEXT)].concat();
        let zeros = |packed: Vec<u8>, count| [packed, vec![0; count]].concat();
        for (packed, name, encoding) in [
            (brotli(), "a.md", "br"),
            (brotli(), "a.md.br", ""),
            (brotli(), "a.md.br", "BR"),
            (gzip(&brotli()), "a.md", "br, gzip"),
            (zlib(TEXT), "a.md", "deflate"),
            (deflate(TEXT), "a.md", "deflate"),
            (TEXT.to_vec(), "a.md", "br"),
            (TEXT.to_vec(), "a.md", "deflate"),
            (TEXT.to_vec(), "a.md", "utf-8"),
            (TEXT.to_vec(), "a.md", "x-unheard-of"),
            (zeros(gzip(TEXT), 1), "a.md.gz", ""),
            (zeros(gzip(TEXT), 10_000), "a.md.gz", ""),
            ([zeros(gzip(&TEXT[..9]), 3), zeros(gzip(&TEXT[9..]), 512)].concat(), "a.md.gz", ""),
            (zeros(bzip2(TEXT), 512), "a.md.bz2", ""),
            (zeros(zstd(TEXT), 512), "a.md.zst", ""),
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
        assert_eq!(unpack(&zlib(&zeros), "z", "deflate", 1 << 20), Err(UnpackError::TooLarge));
        assert_eq!(unpack(&deflate(&zeros), "z", "deflate", 1 << 20), Err(UnpackError::TooLarge));
        assert_eq!(unpack(&brotli(), "a", "br", 10), Err(UnpackError::TooLarge));
        // A frame that asks the decoder to keep a GiB.
        let greedy = b"\x28\xb5\x2f\xfd\x00\xa0\x01\0\0";
        assert_eq!(unpack(greedy, "z.zst", "", 1 << 20), Err(UnpackError::TooLarge));
    }

    #[test]
    fn layers_are_never_more_together_than_the_object_and_the_limit() {
        // Stored as it is, and so hardly smaller than its content.
        let mut inner = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
        inner.write_all(&vec![0; 1 << 20]).unwrap();
        let packed = gzip(&inner.finish().unwrap());
        assert!(packed.len() < 1 << 16);

        assert_eq!(unpack(&packed, "z.gz", "gzip", 3 << 19), Err(UnpackError::TooLarge));
        assert_eq!(unpack(&packed, "z.gz", "gzip", 5 << 19).map(|content| content.len()), Ok(1 << 20));
    }

    #[test]
    fn what_nobody_waits_for_is_not_unpacked_further() {
        for (packed, name, encoding) in [
            (gzip(TEXT), "a.gz", ""),
            (bzip2(TEXT), "a.bz2", ""),
            (zstd(TEXT), "a.zst", ""),
            (brotli(), "a", "br"),
            (zlib(TEXT), "a", "deflate"),
            (deflate(TEXT), "a", "deflate"),
        ] {
            let stopped = unpack_until(&AtomicBool::new(true), &packed, name, encoding, 1000);
            assert_eq!(stopped, Err(UnpackError::Stopped), "{name} {encoding}");
        }
    }

    #[test]
    fn unpacking_under_way_is_stopped() {
        let limit = 256 << 20;
        let packed = gzip(&vec![0; 1 << 20]).repeat(512);
        let stop = AtomicBool::new(false);
        let stopped = std::thread::scope(|scope| {
            let work = scope.spawn(|| unpack_until(&stop, &packed, "a.gz", "", limit));
            stop.store(true, Ordering::Relaxed);
            work.join().unwrap()
        });
        assert_eq!(stopped, Err(UnpackError::Stopped));
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
            let garbage = unpack(&[packed, b"\0\0garbage".to_vec()].concat(), name, "", 1000);
            assert!(matches!(garbage, Err(UnpackError::Broken(_))), "{name}: {garbage:?}");
        }
        let garbage = b"\xff\xff\xff\xff".to_vec();
        for (packed, encoding) in
            [(garbage.clone(), "br"), (garbage, "deflate"), (zlib(TEXT)[..20].to_vec(), "deflate")]
        {
            let broken = unpack(&packed, "a", encoding, 1000);
            assert!(matches!(broken, Err(UnpackError::Broken(_))), "{encoding}: {broken:?}");
        }
        let unknown = unpack(b"\x1f\x9d\x90", "a", "gzip, Compress", 1000);
        assert_eq!(unknown, Err(UnpackError::Unknown("Compress".to_owned())));
    }

    #[test]
    fn name_and_type_are_those_of_the_content() {
        for (name, inner) in [("a.md.gz", "a.md"), ("a.BZ2", "a"), (".zst", ".zst"), ("a.md", "a.md")] {
            assert_eq!(inner_name(name.to_owned()), inner);
        }
        assert_eq!(inner_type(Some("Application/Gzip; x=y".to_owned())), None);
        assert_eq!(inner_type(Some("text/plain".to_owned())).as_deref(), Some("text/plain"));
    }

    #[test]
    fn there_are_so_many_layers_at_most() {
        let packed = gzip(&gzip(&gzip(TEXT)));
        assert_eq!(unpack(&packed, "a", "gzip,gzip,gzip", 1000), Ok(TEXT.to_vec()));
        let said = unpack(TEXT, "a", "br,br,br,br", 1000);
        assert_eq!(said, Err(UnpackError::Broken("it says to be compressed 4 times".to_owned())));
    }

    #[test]
    fn there_are_so_many_members_at_most() {
        for (member, name) in [(gzip(b""), "a.gz"), (bzip2(b""), "a.bz2"), (zstd(b""), "a.zst")] {
            assert_eq!(unpack(&member.repeat(1_000), name, "", 1000), Ok(Vec::new()), "{name}");
            let said = unpack(&member.repeat(2_000), name, "", 1000);
            assert_eq!(said, Err(UnpackError::Broken("it has too many members".to_owned())), "{name}");
        }
    }
}
