//! Encoded words, in which headers hold what is not ASCII (RFC 2047): S3 returns user-defined metadata so.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Decodes the encoded words in a header's value. What is in another character set than UTF-8 or is no encoded word stays
/// as it is.
///
/// The blanks between two encoded words are part of the encoding.
pub(super) fn decoded(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut rest = value;
    let mut follows_word = false;
    while let Some(start) = rest.find("=?") {
        let (before, from) = rest.split_at(start);
        let Some((word, after)) = first_word(from) else {
            text.push_str(&rest[..start + 2]);
            rest = &rest[start + 2..];
            follows_word = false;
            continue;
        };

        if !follows_word || !before.trim().is_empty() {
            text.push_str(before);
        }
        text.push_str(&word);
        rest = after;
        follows_word = true;
    }
    text.push_str(rest);
    text
}

/// The most bytes of an encoded word. RFC 2047 allows 75, and S3 as many as it takes of metadata in all, 2 KB, which encoding makes
/// up to three times as many.
const LONGEST_WORD: usize = 8 << 10;

/// Decodes the encoded word at the beginning of a text, `=?charset?encoding?text?=`. Returns it, and what follows.
fn first_word(text: &str) -> Option<(String, &str)> {
    // Or a text with many beginnings would be searched to its end for each.
    let word = &text[..text.floor_char_boundary(LONGEST_WORD)];
    let (charset, rest) = word.strip_prefix("=?")?.split_once('?')?;
    let (encoding, rest) = rest.split_once('?')?;
    let (encoded, rest) = rest.split_once("?=")?;
    let rest = &text[word.len() - rest.len()..];
    // A language may follow the character set (RFC 2231).
    let charset = charset.split('*').next().unwrap_or(charset);
    if !charset.eq_ignore_ascii_case("utf-8") && !charset.eq_ignore_ascii_case("us-ascii") {
        return None;
    }

    let bytes = match encoding {
        "B" | "b" => STANDARD.decode(encoded).ok()?,
        "Q" | "q" => quoted(encoded)?,
        _ => return None,
    };
    Some((String::from_utf8(bytes).ok()?, rest))
}

/// Undoes the encoding "Q": `_` is a blank, `=C3` the byte 0xC3.
fn quoted(encoded: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        rest = others;
        match first {
            b'_' => bytes.push(b' '),
            b'=' => {
                let (digits, others) = rest.split_at_checked(2)?;
                let digits = std::str::from_utf8(digits).ok()?;
                // A number may have a sign.
                if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                    return None;
                }
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = others;
            }
            other => bytes.push(*other),
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_decoded_and_joined() {
        assert_eq!(decoded("=?UTF-8?B?R3LDtsOfZQ==?="), "Größe");
        assert_eq!(decoded("=?utf-8?q?Gr=C3=B6=C3=9Fe_1?="), "Größe 1");
        assert_eq!(decoded("a =?UTF-8?B?w7Y=?= =?UTF-8?Q?=C3=9F?= b"), "a öß b");
    }

    #[test]
    fn what_is_no_encoded_word_stays() {
        for plain in [
            "plain",
            "",
            "a=?b",
            "=?UTF-8?B?***?=",
            "=?UTF-8?Q?=C3?=",
            "=?ISO-8859-1?Q?=F6?=",
            "=?UTF-8?X?a?=",
            "=?UTF-8?Q?=+1?=",
        ] {
            assert_eq!(decoded(plain), plain);
        }
        assert_eq!(decoded("=? =?UTF-8?B?w7Y=?="), "=? ö");
    }

    #[test]
    fn a_word_is_as_long_as_it_may_be_and_followed_by_any_text() {
        let word = |length: usize| format!("=?UTF-8?Q?{}?=", "x".repeat(length - "=?UTF-8?Q??=".len()));
        let rest = "y".repeat(LONGEST_WORD);
        assert!(decoded(&format!("{}{rest}", word(LONGEST_WORD))).starts_with("xxx"));
        let longer = format!("{}{rest}", word(LONGEST_WORD + 1));
        assert_eq!(decoded(&longer), longer);
    }
}
