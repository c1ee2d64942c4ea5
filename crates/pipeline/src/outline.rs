//! The outline of a Markdown text: its headings, and where they stand.

use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// A heading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heading {
    /// Its depth, from 1.
    pub level: u8,
    /// Its text without markup.
    pub title: String,
    /// Its bytes in the text, markup included.
    pub range: Range<usize>,
}

/// Returns a reader of Markdown as GitHub writes it, which is what parsers of documents write.
pub(crate) fn markdown(text: &str) -> Parser<'_> {
    Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES | Options::ENABLE_STRIKETHROUGH)
}

/// Returns the headings of a Markdown text, in their order.
pub(crate) fn headings(text: &str) -> Vec<Heading> {
    let mut headings: Vec<Heading> = Vec::new();
    let mut is_open = false;
    for (event, range) in markdown(text).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { level, .. }) => {
                headings.push(Heading { level: level as u8, title: String::new(), range });
                is_open = true;
            }
            Event::End(TagEnd::Heading(_)) => is_open = false,
            Event::Text(part) | Event::Code(part) if is_open => {
                if let Some(heading) = headings.last_mut() {
                    heading.title.push_str(&part);
                }
            }
            _ => {}
        }
    }
    headings
}

/// The headings that a place in a text is under, as the text is walked through.
#[derive(Debug, Default)]
pub(crate) struct Path<'a> {
    headings: Vec<&'a Heading>,
}

impl<'a> Path<'a> {
    /// Goes on to a heading: those as deep or deeper end.
    pub(crate) fn enter(&mut self, heading: &'a Heading) {
        self.headings.retain(|outer| outer.level < heading.level);
        self.headings.push(heading);
    }

    /// Returns the headings, the outermost first.
    pub(crate) fn headings(&self) -> &[&'a Heading] {
        &self.headings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_are_found_outside_of_code() {
        let text = "# A *b* `c`\n\n```\n# no\n```\n\nD\n---\n\n### E";
        let found: Vec<_> = headings(text).into_iter().map(|h| (h.level, h.title)).collect();
        assert_eq!(found, [(1, "A b c".to_owned()), (2, "D".to_owned()), (3, "E".to_owned())]);
    }

    #[test]
    fn a_path_leaves_the_headings_that_ended() {
        let all = headings("# A\n\n### B\n\n## C\n\n### D\n");
        let mut path = Path::default();
        all.iter().for_each(|heading| path.enter(heading));
        let titles: Vec<&str> = path.headings().iter().map(|heading| heading.title.as_str()).collect();
        assert_eq!(titles, ["A", "C", "D"]);
    }
}
