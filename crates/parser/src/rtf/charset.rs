//! Charsets of text, by the numbers that RTF has for them.

use encoding_rs::Encoding;

/// A charset.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Charset {
    /// One that the web has, too.
    Web(&'static Encoding),
    /// One of MS-DOS, by its upper half.
    Dos(&'static str),
    /// That of the font Symbol, whose letters are Greek.
    Symbol,
}

impl Charset {
    /// The charset of a document that tells none.
    pub(super) const DEFAULT: Charset = Charset::Web(encoding_rs::WINDOWS_1252);

    /// Returns the charset that is the code page of this number.
    pub(super) fn by_code_page(number: i32) -> Option<Charset> {
        Some(Charset::Web(match number {
            437 => return Some(Charset::Dos(CODE_PAGE_437)),
            850 => return Some(Charset::Dos(CODE_PAGE_850)),
            852 => return Some(Charset::Dos(CODE_PAGE_852)),
            866 => encoding_rs::IBM866,
            874 => encoding_rs::WINDOWS_874,
            932 => encoding_rs::SHIFT_JIS,
            936 => encoding_rs::GBK,
            949 => encoding_rs::EUC_KR,
            950 => encoding_rs::BIG5,
            1250 => encoding_rs::WINDOWS_1250,
            1251 => encoding_rs::WINDOWS_1251,
            1252 => encoding_rs::WINDOWS_1252,
            1253 => encoding_rs::WINDOWS_1253,
            1254 => encoding_rs::WINDOWS_1254,
            1255 => encoding_rs::WINDOWS_1255,
            1256 => encoding_rs::WINDOWS_1256,
            1257 => encoding_rs::WINDOWS_1257,
            1258 => encoding_rs::WINDOWS_1258,
            10000 => encoding_rs::MACINTOSH,
            10007 => encoding_rs::X_MAC_CYRILLIC,
            54936 => encoding_rs::GB18030,
            65001 => encoding_rs::UTF_8,
            _ => return None,
        }))
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
            177..=181 => {
                if number == 177 || number == 181 {
                    1255
                } else {
                    1256
                }
            }
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
            Charset::Web(encoding) => encoding.decode_without_bom_handling(bytes).0.into_owned(),
            Charset::Dos(upper) => bytes.iter().map(|byte| dos(*byte, upper)).collect(),
            Charset::Symbol => bytes.iter().map(|byte| symbol(*byte)).collect(),
        }
    }
}

fn dos(byte: u8, upper: &str) -> char {
    match byte.checked_sub(128) {
        Some(place) => upper.chars().nth(usize::from(place)).unwrap_or(char::REPLACEMENT_CHARACTER),
        None => char::from(byte),
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

const CODE_PAGE_437: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒ\
     áíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐\
     └┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀\
     αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

const CODE_PAGE_850: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒ\
     áíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐\
     └┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀\
     ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u{ad}±‗¾¶§÷¸°¨·¹³²■\u{a0}";

const CODE_PAGE_852: &str = "ÇüéâäůćçłëŐőîŹÄĆÉĹĺôöĽľŚśÖÜŤťŁ×č\
     áíóúĄąŽžĘę¬źČş«»░▒▓│┤ÁÂĚŞ╣║╗╝Żż┐\
     └┴┬├─┼Ăă╚╔╩╦╠═╬¤đĐĎËďŇÍÎě┘┌█▄ŢŮ▀\
     ÓßÔŃńňŠšŔÚŕŰýÝţ´\u{ad}˝˛ˇ˘§÷¸°¨˙űŘř■\u{a0}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_charset_has_its_own_letters() {
        let decoded = |number, bytes: &[u8]| Charset::by_code_page(number).unwrap().decode(bytes);
        assert_eq!(decoded(437, b"\x81ber"), "über");
        assert_eq!(decoded(850, b"\x9b"), "ø");
        assert_eq!(decoded(1251, b"\xcf"), "П");
        assert_eq!(decoded(932, b"\x82\xa0"), "あ");
        assert_eq!(Charset::by_font(2).unwrap().decode(b"a\xb7"), "α•");
        assert_eq!(Charset::by_font(161).unwrap().decode(b"\xe1"), "α");
        for upper in [CODE_PAGE_437, CODE_PAGE_850, CODE_PAGE_852] {
            assert_eq!(upper.chars().count(), 128);
        }
    }
}
