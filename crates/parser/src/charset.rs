//! Text from bytes: by its byte order mark, as UTF-8, by the encoding that somebody declared, and by a guess.
//!
//! UTF-8 comes before what was declared, as text that is valid UTF-8 by chance is rarer by far than a wrong
//! declaration. The guess is the one of a web browser.

mod code_page;
mod utf;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, ISO_2022_JP, UTF_8, UTF_16BE, UTF_16LE};
use memchr::memmem;

use crate::ParseError;

pub(crate) use code_page::CodePage;

/// The number of bytes, from the first that is not ASCII, on which a guess is made.
const GUESSED_FROM: usize = 1 << 20;

/// One character in so many may be a control character, or one that could not be decoded, in what is text.
const TOLERANCE: usize = 50;

/// Returns the text that the bytes encode, without a byte order mark and without U+0000. The declared encoding is a
/// label of the Encoding Standard's, such as `iso-8859-1`; an unknown one is ignored.
///
/// # Errors
///
/// If the bytes are not text, or text in an encoding that could not be found out.
pub(crate) fn decode(bytes: &[u8], declared: Option<&str>) -> Result<String, ParseError> {
    decode_any(bytes, declared)
        .filter(|text| is_plausible(text))
        .map(without_nul)
        .ok_or(ParseError::UnknownEncoding)
}

/// Returns the value of `charset` in a media type such as `text/html; charset=utf-8`.
pub(crate) fn declared_in(content_type: Option<&str>) -> Option<&str> {
    content_type?.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches(['"', '\'']))
    })
}

fn decode_any(bytes: &[u8], declared: Option<&str>) -> Option<String> {
    if let Some(text) = utf::by_mark(bytes) {
        return Some(text);
    }

    let utf8 = std::str::from_utf8(bytes).ok();
    if let Some(text) = utf8.filter(|text| is_plausible(text)) {
        return by_escapes(bytes).or_else(|| Some(text.to_owned()));
    }
    if let Some(text) = utf::by_nuls(bytes) {
        return Some(text);
    }
    if let Some(text) = by_declaration(bytes, declared) {
        return Some(text);
    }
    if utf::is_nearly_utf8(bytes) {
        return Some(String::from_utf8_lossy(bytes).into_owned());
    }
    by_guess(bytes)
}

/// Decodes ISO-2022-JP, whose bytes all are ASCII's.
fn by_escapes(bytes: &[u8]) -> Option<String> {
    const ESCAPES: &[&[u8]] = &[b"\x1b$B", b"\x1b$@", b"\x1b(J", b"\x1b(I"];

    memchr::memchr(0x1b, bytes)?;
    ESCAPES.iter().find(|escape| memmem::find(bytes, escape).is_some())?;
    let (text, malformed) = ISO_2022_JP.decode_without_bom_handling(bytes);
    (!malformed).then(|| text.into_owned())
}

/// Decodes as it was declared, unless the bytes disprove that.
fn by_declaration(bytes: &[u8], declared: Option<&str>) -> Option<String> {
    let label = declared?.trim();
    // The Encoding Standard takes it for windows-1252, but bytes that are not ASCII show that nobody thought of them.
    if ["ascii", "us-ascii", "ansi_x3.4-1968"].iter().any(|ascii| label.eq_ignore_ascii_case(ascii)) {
        return None;
    }
    let encoding = Encoding::for_label_no_replacement(label.as_bytes())?;
    if encoding == UTF_8 {
        return None;
    }
    // Only these may have bytes that are NUL.
    if ![UTF_16LE, UTF_16BE].contains(&encoding) && memchr::memchr(0, bytes).is_some() {
        return None;
    }
    let (text, malformed) = encoding.decode_without_bom_handling(bytes);
    (!malformed || is_plausible(&text)).then(|| text.into_owned())
}

fn by_guess(bytes: &[u8]) -> Option<String> {
    let start = Encoding::ascii_valid_up_to(bytes);
    let end = bytes.len().min(start + GUESSED_FROM);

    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes.get(start..end)?, end == bytes.len());
    let encoding = detector.guess(None, Utf8Detection::Deny);
    Some(encoding.decode_without_bom_handling(bytes).0.into_owned())
}

/// Returns whether there are few characters that no text has.
fn is_plausible(text: &str) -> bool {
    let (mut strange, mut all) = (0_usize, 0_usize);
    for c in text.chars() {
        all += 1;
        let spacing = matches!(c, '\t' | '\n' | '\r' | '\x0c' | '\x08' | '\x1b' | '\u{85}');
        strange += usize::from(c == char::REPLACEMENT_CHARACTER || (c.is_control() && !spacing));
    }
    // A short text may have one.
    strange.saturating_sub(1) * TOLERANCE <= all && (strange == 0 || strange * 4 <= all)
}

fn without_nul(text: String) -> String {
    if text.contains('\0') { text.replace('\0', " ") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the bytes of a text in an encoding.
    fn encoded(text: &str, label: &str) -> Vec<u8> {
        let (bytes, _, unmappable) = Encoding::for_label(label.as_bytes()).unwrap().encode(text);
        assert!(!unmappable, "{text} has no bytes in {label}");
        bytes.into_owned()
    }

    const RUSSIAN: &str = "Сегодня хорошая погода, и мы идём гулять в парк.";
    const JAPANESE: &str = "今日は天気がいいので、公園へ散歩に行きます。";
    const CHINESE: &str = "今天天气很好，我们去公园散步。";

    #[test]
    fn text_is_read_in_any_encoding_that_people_use() {
        let cases = [
            ("Der Bär läuft über die Straße; „schön“ – sagt er.", "windows-1252"),
            ("Příliš žluťoučký kůň úpěl ďábelské ódy.", "windows-1250"),
            ("Zażółć gęślą jaźń, to jest zdanie po polsku.", "iso-8859-2"),
            (RUSSIAN, "windows-1251"),
            (RUSSIAN, "koi8-r"),
            (RUSSIAN, "ibm866"),
            (RUSSIAN, "iso-8859-5"),
            ("Η γρήγορη αλεπού πηδάει πάνω από το σκυλί.", "iso-8859-7"),
            ("Bugün hava çok güzel, ağaçların altında yürüyüşe çıkıyoruz; ışık şahane.", "windows-1254"),
            ("היום מזג האוויר יפה ואנחנו הולכים לטייל בפארק.", "windows-1255"),
            ("الطقس جميل اليوم وسنذهب للتنزه في الحديقة.", "windows-1256"),
            (JAPANESE, "shift_jis"),
            (JAPANESE, "euc-jp"),
            (JAPANESE, "iso-2022-jp"),
            (CHINESE, "gbk"),
            (CHINESE, "gb18030"),
            ("今天天氣很好，我們去公園散步。", "big5"),
            ("오늘은 날씨가 좋아서 공원에 산책하러 갑니다.", "euc-kr"),
            ("วันนี้อากาศดีมาก เราจะไปเดินเล่นที่สวนสาธารณะ", "windows-874"),
        ];
        for (text, label) in cases {
            assert_eq!(decode(&encoded(text, label), None).as_deref(), Ok(text), "{label}");
        }
    }

    #[test]
    fn a_declared_encoding_is_believed_unless_the_text_is_utf8() {
        let word = "naïve żółć";
        assert_eq!(decode(&encoded("żółć", "iso-8859-2"), Some("ISO-8859-2")).as_deref(), Ok("żółć"));
        assert_eq!(decode(word.as_bytes(), Some("iso-8859-1")).as_deref(), Ok(word));
        assert_eq!(decode(b"caf\xe9", Some("utf-8")).as_deref(), Ok("café"));
        assert_eq!(decode(b"caf\xe9", Some("us-ascii")).as_deref(), Ok("café"));
        assert_eq!(decode(b"caf\xe9", Some("no-such-charset")).as_deref(), Ok("café"));
    }

    #[test]
    fn a_declaration_that_the_bytes_disprove_is_ignored() {
        let bytes = encoded(RUSSIAN, "windows-1251");
        assert_eq!(decode(&bytes, Some("euc-jp")).as_deref(), Ok(RUSSIAN));
        assert_eq!(decode(b"plain", Some("utf-16")).as_deref(), Ok("plain"));
    }

    #[test]
    fn a_broken_character_costs_itself_only() {
        let mut bytes = RUSSIAN.repeat(5).into_bytes();
        bytes.pop();
        bytes.push(0xd1);
        let text = decode(&bytes, None).unwrap();
        assert!(text.starts_with(RUSSIAN), "{text}");
        assert!(text.ends_with(char::REPLACEMENT_CHARACTER), "{text}");
    }

    #[test]
    fn what_is_not_text_is_refused() {
        // A generator of pseudo-random numbers of the simplest sort.
        let mut state = 1_u32;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .take(4096)
        .collect();
        let without_nul: Vec<u8> = noise.iter().copied().filter(|byte| *byte != 0).collect();

        for garbage in
            [&noise, &without_nul, &b"\x01\x02\x03\x04".to_vec(), &b"\x7fELF\x02\x01\x01\0\0\0\0".to_vec()]
        {
            assert_eq!(decode(garbage, None), Err(ParseError::UnknownEncoding));
        }
        let numbers: Vec<u8> = (0..2000_u32).flat_map(u32::to_le_bytes).collect();
        assert_eq!(decode(&numbers, None), Err(ParseError::UnknownEncoding));
    }

    #[test]
    fn a_nul_that_strayed_into_text_is_a_space() {
        let line = "2026-01-01 the server started and listens\n".repeat(3);
        assert_eq!(decode(format!("{line}\0end").as_bytes(), None), Ok(format!("{line} end")));
    }

    #[test]
    fn the_charset_of_a_media_type_is_found() {
        assert_eq!(declared_in(Some("text/plain; format=flowed; Charset=\"KOI8-R\"")), Some("KOI8-R"));
        assert_eq!(declared_in(Some("text/plain")), None);
        assert_eq!(declared_in(None), None);
    }
}
