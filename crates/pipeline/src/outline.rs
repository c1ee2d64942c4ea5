//! The outline of a Markdown text: its headings, and where they stand.

use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// A text is read in segments of about so many bytes, for a reader takes some 64 bytes of memory for each.
const SEGMENT: usize = 256 << 10;
/// A segment ends at the end of a line, whatever it is in the middle of, after so many bytes.
const LONGEST_SEGMENT: usize = 1 << 20;
/// The most characters of a heading's title.
const LONGEST_TITLE: usize = 200;

/// A heading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heading {
    /// Its depth, from 1.
    pub level: u8,
    /// Its text without markup, cut off if it is long.
    pub title: String,
    /// The place of its first byte in the text, markup included.
    pub start: usize,
}

/// Returns a reader of Markdown as GitHub writes it, which is what parsers of documents write.
pub(crate) fn markdown(text: &str) -> Parser<'_> {
    Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES | Options::ENABLE_STRIKETHROUGH)
}

/// Returns the segments of a text, one after the other: each ends at a blank line that is not within code, if there is
/// one in time.
pub(crate) fn segments(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut start = 0;
    std::iter::from_fn(move || {
        let end = start + segment_end(text.get(start..)?);
        let segment = start..end;
        start = end;
        (!segment.is_empty()).then_some(segment)
    })
}

/// Returns the length of the segment that a text begins with.
fn segment_end(text: &str) -> usize {
    if text.len() <= SEGMENT {
        return text.len();
    }

    let mut end = 0;
    let mut fence: Option<char> = None;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim_start();
        let mark = ['`', '~'].into_iter().find(|mark| begins_thrice(trimmed, *mark));
        match (fence, mark) {
            (None, Some(_)) => fence = mark,
            (Some(open), Some(mark)) if open == mark => fence = None,
            _ => {}
        }
        if end > 0 && end + line.len() > LONGEST_SEGMENT {
            return end;
        }
        end += line.len();
        if end >= SEGMENT && fence.is_none() && trimmed.is_empty() {
            return end;
        }
        // One line, longer than any.
        if end > LONGEST_SEGMENT {
            return text.floor_char_boundary(LONGEST_SEGMENT);
        }
    }
    end
}

fn begins_thrice(line: &str, mark: char) -> bool {
    line.chars().take(3).filter(|c| *c == mark).count() == 3
}

/// Returns the headings of a Markdown text, in their order; those within quotations and lists are none of the text's.
pub(crate) fn headings(text: &str) -> impl Iterator<Item = Heading> + '_ {
    segments(text).flat_map(move |segment| {
        let start = segment.start;
        let found = headings_of_segment(&text[segment]);
        found.into_iter().map(move |heading| Heading { start: start + heading.start, ..heading })
    })
}

fn headings_of_segment(text: &str) -> Vec<Heading> {
    let mut headings: Vec<Heading> = Vec::new();
    let mut depth = 0_usize;
    let mut is_open = false;
    for (event, range) in markdown(text).into_offset_iter() {
        match &event {
            Event::Start(Tag::Heading { level, .. }) if depth == 0 => {
                headings.push(Heading { level: *level as u8, title: String::new(), start: range.start });
                is_open = true;
            }
            Event::End(TagEnd::Heading(_)) => is_open = false,
            _ => {}
        }
        if let (true, Some(heading)) = (is_open, headings.last_mut()) {
            let part = match &event {
                Event::Text(part) | Event::Code(part) => part,
                Event::SoftBreak | Event::HardBreak => " ",
                _ => "",
            };
            let room = LONGEST_TITLE.saturating_sub(heading.title.chars().count());
            heading.title.extend(part.chars().take(room));
        }
        match event {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    headings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_are_found_outside_of_code_and_quotations() {
        let text = "# A *b* `c`\n\n```\n# no\n```\n\n> ## no\n\nD\nE\n---\n\n### F";
        let found: Vec<_> = headings(text).map(|heading| (heading.level, heading.title)).collect();
        assert_eq!(found, [(1, "A b c".to_owned()), (2, "D E".to_owned()), (3, "F".to_owned())]);
    }

    #[test]
    fn a_title_is_cut_off() {
        let text = format!("# {}", "é".repeat(1000));
        assert_eq!(headings(&text).next().unwrap().title.chars().count(), LONGEST_TITLE);
    }

    #[test]
    fn a_long_text_is_read_in_segments_that_make_up_all_of_it() {
        let code = format!("```\n{}```\n\n", "code\n\n".repeat(SEGMENT / 5));
        let text = format!("{}\n\n{code}# The end\n", "A paragraph.\n\n".repeat(SEGMENT / 7));
        let parts: Vec<Range<usize>> = segments(&text).collect();
        assert!(parts.len() > 2);
        assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start));
        assert_eq!((parts[0].start, parts.last().unwrap().end), (0, text.len()));
        // None begins in the middle of the code.
        let code = text.find("```").unwrap()..text.rfind("```").unwrap();
        assert!(parts.iter().all(|part| !code.contains(&part.start) || part.start == code.start));

        let found: Vec<_> = headings(&text).map(|heading| heading.start).collect();
        assert_eq!(found, [text.find("# The end").unwrap()]);
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let text = "é".repeat(LONGEST_SEGMENT);
        assert!(segments(&text).all(|part| part.len() <= LONGEST_SEGMENT));
    }
}
