//! Files within a text, as mailers wrote them before MIME: uuencoded, which are read, and in BinHex, which are not.
//!
//! ```text
//! begin 644 notes.txt
//! #0V%T
//! `
//! end
//! ```

/// The beginning of a file in BinHex.
const BINHEX: &str = "(This file must be converted with BinHex";

/// The media type of one.
pub(super) const BINHEX_TYPE: &str = "application/mac-binhex40";

/// A file that stood in a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum File {
    /// Its name and its bytes.
    Uuencoded(String, Vec<u8>),
    /// One in BinHex.
    BinHex,
}

/// Returns a text without the files in it, and these, of which no more than `most` are taken out. One that does not end
/// as it should is text.
pub(super) fn taken_out(text: &str, most: usize) -> (String, Vec<File>) {
    let mut rest = text;
    let mut left = String::with_capacity(text.len());
    let mut files = Vec::new();
    while let Some((line, after)) = next_line(rest) {
        if files.len() < most
            && let Some((file, after)) = uuencoded(line, after).or_else(|| binhex(line, after))
        {
            files.push(file);
            rest = after;
            continue;
        }
        left.push_str(&rest[..rest.len() - after.len()]);
        rest = after;
    }
    (left, files)
}

/// Returns the first line of a text, without its end, and what follows.
fn next_line(text: &str) -> Option<(&str, &str)> {
    if text.is_empty() {
        return None;
    }
    let (line, after) = text.split_once('\n').unwrap_or((text, ""));
    Some((line.trim_end_matches('\r'), after))
}

/// Returns the file that begins with this line, and what follows it.
fn uuencoded<'t>(line: &str, after: &'t str) -> Option<(File, &'t str)> {
    let (mode, name) = line.strip_prefix("begin ")?.trim_start().split_once(' ')?;
    if !(3..=4).contains(&mode.len()) || !mode.bytes().all(|digit| (b'0'..=b'7').contains(&digit)) {
        return None;
    }
    let mut bytes = Vec::new();
    let mut rest = after;
    loop {
        let (line, after) = next_line(rest)?;
        rest = after;
        if line == "end" {
            return Some((File::Uuencoded(name.trim().to_owned(), bytes), rest));
        }
        decode(line.as_bytes(), &mut bytes)?;
    }
}

/// Appends the bytes of a line, whose first character says how many they are; `None` if it is no such line.
fn decode(line: &[u8], bytes: &mut Vec<u8>) -> Option<()> {
    let value = |character: u8| (b' '..=b'`').contains(&character).then_some((character - b' ') & 0x3f);
    let Some((count, data)) = line.split_first() else { return Some(()) };
    let count = usize::from(value(*count)?);
    // Spaces at its end may have been lost on the way, and some wrote a character to check by.
    if data.len() > count.div_ceil(3) * 4 + 1 {
        return None;
    }
    let mut values = data.iter().map(|character| value(*character)).collect::<Option<Vec<u8>>>()?;
    values.resize(count.div_ceil(3) * 4, 0);
    let end = bytes.len() + count;
    for four in values.chunks_exact(4) {
        let number = four.iter().fold(0_u32, |number, value| number << 6 | u32::from(*value));
        bytes.extend_from_slice(&number.to_be_bytes()[1..]);
    }
    bytes.truncate(end);
    Some(())
}

/// Returns the file in BinHex that is announced by this line, and what follows it.
fn binhex<'t>(line: &str, after: &'t str) -> Option<(File, &'t str)> {
    if !line.trim_start().starts_with(BINHEX) {
        return None;
    }
    let data = after.trim_start().strip_prefix(':')?;
    Some((File::BinHex, data.split_once(':')?.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_taken_out_of_the_text_around_it() {
        let text = "Before\r\nbegin 644 my cat.txt\r\n#0V%T\r\n`\r\nend\r\nAfter\r\n";
        let file = File::Uuencoded("my cat.txt".to_owned(), b"Cat".to_vec());
        assert_eq!(taken_out(text, 9), ("Before\r\nAfter\r\n".to_owned(), vec![file]));
        assert_eq!(taken_out(text, 0).0, text);

        // Two bytes of three, and spaces at the end that were lost.
        let text = "begin 0644 a\n\"0V$\n#0V\n\nend\n";
        let file = File::Uuencoded("a".to_owned(), b"CaC`\0".to_vec());
        assert_eq!(taken_out(text, 9), (String::new(), vec![file]));
    }

    #[test]
    fn a_text_that_only_begins_as_a_file_stays() {
        for text in [
            "begin 644 words\nAnd so on, in small letters.\nend\n",
            "begin 644 a\n#0V%T\n",
            "begin with 644 eggs\nend",
            "(This file must be converted with BinHex 4.0) is what they begin with.",
        ] {
            assert_eq!(taken_out(text, 9), (text.to_owned(), Vec::new()));
        }
    }

    #[test]
    fn a_file_in_binhex_is_one_that_is_not_read() {
        let text = "Hi\n(This file must be converted with BinHex 4.0)\n\n:$f*TEQKPH#jdH\nA5h0S:\nBye";
        assert_eq!(taken_out(text, 9), ("Hi\n\nBye".to_owned(), vec![File::BinHex]));
    }
}
