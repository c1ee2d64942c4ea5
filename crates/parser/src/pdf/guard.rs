//! Checks before the library reads a document: what would overflow its stack.
//!
//! The library descends into arrays and dictionaries without counting. The program reads on a thread with a large stack
//! ([`sandbox::STACK`](crate::sandbox::STACK)), and nesting that would need more than that is refused first, in objects that are plain and in those that are packed
//! by Flate. What hides behind other filters, or encryption, ends in the limits of the process.

use std::io::Read as _;

use flate2::read::ZlibDecoder;
use memchr::memmem;

use super::limits::too_complex;
use crate::ParseError;

/// The deepest nesting of arrays and dictionaries. Readers stop at 100 or so.
const MAX_NESTING: usize = 10_000;
/// The most bytes of packed objects that are looked at.
const MAX_UNPACKED: u64 = 512 << 20;

/// Checks that nothing is nested deeper than the stack of the reader's thread is.
pub(super) fn check(bytes: &[u8]) -> Result<(), ParseError> {
    check_plain(bytes)?;
    check_packed(bytes)
}

/// The depth of the nesting of what was read.
#[derive(Default)]
struct Nesting {
    depth: usize,
    last: u8,
}

impl Nesting {
    fn read(&mut self, bytes: &[u8]) -> Result<(), ParseError> {
        for byte in bytes {
            match byte {
                b'[' => self.depth += 1,
                b'<' if self.last == b'<' => {
                    self.depth += 1;
                    self.last = 0;
                    continue;
                }
                b']' => self.depth = self.depth.saturating_sub(1),
                b'>' if self.last == b'>' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.last = 0;
                    continue;
                }
                _ => {}
            }
            if self.depth > MAX_NESTING {
                return Err(too_complex(format!("arrays are nested deeper than {MAX_NESTING}")));
            }
            self.last = *byte;
        }
        Ok(())
    }
}

/// Checks what is outside of streams.
fn check_plain(bytes: &[u8]) -> Result<(), ParseError> {
    let streams = memmem::Finder::new(b"stream");
    let ends = memmem::Finder::new(b"endstream");
    let objects = memmem::Finder::new(b"endobj");
    let mut rest = bytes;
    while !rest.is_empty() {
        let begin = streams.find(rest).unwrap_or(rest.len());
        let mut plain = rest.get(..begin).unwrap_or_default();
        // Nothing of an object is open when the next one begins.
        let mut nesting = Nesting::default();
        while let Some(end) = objects.find(plain) {
            nesting.read(plain.get(..end).unwrap_or_default())?;
            nesting = Nesting::default();
            plain = plain.get(end + 6..).unwrap_or_default();
        }
        nesting.read(plain)?;

        rest = rest.get(begin..).unwrap_or_default();
        // A stream that never ends may be none at all.
        let end = ends.find(rest).map_or(6, |end| end + 9);
        rest = rest.get(end..).unwrap_or_default();
    }
    Ok(())
}

/// Checks objects that are packed in streams.
fn check_packed(bytes: &[u8]) -> Result<(), ParseError> {
    let mut left = MAX_UNPACKED;
    for found in memmem::find_iter(bytes, b"/ObjStm") {
        let Some(rest) = bytes.get(found..) else { break };
        let Some(begin) = memmem::find(rest.get(..rest.len().min(4096)).unwrap_or_default(), b"stream")
        else {
            continue;
        };
        let data = rest.get(begin + 6..).unwrap_or_default();
        let data = data.strip_prefix(b"\r\n").or_else(|| data.strip_prefix(b"\n")).unwrap_or(data);
        let mut unpacked = ZlibDecoder::new(data).take(left);
        let mut nesting = Nesting::default();
        let mut buffer = [0; 8192];
        while let Ok(count @ 1..) = unpacked.read(&mut buffer) {
            nesting.read(buffer.get(..count).unwrap_or_default())?;
            left = left.saturating_sub(count as u64);
        }
        if left == 0 {
            return Err(too_complex("its packed objects are too large".to_owned()));
        }
    }
    Ok(())
}
