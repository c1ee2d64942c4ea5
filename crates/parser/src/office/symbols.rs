//! Letters of the fonts whose letters are pictures.

/// The Greek letters and signs of the font Symbol, from 0x61 and from 0x41.
const SYMBOL_LOWER: &str = "αβχδεφγηιϕκλμνοπθρστυϖωξψζ";
const SYMBOL_UPPER: &str = "ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ";

/// Other signs of the font Symbol.
const SYMBOL_SIGNS: &[(u32, char)] = &[
    (0xa3, '≤'),
    (0xa5, '∞'),
    (0xab, '↔'),
    (0xac, '←'),
    (0xad, '↑'),
    (0xae, '→'),
    (0xaf, '↓'),
    (0xb0, '°'),
    (0xb1, '±'),
    (0xb3, '≥'),
    (0xb4, '×'),
    (0xb5, '∝'),
    (0xb6, '∂'),
    (0xb7, '•'),
    (0xb8, '÷'),
    (0xb9, '≠'),
    (0xba, '≡'),
    (0xbb, '≈'),
    (0xbc, '…'),
    (0xc7, '∩'),
    (0xc8, '∪'),
    (0xce, '∈'),
    (0xd1, '∇'),
    (0xd2, '®'),
    (0xd3, '©'),
    (0xd4, '™'),
    (0xd5, '∏'),
    (0xd6, '√'),
    (0xdb, '⇔'),
    (0xde, '⇒'),
    (0xe5, '∑'),
    (0xf2, '∫'),
];

/// Signs of the fonts Wingdings that stand for words.
const WINGDINGS: &[(u32, char)] = &[
    (0x6f, '☐'),
    (0x71, '☐'),
    (0xa8, '☐'),
    (0xfb, '✗'),
    (0xfc, '✓'),
    (0xfd, '☒'),
    (0xfe, '☑'),
    (0xdf, '←'),
    (0xe0, '→'),
    (0xe8, '➔'),
    (0x28, '☎'),
    (0x2a, '✉'),
];

/// Returns the letter that a font shows at this place; `None` if it is decoration.
pub(super) fn letter(font: &str, code: u32) -> Option<char> {
    // Files write places of such fonts in Unicode's private area, or as they are.
    let place = if (0xf000..=0xf0ff).contains(&code) { code - 0xf000 } else { code };
    match font.trim().to_ascii_lowercase().as_str() {
        "symbol" => symbol(place),
        "wingdings" | "wingdings 2" | "wingdings 3" | "webdings" => find(WINGDINGS, place),
        _ if (0xe000..=0xf8ff).contains(&code) => None,
        _ => char::from_u32(code),
    }
}

fn symbol(place: u32) -> Option<char> {
    match place {
        0x41..=0x5a => SYMBOL_UPPER.chars().nth((place - 0x41) as usize),
        0x61..=0x7a => SYMBOL_LOWER.chars().nth((place - 0x61) as usize),
        0x20..=0x40 => char::from_u32(place),
        _ => find(SYMBOL_SIGNS, place),
    }
}

fn find(signs: &[(u32, char)], place: u32) -> Option<char> {
    signs.iter().find(|(known, _)| *known == place).map(|(_, letter)| *letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greek_letters_and_signs_are_read_and_decoration_is_not() {
        assert_eq!(letter("Symbol", 0xf061), Some('α'));
        assert_eq!(letter("Symbol", 0xb3), Some('≥'));
        assert_eq!(letter("Wingdings", 0xf0fc), Some('✓'));
        assert_eq!(letter("Wingdings", 0xf0d8), None);
        assert_eq!(letter("Arial", 0x20ac), Some('€'));
    }
}
