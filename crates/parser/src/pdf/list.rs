//! Marks of lists, and numbers of sections.

/// The marks of items.
const BULLETS: &[char] = &[
    '•', '◦', '▪', '▫', '■', '□', '●', '○', '◆', '◇', '►', '▶', '▸', '▷', '➢', '➤', '✓', '✔', '❖', '‣', '⁃',
    '∙', '·', '–', '—', '\u{f0b7}', '\u{f0a7}', '\u{f0d8}', '\u{f0fc}', '\u{f076}',
];

/// Returns whether a word is the mark of an item.
pub(super) fn is_mark(word: &str) -> bool {
    is_bullet(word) || ordinal(word).is_some()
}

/// Returns whether a word is a mark that all items of its list have.
pub(super) fn is_bullet(word: &str) -> bool {
    let mut letters = word.chars();
    matches!((letters.next(), letters.next()), (Some(letter), None) if BULLETS.contains(&letter) || matches!(letter, '*' | '-'))
}

/// Returns the number of an item, such as `3.` or `(c)`, as Markdown writes it.
pub(super) fn ordinal(word: &str) -> Option<&str> {
    let bare = word.strip_suffix(['.', ')'])?;
    let bare = bare.strip_prefix('(').unwrap_or(bare);
    let number = (1..=3).contains(&bare.len()) && bare.bytes().all(|byte| byte.is_ascii_digit());
    let letter = bare.len() == 1 && bare.bytes().all(|byte| byte.is_ascii_lowercase());
    (number || letter).then_some(bare)
}

/// Returns whether a word is the number of a section, such as `3`, `2.1` or `A.4`.
pub(super) fn is_section_number(word: &str) -> bool {
    let bare = word.strip_suffix('.').unwrap_or(word);
    bare.split('.').count() <= 5 && bare.split('.').all(is_part_of_number)
}

/// Returns whether this is one or two digits, a capital letter, or a short Roman number.
fn is_part_of_number(part: &str) -> bool {
    (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        || part.len() == 1 && part.bytes().all(|byte| byte.is_ascii_uppercase())
        || !part.is_empty() && part.len() <= 5 && part.bytes().all(|byte| b"IVXL".contains(&byte))
}

/// Returns whether a word is a row of dots, as between an entry of a table of contents and its page.
pub(super) fn is_leader(word: &str) -> bool {
    word.len() >= 3 && word.chars().all(|letter| matches!(letter, '.' | '…' | '·' | '_'))
}
