//! Code pages: the encodings that Windows, and the documents of its programs, call by numbers.

use std::borrow::Cow;

use encoding_rs::Encoding;

/// A code page.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum CodePage {
    /// One that the web has, too.
    Web(&'static Encoding),
    /// One of MS-DOS, by its upper half.
    Dos(&'static str),
}

impl CodePage {
    /// The code page of Western Europe, which documents have that tell none.
    pub(crate) const DEFAULT: CodePage = CodePage::Web(encoding_rs::WINDOWS_1252);

    /// Returns the code page of this number. UTF-16, which has numbers too, is none of bytes.
    pub(crate) fn by_number(number: u32) -> Option<CodePage> {
        Some(CodePage::Web(match number {
            437 => return Some(CodePage::Dos(CODE_PAGE_437)),
            850 => return Some(CodePage::Dos(CODE_PAGE_850)),
            852 => return Some(CodePage::Dos(CODE_PAGE_852)),
            866 => encoding_rs::IBM866,
            874 => encoding_rs::WINDOWS_874,
            932 => encoding_rs::SHIFT_JIS,
            936 => encoding_rs::GBK,
            949 | 51949 => encoding_rs::EUC_KR,
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
            20866 => encoding_rs::KOI8_R,
            21866 => encoding_rs::KOI8_U,
            28591..=28606 => return iso_8859(number - 28590),
            50220..=50222 => encoding_rs::ISO_2022_JP,
            51932 => encoding_rs::EUC_JP,
            54936 => encoding_rs::GB18030,
            65001 => encoding_rs::UTF_8,
            _ => return None,
        }))
    }

    /// Returns the code page of this number, or that of Western Europe if there is none.
    pub(crate) fn by_number_or_default(number: u32) -> CodePage {
        CodePage::by_number(number).unwrap_or(CodePage::DEFAULT)
    }

    /// Returns the label that the Encoding Standard has for it; `None` for one of MS-DOS.
    pub(crate) fn label(self) -> Option<&'static str> {
        match self {
            CodePage::Web(encoding) => Some(encoding.name()),
            CodePage::Dos(_) => None,
        }
    }

    /// Returns the text that bytes stand for.
    pub(crate) fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        match self {
            CodePage::Web(encoding) => encoding.decode_without_bom_handling(bytes).0,
            CodePage::Dos(upper) => bytes.iter().map(|byte| dos(*byte, upper)).collect(),
        }
    }
}

/// Returns the part of ISO 8859 with this number.
fn iso_8859(part: u32) -> Option<CodePage> {
    Encoding::for_label(format!("iso-8859-{part}").as_bytes()).map(CodePage::Web)
}

/// Returns the character of MS-DOS that has this number.
fn dos(byte: u8, upper: &str) -> char {
    match byte.checked_sub(128) {
        Some(place) => upper.chars().nth(usize::from(place)).unwrap_or(char::REPLACEMENT_CHARACTER),
        None => char::from(byte),
    }
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
    fn each_code_page_has_its_own_letters() {
        let decoded = |number, bytes: &'static [u8]| CodePage::by_number(number).unwrap().decode(bytes);
        assert_eq!(decoded(437, b"\x81ber"), "über");
        assert_eq!(decoded(850, b"\x9b"), "ø");
        assert_eq!(decoded(1251, b"\xcf"), "П");
        assert_eq!(decoded(932, b"\x82\xa0"), "あ");
        assert_eq!(decoded(10007, b"\x8f"), "П");
        assert_eq!(decoded(28605, b"\xa4"), "€");
        for upper in [CODE_PAGE_437, CODE_PAGE_850, CODE_PAGE_852] {
            assert_eq!(upper.chars().count(), 128);
        }
    }

    #[test]
    fn unknown_numbers_are_no_code_pages() {
        for number in [0, 1200, 28602, u32::MAX] {
            assert_eq!(CodePage::by_number(number), None, "{number}");
        }
        assert_eq!(CodePage::by_number_or_default(0), CodePage::DEFAULT);
    }
}
