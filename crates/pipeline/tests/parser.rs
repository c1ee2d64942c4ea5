//! The program that parses documents, as the pipeline runs it: programs in its place end in every way that there is.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use pgai_rs_pipeline::config::TextFormat;
use pgai_rs_pipeline::failure::{Failure, Retry, Scope, Step};
use pgai_rs_pipeline::parse::{Page, ParseFailure, Parsed, Parser, UnparsedDocument};
use pgai_rs_pipeline::settings::Settings;

/// A program that is removed at the end.
struct Script {
    path: PathBuf,
}

impl Script {
    /// Makes a program of a shell's lines.
    fn new(lines: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let path = directory.join(format!("parser-{}-{number}.sh", std::process::id()));
        write_elsewhere(&path, &format!("#!/bin/sh\n{lines}\n"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Script { path }
    }

    /// Lets the program read a document.
    async fn read(&self, settings: Settings) -> Result<Parsed, ParseFailure> {
        let settings = Settings { parser: Some(self.path.clone()), ..settings };
        let name = Some("report.pdf".to_owned());
        let document = UnparsedDocument { bytes: "%PDF-".into(), name, content_type: None };
        Parser::new(&settings).unwrap().read(&document).await
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        fs::remove_file(&self.path).unwrap();
    }
}

/// Writes a file in another process. Were it open for writing here, a process that another test starts at that moment
/// would have it open for a moment, too, and a file that somebody writes can't be executed.
fn write_elsewhere(path: &Path, content: &str) {
    let mut writer =
        Command::new("tee").arg(path).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    writer.stdin.take().unwrap().write_all(content.as_bytes()).unwrap();
    assert!(writer.wait().unwrap().success());
}

async fn answered(lines: &str) -> Result<Parsed, ParseFailure> {
    Script::new(lines).read(Settings::default()).await
}

async fn failure(lines: &str) -> Failure {
    answered(lines).await.unwrap_err().into()
}

#[tokio::test]
async fn a_document_that_was_read_has_text_and_pages() {
    let header = r#"{"version":1,"document":{"kind":"pdf","format":"markdown","pages":[{"number":1,"start":0},{"number":2,"start":5}],"metadata":{"title":"T"}}}"#;
    let parsed = answered(&format!("cat > /dev/null; echo '{header}'; printf '# A\\n\\n# B'")).await.unwrap();
    assert_eq!(parsed.text, "# A\n\n# B");
    assert_eq!((parsed.format, parsed.kind.as_deref()), (TextFormat::Markdown, Some("pdf")));
    assert_eq!(parsed.pages, [Page { number: 1, start: 0 }, Page { number: 2, start: 5 }]);
    assert_eq!(parsed.metadata.title.as_deref(), Some("T"));
}

#[tokio::test]
async fn the_program_gets_the_name_and_the_bytes() {
    let header = r#"{"version":1,"document":{"kind":"text","format":"text"}}"#;
    let parsed = answered(&format!("echo '{header}'; cat")).await.unwrap();
    assert_eq!(parsed.text, "{\"version\":1,\"name\":\"report.pdf\"}\n%PDF-");
}

#[tokio::test]
async fn a_refusal_is_the_documents_fault_and_never_tried_again() {
    let refusal =
        r#"{"version":1,"refusal":{"code":"needs_ocr","message":"the document is a PDF without text"}}"#;
    let failure = failure(&format!("cat > /dev/null; echo '{refusal}'")).await;
    assert_eq!((failure.step, failure.code, failure.retry), (Step::Parsing, "needs_ocr", Retry::Never));
    assert_eq!(failure.message, "the document is a PDF without text");
}

#[tokio::test]
async fn a_program_that_fails_costs_one_document_only() {
    for (lines, code) in [
        ("exit 3", "parser_crashed"),
        ("kill -s SEGV $$", "parser_crashed"),
        ("echo 'memory allocation of 99 bytes failed' >&2; kill -s ABRT $$", "parser_out_of_memory"),
        ("cat > /dev/null; echo nonsense", "parser_crashed"),
        ("cat > /dev/null", "parser_crashed"),
    ] {
        let failure = failure(lines).await;
        assert_eq!((failure.code, failure.retry, failure.scope), (code, Retry::Never, Scope::Row), "{lines}");
    }
    let killed = failure("kill -s KILL $$").await;
    assert_eq!((killed.code, killed.retry, killed.scope), ("parser_killed", Retry::Backoff, Scope::Row));
}

#[tokio::test]
async fn pages_that_are_not_in_the_text_are_not_believed() {
    for start in ["2", "99"] {
        let header = format!(
            r#"{{"version":1,"document":{{"kind":"pdf","format":"text","pages":[{{"number":1,"start":{start}}}]}}}}"#
        );
        // Two bytes each.
        let failure = failure(&format!("cat > /dev/null; echo '{header}'; printf 'aéé'")).await;
        assert_eq!(failure.code, "parser_crashed");
    }
}

#[tokio::test]
async fn what_postgres_cannot_store_is_not_believed() {
    let header = r#"{"version":1,"document":{"kind":"pdf","format":"text","metadata":{"title":"a\u0000b"}}}"#;
    let failure = failure(&format!("cat > /dev/null; printf '%s\\n' '{header}'; printf text")).await;
    assert_eq!(failure.code, "parser_crashed");
}

#[tokio::test]
async fn time_and_output_have_limits() {
    let endless = Script::new("while :; do :; done");
    let settings = Settings { parse_timeout: Duration::from_secs(1), ..Settings::default() };
    assert_eq!(endless.read(settings).await, Err(ParseFailure::TimedOut(Duration::from_secs(1))));

    let chatty = Script::new("while :; do echo more; done");
    let settings = Settings { max_document_size: 100, ..Settings::default() };
    assert_eq!(chatty.read(settings).await, Err(ParseFailure::TooLarge(100)));
}

#[tokio::test]
async fn a_parser_that_is_missing_costs_no_row_a_try() {
    let other = r#"{"version":2,"document":{"kind":"text","format":"text"}}"#;
    let other_version = failure(&format!("cat > /dev/null; echo '{other}'")).await;

    let settings = Settings { parser: Some("/no/such/parser".into()), ..Settings::default() };
    let missing = Parser::new(&settings).unwrap().read(&UnparsedDocument::default()).await.unwrap_err();

    for failure in [other_version, missing.into()] {
        assert_eq!((failure.code, failure.scope), ("parser_not_installed", Scope::Vectorizer));
        assert!(matches!(failure.retry, Retry::After(_)));
    }
}
