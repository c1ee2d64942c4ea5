//! Numbers as lists write them.

/// A way to write a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Numeral {
    /// Digits: 1, 2, 3.
    Decimal,
    /// Digits, with a zero before a single one: 01, 02, 10.
    DecimalZero,
    /// I, II, III.
    UpperRoman,
    /// i, ii, iii.
    LowerRoman,
    /// A, B, C; AA follows Z.
    UpperLetter,
    /// a, b, c; aa follows z.
    LowerLetter,
    /// A digit with a point, for the first, the second and so on.
    Ordinal,
    /// The sign of a list without numbers.
    Bullet,
    /// Nothing is written.
    None,
}

impl Numeral {
    /// Returns the way that Word's XML calls by this name. Those of other scripts are written in digits.
    pub(super) fn named(name: &str) -> Self {
        match name {
            "bullet" => Numeral::Bullet,
            "none" => Numeral::None,
            "decimalZero" => Numeral::DecimalZero,
            "upperRoman" => Numeral::UpperRoman,
            "lowerRoman" => Numeral::LowerRoman,
            "upperLetter" => Numeral::UpperLetter,
            "lowerLetter" => Numeral::LowerLetter,
            "ordinal" => Numeral::Ordinal,
            _ => Numeral::Decimal,
        }
    }

    /// Returns the way that old Word files call by this number.
    pub(super) fn numbered(number: u8) -> Self {
        match number {
            1 => Numeral::UpperRoman,
            2 => Numeral::LowerRoman,
            3 => Numeral::UpperLetter,
            4 => Numeral::LowerLetter,
            5 => Numeral::Ordinal,
            22 => Numeral::DecimalZero,
            23 => Numeral::Bullet,
            255 => Numeral::None,
            _ => Numeral::Decimal,
        }
    }

    /// Writes a number.
    pub(super) fn write(self, number: u32) -> String {
        match self {
            Numeral::Decimal => number.to_string(),
            Numeral::DecimalZero => format!("{number:02}"),
            Numeral::UpperRoman => roman(number),
            Numeral::LowerRoman => roman(number).to_lowercase(),
            Numeral::UpperLetter => letters(number),
            Numeral::LowerLetter => letters(number).to_lowercase(),
            Numeral::Ordinal => format!("{number}."),
            Numeral::Bullet | Numeral::None => String::new(),
        }
    }
}

/// Returns a number in Roman numerals; in digits if it is too large.
fn roman(number: u32) -> String {
    const NUMERALS: &[(u32, &str)] = &[
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];

    if !(1..5000).contains(&number) {
        return number.to_string();
    }
    let mut left = number;
    let mut text = String::new();
    for (value, numeral) in NUMERALS {
        while left >= *value {
            left -= value;
            text.push_str(numeral);
        }
    }
    text
}

/// Returns the letter of a number; Z is followed by AA, BB and so on, as Word counts.
fn letters(number: u32) -> String {
    if !(1..=26 * 9).contains(&number) {
        return number.to_string();
    }
    let letter = u8::try_from((number - 1) % 26).map_or('?', |place| char::from(b'A' + place));
    std::iter::repeat_n(letter, ((number - 1) / 26 + 1) as usize).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_lists_do() {
        assert_eq!(Numeral::UpperRoman.write(1994), "MCMXCIV");
        assert_eq!(Numeral::LowerLetter.write(28), "bb");
        assert_eq!(Numeral::DecimalZero.write(7), "07");
        assert_eq!(Numeral::LowerRoman.write(u32::MAX), u32::MAX.to_string());
        assert_eq!(Numeral::UpperLetter.write(0), "0");
    }
}
