//! Styles of a document (STSH), as far as they say a paragraph's place in it.

use super::super::names;
use super::super::numbers::{short, slice, utf16};
use super::looks::Paragraph;

/// The largest number of styles.
const MOST: usize = 4096;

/// The longest chain of styles that inherit from each other.
const LONGEST_CHAIN: usize = 20;

/// The styles, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Styles {
    styles: Vec<Option<Style>>,
}

#[derive(Debug, Clone, Default)]
struct Style {
    /// The number of a style that Word has itself.
    built_in: u16,
    base: usize,
    name: String,
    paragraph: Paragraph,
}

/// The meaning of a paragraph's style.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct StyleMeaning {
    /// The level of a heading, from 1.
    pub(super) heading: Option<usize>,
    /// The level of an entry of a table of contents, from 1.
    pub(super) contents: Option<usize>,
    /// The level of an item of a list, from 1, by the style's name alone.
    pub(super) bullets: Option<usize>,
    /// `true` if it is a style of code.
    pub(super) code: bool,
    /// `true` if it is a style of quotations.
    pub(super) quote: bool,
    /// The number of the list that its paragraphs are in.
    pub(super) list: Option<u16>,
    /// The level in that list, from 0.
    pub(super) level: Option<u8>,
}

impl Styles {
    /// Reads the styles; there are none if their head is cut.
    pub(super) fn read(bytes: &[u8]) -> Self {
        Styles::read_whole(bytes).unwrap_or_default()
    }

    fn read_whole(bytes: &[u8]) -> Option<Self> {
        let head = usize::from(short(bytes, 0)?);
        let count = usize::from(short(bytes, 2)?).min(MOST);
        let base = usize::from(short(bytes, 4)?);

        let mut at = head + 2;
        let mut styles = Vec::with_capacity(count);
        for _ in 0..count {
            let Some(length) = short(bytes, at).map(usize::from) else { break };
            styles.push(slice(bytes, at + 2, length).and_then(|style| Style::read(style, base)));
            at += 2 + length;
        }
        Some(Styles { styles })
    }

    /// Returns the meaning of a style, with what it inherits.
    pub(super) fn meaning(&self, number: u16) -> StyleMeaning {
        let mut meaning = StyleMeaning::default();
        let mut next = usize::from(number);
        let mut outline = None;
        for _ in 0..LONGEST_CHAIN {
            let Some(Some(style)) = self.styles.get(next) else { break };
            let built_in = match style.built_in {
                level @ 1..=9 => Some(usize::from(level)),
                62 => Some(1),
                _ => None,
            };
            meaning.heading = meaning.heading.or(built_in).or_else(|| names::heading(&style.name));
            meaning.contents = meaning.contents.or_else(|| match style.built_in {
                level @ 19..=27 => Some(usize::from(level) - 18),
                _ => names::contents(&style.name),
            });
            meaning.bullets = meaning.bullets.or_else(|| names::list(&style.name).map(|(_, level)| level));
            meaning.code |= names::is_code(&style.name);
            meaning.quote |= names::is_quote(&style.name);
            meaning.list = meaning.list.or(style.paragraph.list);
            meaning.level = meaning.level.or(style.paragraph.level);
            outline = outline.or(style.paragraph.outline);
            next = style.base;
        }
        if let Some(level @ 0..9) = outline {
            meaning.heading = meaning.heading.or(Some(usize::from(level) + 1));
        }
        meaning
    }
}

impl Style {
    /// Returns a style, of which the part that all styles have is of this size.
    fn read(bytes: &[u8], base: usize) -> Option<Self> {
        let kind = short(bytes, 2)?;
        let changes = short(bytes, 4)? & 0x0f;
        let length = usize::from(short(bytes, base)?);
        let name = utf16(slice(bytes, base + 2, length * 2)?);
        let mut style = Style {
            built_in: short(bytes, 0)? & 0x0fff,
            base: usize::from(kind >> 4),
            name: name.split(',').next().unwrap_or_default().trim().to_lowercase(),
            paragraph: Paragraph::default(),
        };

        // What the style says of paragraphs comes first, if it is one of paragraphs.
        let at = base + 2 + length * 2 + 2;
        if kind & 0x0f == 1 && changes > 0 {
            let at = at + at % 2;
            let length = usize::from(short(bytes, at).unwrap_or(0));
            let look = slice(bytes, at + 2, length).unwrap_or_default();
            style.paragraph.apply(look.get(2..).unwrap_or_default());
        }
        Some(style)
    }
}
