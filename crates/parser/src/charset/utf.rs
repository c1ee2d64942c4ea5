//! The encodings of Unicode: by their byte order marks, and by where they have NULs.

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};

/// There must be so many times more valid characters than invalid bytes in what is taken for UTF-8.
const MOSTLY: usize = 10;

/// The number of bytes below which half a character is one too many.
const FEW: usize = 16;

/// Decodes what begins with a byte order mark.
pub(super) fn by_mark(bytes: &[u8]) -> Option<String> {
    // The mark of UTF-32 begins as that of UTF-16.
    if let Some(rest) = bytes.strip_prefix(b"\xff\xfe\0\0")
        && let Some(text) = utf32(rest, u32::from_le_bytes)
    {
        return Some(text);
    }
    if let Some(rest) = bytes.strip_prefix(b"\0\0\xfe\xff") {
        return utf32(rest, u32::from_be_bytes);
    }

    let (encoding, mark) = Encoding::for_bom(bytes)?;
    let (text, _) = encoding.decode_without_bom_handling(bytes.get(mark..)?);
    Some(text.into_owned())
}

/// Decodes UTF-16 and UTF-32 without a mark. Latin letters and spaces have NULs in them, always in the same places.
pub(super) fn by_nuls(bytes: &[u8]) -> Option<String> {
    let mut nuls = [0_usize; 4];
    for (place, byte) in bytes.iter().enumerate() {
        if *byte == 0 {
            nuls[place % 4] += 1;
        }
    }

    let quarter = bytes.len() / 4;
    if bytes.len().is_multiple_of(4) && nuls[0].max(nuls[3]) >= quarter {
        let order = if nuls[3] >= quarter { u32::from_le_bytes } else { u32::from_be_bytes };
        // In UTF-16, too, Latin letters have a NUL in each fourth byte.
        if let Some(text) = utf32(bytes, order).filter(|text| is_text(text)) {
            return Some(text);
        }
    }

    let (even, odd) = (nuls[0] + nuls[2], nuls[1] + nuls[3]);
    let encoding = if odd > even * MOSTLY {
        UTF_16LE
    } else if even > odd * MOSTLY {
        UTF_16BE
    } else {
        return None;
    };
    // The last character may be cut off, unless there are so few that these may be no characters at all.
    let whole = bytes.len() - bytes.len() % 2;
    if whole < bytes.len() && whole < FEW {
        return None;
    }
    let (text, malformed) = encoding.decode_without_bom_handling(bytes.get(..whole)?);
    (!malformed && is_text(&text)).then(|| text.into_owned())
}

/// Returns whether nearly all that is not ASCII is valid UTF-8, as in a log to which something was added that is not.
pub(super) fn is_nearly_utf8(bytes: &[u8]) -> bool {
    let (mut valid, mut invalid) = (0_usize, 0_usize);
    for chunk in bytes.utf8_chunks() {
        valid += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        invalid += usize::from(!chunk.invalid().is_empty());
    }
    valid >= invalid * MOSTLY
}

/// Returns whether there is no NUL, and next to no other character that no text has.
fn is_text(text: &str) -> bool {
    !text.contains('\0') && super::is_plausible(text)
}

fn utf32(bytes: &[u8], number: fn([u8; 4]) -> u32) -> Option<String> {
    // The last character may be cut off.
    let (numbers, _) = bytes.as_chunks::<4>();
    numbers.iter().map(|four| char::from_u32(number(*four))).collect()
}

#[cfg(test)]
mod tests {
    use crate::ParseError;
    use crate::charset::decode;

    const TEXT: &str = "Grüße, 世界 and 🦀\n";

    fn utf16(order: fn(u16) -> [u8; 2], mark: &str) -> Vec<u8> {
        format!("{mark}{TEXT}").encode_utf16().flat_map(order).collect()
    }

    fn utf32(order: fn(u32) -> [u8; 4], mark: &str) -> Vec<u8> {
        format!("{mark}{TEXT}").chars().flat_map(|c| order(u32::from(c))).collect()
    }

    #[test]
    fn unicode_is_read_with_a_mark_and_without() {
        assert_eq!(decode(format!("\u{feff}{TEXT}").as_bytes(), None).as_deref(), Ok(TEXT));
        for mark in ["\u{feff}", ""] {
            assert_eq!(decode(&utf16(u16::to_le_bytes, mark), None).as_deref(), Ok(TEXT));
            assert_eq!(decode(&utf16(u16::to_be_bytes, mark), None).as_deref(), Ok(TEXT));
            assert_eq!(decode(&utf32(u32::to_le_bytes, mark), None).as_deref(), Ok(TEXT));
            assert_eq!(decode(&utf32(u32::to_be_bytes, mark), None).as_deref(), Ok(TEXT));
        }
    }

    #[test]
    fn the_mark_wins_over_what_was_declared() {
        assert_eq!(decode(&utf16(u16::to_le_bytes, "\u{feff}"), Some("utf-8")).as_deref(), Ok(TEXT));
    }

    #[test]
    fn a_half_character_at_the_end_is_left_out() {
        let mut bytes = utf16(u16::to_le_bytes, "");
        bytes.push(b'x');
        assert_eq!(decode(&bytes, None).as_deref(), Ok(TEXT));
    }

    #[test]
    fn latin_text_in_utf16_is_not_taken_for_utf32() {
        for text in ["abcd", "abcdef", "abcde"] {
            let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            assert_eq!(decode(&bytes, None).as_deref(), Ok(text));
        }
    }

    #[test]
    fn numbers_are_not_text() {
        let small: Vec<u8> = (0..500_u16).map(|n| n % 20).flat_map(u16::to_le_bytes).collect();
        assert_eq!(decode(&small, None), Err(ParseError::UnknownEncoding));
    }
}
