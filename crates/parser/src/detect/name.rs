//! Types by the name of a document, and by its media type.

use pgai_rs_parser_protocol::name_ending;

use crate::{Kind, ParseError, Source};

/// Endings of names in lower case, separated by spaces, and the types that they stand for.
const ENDINGS: &[(Kind, &str)] = &[
    (Kind::Pdf, "pdf"),
    (Kind::Docx, "docx docm dotx dotm"),
    (Kind::Pptx, "pptx pptm ppsx ppsm potx potm"),
    (Kind::Xlsx, "xlsx xlsm xltx xltm"),
    (Kind::Xlsb, "xlsb"),
    (Kind::Doc, "doc dot"),
    (Kind::Ppt, "ppt pps pot"),
    (Kind::Xls, "xls xlt"),
    (Kind::Odt, "odt ott"),
    (Kind::Ods, "ods ots"),
    (Kind::Odp, "odp otp"),
    (Kind::Rtf, "rtf"),
    (Kind::Html, "html htm xhtml xht shtml"),
    (Kind::Epub, "epub"),
    (Kind::Kindle, "mobi azw azw3"),
    (Kind::Csv, "csv"),
    (Kind::Tsv, "tsv tab"),
    (Kind::Json, "json geojson jsonld json5 jsonc har topojson webmanifest"),
    (Kind::JsonLines, "jsonl ndjson"),
    (
        Kind::Xml,
        "xml rss atom opml xsd wsdl plist kml gpx dita ditamap dbk docbook tei fb2 xlf xliff fodt nxml",
    ),
    (Kind::Notebook, "ipynb"),
    (Kind::Email, "eml mht mhtml"),
    (Kind::OutlookEmail, "msg"),
    (Kind::Subtitles, "srt vtt"),
    (Kind::Markdown, "md markdown mdown mkd mdx qmd rmd"),
    (Kind::ReStructuredText, "rst rest"),
    (Kind::Text, "txt text log adoc asciidoc org tex conf cfg ini"),
    (
        Kind::SourceCode,
        "py rs c h cc cpp hpp cs java kt go js mjs ts tsx jsx rb php pl pm sh bash zsh ps1 sql r swift scala lua hs ex \
         exs erl clj lisp el vim yaml yml toml css scss proto tf zig dart jl m f90 asm s cmake gradle dockerfile makefile",
    ),
];

/// Media types, and the types that they stand for. Of `text/`, others are text.
const MEDIA_TYPES: &[(&str, Kind)] = &[
    ("application/pdf", Kind::Pdf),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", Kind::Docx),
    ("application/vnd.openxmlformats-officedocument.presentationml.presentation", Kind::Pptx),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", Kind::Xlsx),
    ("application/msword", Kind::Doc),
    ("application/vnd.ms-powerpoint", Kind::Ppt),
    ("application/vnd.ms-excel", Kind::Xls),
    ("application/vnd.oasis.opendocument.text", Kind::Odt),
    ("application/vnd.oasis.opendocument.spreadsheet", Kind::Ods),
    ("application/vnd.oasis.opendocument.presentation", Kind::Odp),
    ("application/rtf", Kind::Rtf),
    ("text/rtf", Kind::Rtf),
    ("text/html", Kind::Html),
    ("application/xhtml+xml", Kind::Html),
    ("application/epub+zip", Kind::Epub),
    ("application/x-mobipocket-ebook", Kind::Kindle),
    ("application/vnd.amazon.ebook", Kind::Kindle),
    ("application/vnd.amazon.mobi8-ebook", Kind::Kindle),
    ("text/csv", Kind::Csv),
    ("text/tab-separated-values", Kind::Tsv),
    ("application/json", Kind::Json),
    ("application/x-ndjson", Kind::JsonLines),
    ("application/jsonl", Kind::JsonLines),
    ("application/xml", Kind::Xml),
    ("text/xml", Kind::Xml),
    ("application/x-ipynb+json", Kind::Notebook),
    ("message/rfc822", Kind::Email),
    ("application/vnd.ms-outlook", Kind::OutlookEmail),
    ("application/x-subrip", Kind::Subtitles),
    ("text/vtt", Kind::Subtitles),
    ("text/markdown", Kind::Markdown),
    ("text/x-markdown", Kind::Markdown),
    ("text/x-rst", Kind::ReStructuredText),
];

/// Returns the type that the name's ending stands for.
pub(super) fn by_name(name: Option<&str>) -> Option<Kind> {
    let name = name?;
    // A query or a fragment may follow it, but a name may have such characters of its own.
    let without_query = name.split('?').next().unwrap_or_default();
    let without_fragment = without_query.split('#').next().unwrap_or_default();
    [without_query, without_fragment, name].into_iter().find_map(by_ending)
}

fn by_ending(name: &str) -> Option<Kind> {
    let ending = name_ending(name)?;
    let is = |known: &&(Kind, &str)| known.1.split_whitespace().any(|known| known == ending);
    ENDINGS.iter().find(is).map(|(kind, _)| *kind)
}

/// Returns the type that the media type stands for; an error if it is one of pictures, sounds or videos.
pub(super) fn by_content_type(content_type: Option<&str>) -> Result<Option<Kind>, ParseError> {
    let Some(media_type) = content_type.map(media_type) else { return Ok(None) };
    if let Some((_, kind)) = MEDIA_TYPES.iter().find(|(known, _)| *known == media_type) {
        return Ok(Some(*kind));
    }
    match media_type.split('/').next() {
        Some("application") if media_type.ends_with("+json") => Ok(Some(Kind::Json)),
        Some("application") if media_type.ends_with("+xml") => Ok(Some(Kind::Xml)),
        Some("text") => Ok(Some(Kind::Text)),
        Some("image" | "audio" | "video") => {
            Err(ParseError::UnsupportedType(format!("of type {}", printable(&media_type))))
        }
        _ => Ok(None),
    }
}

/// Returns a media type in lower case, without its parameters.
fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Returns words for a document of which nothing is known, as in "the document is …".
pub(super) fn description(source: &Source<'_>) -> String {
    const UNKNOWING: &[&str] = &["", "application/octet-stream", "binary/octet-stream"];

    let media_type = source.content_type.map(media_type).unwrap_or_default();
    if !UNKNOWING.contains(&media_type.as_str()) {
        return format!("of type {}", printable(&media_type));
    }
    match source.name.and_then(|name| name_ending(name.split('?').next().unwrap_or_default())) {
        Some(ending) => format!("a .{} file", printable(&ending)),
        None => "of an unknown type".to_owned(),
    }
}

/// Returns a name from outside, fit for a message.
fn printable(name: &str) -> String {
    const LONGEST: usize = 80;
    name.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}
