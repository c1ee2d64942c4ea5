//! Presentations.

use super::content::Reader;
use crate::ParseError;
use crate::flow::Flow;
use crate::markdown::one_line;
use crate::package::stream::{Element, Token};

/// A slide that is being read.
#[derive(Default)]
struct Slide {
    title: String,
    blocks: Vec<String>,
    notes: Vec<String>,
}

impl Reader<'_> {
    /// Reads a presentation, and returns the number of its slides.
    pub(super) fn slides(&mut self) -> Result<u32, ParseError> {
        let mut count = 0;
        loop {
            match self.xml.next()? {
                Token::Open(element) => match element.name().as_str() {
                    "draw:page" => {
                        count += 1;
                        let style = element.attribute("style-name").unwrap_or_default();
                        if self.styles.is_hidden(&style) {
                            self.xml.skip()?;
                        } else {
                            self.slide(count)?;
                        }
                    }
                    "office:automatic-styles" | "office:styles" | "office:scripts" => self.xml.skip()?,
                    _ => {}
                },
                Token::End => return Ok(count),
                _ => {}
            }
        }
    }

    fn slide(&mut self, number: u32) -> Result<(), ParseError> {
        let mut slide = Slide::default();
        self.shapes(&mut slide, false)?;

        self.flow.page(number);
        self.flow.heading(2, &slide.title);
        for block in &slide.blocks {
            self.flow.paragraph(block);
        }
        let notes = slide.notes.join("\n\n");
        if !notes.trim().is_empty() {
            let quoted: Vec<String> = notes.lines().map(|line| format!("> {line}")).collect();
            self.flow.paragraph(&format!("> Notes:\n>\n{}", quoted.join("\n")));
        }
        Ok(())
    }

    /// Reads the shapes of the element that was opened last.
    fn shapes(&mut self, slide: &mut Slide, in_notes: bool) -> Result<(), ParseError> {
        loop {
            match self.xml.next()? {
                Token::Open(element) => self.shape(&element, slide, in_notes)?,
                Token::Close | Token::End => return Ok(()),
                Token::Text(_) => {}
            }
        }
    }

    fn shape(&mut self, element: &Element<'_>, slide: &mut Slide, in_notes: bool) -> Result<(), ParseError> {
        let name = element.name();
        let class = element.attribute("class").unwrap_or_default();
        let is_field = matches!(class.as_str(), "footer" | "date-time" | "page-number" | "header" | "page");
        match name.as_str() {
            "presentation:notes" => self.shapes(slide, true),
            "draw:g" | "draw:a" => self.shapes(slide, in_notes),
            name if name.starts_with("draw:") && !is_field && name != "draw:page-thumbnail" => {
                let text = self.nested(Flow::default())?;
                if in_notes {
                    slide.notes.push(text);
                } else if class == "title" && slide.title.is_empty() {
                    slide.title = one_line(&text);
                } else {
                    slide.blocks.push(text);
                }
                Ok(())
            }
            _ => self.xml.skip(),
        }
    }
}
