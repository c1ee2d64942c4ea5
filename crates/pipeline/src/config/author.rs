//! The author of a declaration.

/// The one who declared what is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Author {
    /// A superuser, who is an administrator.
    Superuser,
    /// Anybody else, whom the administrator's lists bind.
    #[default]
    Other,
}
