//! The types of documents.

/// A type of document that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Portable Document Format.
    Pdf,
    /// Word, since 2007.
    Docx,
    /// PowerPoint, since 2007.
    Pptx,
    /// Excel, since 2007.
    Xlsx,
    /// Excel, since 2007, in its binary form.
    Xlsb,
    /// Word, before 2007.
    Doc,
    /// PowerPoint, before 2007.
    Ppt,
    /// Excel, before 2007.
    Xls,
    /// OpenDocument text.
    Odt,
    /// OpenDocument spreadsheet.
    Ods,
    /// OpenDocument presentation.
    Odp,
    /// Rich Text Format.
    Rtf,
    /// A web page.
    Html,
    /// An electronic book.
    Epub,
    /// An electronic book of Mobipocket or Kindle.
    Kindle,
    /// Values separated by commas, or by semicolons.
    Csv,
    /// Values separated by tabs.
    Tsv,
    /// A JSON value.
    Json,
    /// A JSON value a line.
    JsonLines,
    /// An XML document.
    Xml,
    /// A Jupyter notebook.
    Notebook,
    /// An e-mail.
    Email,
    /// An e-mail of Outlook's.
    OutlookEmail,
    /// Subtitles, SubRip or WebVTT.
    Subtitles,
    /// Markdown.
    Markdown,
    /// reStructuredText.
    ReStructuredText,
    /// Source code of a program. It stays as it is.
    SourceCode,
    /// Text without markup.
    Text,
}

impl Kind {
    /// Returns the word for the type that programs compare.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Pdf => "pdf",
            Kind::Docx => "docx",
            Kind::Pptx => "pptx",
            Kind::Xlsx => "xlsx",
            Kind::Xlsb => "xlsb",
            Kind::Doc => "doc",
            Kind::Ppt => "ppt",
            Kind::Xls => "xls",
            Kind::Odt => "odt",
            Kind::Ods => "ods",
            Kind::Odp => "odp",
            Kind::Rtf => "rtf",
            Kind::Html => "html",
            Kind::Epub => "epub",
            Kind::Kindle => "mobi",
            Kind::Csv => "csv",
            Kind::Tsv => "tsv",
            Kind::Json => "json",
            Kind::JsonLines => "jsonl",
            Kind::Xml => "xml",
            Kind::Notebook => "ipynb",
            Kind::Email => "eml",
            Kind::OutlookEmail => "msg",
            Kind::Subtitles => "subtitles",
            Kind::Markdown => "markdown",
            Kind::ReStructuredText => "rst",
            Kind::SourceCode => "code",
            Kind::Text => "text",
        }
    }

    /// Returns the type's name with its article, as in "the document is …".
    pub fn name(self) -> &'static str {
        match self {
            Kind::Pdf => "a PDF",
            Kind::Docx => "a Word document",
            Kind::Pptx => "a PowerPoint presentation",
            Kind::Xlsx => "an Excel workbook",
            Kind::Xlsb => "a binary Excel workbook",
            Kind::Doc => "a Word document of before 2007",
            Kind::Ppt => "a PowerPoint presentation of before 2007",
            Kind::Xls => "an Excel workbook of before 2007",
            Kind::Odt => "an OpenDocument text",
            Kind::Ods => "an OpenDocument spreadsheet",
            Kind::Odp => "an OpenDocument presentation",
            Kind::Rtf => "an RTF document",
            Kind::Html => "an HTML page",
            Kind::Epub => "an EPUB",
            Kind::Kindle => "a Kindle book",
            Kind::Csv => "a CSV file",
            Kind::Tsv => "a TSV file",
            Kind::Json => "a JSON document",
            Kind::JsonLines => "a JSON Lines file",
            Kind::Xml => "an XML document",
            Kind::Notebook => "a Jupyter notebook",
            Kind::Email => "an e-mail",
            Kind::OutlookEmail => "an Outlook e-mail",
            Kind::Subtitles => "a subtitle file",
            Kind::Markdown => "a Markdown document",
            Kind::ReStructuredText => "a reStructuredText document",
            Kind::SourceCode => "source code",
            Kind::Text => "a text",
        }
    }
}
