//! The texts that are measured, which are always the same.

#![warn(missing_docs)]

const SECTION: &str = "\
## A section with a heading

A paragraph of some sentences. Each of them ends with a full stop, a question mark or an exclamation mark! Does it? \
Some words are *emphasised*, and `code` stands within the line.

- the first item of a list
- the second one, with a [link](https://example.com/a?b=c)

| Column | Meaning |
|--------|---------|
| id     | the key |

Größe, naïveté; 你好，世界。

";

/// Returns Markdown of about this length, in bytes.
pub fn markdown(length: usize) -> String {
    let mut text = String::from("# A document\n\n");
    for number in 0.. {
        if text.len() >= length {
            break;
        }
        text.push_str(SECTION);
        text.push_str(&format!("Paragraph {number} says what no other one says.\n\n"));
    }
    text
}
