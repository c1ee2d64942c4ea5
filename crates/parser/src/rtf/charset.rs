//! Charsets of text, by the numbers that RTF has for them.

use crate::charset::CodePage;

/// A charset.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Charset {
    /// A code page.
    CodePage(CodePage),
    /// The code of the font Symbol, whose letters are Greek.
    Symbol,
}

impl Charset {
    /// The charset of a document that tells none.
    pub(super) const DEFAULT: Charset = Charset::CodePage(CodePage::DEFAULT);

    /// Returns the charset that is the code page of this number.
    pub(super) fn by_code_page(number: i32) -> Option<Charset> {
        u32::try_from(number).ok().and_then(CodePage::by_number).map(Charset::CodePage)
    }

    /// Returns the charset of a font, by its `\\fcharset`; `None` if it is the document's.
    pub(super) fn by_font(number: i32) -> Option<Charset> {
        let code_page = match number {
            2 => return Some(Charset::Symbol),
            77 => 10000,
            78 | 128 => 932,
            79 | 129 => 949,
            80 | 134 => 936,
            81 | 136 => 950,
            161 => 1253,
            162 => 1254,
            163 => 1258,
            177 | 181 => 1255,
            178..=180 => 1256,
            186 => 1257,
            204 => 1251,
            222 => 874,
            238 => 1250,
            254 => 437,
            255 => 850,
            _ => return None,
        };
        Charset::by_code_page(code_page)
    }

    /// Returns the text that bytes stand for.
    pub(super) fn decode(self, bytes: &[u8]) -> String {
        match self {
            Charset::CodePage(code_page) => code_page.decode(bytes).into_owned(),
            Charset::Symbol => bytes.iter().map(|byte| symbol(*byte)).collect(),
        }
    }
}

/// Returns the character of the font Symbol, as far as it is one of a text.
pub(super) fn symbol(byte: u8) -> char {
    const CAPITALS: &str = "ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ";
    const LETTERS: &str = "αβχδεφγηιϕκλμνοπθρστυϖωξψζ";
    let letter = |letters: &str, first: u8| letters.chars().nth(usize::from(byte - first));
    let known = match byte {
        b'A'..=b'Z' => letter(CAPITALS, b'A'),
        b'a'..=b'z' => letter(LETTERS, b'a'),
        0xa3 => Some('≤'),
        0xa5 => Some('∞'),
        0xac => Some('←'),
        0xae => Some('→'),
        0xb0 => Some('°'),
        0xb1 => Some('±'),
        0xb3 => Some('≥'),
        0xb4 => Some('×'),
        0xb7 | 0xa7 | 0xd8 | 0xa8 => Some('•'),
        0xb9 => Some('≠'),
        0xbb => Some('≈'),
        0xc5 => Some('⊕'),
        0xd6 => Some('√'),
        0xe5 => Some('∑'),
        0xf2 => Some('∫'),
        byte if byte.is_ascii() => Some(char::from(byte)),
        _ => None,
    };
    known.unwrap_or('•')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fonts_have_charsets_of_their_own() {
        assert_eq!(Charset::by_font(2).unwrap().decode(b"a\xb7"), "α•");
        assert_eq!(Charset::by_font(161).unwrap().decode(b"\xe1"), "α");
        assert_eq!(Charset::by_font(181), Charset::by_code_page(1255));
        assert_eq!(Charset::by_code_page(-1), None);
    }
}
