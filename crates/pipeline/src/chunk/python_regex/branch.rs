//! The branches and the ends of a search.

use super::super::ChunkError;

/// A place to go back to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Branch {
    /// The way in which it goes on.
    pub kind: BranchKind,
    /// The address where it goes on.
    pub at: usize,
    /// The position in the text.
    pub position: usize,
    /// The number of changes that remain.
    pub changes: usize,
}

/// The ways in which a search goes on at a branch.
#[derive(Debug, Clone, Copy)]
pub(super) enum BranchKind {
    /// It goes on here.
    Plain,
    /// A run took as many characters as there are; it may give them back down to this position.
    Greedy(usize),
    /// A run took this many characters, as few as it had to; it may take more.
    Lazy(usize),
    /// Something that is matched once and for good began here. If it fails, all before it does.
    Fence,
    /// A look-around that must not match began here. If it fails, that is a success.
    FenceNot,
}

/// The end of a search.
pub(super) enum SearchEnd {
    /// The time is over, or nobody waits any more.
    Time(ChunkError),
    /// The pattern ran away, for this reason.
    RanAway(String),
}

impl From<ChunkError> for SearchEnd {
    fn from(error: ChunkError) -> Self {
        SearchEnd::Time(error)
    }
}
