//! Compressed RTF (MS-OXRTFCP).

/// The beginning that each text is taken to have.
const BEGINNING: &[u8] =
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \
\\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \
\\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";

const COMPRESSED: &[u8] = b"LZFu";
const UNCOMPRESSED: &[u8] = b"MELA";
const HEADER: usize = 16;
const WINDOW: usize = 4096;

/// The largest text, in bytes.
const LARGEST: usize = 32 << 20;

/// Returns the text; `None` if these bytes are none, or one that is too large.
pub(super) fn decompressed(bytes: &[u8]) -> Option<Vec<u8>> {
    let content = bytes.get(HEADER..)?;
    let size = usize::try_from(u32::from_le_bytes(bytes.get(4..8)?.try_into().ok()?)).ok()?;
    match bytes.get(8..12)? {
        UNCOMPRESSED => Some(content.get(..size).unwrap_or(content).to_vec()),
        COMPRESSED => expanded(content, size.min(LARGEST)),
        _ => None,
    }
}

fn expanded(content: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut window = [b' '; WINDOW];
    window.get_mut(..BEGINNING.len())?.copy_from_slice(BEGINNING);
    let mut at = BEGINNING.len();
    let mut text = Vec::new();
    let mut bytes = content.iter().copied();
    while let Some(flags) = bytes.next() {
        for bit in 0..8 {
            if text.len() >= size {
                return Some(text);
            }
            let Some(first) = bytes.next() else { return Some(text) };
            if flags & (1 << bit) == 0 {
                window[at] = first;
                at = (at + 1) % WINDOW;
                text.push(first);
                continue;
            }
            let Some(second) = bytes.next() else { return Some(text) };
            let reference = usize::from(u16::from_be_bytes([first, second]));
            let (mut from, length) = (reference >> 4, (reference & 15) + 2);
            if from == at {
                return Some(text);
            }
            for _ in 0..length {
                let byte = window[from];
                from = (from + 1) % WINDOW;
                window[at] = byte;
                at = (at + 1) % WINDOW;
                text.push(byte);
            }
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the format's description.
    #[test]
    fn references_lead_into_the_text_and_into_its_beginning() {
        let simple = b"\x2d\x00\x00\x00\x2b\x00\x00\x00LZFu\xf1\xc5\xc7\xa7\x03\x00\x0a\x00rcpg125\x42\x32\x0a\xf3 hel\x09\x00 bw\x05\xb0ld}\x0a\x80\x0f\xa0";
        let text = decompressed(simple).unwrap();
        assert_eq!(text, b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n");

        let crossing = b"\x1a\x00\x00\x00\x1c\x00\x00\x00LZFu\xe2\xd4\x4b\x51\x41\x00\x04\x20WXYZ\x0d\x6e\x7d\x01\x0e\xb0";
        assert_eq!(decompressed(crossing).unwrap(), b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}");
    }

    #[test]
    fn what_is_no_compressed_rtf_is_none() {
        assert_eq!(decompressed(b""), None);
        assert_eq!(decompressed(&[0; 40]), None);
    }
}
