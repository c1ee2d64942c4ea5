//! The provider's word on a batch.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use crate::embed::error::EmbedError;
use crate::json_items::JsonItems;

/// The longest id of a batch or of a file, in bytes.
const LONGEST_ID: usize = 200;

/// The longest code of an error that is repeated, in bytes.
const LONGEST_CODE: usize = 64;

/// The most items of a page of 100 batches: each may have 16 entries of metadata, and some 40 members. In memory an item takes up to
/// a hundred bytes.
const MOST_ITEMS: usize = 20_000;

/// The state of a batch, as its provider says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchState {
    /// It is being worked on.
    Working,
    /// It is over: it was completed, or was cancelled or has expired with a part of its answers.
    Over {
        /// The ids of the files with answers, the errors of single inputs among them.
        files: Vec<String>,
        /// True if it has all answers that it will ever have because it was completed.
        is_completed: bool,
    },
    /// It was refused as a whole, with this code.
    Failed(String),
}

/// A batch that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// Its id.
    pub id: String,
    /// Its state at that time.
    pub state: BatchState,
}

/// A batch, as the provider writes it.
#[derive(Deserialize)]
pub(super) struct Batch {
    id: String,
    status: String,
    #[serde(default)]
    output_file_id: Option<String>,
    #[serde(default)]
    error_file_id: Option<String>,
    #[serde(default)]
    errors: Option<Errors>,
    #[serde(default)]
    metadata: Option<HashMap<String, Value>>,
}

#[derive(Deserialize)]
struct Errors {
    #[serde(default)]
    data: Vec<Error>,
}

#[derive(Deserialize)]
struct Error {
    #[serde(default)]
    code: Option<String>,
}

/// A page of the list of batches, the newest first.
#[derive(Deserialize)]
pub(super) struct Page {
    data: Vec<Batch>,
    #[serde(default)]
    has_more: bool,
}

/// A file, as the provider writes it.
#[derive(Deserialize)]
struct File {
    id: String,
}

impl Batch {
    /// Reads a batch.
    pub(super) fn read(body: &[u8]) -> Result<Created, EmbedError> {
        json::<Batch>(body)?.into_created()
    }

    fn into_created(self) -> Result<Created, EmbedError> {
        let id = checked(self.id)?;
        let state = match self.status.as_str() {
            "failed" => BatchState::Failed(code(self.errors)),
            "completed" | "expired" | "cancelled" => {
                let files = [self.output_file_id, self.error_file_id].into_iter().flatten();
                // An empty one stands for none with some.
                let files = files.filter(|id| !id.is_empty()).map(checked).collect::<Result<_, _>>()?;
                BatchState::Over { files, is_completed: self.status == "completed" }
            }
            _ => BatchState::Working,
        };
        Ok(Created { id, state })
    }

    fn has_tag(&self, name: &str, tag: &str) -> bool {
        let metadata = self.metadata.as_ref();
        metadata.and_then(|metadata| metadata.get(name)).and_then(Value::as_str) == Some(tag)
    }
}

impl Page {
    /// Reads a page. Returns the batch with this tag, if it is there, and the id after which the next page begins, if there is one.
    pub(super) fn find(
        body: &[u8],
        name: &str,
        tag: &str,
    ) -> Result<(Option<Created>, Option<String>), EmbedError> {
        if JsonItems::default().count(body) > MOST_ITEMS {
            return Err(EmbedError::BadResponse("it has too many items".to_owned()));
        }
        let page: Page = json(body)?;
        let last = page.data.last().filter(|_| page.has_more).map(|batch| batch.id.clone());
        let found = page.data.into_iter().find(|batch| batch.has_tag(name, tag));
        Ok((found.map(Batch::into_created).transpose()?, last.map(checked).transpose()?))
    }
}

/// Reads the id of a file.
pub(super) fn file_id(body: &[u8]) -> Result<String, EmbedError> {
    checked(json::<File>(body)?.id)
}

fn json<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, EmbedError> {
    serde_json::from_slice(body)
        .map_err(|_| EmbedError::BadResponse("it is not the expected JSON".to_owned()))
}

/// Refuses an id that is none, for it is put into URLs, and shown.
fn checked(id: String) -> Result<String, EmbedError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    match (1..=LONGEST_ID).contains(&id.len()) && id.chars().all(is_plain) && id != "." && id != ".." {
        true => Ok(id),
        false => Err(EmbedError::BadResponse("it has an invalid id".to_owned())),
    }
}

/// Returns the code of the first error. Its message may repeat an input, and is nobody's.
fn code(errors: Option<Errors>) -> String {
    let code = errors.and_then(|errors| errors.data.into_iter().find_map(|error| error.code));
    let is_word = |code: &String| {
        code.len() <= LONGEST_CODE && code.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    code.filter(is_word).unwrap_or_else(|| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(json: &str) -> BatchState {
        Batch::read(json.as_bytes()).unwrap().state
    }

    #[test]
    fn a_batch_is_over_with_the_files_that_it_has() {
        let over = |files: &[&str], is_completed| BatchState::Over {
            files: files.iter().map(|file| (*file).to_owned()).collect(),
            is_completed,
        };
        let json = r#"{"id":"b","status":"completed","output_file_id":"o","error_file_id":"","errors":null,"metadata":null}"#;
        assert_eq!(state(json), over(&["o"], true));
        assert_eq!(state(r#"{"id":"b","status":"completed","error_file_id":"e"}"#), over(&["e"], true));
        assert_eq!(state(r#"{"id":"b","status":"expired","output_file_id":"o"}"#), over(&["o"], false));
        assert_eq!(state(r#"{"id":"b","status":"cancelled"}"#), over(&[], false));
        for status in ["validating", "in_progress", "finalizing", "cancelling", "something new"] {
            assert_eq!(state(&format!(r#"{{"id":"b","status":"{status}"}}"#)), BatchState::Working);
        }
    }

    #[test]
    fn of_a_failure_only_the_code_is_repeated() {
        let failed =
            |error: &str| state(&format!(r#"{{"id":"b","status":"failed","errors":{{"data":[{error}]}}}}"#));
        let limit = r#"{"code":"token_limit_exceeded","message":"SECRET"}"#;
        assert_eq!(failed(limit), BatchState::Failed("token_limit_exceeded".into()));
        assert_eq!(failed(r#"{"code":"a text of the row"}"#), BatchState::Failed("unknown".into()));
        assert_eq!(state(r#"{"id":"b","status":"failed"}"#), BatchState::Failed("unknown".into()));
    }

    #[test]
    fn an_id_that_leads_elsewhere_is_none() {
        for id in ["", "..", "a/b", "a?b", "é", &"x".repeat(201)] {
            assert!(Batch::read(format!(r#"{{"id":"{id}","status":"failed"}}"#).as_bytes()).is_err(), "{id}");
        }
        let output = r#"{"id":"b","status":"completed","output_file_id":"../x"}"#;
        assert!(Batch::read(output.as_bytes()).is_err());
        assert!(file_id(br#"{"id":"file-1"}"#).is_ok() && file_id(b"[]").is_err());
    }

    #[test]
    fn a_batch_is_found_by_its_tag() {
        let page = br#"{"data":[{"id":"a","status":"failed","metadata":null},
                        {"id":"b","status":"in_progress","metadata":{"pgai_rs":"t"}}],"has_more":true}"#;
        let (found, next) = Page::find(page, "pgai_rs", "t").unwrap();
        assert_eq!((found.unwrap().id, next), ("b".to_owned(), Some("b".to_owned())));
        assert_eq!(Page::find(page, "pgai_rs", "u").unwrap().0, None);
    }
}
