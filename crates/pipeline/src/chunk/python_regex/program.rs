//! Patterns as programs of a backtracking machine, whose every instruction is a step that can be counted.

use super::char_set::CharSet;

/// An instruction of the [machine](super::machine::Machine).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Instruction {
    /// The pattern has matched.
    Match,
    /// A character of the set with this number.
    One(usize),
    /// Takes between `min` and `max` characters of a set: the most that it can if `greedy`, else the fewest.
    Run { set: usize, min: usize, max: usize, greedy: bool },
    /// A place in the text, which takes no character.
    At(Anchor),
    /// Goes on at the first address, and at the second if that leads nowhere.
    Split(usize, usize),
    /// Goes on elsewhere.
    Jump(usize),
    /// Notes the position in a register.
    Save(usize),
    /// Begins a loop that counts in the register `count` and remembers in the next where it went round.
    LoopBegin { count: usize },
    /// The head of a loop, which [`LoopAgain`](Self::LoopAgain) and the body follow.
    Loop { count: usize, min: usize, max: usize, greedy: bool, exit: usize },
    /// Goes round a loop once more than it must.
    LoopAgain { count: usize },
    /// The text that a group matched last.
    Backreference(usize),
    /// Goes on elsewhere unless a group took part in the match.
    UnlessGroup(usize, usize),
    /// Begins what is matched once, and then for good: an atomic group or a look-around.
    Begin(Fence),
    /// Ends it: what else it could have matched is forgotten.
    End(Fence),
    /// Goes back by so many characters.
    Back(usize),
}

/// The kinds of what is matched once and for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fence {
    /// An atomic group, whose text is taken.
    Atomic,
    /// A look-around that has to match.
    Look,
    /// A look-around that must not match; the address is where it goes on then.
    LookNot(usize),
}

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    /// The beginning of the text.
    TextStart,
    /// The end of the text.
    TextEnd,
    /// The beginning of the text, or of a line in it.
    LineStart,
    /// The end of the text, or of a line in it.
    LineEnd,
}

/// A pattern, compiled.
pub(super) struct Program {
    /// The instructions, which end with [`Instruction::Match`].
    pub instructions: Vec<Instruction>,
    /// The sets of characters that they name.
    pub sets: Vec<CharSet>,
    /// The number of registers. The first two of each group hold its beginning and end.
    pub registers: usize,
    /// Capture groups.
    pub groups: usize,
    /// The characters that a match can begin with; `None` if it may be empty.
    pub first: Option<CharSet>,
}

/// The largest number of bytes that the programs of all separators of a chunker may take together.
const MAX_BYTES: usize = 2 << 20;

/// The reason why there is no program.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CompileError {
    /// The pattern is not valid.
    Invalid(String),
    /// The programs would take more bytes than all of them may.
    TooLarge(usize),
}

/// The bytes that programs may still take.
#[derive(Debug)]
pub(in super::super) struct Room(usize);

impl Room {
    /// Room for the programs of one chunker.
    pub(in super::super) fn new() -> Self {
        Room(MAX_BYTES)
    }

    /// Returns the bytes that were taken.
    pub(in super::super) fn taken(&self) -> usize {
        MAX_BYTES - self.0
    }

    /// Takes bytes; errors if there are not so many left.
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), CompileError> {
        self.0 = self.0.checked_sub(bytes).ok_or(CompileError::TooLarge(MAX_BYTES))?;
        Ok(())
    }
}
