//! Number formats: what a cell shows of the number that it holds.
//!
//! ```text
//! #,##0.00 "€";[Red]-#,##0.00 "€"    1234.5   ─►   1,234.50 €
//! yyyy-mm-dd                         45000    ─►   2023-03-15
//! ```

mod code;
mod date;
mod number;

pub(super) use code::builtin;
use code::{FormatPart, Section, sections};
pub(super) use date::Epoch;
pub(super) use number::general;

/// A number format.
#[derive(Debug, Default)]
pub(super) struct NumberFormat {
    sections: Vec<Section>,
}

impl NumberFormat {
    /// Returns the format of this code. There is none for "General", and none that is wrong.
    pub(super) fn new(code: &str) -> Self {
        NumberFormat { sections: sections(code) }
    }

    /// Returns what a cell shows of a number.
    pub(super) fn number(&self, value: f64, epoch: Epoch) -> String {
        let Some((section, negative)) = self.section(value) else { return general(value) };

        if section.is_date() {
            return match date::show(&section.parts, value, epoch) {
                Some(text) => tidy(&text),
                None => general(value),
            };
        }
        let shown = if negative { value } else { value.abs() };
        tidy(&number::show(&section.parts, shown))
    }

    /// Returns what a cell shows of a text.
    pub(super) fn text(&self, text: String) -> String {
        let section = self.sections.iter().find(|section| section.parts.contains(&FormatPart::Text));
        let Some(section) = section.filter(|section| section.parts.len() > 1) else { return text };
        let mut shown = String::with_capacity(text.len());
        for part in &section.parts {
            match part {
                FormatPart::Text => shown.push_str(&text),
                FormatPart::Literal(literal) => shown.push_str(literal),
                _ => {}
            }
        }
        shown
    }

    /// Returns whether a number in this format is a day or a time.
    pub(super) fn is_date(&self) -> bool {
        self.sections.first().is_some_and(Section::is_date)
    }

    /// Returns the section that a number is shown by, and whether the sign is to be written with it.
    fn section(&self, value: f64) -> Option<(&Section, bool)> {
        let sections = &self.sections;
        if sections.iter().any(|section| section.condition.is_some()) {
            let chosen = sections.iter().find(|section| section.holds(value))?;
            return Some((chosen, !chosen.takes_sign()));
        }
        let numbers = sections.iter().filter(|section| !section.parts.contains(&FormatPart::Text)).count();
        let place = match numbers {
            0 => return None,
            1 => 0,
            2 => usize::from(value < 0.0),
            _ if value > 0.0 => 0,
            _ if value < 0.0 => 1,
            _ => 2,
        };
        Some((sections.get(place)?, place == 0))
    }
}

/// Returns a text without the spaces that only align it with what is above and below.
fn tidy(text: &str) -> String {
    crate::markdown::one_line(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(code: &str, value: f64) -> String {
        NumberFormat::new(code).number(value, Epoch::Of1900)
    }

    #[test]
    fn general_numbers_have_no_noise() {
        assert_eq!(shown("General", 0.1 + 0.2), "0.3");
        assert_eq!(shown("General", 42.0), "42");
        assert_eq!(shown("General", -1234567.5), "-1234567.5");
        assert_eq!(shown("General", 1e20), "1E+20");
        assert_eq!(shown("General", 1.5e-10), "1.5E-10");
        assert_eq!(shown("General", 123456789012.0), "123456789012");
        assert_eq!(shown("General", -0.0), "0");
    }

    #[test]
    fn digits_are_rounded_as_a_person_would() {
        assert_eq!(shown("0.00", 1.005), "1.01");
        assert_eq!(shown("0", 2.5), "3");
        assert_eq!(shown("0.0", -0.04), "0.0");
        assert_eq!(shown("0.0##", 1.5), "1.5");
        assert_eq!(shown("00000", 42.0), "00042");
        assert_eq!(shown("000-0000", 5551234.0), "555-1234");
        assert_eq!(shown("#", 0.0), "");
    }

    #[test]
    fn thousands_percents_and_currencies() {
        assert_eq!(shown("#,##0", 1234567.0), "1,234,567");
        assert_eq!(shown("#,##0.00", -1234.5), "-1,234.50");
        assert_eq!(shown("0%", 0.256), "26%");
        assert_eq!(shown("0.0%", 0.256), "25.6%");
        assert_eq!(shown("[$€-407]#,##0.00", 1.5), "€1.50");
        assert_eq!(shown("\"$\"#,##0_);[Red]\\(\"$\"#,##0\\)", -1500.0), "($1,500)");
        assert_eq!(shown("_-* #,##0.00\\ \"€\"_-;\\-* #,##0.00\\ \"€\"_-;_-* \"-\"??\\ \"€\"_-", 0.0), "- €");
        assert_eq!(shown("0.0,,\"M\"", 12_300_000.0), "12.3M");
    }

    #[test]
    fn fractions_and_powers() {
        assert_eq!(shown("# ?/?", 1.5), "1 1/2");
        assert_eq!(shown("# ??/??", 0.33), "32/97");
        assert_eq!(shown("# ?/8", 2.25), "2 2/8");
        assert_eq!(shown("0.00E+00", 12345.0), "1.23E+04");
        assert_eq!(shown("##0.0E+0", 12345.0), "12.3E+3");
    }

    #[test]
    fn days_and_times() {
        assert_eq!(shown("yyyy-mm-dd", 45000.0), "2023-03-15");
        assert_eq!(shown("d. mmmm yyyy", 45000.0), "15. March 2023");
        assert_eq!(shown("ddd, d-mmm-yy", 45000.0), "Wed, 15-Mar-23");
        assert_eq!(shown("h:mm AM/PM", 0.75), "6:00 PM");
        assert_eq!(shown("hh:mm:ss", 0.999_999_9), "00:00:00");
        assert_eq!(shown("mm:ss.0", 0.000_725), "01:02.6");
        assert_eq!(shown("[h]:mm:ss", 1.5), "36:00:00");
        assert_eq!(shown("[$-F800]dddd\\,\\ mmmm\\ dd\\,\\ yyyy", 45000.0), "Wednesday, March 15, 2023");
        assert_eq!(shown("yyyy-mm-dd", -1.0), "-1");
    }

    #[test]
    fn the_day_that_never_was_is_counted() {
        assert_eq!(shown("yyyy-mm-dd", 1.0), "1900-01-01");
        assert_eq!(shown("yyyy-mm-dd", 60.0), "1900-02-29");
        assert_eq!(shown("yyyy-mm-dd", 61.0), "1900-03-01");
        assert_eq!(NumberFormat::new("yyyy-mm-dd").number(0.0, Epoch::Of1904), "1904-01-01");
        assert_eq!(NumberFormat::new("yyyy-mm-dd").number(43538.0, Epoch::Of1904), "2023-03-15");
    }

    #[test]
    fn sections_are_chosen_by_sign_and_by_condition() {
        assert_eq!(shown("0;(0);\"none\"", 0.0), "none");
        assert_eq!(shown("0;(0);\"none\"", -3.0), "(3)");
        assert_eq!(shown("[>=1000]0.0,\"k\";0", 1500.0), "1.5k");
        assert_eq!(shown("[>=1000]0.0,\"k\";0", -15.0), "-15");
        assert_eq!(shown(";;;", 5.0), "");
        assert_eq!(NumberFormat::new("\"No. \"@").text("7".to_owned()), "No. 7");
        assert_eq!(NumberFormat::new("0").text("x".to_owned()), "x");
    }

    #[test]
    fn no_code_and_no_number_is_too_odd() {
        let codes = [
            "[",
            "\"",
            "\\",
            "_",
            "*",
            "[$",
            "0/0",
            "?/",
            "E+",
            "0E+",
            ".",
            ",",
            "%",
            "yyyyyyyyyyy",
            ";;;;;;",
        ];
        for code in codes {
            for value in [0.0, -1.5, f64::NAN, f64::INFINITY, f64::MAX, f64::MIN_POSITIVE, -1e300] {
                NumberFormat::new(code).number(value, Epoch::Of1904);
            }
        }
    }
}
