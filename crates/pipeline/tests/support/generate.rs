//! Inputs that are nearly right, made from a seed: what is wholly wrong is refused at the first byte.

use pgai_rs_pipeline::config::{ChunkUnit, Chunking, TextFormat};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

const TEXTS: &[&str] = &[
    "",
    " ",
    "\n",
    "\n\n",
    ". ",
    "word",
    "two words",
    "é",
    "日本",
    "👩‍👩‍👧",
    "\u{301}",
    "\u{feff}",
    "\t\r\n",
    "# Heading\n",
    "```\ncode\n```",
    "|a|b|\n|-|-|\n",
    "<b>",
    "&amp;",
    "aaaaaaaaaaaaaaaa",
    "$",
    "{}",
    "\\",
    "\u{2028}",
    "ﬁ",
    "ß",
];
const SEPARATORS: &[&str] = &["", "\n\n", "\n", ".", " ", "word", "é", "|", "$", "aa"];
const PATTERNS: &[&str] = &[
    r"\s+",
    r"\n{2,}",
    r"(?:a|aa)+",
    r"[^\w]",
    r"(?=\n)",
    r"(?<=\.)",
    r"\b",
    r"a*",
    r"^",
    r"$",
    r"(a)(b)?",
    r"[",
    r"(?P<x>a)",
    r"\d{1,3}",
    r"(?i)WORD",
    r".",
    r"",
    r"(?:a(?=a))*b",
];
const PLACEHOLDERS: &[&str] =
    &["$chunk", "${chunk}", "$title", "${_x1}", "$$", "$", "${", "$1", "${a b}", "$Größe", "text", "\n"];
const URI_PARTS: &[&str] = &[
    "s3",
    "S3",
    "http",
    "://",
    ":",
    "/",
    "//",
    "bucket",
    "my.bucket-1",
    "..",
    ".",
    "?x=1",
    "%2F",
    "#",
    "ä",
    "\0",
    " ",
    "key.txt",
    "@",
];
const SIGNATURES: &[&[u8]] = &[
    b"%PDF-1.7",
    b"PK\x03\x04",
    b"\xff\xfe",
    b"\xfe\xff",
    b"\xef\xbb\xbf",
    b"\x1f\x8b",
    b"\x89PNG\r\n\x1a\n",
    b"<html>",
    b"ftyp",
    b"\0",
    b"\xed\xa0\x80",
    b"\xd8\x00",
    b"word/document.xml",
    b"mimetype",
    b"a",
];
const NAMES: &[&str] =
    &["a.md", "a.txt", "a.PDF", "a.tar.gz", ".", "..", "", ".md", "a.\u{202e}txt", "README", "x.html"];
const MEDIA_TYPES: &[&str] =
    &["text/plain", "text/markdown; charset=x", ";", "", "application/pdf", "TEXT/HTML", "a/\u{7}b"];
const NUMBERS: &[&str] =
    &["0", "-0.5", "1e3", "1e39", "-1e400", "null", "NaN", "\"1\"", "{}", "1E-400", "3.4028236e38"];
/// The first of the letters in texts in which none occurs twice.
const FIRST_LETTER: u32 = 0x4e00;

/// Returns whether it is one of those letters.
pub fn is_letter(c: char) -> bool {
    (FIRST_LETTER..FIRST_LETTER + 0x1000).contains(&u32::from(c))
}

pub struct Generator(StdRng);

impl Generator {
    pub fn new(seed: u64) -> Self {
        Generator(StdRng::seed_from_u64(seed))
    }

    fn below(&mut self, end: usize) -> usize {
        self.0.random_range(0..end)
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn some_of(&mut self, of: &[&str], most: usize) -> String {
        (0..self.below(most + 1)).map(|_| self.one(of)).collect()
    }

    /// A text of any script, with what splitters stumble over.
    pub fn text(&mut self) -> String {
        self.some_of(TEXTS, 60)
    }

    pub fn uri(&mut self) -> String {
        if self.0.random_bool(0.5) {
            return format!("s3://bucket/{}", self.some_of(URI_PARTS, 6));
        }
        self.some_of(URI_PARTS, 8)
    }

    pub fn template(&mut self) -> String {
        self.some_of(PLACEHOLDERS, 8)
    }

    /// The beginning of some file, and what follows or not.
    pub fn bytes(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for _ in 0..self.below(6) {
            bytes.extend_from_slice(self.one(SIGNATURES));
        }
        bytes.extend_from_slice(self.text().as_bytes());
        let length = bytes.len() - self.below(bytes.len().min(4) + 1);
        bytes.truncate(length);
        bytes
    }

    pub fn file_name(&mut self) -> Option<String> {
        self.0.random_bool(0.7).then(|| self.one(NAMES).to_owned())
    }

    pub fn media_type(&mut self) -> Option<String> {
        self.0.random_bool(0.7).then(|| self.one(MEDIA_TYPES).to_owned())
    }

    fn sizes(&mut self) -> (i64, i64) {
        let size = self.0.random_range(-1..30);
        (size, self.0.random_range(-1..size.max(1) + 2))
    }

    /// Any chunking, with sizes and separators right and wrong.
    pub fn chunking(&mut self) -> Chunking {
        let (chunk_size, chunk_overlap) = self.sizes();
        let is_separator_regex = self.0.random_bool(0.5);
        let separators = if is_separator_regex { PATTERNS } else { SEPARATORS };
        match self.below(10) {
            0 => Chunking::None,
            1..4 => Chunking::CharacterTextSplitter {
                chunk_size,
                chunk_overlap,
                separator: self.one(separators).to_owned(),
                is_separator_regex,
            },
            4..8 => Chunking::RecursiveCharacterTextSplitter {
                chunk_size,
                chunk_overlap,
                separators: (0..self.below(5)).map(|_| self.one(separators).to_owned()).collect(),
                is_separator_regex,
            },
            _ => Chunking::TextSplitter {
                chunk_size,
                chunk_overlap,
                unit: self.one(&[ChunkUnit::Characters, ChunkUnit::Characters, ChunkUnit::Tokens]),
                format: self.one(&[TextFormat::Text, TextFormat::Markdown]),
            },
        }
    }

    /// A chunking by characters that gives up nothing but separators and blanks.
    pub fn chunking_anywhere(&mut self) -> Chunking {
        let chunk_size = self.0.random_range(1..30);
        let chunk_overlap = self.0.random_range(0..chunk_size);
        match self.below(3) {
            0 => Chunking::TextSplitter {
                chunk_size,
                chunk_overlap,
                unit: ChunkUnit::Characters,
                format: self.one(&[TextFormat::Text, TextFormat::Markdown]),
            },
            1 => Chunking::CharacterTextSplitter {
                chunk_size,
                chunk_overlap,
                separator: self.one(&["\n\n", " ", ".", "|"]).to_owned(),
                is_separator_regex: false,
            },
            _ => Chunking::RecursiveCharacterTextSplitter {
                chunk_size,
                chunk_overlap,
                separators: ["\n\n", "\n", ".", " ", ""].map(str::to_owned).to_vec(),
                is_separator_regex: false,
            },
        }
    }

    /// Letters in the order of their numbers, with separators between some.
    pub fn distinct_letters(&mut self) -> String {
        let mut text = String::new();
        for number in 0..self.below(150) as u32 {
            text.extend(char::from_u32(FIRST_LETTER + number));
            if self.0.random_bool(0.3) {
                text.push_str(self.one(&["\n\n", "\n", ". ", " ", "|", "  "]));
            }
        }
        text
    }

    /// A vectorizer's config in which something may be missing or wrong.
    pub fn config(&mut self) -> Vec<u8> {
        let mut config = json!({
            "version": "0.12.1",
            "loading": {"implementation": "uri", "column_name": "uri", "retries": 6},
            "parsing": {"implementation": "auto"},
            "embedding": {"implementation": "openai", "model": "m", "dimensions": 3, "base_url": "http://x"},
            "chunking": {"implementation": "recursive_character_text_splitter", "chunk_size": 800},
            "indexing": {"implementation": "none"},
            "formatting": {"implementation": "python_template", "template": "$chunk"},
            "scheduling": {"implementation": "none"},
            "processing": {"implementation": "default", "batch_size": 5},
            "destination": {"implementation": "table", "target_schema": "a", "target_table": "b",
                            "view_schema": "c", "view_name": "d"}
        });
        for _ in 0..self.below(3) {
            self.spoil(&mut config);
        }
        let mut json = config.to_string().into_bytes();
        if self.0.random_bool(0.1) {
            let length = self.below(json.len());
            json.truncate(length);
        }
        json
    }

    /// Replaces or removes something, at whatever depth.
    fn spoil(&mut self, value: &mut Value) {
        if let Value::Object(members) = value {
            let names: Vec<String> = members.keys().cloned().collect();
            if names.is_empty() {
                return;
            }
            let name = &names[self.below(names.len())];
            if self.0.random_bool(0.1) {
                members.remove(name);
            } else if let Some(member) = members.get_mut(name) {
                self.spoil(member);
            }
        } else {
            *value = self.one(&["", "none", "s3", "\0", "[]", "-1"]).into();
            if self.0.random_bool(0.5) {
                *value = [json!(null), json!(-1), json!(1u64 << 40), json!([]), json!(true), json!(0.5)]
                    [self.below(6)]
                .clone();
            }
        }
    }

    /// Returns something that a provider might send instead of three numbers for one input.
    pub fn answer(&mut self) -> Vec<u8> {
        let numbers: Vec<&str> =
            (0..3).map(|_| if self.0.random_bool(0.8) { "0.25" } else { self.one(NUMBERS) }).collect();
        let embedding = match self.below(4) {
            0 => self
                .one(&["\"AACAPwAAAL8AAAAA\"", "\"AAA=\"", "\"!\"", "\"\"", "null", "\"AADAfwAAAL8AAAAA\""])
                .to_owned(),
            _ => format!("[{}]", numbers[..self.one(&[3, 3, 3, 2, 0])].join(",")),
        };
        let index = self.one(&["0", "0", "0", "1", "null", "-1", "18446744073709551616"]);
        let item = format!(r#"{{"object":"embedding","index":{index},"embedding":{embedding}}}"#);
        let items = vec![item; self.one(&[1, 1, 1, 1, 2, 0])].join(",");
        let mut body = format!(r#"{{"data":[{items}],"usage":{{}}}}"#).into_bytes();
        if self.0.random_bool(0.2) {
            let at = self.below(body.len());
            body[at] = self.0.random();
        }
        body
    }
}
