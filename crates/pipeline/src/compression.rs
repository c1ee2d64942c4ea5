//! Ways of compressing, of objects and of answers: known by word or by what they begin with, and undone
//! within a limit.

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use bzip2::bufread::BzDecoder;
use flate2::bufread::{DeflateDecoder, GzDecoder, ZlibDecoder};
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// The smallest window that a decoder may keep, however small the limit is: RFC 8878 asks decoders to
/// support it.
const SMALL_WINDOW: u64 = 8 << 20;

/// The largest number of ways in which one thing is compressed, one in another. HTTP and files know two: the
/// transport's and the file's own.
pub(crate) const MOST_LAYERS: usize = 3;

/// The number of members that a file may have whatever its size.
const FEW_MEMBERS: usize = 1_000;

/// The smallest average size of a member beyond those, in bytes: `bgzip` packs 64 KB of text in each, and frames of
/// Zstandard are no smaller.
const SMALL_MEMBER: usize = 4 << 10;

/// The same for bzip2, whose members hold up to 900 KB, and cost a decoder that much memory each.
const SMALL_BZIP2_MEMBER: usize = 64 << 10;

/// The number of bytes that are decompressed between two looks at the bounds: a moment's work.
const PART: usize = 16 << 10;

/// A way of compressing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstandard,
    /// <https://sourceware.org/bzip2/>
    Bzip2,
    /// RFC 7932.
    Brotli,
    /// RFC 1950 by the letter of HTTP, RFC 1951 by the habit of some servers.
    Deflate,
}

/// The reason why something can't be decompressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum UnpackError {
    /// There is more in it than was allowed.
    TooLarge,
    /// It is not what it says to be; the decoder's words.
    Broken(String),
    /// It says to be compressed in a way that is not known here.
    Unknown(String),
    /// Nobody waits for the content any more.
    Stopped,
}

/// Bounds of decompressing one thing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UnpackBounds<'a> {
    /// The largest number of bytes of the content.
    pub limit: u64,
    /// Ends the work soon after it is set.
    pub stop: &'a AtomicBool,
}

impl UnpackBounds<'_> {
    /// Ends the work if there is more content than is allowed, or nobody waits for it.
    fn check(self, unpacked: usize) -> Result<(), UnpackError> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(UnpackError::Stopped);
        }
        if unpacked as u64 > self.limit {
            return Err(UnpackError::TooLarge);
        }
        Ok(())
    }
}

impl Compression {
    /// Finds the way that a word of an HTTP `Content-Encoding` names.
    pub(crate) fn by_encoding(word: &str) -> Option<Self> {
        match word.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => Some(Compression::Gzip),
            "zstd" => Some(Compression::Zstandard),
            "bzip2" | "x-bzip2" => Some(Compression::Bzip2),
            "br" => Some(Compression::Brotli),
            "deflate" => Some(Compression::Deflate),
            _ => None,
        }
    }

    /// Finds the way that the ending of a file's name stands for.
    pub(crate) fn by_ending(ending: &str) -> Option<Self> {
        match ending.to_ascii_lowercase().as_str() {
            "gz" => Some(Compression::Gzip),
            "zst" => Some(Compression::Zstandard),
            "bz2" => Some(Compression::Bzip2),
            "br" => Some(Compression::Brotli),
            _ => None,
        }
    }

    /// Finds the way by the first bytes. `None` for what is not compressed, and for ways that have no
    /// signature.
    pub(crate) fn by_signature(bytes: &[u8]) -> Option<Self> {
        let signed = [Compression::Gzip, Compression::Zstandard, Compression::Bzip2];
        signed.into_iter().find(|one| one.signature().is_some_and(|signature| bytes.starts_with(signature)))
    }

    /// Returns the bytes that everything compressed in this way begins with, if they are always the
    /// same.
    fn signature(self) -> Option<&'static [u8]> {
        match self {
            Compression::Gzip => Some(b"\x1f\x8b"),
            Compression::Zstandard => Some(b"\x28\xb5\x2f\xfd"),
            Compression::Bzip2 => Some(b"BZh"),
            Compression::Brotli | Compression::Deflate => None,
        }
    }

    /// Returns the content, within these bounds; `None` if these bytes are not compressed in this way, although
    /// something says so.
    ///
    /// # Errors
    ///
    /// [`UnpackError::TooLarge`], [`UnpackError::Stopped`], and [`UnpackError::Broken`] for what was compressed
    /// and is damaged.
    pub(crate) fn undo(
        self,
        packed: &[u8],
        bounds: UnpackBounds<'_>,
    ) -> Result<Option<Vec<u8>>, UnpackError> {
        match self.signature() {
            Some(signature) if packed.starts_with(signature) => self.decompress(packed, bounds).map(Some),
            Some(_) => Ok(None),
            None => match self.decompress(packed, bounds) {
                // A text is no damaged archive: whoever uploaded it was wrong about it.
                Err(UnpackError::Broken(_)) if is_text(packed) => Ok(None),
                unpacked => unpacked.map(Some),
            },
        }
    }

    fn decompress(self, packed: &[u8], bounds: UnpackBounds<'_>) -> Result<Vec<u8>, UnpackError> {
        let mut unpacked = Vec::new();
        match self {
            Compression::Gzip => members(packed, &mut unpacked, bounds, SMALL_MEMBER, gzip_member)?,
            Compression::Bzip2 => members(packed, &mut unpacked, bounds, SMALL_BZIP2_MEMBER, bzip2_member)?,
            Compression::Zstandard => members(packed, &mut unpacked, bounds, SMALL_MEMBER, zstandard_frame)?,
            Compression::Brotli => brotli(packed, &mut unpacked, bounds)?,
            Compression::Deflate => deflate(packed, &mut unpacked, bounds)?,
        }
        Ok(unpacked)
    }
}

/// Returns whether bytes may be a text as they are: UTF-8 without a NUL.
pub(crate) fn is_text(bytes: &[u8]) -> bool {
    !bytes.contains(&0) && std::str::from_utf8(bytes).is_ok()
}

/// Decompresses a file's members one after the other, with the padding between them and at the end that
/// tapes and block devices leave: zeros, which no member begins with.
///
/// Each member costs a new decoder. Their number is bounded by the file's size and the smallest average size of a
/// member, `small`: a file of empty members alone would take minutes and come to nothing.
fn members<'p>(
    mut packed: &'p [u8],
    unpacked: &mut Vec<u8>,
    bounds: UnpackBounds<'_>,
    small: usize,
    member: impl Fn(&'p [u8], &mut Vec<u8>, UnpackBounds<'_>) -> Result<&'p [u8], UnpackError>,
) -> Result<(), UnpackError> {
    let mut left = FEW_MEMBERS + packed.len() / small;
    while !packed.is_empty() {
        left =
            left.checked_sub(1).ok_or_else(|| UnpackError::Broken("it has too many members".to_owned()))?;
        packed = member(packed, unpacked, bounds)?;
        let padding = packed.iter().take_while(|&&byte| byte == 0).count();
        packed = packed.get(padding..).unwrap_or_default();
    }
    Ok(())
}

fn gzip_member<'p>(
    packed: &'p [u8],
    unpacked: &mut Vec<u8>,
    bounds: UnpackBounds<'_>,
) -> Result<&'p [u8], UnpackError> {
    let mut decoder = GzDecoder::new(packed);
    read(&mut decoder, unpacked, bounds)?;
    Ok(decoder.into_inner())
}

fn bzip2_member<'p>(
    packed: &'p [u8],
    unpacked: &mut Vec<u8>,
    bounds: UnpackBounds<'_>,
) -> Result<&'p [u8], UnpackError> {
    let mut decoder = BzDecoder::new(packed);
    read(&mut decoder, unpacked, bounds)?;
    Ok(decoder.into_inner())
}

/// Reads to the end of what a decoder gives, part by part: a single call may go on for as long as there is room.
fn read(
    decoder: &mut impl Read,
    unpacked: &mut Vec<u8>,
    bounds: UnpackBounds<'_>,
) -> Result<(), UnpackError> {
    let mut part = [0; PART];
    loop {
        let length = decoder.read(&mut part).map_err(|error| broken(&error))?;
        unpacked.extend_from_slice(part.get(..length).unwrap_or_default());
        bounds.check(unpacked.len())?;

        if length == 0 {
            return Ok(());
        }
    }
}

/// Undoes deflate, with a zlib header unless what looks like one is the beginning of a bare stream.
fn deflate(packed: &[u8], unpacked: &mut Vec<u8>, bounds: UnpackBounds<'_>) -> Result<(), UnpackError> {
    const DEFLATE: u8 = 8;
    let with_header = match packed {
        [first, second, ..] => {
            first & 0x0f == DEFLATE && u16::from_be_bytes([*first, *second]).is_multiple_of(31)
        }
        _ => false,
    };

    if with_header {
        match read(&mut ZlibDecoder::new(packed), unpacked, bounds) {
            Err(UnpackError::Broken(_)) => unpacked.clear(),
            read => return read,
        }
    }
    read(&mut DeflateDecoder::new(packed), unpacked, bounds)
}

/// Undoes Brotli. The window is of 16 MiB at most: larger ones are an extension that is not asked for.
fn brotli(packed: &[u8], unpacked: &mut Vec<u8>, bounds: UnpackBounds<'_>) -> Result<(), UnpackError> {
    let allocator = StandardAlloc::default;
    let mut state = BrotliState::new_strict(allocator(), allocator(), allocator());
    let mut part = [0; PART];

    let mut available_in = packed.len();
    let mut input_offset = 0;
    let mut written = 0;
    loop {
        let mut available_out = part.len();
        let mut output_offset = 0;
        let result = BrotliDecompressStream(
            &mut available_in,
            &mut input_offset,
            packed,
            &mut available_out,
            &mut output_offset,
            &mut part,
            &mut written,
            &mut state,
        );

        unpacked.extend_from_slice(part.get(..output_offset).unwrap_or_default());
        bounds.check(unpacked.len())?;

        match result {
            BrotliResult::NeedsMoreOutput => {}
            BrotliResult::ResultSuccess if available_in == 0 => return Ok(()),
            BrotliResult::ResultSuccess => {
                return Err(UnpackError::Broken("it goes on after its end".to_owned()));
            }
            BrotliResult::NeedsMoreInput => return Err(UnpackError::Broken("it breaks off".to_owned())),
            BrotliResult::ResultFailure => {
                return Err(UnpackError::Broken("it is not Brotli's format".to_owned()));
            }
        }
    }
}

/// Undoes one frame, and returns what follows it. A file may hold several, and such as are to be skipped.
fn zstandard_frame<'p>(
    mut packed: &'p [u8],
    unpacked: &mut Vec<u8>,
    bounds: UnpackBounds<'_>,
) -> Result<&'p [u8], UnpackError> {
    let header = packed;
    let mut frame = FrameDecoder::new();

    match frame.init(&mut packed) {
        Ok(()) => {}
        Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
            let skipped = usize::try_from(length).ok().and_then(|length| packed.get(length..));
            return skipped.ok_or_else(|| UnpackError::Broken("it ends within a frame".to_owned()));
        }
        Err(error) => return Err(broken(&error)),
    }

    // The frame itself says how much its decoder is to keep.
    if zstandard_window(header).unwrap_or_else(|| frame.content_size()) > bounds.limit.max(SMALL_WINDOW) {
        return Err(UnpackError::TooLarge);
    }

    while !frame.is_finished() {
        let some = BlockDecodingStrategy::UptoBytes(1 << 20);
        frame.decode_blocks(&mut packed, some).map_err(|error| broken(&error))?;
        frame.collect_to_writer(&mut *unpacked).map_err(|error| broken(&error))?;
        bounds.check(unpacked.len())?;
    }

    if frame.get_checksum_from_data().is_some_and(|sum| Some(sum) != frame.get_calculated_checksum()) {
        return Err(UnpackError::Broken("its checksum is another".to_owned()));
    }
    Ok(packed)
}

/// Returns how many bytes the decoder keeps for one frame before it gives away the first of them; `None`
/// if it keeps the whole frame (RFC 8878, 3.1.1.1.2).
fn zstandard_window(header: &[u8]) -> Option<u64> {
    const SINGLE_SEGMENT: u8 = 1 << 5;
    let descriptor = header.get(4)?;
    let window = header.get(5)?;
    if descriptor & SINGLE_SEGMENT != 0 {
        return None;
    }
    let base = 1_u64 << (10 + (window >> 3));
    Some(base + base / 8 * u64::from(window & 7))
}

fn broken(error: &dyn std::error::Error) -> UnpackError {
    UnpackError::Broken(crate::message::truncate_message(&error.to_string(), 200))
}
