//! Documents in Markdown, cut along their headings.
//!
//! A chunk is a run of whole blocks: paragraphs, lists, tables, code. A section begins a chunk of its own unless it
//! fits into the one before it. A block that is larger than a chunk is parted where that hurts least: a table between
//! rows, each part with the table's head; code between lines, each part in a fence, also where it is within an item or a
//! quotation; a list between items; anything else between sentences, else words. Before its blocks a chunk may have the
//! headings that it stands under.
//!
//! * `blocks`: the blocks of a text
//! * `part`: a block parted into what fits; `parts`: one after the other, with the headings above them
//! * `pack`: parts put together into chunks

mod blocks;
mod pack;
mod part;
mod parts;

use self::parts::Parts;
use super::piece::Piece;
use super::sizer::Sizer;
use super::{Allowance, ChunkError, Chunker};
use crate::config::ChunkUnit;
use crate::outline::segments;

/// Cuts Markdown along its headings.
pub(super) struct MarkdownChunker {
    /// The largest number of units of a chunk.
    size: usize,
    unit: ChunkUnit,
    /// `true` if a chunk begins with the headings that it stands under.
    with_headings: bool,
}

impl MarkdownChunker {
    /// A chunker whose chunks have at most `size` units.
    pub(super) fn new(size: i64, unit: ChunkUnit, with_headings: bool) -> Result<Self, ChunkError> {
        match usize::try_from(size) {
            Ok(0) | Err(_) => Err(ChunkError::SizeNotPositive(size)),
            Ok(size) => Ok(MarkdownChunker { size, unit, with_headings }),
        }
    }
}

impl Chunker for MarkdownChunker {
    fn chunk(&self, text: &str, allowance: Allowance<'_>) -> Result<Vec<String>, ChunkError> {
        Ok(self.pieces(text, allowance)?.into_iter().map(|piece| piece.text).collect())
    }

    fn pieces(&self, text: &str, allowance: Allowance<'_>) -> Result<Vec<Piece>, ChunkError> {
        let sizer = Sizer { unit: self.unit, enough: self.size, allowance };
        let mut parts = Parts::new(text, self.size, self.with_headings, &sizer);
        for segment in segments(text) {
            for block in blocks::blocks(text, segment, allowance)? {
                parts.add(&block)?;
            }
        }
        pack::pack(text, &parts.finish(), self.size, &sizer)
    }
}

#[cfg(test)]
mod tests {
    use text_splitter::TryChunkSizer as _;

    use super::super::tests::ample;
    use super::*;

    fn chunks(size: i64, with_headings: bool, text: &str) -> Vec<String> {
        let chunker = MarkdownChunker::new(size, ChunkUnit::Characters, with_headings).unwrap();
        chunker.chunk(text, ample()).unwrap()
    }

    const DOCUMENT: &str = "# Manual\n\nIntroduction.\n\n## Install\n\nRun it.\n\n## Use\n\nOne two three four five.\n\nSix seven.";

    #[test]
    fn sections_that_fit_stay_together() {
        assert_eq!(chunks(1000, false, DOCUMENT), [DOCUMENT]);
        assert_eq!(
            chunks(60, false, DOCUMENT),
            [
                "# Manual\n\nIntroduction.\n\n## Install\n\nRun it.",
                "## Use\n\nOne two three four five.\n\nSix seven.",
            ]
        );
    }

    #[test]
    fn a_heading_never_ends_a_chunk() {
        let text = "One two three four.\n\n## A\n\n### B\n\nFive six seven eight nine.";
        assert_eq!(
            chunks(40, false, text),
            ["One two three four.", "## A\n\n### B\n\nFive six seven eight nine."]
        );
    }

    #[test]
    fn a_chunk_begins_with_the_headings_that_it_stands_under() {
        let text =
            "# Manual\n\n## Use\n\nOne two three four five six seven.\n\nEight nine ten eleven twelve.";
        assert_eq!(
            chunks(80, true, text),
            [
                "# Manual\n\n## Use\n\nOne two three four five six seven.",
                "# Manual\n\n## Use\n\nEight nine ten eleven twelve.",
            ]
        );
    }

    #[test]
    fn headings_that_are_repeated_count_among_what_chunks_may_take() {
        let text = format!("# {}\n\n{}", "long ".repeat(40), "## a\n\nb\n\n".repeat(10_000));
        let cut = |most| {
            let chunker = MarkdownChunker::new(1000, ChunkUnit::Characters, true).unwrap();
            chunker.chunk(&text, Allowance::new(most, 0)).map(drop)
        };
        assert_eq!(cut(16 << 20), Ok(()));
        // Ten thousand times two hundred bytes for a text of a hundred thousand, whatever becomes of them.
        assert_eq!(cut(3 << 20), Err(ChunkError::TooLarge { limit: 3 << 20 }));
    }

    #[test]
    fn a_section_does_not_stand_under_the_one_before_it() {
        let text = "# A\n\n## One\n\nfirst words\n\n## Two\n\nsecond words";
        assert_eq!(chunks(40, true, text), ["# A\n\n## One\n\nfirst words", "# A\n\n## Two\n\nsecond words"]);
    }

    #[test]
    fn a_long_table_is_parted_between_rows_and_keeps_its_head() {
        let text = "| a | b |\n| --- | --- |\n| 1 | one |\n| 2 | two |\n| 3 | three |";
        let head = "| a | b |\n| --- | --- |\n";
        assert_eq!(
            chunks(48, false, text),
            [format!("{head}| 1 | one |\n| 2 | two |"), format!("{head}| 3 | three |")]
        );
    }

    #[test]
    fn long_code_is_parted_between_lines_and_stays_in_fences() {
        let text = "```sh\nfirst\nsecond\nthird\n```\n\nAfter.";
        assert_eq!(chunks(24, false, text), ["```sh\nfirst\nsecond\n```", "```sh\nthird\n```\n\nAfter."]);
    }

    #[test]
    fn long_text_is_parted_between_sentences_then_words() {
        assert_eq!(chunks(16, false, "One two. Three four five."), ["One two.", "Three four five."]);
        assert_eq!(chunks(8, false, "one two three"), ["one two", "three"]);
    }

    #[test]
    fn a_long_list_is_parted_between_its_items() {
        let text = "- one two\n- three\n  - four\n- five six";
        assert_eq!(chunks(20, false, text), ["- one two", "- three\n  - four", "- five six"]);
    }

    #[test]
    fn long_code_in_an_item_or_a_quotation_is_parted_between_lines_and_stays_in_fences() {
        let text =
            "1. Run this:\n\n   ```sh\n   first\n   second\n   third\n   ```\n\n   Then that.\n2. Done.";
        let whole = "```sh\n   first\n   second\n   third\n   ```";
        assert_eq!(chunks(40, false, text), ["1. Run this:", whole, "Then that.\n2. Done."]);
        assert_eq!(
            chunks(36, false, text),
            [
                "1. Run this:",
                "   ```sh\n   first\n   second\n   ```",
                "   ```sh\n   third\n   ```\n\nThen that.",
                "2. Done.",
            ]
        );
        let text = "- ~~~\n  first of all\n  second\n  third\n  ~~~\n  - ```\n    fourth\n    ```";
        assert_eq!(
            chunks(32, false, text),
            [
                "- ~~~\n  first of all\n  ~~~",
                "  ~~~\n  second\n  third\n  ~~~",
                "  - ```\n    fourth\n    ```",
            ]
        );
        let text = "> ```sh\n> first of all\n> second\n> third\n> ```\n> Quoted.";
        assert_eq!(
            chunks(32, false, text),
            ["> ```sh\n> first of all\n> ```", "> ```sh\n> second\n> third\n> ```", "> Quoted."]
        );
    }

    #[test]
    fn blanks_before_a_line_that_is_too_long_count() {
        let text = "````\n  one    two - three four\n````";
        let chunks = chunks(24, false, text);
        assert!(chunks.iter().all(|chunk| chunk.chars().count() <= 24), "{chunks:?}");
        assert!(chunks.iter().all(|chunk| chunk.matches("````").count() == 2), "{chunks:?}");
    }

    #[test]
    fn a_chunk_knows_its_place_without_what_is_repeated() {
        let text = "# É\n\n| a |\n| --- |\n| 1 |\n| 2 |\n| 3 |\n| 4 |";
        let chunker = MarkdownChunker::new(40, ChunkUnit::Characters, true).unwrap();
        let pieces = chunker.pieces(text, ample()).unwrap();
        let slices: Vec<&str> = pieces.iter().map(|piece| &text[piece.span.clone().unwrap()]).collect();
        assert_eq!(slices.last(), Some(&"| 4 |"));
        assert!(pieces.last().unwrap().text.starts_with("# É\n\n| a |\n| --- |\n"), "{pieces:?}");
    }

    #[test]
    fn no_chunk_is_larger_than_asked_for_and_nothing_is_lost() {
        let words: Vec<String> = (0..4000).map(|n| format!("w{n}")).collect();
        let mut text = String::new();
        for (place, word) in words.iter().enumerate() {
            match place % 97 {
                0 => text.push_str(&format!("\n\n{} {word}\n\n", "#".repeat(place % 5 + 1))),
                1..30 => text.push_str(&format!("{word} ")),
                30 => text.push_str(&format!("{word}\n\n| head | of |\n| --- | --- |\n")),
                31..50 => text.push_str(&format!("| {word} | x |\n")),
                50 => text.push_str(&format!("\n- {word}\n")),
                51..70 => text.push_str(&format!("- {word}\n")),
                70 => text.push_str(&format!("\n```rust\n{word}\n")),
                95 => text.push_str(&format!("{word}\n```\n")),
                _ => text.push_str(&format!("{word}\n")),
            }
        }

        for (size, unit) in
            [100, 300, 1000].into_iter().zip([ChunkUnit::Characters, ChunkUnit::Tokens].into_iter().cycle())
        {
            for with_headings in [false, true] {
                let chunker = MarkdownChunker::new(size, unit, with_headings).unwrap();
                let chunks = chunker.chunk(&text, ample()).unwrap();
                let sizer = Sizer { unit, enough: usize::MAX, allowance: ample() };
                assert!(chunks.iter().all(|chunk| sizer.try_size(chunk).unwrap() <= size as usize));
                let all = chunks.join("\n");
                let found: std::collections::HashSet<&str> = all.split_whitespace().collect();
                assert_eq!(words.iter().find(|word| !found.contains(word.as_str())), None);
            }
        }
    }

    #[test]
    fn a_text_without_blocks_has_no_chunk() {
        assert!(chunks(10, true, " \n\n").is_empty());
    }
}
