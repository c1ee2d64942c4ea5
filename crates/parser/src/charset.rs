//! Encodings of text.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::Encoding;

use crate::ParseError;

/// Returns the text that these bytes stand for: by their byte order mark, else by the encoding that is declared for
/// them, else by the one that they look like.
pub(crate) fn decode(bytes: &[u8], declared: Option<&str>) -> Result<String, ParseError> {
    let declared = declared.and_then(|label| Encoding::for_label(label.trim().as_bytes()));
    if let Some(encoding) = declared.or_else(|| Encoding::for_bom(bytes).map(|(encoding, _)| encoding)) {
        return Ok(encoding.decode(bytes).0.into_owned());
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Ok(text.to_owned());
    }

    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(bytes, true);
    Ok(detector.guess(None, Utf8Detection::Allow).decode(bytes).0.into_owned())
}
