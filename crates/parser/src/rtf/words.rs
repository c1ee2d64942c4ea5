//! Control words and symbols.

use super::charset::Charset;
use super::group::{Begun, Destination, InfoStatement, Paragraph};
use super::reader::Reader;

/// Words of groups that hold nothing of the text.
const LEFT_OUT: &[&str] = &[
    "pict",
    "objdata",
    "nonshppict",
    "header",
    "headerl",
    "headerr",
    "headerf",
    "footer",
    "footerl",
    "footerr",
    "footerf",
    "colortbl",
    "filetbl",
    "listtable",
    "listoverridetable",
    "rsidtbl",
    "generator",
    "themedata",
    "colorschememapping",
    "datastore",
    "latentstyles",
    "xmlnstbl",
    "bkmkstart",
    "bkmkend",
    "annotation",
    "atnid",
    "atnauthor",
    "atnref",
    "atndate",
    "atnicn",
    "xe",
    "tc",
    "tcn",
    "shprslt",
    "nonesttables",
    "ftnsep",
    "ftnsepc",
    "ftncn",
    "aftnsep",
    "aftnsepc",
    "aftncn",
    "datafield",
    "formfield",
    "pnseclvl",
    "revtbl",
    "template",
    "mmathPict",
    "fontemb",
    "falt",
    "panose",
    "keywords",
    "operator",
    "doccomm",
    "password",
    "comment",
    "company",
    "category",
    "manager",
    "subject",
    "hlinkbase",
];

/// Words of groups that may be unknown to a reader, but not to this one.
const KNOWN_OPTIONAL: &[&str] =
    &["fldinst", "shpinst", "shptxt", "pn", "pntxta", "pntxtb", "ud", "nesttableprops"];

/// Words of groups with text within groups that have none.
const LEADING_BACK: &[&str] = &["ud", "shptxt"];

/// Words that stand for text.
const TEXTS: &[(&str, &str)] = &[
    ("tab", "\t"),
    ("line", "\n"),
    ("emdash", "—"),
    ("endash", "–"),
    ("lquote", "‘"),
    ("rquote", "’"),
    ("ldblquote", "“"),
    ("rdblquote", "”"),
    ("bullet", "•"),
    ("emspace", " "),
    ("enspace", " "),
    ("qmspace", " "),
    ("nestcell", " "),
    ("nestrow", "\n"),
];

impl Reader {
    /// Does what a control symbol, such as `\~`, asks for.
    pub(super) fn symbol(&mut self, symbol: u8) {
        match symbol {
            b'\\' | b'{' | b'}' => self.text(char::from(symbol).encode_utf8(&mut [0; 4])),
            b'~' => self.text("\u{a0}"),
            b'_' => self.text("-"),
            b'\n' | b'\r' => self.end_paragraph(),
            b'\t' => self.text("\t"),
            b'*' => {
                if let Some(group) = self.groups.last_mut() {
                    group.is_optional = true;
                }
            }
            _ => {}
        }
    }

    /// Does what a control word, such as `\par`, asks for.
    pub(super) fn word(&mut self, name: &str, number: Option<i32>) {
        if name == "u" {
            return self.unicode(number.unwrap_or(0));
        }
        let is_optional = self.groups.last_mut().is_some_and(|group| std::mem::take(&mut group.is_optional));
        // The binary data that a word is followed by counts as one character.
        if name == "bin" && self.skipped > 0 {
            self.skipped -= 1;
            return;
        }
        if LEFT_OUT.contains(&name) || (is_optional && !KNOWN_OPTIONAL.contains(&name)) {
            return self.go_to(Destination::Nowhere);
        }
        if self.group().is_some_and(|group| group.destination == Destination::Nowhere)
            && !LEADING_BACK.contains(&name)
        {
            return;
        }
        if let Some((_, text)) = TEXTS.iter().find(|(word, _)| *word == name) {
            return self.text(text);
        }
        if !(self.destination_word(name) || self.paragraph_word(name, number) || self.head_word(name, number))
        {
            self.font_word(name, number);
        }
    }

    fn go_to(&mut self, destination: Destination) {
        if let Some(group) = self.groups.last_mut() {
            group.destination = destination;
        }
    }

    fn begin(&mut self, begun: Begun, destination: Destination) {
        if let Some(group) = self.groups.last_mut() {
            group.begun = Some(begun);
            group.destination = destination;
        }
    }

    /// Follows a word that says where the group's text goes; returns whether it is one.
    fn destination_word(&mut self, name: &str) -> bool {
        match name {
            "fonttbl" => self.go_to(Destination::Fonts),
            "stylesheet" => self.go_to(Destination::Styles),
            "info" => self.go_to(Destination::Info),
            "fldinst" => self.go_to(Destination::Instruction),
            "listtext" | "pntext" => {
                self.body.marker.clear();
                self.go_to(Destination::Marker);
            }
            "pn" | "pntxta" | "pntxtb" | "shpinst" => self.go_to(Destination::Nowhere),
            "upr" => self.go_to(Destination::TwoForms),
            "ud" => self.go_to(Destination::Text),
            "field" => self.begin_in_text(Begun::Field),
            "fldrslt" => self.begin_in_text(Begun::FieldResult),
            "footnote" => self.begin_in_text(Begun::Note),
            "shptxt" => self.begin_in_text(Begun::Shape),
            "title" | "author" | "creatim" | "revtim" => self.statement(name),
            _ => return false,
        }
        true
    }

    fn begin_in_text(&mut self, begun: Begun) {
        match begun {
            Begun::Field => self.body.begin_field(),
            Begun::FieldResult => self.body.begin_result(),
            _ => self.body.begin_aside(),
        }
        self.begin(begun, Destination::Text);
        if let Some(group) = self.groups.last_mut().filter(|_| begun == Begun::Note || begun == Begun::Shape)
        {
            group.paragraph = Paragraph::default();
        }
    }

    fn statement(&mut self, name: &str) {
        if self.group().is_none_or(|group| group.destination != Destination::Info) {
            return;
        }
        let statement = match name {
            "title" => InfoStatement::Title,
            "author" => InfoStatement::Author,
            "creatim" => InfoStatement::Created,
            _ => InfoStatement::Modified,
        };
        self.name.clear();
        self.begin(Begun::Statement(statement), Destination::Statement(statement));
    }

    /// Follows a word about the paragraph; returns whether it is one.
    fn paragraph_word(&mut self, name: &str, number: Option<i32>) -> bool {
        match name {
            "par" | "sect" | "page" => {
                self.end_paragraph();
                return true;
            }
            "cell" => {
                self.body.end_cell();
                return true;
            }
            "row" => {
                self.body.end_row();
                return true;
            }
            _ => {}
        }
        let Some(group) = self.groups.last_mut() else { return false };
        let paragraph = &mut group.paragraph;
        match name {
            "pard" => *paragraph = Paragraph::default(),
            "s" => paragraph.style = number,
            "sbasedon" => paragraph.base = number,
            "outlinelevel" => paragraph.outline = number,
            "intbl" => paragraph.in_table = true,
            "itap" => paragraph.in_table = number.unwrap_or(1) > 0,
            "ls" => paragraph.is_item = number.unwrap_or(0) > 0,
            "ilvl" => paragraph.level = number.and_then(|level| usize::try_from(level).ok()).unwrap_or(0),
            _ => return false,
        }
        true
    }

    fn end_paragraph(&mut self) {
        let Some(group) = self.group().filter(|group| group.destination == Destination::Text) else { return };
        let paragraph = group.paragraph;
        let own = paragraph.outline.and_then(|level| usize::try_from(level).ok());
        let by_style = || self.head.levels.get(&paragraph.style.unwrap_or(0)).copied();
        let level = match own {
            Some(level @ 0..9) => Some(level + 1),
            Some(_) => None,
            None => by_style(),
        };
        let is_entry = paragraph.style.is_some_and(|style| self.head.entries.contains(&style));
        self.body.end_paragraph(paragraph, level, is_entry);
    }

    /// Follows a word of the document's head; returns whether it is one.
    fn head_word(&mut self, name: &str, number: Option<i32>) -> bool {
        let time = &mut self.head.time;
        let value = number.unwrap_or(0);
        match name {
            "yr" => time.year = value,
            "mo" => time.month = value,
            "dy" => time.day = value,
            "hr" => time.hour = value,
            "min" => time.minute = value,
            "nofpages" => {
                self.head.metadata.page_count = u32::try_from(value).ok().filter(|pages| *pages > 0);
            }
            "deff" => self.default_font = value,
            "ansicpg" => self.document_charset(Charset::by_code_page(value)),
            "mac" => self.document_charset(Charset::by_code_page(10000)),
            "pc" => self.document_charset(Charset::by_code_page(437)),
            "pca" => self.document_charset(Charset::by_code_page(850)),
            _ => return false,
        }
        true
    }

    fn document_charset(&mut self, charset: Option<Charset>) {
        let Some(charset) = charset else { return };
        self.charset = charset;
        for group in &mut self.groups {
            group.charset = charset;
        }
    }

    /// Follows a word about fonts and the look of text.
    fn font_word(&mut self, name: &str, number: Option<i32>) {
        let document = self.charset;
        let in_table = self.group().is_some_and(|group| group.destination == Destination::Fonts);
        match name {
            "f" if in_table => self.font = number.unwrap_or(0),
            "fcharset" | "cpg" if in_table => {
                let number = number.unwrap_or(0);
                let known =
                    if name == "cpg" { Charset::by_code_page(number) } else { Charset::by_font(number) };
                if let Some(charset) = known {
                    self.head.charsets.insert(self.font, charset);
                }
            }
            _ => {}
        }

        let charset = |font: i32| self.head.charsets.get(&font).copied().unwrap_or(document);
        let of_font = charset(number.unwrap_or(0));
        let of_default = charset(self.default_font);
        let Some(group) = self.groups.last_mut() else { return };
        match name {
            "f" if !in_table => group.charset = of_font,
            "plain" => {
                group.charset = of_default;
                group.is_hidden = false;
            }
            "uc" => group.fallback = number.and_then(|count| usize::try_from(count).ok()).unwrap_or(1),
            "v" | "deleted" => group.is_hidden = number != Some(0),
            _ => {}
        }
    }
}
