//! The context that all documents share.

use std::sync::Arc;

use super::inquiry::Inquiries;
use crate::embed::Groups;
use crate::load::Loaders;
use crate::parse::Parsers;
use crate::settings::Settings;

/// The stages before the model, which all documents share.
pub(super) struct Stages {
    /// The settings under which the documents were claimed.
    pub settings: Arc<Settings>,
    /// The stage that fetches documents.
    pub loaders: Loaders,
    /// The stage that makes texts of them.
    pub parsers: Parsers,
}

/// The context that all documents share.
pub(super) struct Context {
    /// The stages before the model.
    pub stages: Stages,
    /// The groups in which inputs share requests.
    pub groups: Groups,
    /// The way to ask what batches have brought.
    pub inquiries: Arc<Inquiries>,
}
