//! Subtitles, SubRip and WebVTT: what is said, in paragraphs, without times.

mod cue;

use pgai_rs_parser_protocol::Metadata;

use crate::ParsedDocument;
use crate::markdown::some_line;
use cue::Cue;

/// The pause after which a new paragraph begins, in milliseconds.
const PAUSE: u64 = 4000;

/// The bytes after which a paragraph ends with its sentence.
const LONG: usize = 600;

/// The bytes after which a paragraph ends with its cue, as there are no sentences.
const TOO_LONG: usize = 1500;

/// The most lines of a cue that may be shown again by the next.
const MOST_ROLLING: usize = 8;

/// Returns what is said. Text without any time is returned as it is.
pub(super) fn read(text: &str) -> ParsedDocument {
    let (head, cues) = cue::read(text);
    if cues.is_empty() {
        return ParsedDocument::plain(text.to_owned());
    }

    let metadata = Metadata { language: told(head, "Language"), title: title(head), ..Metadata::default() };
    ParsedDocument { metadata, ..ParsedDocument::plain(paragraphs(&cues)) }
}

/// Returns what follows a name at the head of a WebVTT file.
fn told(head: &str, name: &str) -> Option<String> {
    let value = head.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':'))?;
    some_line(value)
}

/// Returns what stands behind the signature of a WebVTT file, as in `WEBVTT - The title`.
fn title(head: &str) -> Option<String> {
    let line = head.lines().next()?.strip_prefix("WEBVTT")?;
    some_line(line.trim_start_matches([' ', '\t', '-', '–']))
}

fn paragraphs(cues: &[Cue]) -> String {
    let mut out = String::new();
    let mut length = 0;
    let mut speaker: Option<&str> = None;
    let mut end = 0;
    let mut before: Vec<&str> = Vec::new();

    for cue in cues {
        // Captions that roll show each line again while the next one comes in.
        let new = cue.lines.iter().filter(|line| !before.contains(&line.text.as_str()));
        for line in new {
            let speaks = line.speaker.as_deref().or(if line.is_turn { None } else { speaker });
            let turns = line.is_turn || (line.speaker.is_some() && line.speaker.as_deref() != speaker);
            let pauses = cue.start >= end + PAUSE;
            if turns || pauses || is_full(&out, length) {
                begin_paragraph(&mut out, if turns { line.speaker.as_deref() } else { None });
                length = 0;
            } else if !out.is_empty() {
                out.push(' ');
            }
            out.push_str(&line.text);
            length += line.text.len() + 1;
            speaker = speaks;
            end = cue.end;
        }
        if !cue.lines.is_empty() {
            // More lines than this do not roll.
            before = if cue.lines.len() > MOST_ROLLING {
                Vec::new()
            } else {
                cue.lines.iter().map(|line| line.text.as_str()).collect()
            };
            end = cue.end;
        }
    }
    out
}

/// Returns whether a paragraph is long enough to end here.
fn is_full(text: &str, length: usize) -> bool {
    const ENDS: &[char] = &['.', '!', '?', '…', '。', '！', '？', '"', '”', '♪'];
    length > TOO_LONG || (length > LONG && text.ends_with(ENDS))
}

fn begin_paragraph(out: &mut String, speaker: Option<&str>) {
    if !out.is_empty() {
        out.push_str("\n\n");
    }
    if let Some(speaker) = speaker {
        out.push_str(speaker);
        out.push_str(": ");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_stands_in_paragraphs_without_times() {
        let text = "1\n00:00:01,000 --> 00:00:02,000\n<i>Once upon</i>\na time\n\n2\n00:00:02,100 --> 00:00:03,000 X1:1\n{\\an8}there were 12 bees.\n\n3\n00:01:00,000 --> 00:01:01,000\n- Hello &amp; welcome.\n- Hi.\n\n4\n00:01:01,000 --> 00:01:02,000\n42\n";
        let parsed = read(text);
        assert_eq!(parsed.text, "Once upon a time there were 12 bees.\n\nHello & welcome.\n\nHi. 42");
    }

    #[test]
    fn speakers_keep_their_names() {
        let text = "WEBVTT - A talk\nKind: captions\nLanguage: en-GB\n\nNOTE\nnobody reads this\n\nSTYLE\n::cue { color: red }\n\nintro\n00:01.000 --> 00:02.000 align:start\n<v.loud Ann Lee>Good <c.x>morning</c>,</v>\n\n00:02.000 --> 00:03.000\n<v Ann Lee>all.\n\n00:03.000 --> 00:04.000\n<v Bob>Good<00:03.500> day.\n";
        let parsed = read(text);
        assert_eq!(parsed.text, "Ann Lee: Good morning, all.\n\nBob: Good day.");
        assert_eq!(parsed.metadata.language.as_deref(), Some("en-GB"));
        assert_eq!(parsed.metadata.title.as_deref(), Some("A talk"));
    }

    #[test]
    fn rolling_captions_are_said_once() {
        let text = "WEBVTT\n\n00:01.000 --> 00:02.000\nwe are\n\n00:02.000 --> 00:03.000\nwe are\nall here\n\n00:03.000 --> 00:04.000\nall here\ntoday\n";
        assert_eq!(read(text).text, "we are all here today");
    }

    #[test]
    fn many_lines_at_a_time_take_no_more_than_their_time() {
        let lines = "a < b\n".repeat(50_000);
        let text = format!("WEBVTT\n\n00:01.000 --> 00:02.000\n{lines}\n00:02.000 --> 00:03.000\n{lines}");
        assert!(read(&text).text.starts_with("a < b a < b"));
    }

    #[test]
    fn a_blank_line_within_a_cue_does_not_end_what_is_said() {
        let text =
            "1\n00:00:01,000 --> 00:00:02,000\nfirst\n\nsecond\n\n2\n00:00:02,000 --> 00:00:03,000\nthird\n";
        assert_eq!(read(text).text, "first second third");
    }

    #[test]
    fn long_talk_is_divided_at_its_sentences() {
        let mut text = "WEBVTT\n\n".to_owned();
        for n in 0..8 {
            let words = format!("Sentence {n} has some words. ").repeat(10);
            text += &format!("00:00:{n:02}.000 --> 00:00:{:02}.000\n{words}\n\n", n + 1);
        }
        let said = read(&text).text;
        let paragraphs: Vec<_> = said.split("\n\n").collect();
        assert_eq!(paragraphs.len(), 3, "{said}");
        assert!(paragraphs.iter().all(|paragraph| paragraph.ends_with("words.")), "{said}");
    }
}
