//! Lists of a document: how their levels look, and which lists there are.

use super::super::lists::{LEVELS, LONGEST_LABEL, Level, Levels, List, Lists};
use super::super::numbers::{byte, long, short, slice, utf16};
use super::super::numerals::Numeral;
use super::header::{Streams, TablePart};

/// The largest number of lists.
const MOST: usize = 1 << 15;

/// Returns the lists of a document. Paragraphs name them by their places, from 1.
pub(super) fn read(streams: &Streams<'_>) -> Lists {
    let mut lists = Lists::default();
    read_definitions(streams.from(TablePart::Lists), &mut lists);
    read_numbers(streams.get(TablePart::ListNumbers), &mut lists);
    lists
}

/// Reads the looks of lists; the levels follow after all of the heads.
fn read_definitions(bytes: &[u8], lists: &mut Lists) -> Option<()> {
    const HEAD: usize = 28;

    let count = usize::from(short(bytes, 0)?).min(MOST);
    let mut at = 2 + count * HEAD;
    for index in 0..count {
        let head = slice(bytes, 2 + index * HEAD, HEAD)?;
        let is_simple = byte(head, 26)? & 1 != 0;
        let mut levels: Levels = Default::default();
        for place in levels.iter_mut().take(if is_simple { 1 } else { LEVELS }) {
            let (level, length) = read_level(bytes.get(at..)?)?;
            *place = Some(level);
            at += length;
        }
        lists.definitions.insert(long(head, 0)?.to_string(), levels);
    }
    Some(())
}

/// Returns a level, and the number of bytes that it takes.
fn read_level(bytes: &[u8]) -> Option<(Level, usize)> {
    const HEAD: usize = 28;

    let looks = usize::from(byte(bytes, 24)?) + usize::from(byte(bytes, 25)?);
    let at = HEAD + looks;
    let length = usize::from(short(bytes, at)?) * 2;
    let flags = byte(bytes, 5)?;
    let mut text = String::new();
    for letter in utf16(slice(bytes, at + 2, length)?).chars().take(LONGEST_LABEL) {
        match u32::from(letter) {
            // The place of a number, by its level.
            level @ 0..9 => text.push_str(&format!("%{}", level + 1)),
            _ => text.push(letter),
        }
    }
    let level = Level {
        start: long(bytes, 0)?,
        numeral: Numeral::numbered(byte(bytes, 4)?),
        text,
        restart: (flags & 8 != 0).then(|| usize::from(byte(bytes, 26).unwrap_or(0))),
        legal: flags & 4 != 0,
        style: None,
    };
    Some((level, at + 2 + length))
}

/// Reads the lists; what differs from their looks follows after all of the heads.
fn read_numbers(bytes: &[u8], lists: &mut Lists) -> Option<()> {
    const HEAD: usize = 16;

    let count = usize::try_from(long(bytes, 0)?).ok()?.min(MOST);
    let mut at = count.checked_mul(HEAD)?.checked_add(4)?;
    for index in 0..count {
        let head = slice(bytes, 4 + index * HEAD, HEAD)?;
        let mut list = List::new(long(head, 0)?.to_string());
        let changed = read_changes(bytes, at, byte(head, 12)?, &mut list);
        lists.numbers.insert((index + 1).to_string(), list);
        // Where the changes can't be read, the lists after this one are as they look.
        at = changed.unwrap_or(bytes.len());
    }
    Some(())
}

/// Reads what differs in a list, and returns where the next one's begins.
fn read_changes(bytes: &[u8], at: usize, count: u8, list: &mut List) -> Option<usize> {
    let mut at = at.checked_add(4)?;
    for _ in 0..count {
        let (start, flags) = (long(bytes, at)?, long(bytes, at + 4)?);
        at += 8;
        let place = usize::try_from(flags & 0x0f).ok()?;
        if flags & 0x20 != 0 {
            let (level, length) = read_level(bytes.get(at..)?)?;
            at += length;
            if let Some(own) = list.levels.get_mut(place) {
                *own = Some(level);
            }
        } else if flags & 0x10 != 0
            && let Some(own) = list.starts.get_mut(place)
        {
            *own = Some(start);
        }
    }
    Some(at)
}
