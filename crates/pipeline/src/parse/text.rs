//! Decoding text: UTF-8, or UTF-16 with a byte order mark.

use super::ParseFailure;

const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";
const UTF16_LE_MARK: &[u8] = b"\xff\xfe";
const UTF16_BE_MARK: &[u8] = b"\xfe\xff";

/// The text that `bytes` encode, without its byte order mark.
pub(super) fn decode(bytes: &[u8]) -> Result<String, ParseFailure> {
    if let Some(rest) = bytes.strip_prefix(UTF16_LE_MARK) {
        return decode_utf16(rest, u16::from_le_bytes);
    }
    if let Some(rest) = bytes.strip_prefix(UTF16_BE_MARK) {
        return decode_utf16(rest, u16::from_be_bytes);
    }

    let rest = bytes.strip_prefix(UTF8_MARK).unwrap_or(bytes);
    let mark = bytes.len() - rest.len();
    let text = std::str::from_utf8(rest).map_err(|error| ParseFailure::InvalidEncoding {
        encoding: "UTF-8",
        offset: mark + error.valid_up_to(),
    })?;

    match text.find('\0') {
        Some(at) => Err(ParseFailure::NulCharacter { offset: mark + at }),
        None => Ok(text.to_owned()),
    }
}

/// Returns whether `bytes` begin with the mark of UTF-16 or are UTF-8 without NUL.
pub(super) fn looks_like_text(bytes: &[u8]) -> bool {
    bytes.starts_with(UTF16_LE_MARK)
        || bytes.starts_with(UTF16_BE_MARK)
        || (!bytes.contains(&0) && std::str::from_utf8(bytes).is_ok())
}

/// Decodes what follows the byte order mark.
fn decode_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, ParseFailure> {
    let mut text = String::with_capacity(bytes.len() / 2);
    let mut offset = UTF16_LE_MARK.len();
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    let invalid = |offset| ParseFailure::InvalidEncoding { encoding: "UTF-16", offset };

    for decoded in char::decode_utf16(units) {
        let c = decoded.map_err(|_| invalid(offset))?;
        if c == '\0' {
            return Err(ParseFailure::NulCharacter { offset });
        }
        text.push(c);
        offset += 2 * c.len_utf16();
    }

    if !bytes.len().is_multiple_of(2) {
        return Err(invalid(offset));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_order_marks_are_stripped() {
        assert_eq!(decode("\u{feff}é".as_bytes()).unwrap(), "é");
        assert_eq!(decode(b"\xff\xfeh\0\x3d\xd8\x00\xde").unwrap(), "h\u{1f600}");
        assert_eq!(decode(b"\xfe\xff\0h\xd8\x3d\xde\x00").unwrap(), "h\u{1f600}");
        assert_eq!(decode(b"\xff\xfe").unwrap(), "");
    }

    #[test]
    fn offsets_count_from_the_beginning_of_the_document() {
        let invalid = |encoding, offset| Err(ParseFailure::InvalidEncoding { encoding, offset });
        assert_eq!(decode(b"\xef\xbb\xbfab\xff"), invalid("UTF-8", 5));
        assert_eq!(decode(b"\xff\xfea\0\x00\xd8"), invalid("UTF-16", 4));
        assert_eq!(decode(b"\xff\xfea\0b"), invalid("UTF-16", 4));
        assert_eq!(decode(b"\xff\xfea\0\0\0"), Err(ParseFailure::NulCharacter { offset: 4 }));
        assert_eq!(decode(b"\xef\xbb\xbfa\0"), Err(ParseFailure::NulCharacter { offset: 4 }));
    }
}
