//! The blocks of a part of the text.

use std::collections::HashMap;
use std::ops::Range;

use crate::markdown::one_line;

use super::super::block::Block;
use super::super::fields::Fields;
use super::super::inline::{Inline, Mark};
use super::super::lists::{Label, Lists, item};
use super::super::symbols;
use super::header::Streams;
use super::looks::{Character, Looks, Paragraph};
use super::numbering;
use super::pieces::Text;
use super::stories::Stories;
use super::styles::{StyleMeaning, Styles};
use super::table::Table;

/// A document that is being read.
pub(super) struct Reader<'a> {
    letters: Vec<(u16, u32)>,
    stories: Stories,
    text_looks: Looks<'a>,
    paragraph_looks: Looks<'a>,
    styles: Styles,
    lists: Lists,
    /// Meanings of styles that were asked for.
    meanings: HashMap<u16, StyleMeaning>,
    /// Notes that were referred to, and are still to be written.
    waiting: Vec<(String, Range<usize>)>,
    notes: usize,
}

/// A paragraph that is being read.
#[derive(Default)]
struct Line {
    text: Inline,
    fields: Fields,
    /// Letters of one look.
    run: Vec<u16>,
    look: Character,
    /// The boxes that are anchored in it.
    shapes: Vec<u32>,
}

impl<'a> Reader<'a> {
    /// Returns a reader that has read no block.
    pub(super) fn new(streams: &Streams<'a>, text: Text, stories: Stories) -> Self {
        Reader {
            letters: text.letters,
            stories,
            text_looks: Looks::of_text(streams),
            paragraph_looks: Looks::of_paragraphs(streams),
            styles: Styles::read(streams.get(super::header::TablePart::Styles)),
            lists: numbering::read(streams),
            meanings: HashMap::new(),
            waiting: Vec::new(),
            notes: 0,
        }
    }

    /// Returns the blocks of the document. Boxes that nothing anchors come last.
    pub(super) fn document(&mut self) -> Vec<Block> {
        let mut output = self.blocks(self.stories.main.clone(), true);
        let mut left: Vec<Range<usize>> = std::mem::take(&mut self.stories.boxes).into_values().collect();
        left.sort_by_key(|range| range.start);
        for range in left {
            output.extend(self.blocks(range, false));
        }
        output
    }

    /// Returns the blocks of a part of the text.
    fn blocks(&mut self, range: Range<usize>, is_main: bool) -> Vec<Block> {
        let mut output = Vec::new();
        let mut table = Table::default();
        let mut line = Line::default();
        let mut look_range = 0..0;
        for index in range.clone() {
            let Some((letter, place)) = self.letters.get(index).copied() else { break };
            if !look_range.contains(&place) {
                line.end_run();
                let (changes, end) = self.text_looks.at(place);
                line.look = Character::read(changes);
                look_range = place..end;
            }

            let note = if is_main { self.stories.notes.get(&index).cloned() } else { None };
            if let Some(note) = note {
                self.refer(note, &mut line);
            }
            let shape = if is_main { self.stories.shapes.get(&index) } else { None };
            line.shapes.extend(shape);
            if matches!(letter, 0x07 | 0x0c | 0x0d) {
                self.end_paragraph(
                    std::mem::take(&mut line.shapes),
                    &mut line,
                    letter,
                    place,
                    &mut table,
                    &mut output,
                );
                if is_main && !table.is_open() {
                    self.write_notes(&mut output);
                }
            } else {
                line.push(letter);
            }
        }

        let last = range.end.saturating_sub(1);
        let place = self.letters.get(last).map_or(0, |(_, place)| *place);
        let shapes = std::mem::take(&mut line.shapes);
        self.end_paragraph(shapes, &mut line, 0x0d, place, &mut table, &mut output);
        table.end(&mut output);
        if is_main {
            self.write_notes(&mut output);
        }
        output
    }

    /// Appends the paragraph that ends with this letter to the table that it is in, or else to the output.
    fn end_paragraph(
        &mut self,
        shapes: Vec<u32>,
        line: &mut Line,
        end: u16,
        place: u32,
        table: &mut Table,
        output: &mut Vec<Block>,
    ) {
        line.end_run();
        line.fields.end_paragraph();
        let text = std::mem::take(&mut line.text);
        let look = Paragraph::read(self.paragraph_looks.at(place).0);
        let blocks = self.place(&look, text);
        table.add(&look, end, blocks, output);

        for shape in shapes {
            if let Some(range) = self.stories.boxes.remove(&shape) {
                let blocks = self.blocks(range, false);
                table.add_beside(blocks, output);
            }
        }
    }

    /// Returns a paragraph as what its style says.
    fn place(&mut self, look: &Paragraph, text: Inline) -> Option<Block> {
        let meaning = match self.meanings.get(&look.style) {
            Some(meaning) => meaning.clone(),
            None => {
                let meaning = self.styles.meaning(look.style);
                self.meanings.insert(look.style, meaning.clone());
                meaning
            }
        };
        let heading = match look.outline {
            Some(level @ 0..9) => Some(usize::from(level) + 1),
            Some(_) => None,
            None => meaning.heading,
        };
        if meaning.code && heading.is_none() {
            return Some(Block::Code(text.plain()));
        }
        if text.is_blank() {
            return None;
        }

        let label = self.label(look, &meaning);
        if let Some(level) = heading {
            let title = one_line(&text.linked());
            let text = match label {
                Some((_, Label::Number(number))) => format!("{number} {title}"),
                _ => title,
            };
            return Some(Block::Heading { level, text });
        }
        Some(match (label, meaning.contents) {
            (_, Some(level)) => {
                let text = without_page(&one_line(&text.linked()));
                Block::Item { depth: level - 1, marker: "-".to_owned(), text }
            }
            (Some((depth, label)), None) => item(depth, &label, &text.markdown()),
            (None, None) if meaning.quote => Block::Quote(text.markdown()),
            (None, None) => Block::Paragraph(text.markdown()),
        })
    }

    /// Counts a paragraph of a list, and returns its depth and the sign before it.
    fn label(&mut self, look: &Paragraph, meaning: &StyleMeaning) -> Option<(usize, Label)> {
        let level = usize::from(look.level.or(meaning.level).unwrap_or(0));
        match look.list.or(meaning.list) {
            // The numbers of Word 6, which a document may still have.
            Some(0 | 0xf801..) => None,
            Some(list) => self.lists.next(&list.to_string(), level).map(|label| (level, label)),
            None => meaning.bullets.map(|level| (level - 1, Label::Bullet)),
        }
    }

    fn refer(&mut self, note: Range<usize>, line: &mut Line) {
        line.end_run();
        if line.look.deleted || !line.fields.is_shown() {
            return;
        }
        self.notes += 1;
        line.text.push(&Mark::default(), &format!("[^{}]", self.notes));
        self.waiting.push((self.notes.to_string(), note));
    }

    /// Appends the notes that were referred to since the last time.
    fn write_notes(&mut self, output: &mut Vec<Block>) {
        for (label, range) in std::mem::take(&mut self.waiting) {
            let text = self.blocks(range, false);
            output.push(Block::Note { label, text });
        }
    }
}

impl Line {
    /// Appends a letter.
    fn push(&mut self, letter: u16) {
        match letter {
            0x13 => {
                self.end_run();
                self.fields.begin();
            }
            0x14 => {
                self.end_run();
                self.fields.separate();
            }
            0x15 => {
                self.end_run();
                self.fields.end();
            }
            0x0b => self.run.push(0x0a),
            0x1e => self.run.push(u16::from(b'-')),
            0x28 if self.look.special => {
                let letter = self.look.symbol.and_then(|code| symbols::letter("", u32::from(code)));
                let mut units = [0; 2];
                self.run.extend(letter.map(|letter| &*letter.encode_utf16(&mut units)).unwrap_or_default());
            }
            0x00..=0x08 | 0x0e..=0x1f => {}
            _ => self.run.push(letter),
        }
    }

    /// Appends the letters of one look to the text.
    fn end_run(&mut self) {
        if self.run.is_empty() {
            return;
        }
        let letters = char::decode_utf16(std::mem::take(&mut self.run));
        let text: String = letters.map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        if self.fields.is_instruction() {
            self.fields.instruct(&text);
        } else if self.fields.is_shown() && !self.look.hidden && !self.look.deleted {
            let mark = Mark {
                bold: self.look.bold,
                italic: self.look.italic,
                strike: self.look.strike,
                code: false,
                // Bookmarks are not read, so a link within the document is the text that it has.
                link: self.fields.link().filter(|url| !url.starts_with('#')),
            };
            self.text.push(&mark, &text);
        }
    }
}

/// Returns an entry of a table of contents without the number of its page.
fn without_page(entry: &str) -> String {
    let kept = entry.trim_end_matches(|letter: char| letter.is_ascii_digit());
    if kept.ends_with(' ') { kept.trim_end().to_owned() } else { entry.to_owned() }
}
