//! Fields: what Word computes, such as links, cross-references and page numbers. Their results are the text.

use std::rc::Rc;

/// The deepest nesting of fields that is followed.
const DEEPEST: usize = 32;

/// The fields that are open at a place of the text. They may reach over paragraphs.
#[derive(Debug, Default)]
pub(in crate::office) struct Fields {
    open: Vec<Field>,
    /// The number of fields open beyond the deepest.
    beyond: usize,
}

#[derive(Debug, Default)]
struct Field {
    instruction: String,
    /// `true` if the instruction is over.
    in_result: bool,
    meaning: FieldMeaning,
}

/// The meaning of a field's result.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::office) enum FieldMeaning {
    /// It is text.
    #[default]
    Text,
    /// It is the text of a link.
    Link(Rc<str>),
    /// It is the number of a page, which text without pages has not.
    PageNumber,
}

impl Fields {
    /// Begins a field.
    pub(in crate::office) fn begin(&mut self) {
        if self.open.len() < DEEPEST {
            self.open.push(Field::default());
        } else {
            self.beyond += 1;
        }
    }

    /// Ends the instruction of the innermost field, and begins its result.
    pub(in crate::office) fn separate(&mut self) {
        if self.beyond > 0 {
            return;
        }
        if let Some(field) = self.open.last_mut().filter(|field| !field.in_result) {
            field.in_result = true;
            field.meaning = meaning(&field.instruction);
        }
    }

    /// Ends the innermost field.
    pub(in crate::office) fn end(&mut self) {
        if self.beyond > 0 {
            self.beyond -= 1;
        } else {
            self.open.pop();
        }
    }

    /// Appends to the instruction of the innermost field.
    pub(in crate::office) fn instruct(&mut self, text: &str) {
        const LONGEST: usize = 4096;

        if let Some(field) = self.open.last_mut().filter(|field| !field.in_result)
            && field.instruction.len() + text.len() <= LONGEST
        {
            field.instruction.push_str(text);
        }
    }

    /// Ends a paragraph. What is still an instruction then is taken for a field that lost its end, so that it hides no
    /// more text than this.
    pub(in crate::office) fn end_paragraph(&mut self) {
        self.beyond = 0;
        for field in self.open.iter_mut().filter(|field| !field.in_result) {
            field.in_result = true;
            field.meaning = FieldMeaning::Text;
        }
    }

    /// Returns whether text at this place is the instruction of a field.
    pub(in crate::office) fn is_instruction(&self) -> bool {
        self.beyond > 0 || self.open.last().is_some_and(|field| !field.in_result)
    }

    /// Returns whether text at this place is shown.
    pub(in crate::office) fn is_shown(&self) -> bool {
        self.open.iter().all(|field| field.in_result && field.meaning != FieldMeaning::PageNumber)
    }

    /// Returns the URL that text at this place links to.
    pub(in crate::office) fn link(&self) -> Option<Rc<str>> {
        self.open.iter().rev().find_map(|field| match &field.meaning {
            FieldMeaning::Link(url) => Some(url.clone()),
            _ => None,
        })
    }
}

/// Returns the meaning of the result of a field with this instruction.
pub(in crate::office) fn meaning(instruction: &str) -> FieldMeaning {
    let words = words(instruction);
    let name = words.first().map(|name| name.to_ascii_uppercase()).unwrap_or_default();
    match name.as_str() {
        "PAGE" | "NUMPAGES" | "PAGEREF" | "SECTIONPAGES" => FieldMeaning::PageNumber,
        "HYPERLINK" => {
            link(words.get(1..).unwrap_or_default()).map_or(FieldMeaning::Text, FieldMeaning::Link)
        }
        _ => FieldMeaning::Text,
    }
}

/// Returns the target that the words after `HYPERLINK` say.
fn link(words: &[String]) -> Option<Rc<str>> {
    let mut url = String::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "\\l" => {
                if let Some(anchor) = words.next() {
                    url.push('#');
                    url.push_str(anchor);
                }
            }
            // These have a value, which is no target.
            "\\o" | "\\t" => {
                words.next();
            }
            word if word.starts_with('\\') || !url.is_empty() => {}
            word => url.push_str(word),
        }
    }
    (!url.is_empty()).then(|| Rc::from(url))
}

/// Returns the words of an instruction; what is in quotes is one.
fn words(instruction: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (place, part) in instruction.split(['"', '\u{201c}', '\u{201d}']).enumerate() {
        if place % 2 == 1 {
            words.push(part.trim().to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_in_their_instructions() {
        let link = |url: &str| FieldMeaning::Link(Rc::from(url));
        assert_eq!(meaning(" HYPERLINK \"http://x/a b\" \\o \"a tip\" "), link("http://x/a b"));
        assert_eq!(meaning("hyperlink \\l \"_Toc1\""), link("#_Toc1"));
        assert_eq!(meaning("HYPERLINK http://x \\l top"), link("http://x#top"));
        assert_eq!(meaning("HYPERLINK \"\""), FieldMeaning::Text);
        assert_eq!(meaning("PAGEREF _Toc1 \\h"), FieldMeaning::PageNumber);
        assert_eq!(meaning("REF _Ref1"), FieldMeaning::Text);
    }

    #[test]
    fn a_field_without_its_end_hides_no_later_paragraph() {
        let mut fields = Fields::default();
        fields.begin();
        fields.instruct("PAGE");
        assert!(!fields.is_shown());
        fields.end_paragraph();
        assert!(fields.is_shown());
        for _ in 0..100 {
            fields.begin();
        }
        for _ in 0..100 {
            fields.end();
        }
        fields.end();
        assert!(fields.is_shown());
    }
}
