//! Documents and presentations of Office, written by the tests themselves: each test says one thing that a user
//! relies on.

#![allow(clippy::unwrap_used)]

mod docx;
mod hostile;
mod old_doc;
mod old_ppt;
mod package;
mod pptx;
