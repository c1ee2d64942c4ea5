//! A writer of tiny PDFs.

#![allow(dead_code)]

/// A PDF that is being written.
#[derive(Default)]
pub struct Pdf {
    objects: Vec<Vec<u8>>,
    pages: Vec<(String, usize)>,
    /// The rest of what the catalog, and the trailer, say.
    pub catalog: String,
    pub trailer: String,
}

/// The number of the first object that a test adds itself; those before are the catalog, the pages and the fonts.
const FIRST: usize = 6;

impl Pdf {
    pub fn new() -> Pdf {
        Pdf::default()
    }

    /// Adds an object, and returns its number.
    pub fn object(&mut self, content: impl Into<Vec<u8>>) -> usize {
        self.objects.push(content.into());
        FIRST + self.objects.len() - 1
    }

    /// Adds a stream, and returns its number.
    pub fn stream(&mut self, dictionary: &str, data: &[u8]) -> usize {
        let mut object = format!("<<{dictionary} /Length {}>>\nstream\n", data.len()).into_bytes();
        object.extend_from_slice(data);
        object.extend_from_slice(b"\nendstream");
        self.object(object)
    }

    /// Adds a page with these instructions.
    pub fn page(&mut self, content: &str) -> &mut Pdf {
        self.page_with("", content)
    }

    /// Adds a page with these instructions, of which its dictionary says more.
    pub fn page_with(&mut self, dictionary: &str, content: &str) -> &mut Pdf {
        let content = self.stream("", content.as_bytes());
        self.pages.push((dictionary.to_owned(), content));
        self
    }

    /// Adds a page whose instructions are packed.
    pub fn packed_page(&mut self, packed: &[u8]) -> &mut Pdf {
        let content = self.stream("/Filter/FlateDecode", packed);
        self.pages.push((String::new(), content));
        self
    }

    /// Returns the file.
    pub fn write(&self) -> Vec<u8> {
        let first_page = FIRST + self.objects.len();
        let kids: Vec<String> =
            (0..self.pages.len()).map(|page| format!("{} 0 R", first_page + page)).collect();
        let font =
            |name: &str| format!("<</Type/Font/Subtype/Type1/BaseFont/{name}/Encoding/WinAnsiEncoding>>");
        let mut objects: Vec<Vec<u8>> = vec![
            format!("<</Type/Catalog/Pages 2 0 R {}>>", self.catalog).into_bytes(),
            format!("<</Type/Pages/Count {}/Kids[{}]>>", kids.len(), kids.join(" ")).into_bytes(),
            font("Helvetica").into_bytes(),
            font("Helvetica-Bold").into_bytes(),
            font("Courier").into_bytes(),
        ];
        objects.extend(self.objects.iter().cloned());
        for (dictionary, content) in &self.pages {
            let resources = if dictionary.contains("/Resources") {
                String::new()
            } else {
                "/Resources<</Font<</F 3 0 R/B 4 0 R/C 5 0 R>>>>".to_owned()
            };
            objects.push(
                format!("<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]{resources}/Contents {content} 0 R {dictionary}>>")
                    .into_bytes(),
            );
        }

        let mut file = b"%PDF-1.7\n".to_vec();
        let mut offsets = Vec::new();
        for (number, object) in (1..).zip(&objects) {
            offsets.push(file.len());
            file.extend_from_slice(format!("{number} 0 obj\n").as_bytes());
            file.extend_from_slice(object);
            file.extend_from_slice(b"\nendobj\n");
        }
        let start = file.len();
        file.extend_from_slice(format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).as_bytes());
        for offset in offsets {
            file.extend_from_slice(format!("{offset:010} 00000 n \n").as_bytes());
        }
        let trailer = format!("/Size {}/Root 1 0 R {}", objects.len() + 1, self.trailer);
        file.extend_from_slice(format!("trailer\n<<{trailer}>>\nstartxref\n{start}\n%%EOF\n").as_bytes());
        file
    }
}

/// Returns instructions that write a text at a place: `F` is a font, `B` a bold one, `C` one of equal widths.
pub fn text(font: char, size: f32, x: f32, y: f32, text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('(', "\\(").replace(')', "\\)");
    format!("BT /{font} {size} Tf {x} {y} Td ({escaped}) Tj ET\n")
}

/// Returns instructions that write lines below each other, in a font of 10 points.
pub fn lines(x: f32, y: f32, lines: &[&str]) -> String {
    let place = |line: usize| y - 12.0 * line as f32;
    lines.iter().enumerate().map(|(line, words)| text('F', 10.0, x, place(line), words)).collect()
}

/// Returns instructions that draw a straight line.
pub fn rule(from: (f32, f32), to: (f32, f32)) -> String {
    format!("{} {} m {} {} l S\n", from.0, from.1, to.0, to.1)
}
