//! Patterns as programs of a backtracking machine, whose every instruction is a step that can be counted.

use std::collections::HashMap;

use fancy_regex::{Assertion, Expr, LookAround};

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
    At(Place),
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
pub(super) enum Place {
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
/// The bytes that count for a set of characters beside its own, for the time that reading it takes.
const BYTES_PER_SET: usize = 2048;

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

    fn take(&mut self, bytes: usize) -> Result<(), CompileError> {
        self.0 = self.0.checked_sub(bytes).ok_or(CompileError::TooLarge(MAX_BYTES))?;
        Ok(())
    }
}

impl Program {
    /// Compiles a pattern in the syntax of `fancy-regex`.
    pub(super) fn compile(pattern: &str, room: &mut Room) -> Result<Program, CompileError> {
        let tree = Expr::parse_tree(pattern).map_err(|error| CompileError::Invalid(error.to_string()))?;
        let groups = count_groups(&tree.expr);
        let mut compiler = Compiler {
            instructions: Vec::new(),
            sets: Vec::new(),
            known: HashMap::new(),
            registers: 2 * (groups + 1),
            groups,
            next_group: 1,
            room,
        };

        compiler.expression(&tree.expr)?;
        compiler.add(Instruction::Match)?;
        let first = compiler.first(&tree.expr).filter(|first| !first.may_be_empty).map(|first| first.set);
        let Compiler { instructions, sets, registers, .. } = compiler;
        Ok(Program { instructions, sets, registers, groups, first })
    }
}

fn children(expression: &Expr) -> Vec<&Expr> {
    match expression {
        Expr::Concat(children) | Expr::Alt(children) => children.iter().collect(),
        Expr::Group(child)
        | Expr::LookAround(child, _)
        | Expr::Repeat { child, .. }
        | Expr::AtomicGroup(child) => vec![child],
        Expr::Conditional { condition, true_branch, false_branch } => {
            vec![condition, true_branch, false_branch]
        }
        _ => Vec::new(),
    }
}

fn count_groups(expression: &Expr) -> usize {
    let own = usize::from(matches!(expression, Expr::Group(_)));
    own + children(expression).into_iter().map(count_groups).sum::<usize>()
}

/// Returns the number of characters that all matches have; `None` if they differ.
fn width(expression: &Expr) -> Option<usize> {
    match expression {
        Expr::Empty | Expr::Assertion(_) | Expr::LookAround(..) | Expr::BackrefExistsCondition(_) => Some(0),
        Expr::Any { .. } | Expr::Delegate { .. } => Some(1),
        Expr::Literal { val, .. } => Some(val.chars().count()),
        Expr::Concat(children) => {
            children.iter().try_fold(0_usize, |sum, child| sum.checked_add(width(child)?))
        }
        Expr::Alt(children) => equal(children.iter().map(width)),
        Expr::Group(child) | Expr::AtomicGroup(child) => width(child),
        Expr::Repeat { child, lo, hi, .. } if lo == hi => width(child)?.checked_mul(*lo),
        Expr::Conditional { true_branch, false_branch, .. } => {
            equal([width(true_branch), width(false_branch)].into_iter())
        }
        _ => None,
    }
}

fn equal(mut widths: impl Iterator<Item = Option<usize>>) -> Option<usize> {
    let first = widths.next()??;
    widths.all(|width| width == Some(first)).then_some(first)
}

/// The beginning of an expression's matches.
struct First {
    /// The characters that they begin with.
    set: CharSet,
    /// True if one of them can match without a character.
    may_be_empty: bool,
}

struct Compiler<'r> {
    instructions: Vec<Instruction>,
    sets: Vec<CharSet>,
    /// The numbers of the sets, by their text and whether they ignore case.
    known: HashMap<(String, bool), usize>,
    registers: usize,
    groups: usize,
    next_group: usize,
    room: &'r mut Room,
}

impl Compiler<'_> {
    fn add(&mut self, instruction: Instruction) -> Result<usize, CompileError> {
        self.room.take(size_of::<Instruction>())?;
        self.instructions.push(instruction);
        Ok(self.instructions.len() - 1)
    }

    /// The address of what comes next.
    fn here(&self) -> usize {
        self.instructions.len()
    }

    fn expression(&mut self, expression: &Expr) -> Result<(), CompileError> {
        match expression {
            Expr::Empty => Ok(()),
            Expr::Any { .. } | Expr::Delegate { .. } => self.one(expression),
            Expr::Literal { val, casei } => val.chars().try_for_each(|c| {
                let set = self.literal(c, *casei)?;
                self.add(Instruction::One(set)).map(drop)
            }),
            Expr::Assertion(assertion) => {
                let place = place(*assertion)?;
                self.add(Instruction::At(place)).map(drop)
            }
            Expr::Concat(children) => children.iter().try_for_each(|child| self.expression(child)),
            Expr::Alt(children) => {
                self.alternatives(children, &mut |compiler, child| compiler.expression(child))
            }
            Expr::Group(child) => {
                let group = self.next_group;
                self.next_group += 1;
                self.add(Instruction::Save(2 * group))?;
                self.expression(child)?;
                self.add(Instruction::Save(2 * group + 1)).map(drop)
            }
            Expr::Repeat { child, lo, hi, greedy } => self.repeat(child, *lo, *hi, *greedy),
            Expr::LookAround(child, kind) => self.look_around(child, *kind),
            Expr::AtomicGroup(child) => {
                self.add(Instruction::Begin(Fence::Atomic))?;
                self.expression(child)?;
                self.add(Instruction::End(Fence::Atomic)).map(drop)
            }
            Expr::Backref(group) => {
                let group = self.group(*group)?;
                self.add(Instruction::Backreference(group)).map(drop)
            }
            Expr::Conditional { condition, true_branch, false_branch } => {
                self.conditional(condition, true_branch, false_branch)
            }
            Expr::BackrefExistsCondition(_) | Expr::KeepOut | Expr::ContinueFromPreviousMatchEnd => {
                Err(CompileError::Invalid("it has what Python lacks".to_owned()))
            }
        }
    }

    fn one(&mut self, expression: &Expr) -> Result<(), CompileError> {
        if let Some(set) = self.set_of(expression)? {
            self.add(Instruction::One(set))?;
        }
        Ok(())
    }

    /// Returns the number of the set whose characters the expression matches; `None` if it is not one.
    fn set_of(&mut self, expression: &Expr) -> Result<Option<usize>, CompileError> {
        let set = match expression {
            Expr::Any { newline: true } => self.set(".", true, |_, _| Ok(CharSet::all()))?,
            Expr::Any { newline: false } => self.set(".", false, |_, _| Ok(CharSet::all_but_newline()))?,
            Expr::Delegate { inner, casei, .. } => self.set(inner, *casei, CharSet::parse)?,
            Expr::Literal { val, casei } => {
                let mut chars = val.chars();
                match (chars.next(), chars.next()) {
                    (Some(c), None) => self.literal(c, *casei)?,
                    _ => return Ok(None),
                }
            }
            _ => return Ok(None),
        };
        Ok(Some(set))
    }

    fn literal(&mut self, c: char, ignore_case: bool) -> Result<usize, CompileError> {
        // No class is called so, for it would have brackets or a backslash.
        self.set(&format!("'{c}"), ignore_case, |_, ignore_case| Ok(CharSet::one(c, ignore_case)))
    }

    fn set(
        &mut self,
        name: &str,
        ignore_case: bool,
        read: impl FnOnce(&str, bool) -> Result<CharSet, String>,
    ) -> Result<usize, CompileError> {
        if let Some(&known) = self.known.get(&(name.to_owned(), ignore_case)) {
            return Ok(known);
        }

        self.room.take(BYTES_PER_SET)?;
        let set = read(name, ignore_case).map_err(CompileError::Invalid)?;
        self.room.take(set.bytes())?;
        self.sets.push(set);
        self.known.insert((name.to_owned(), ignore_case), self.sets.len() - 1);
        Ok(self.sets.len() - 1)
    }

    fn group(&self, group: usize) -> Result<usize, CompileError> {
        if (1..=self.groups).contains(&group) {
            return Ok(group);
        }
        Err(CompileError::Invalid(format!("invalid group reference {group}")))
    }

    fn alternatives(
        &mut self,
        children: &[Expr],
        compile: &mut dyn FnMut(&mut Self, &Expr) -> Result<(), CompileError>,
    ) -> Result<(), CompileError> {
        let mut jumps = Vec::new();
        for (at, child) in children.iter().enumerate() {
            if at + 1 == children.len() {
                compile(self, child)?;
                continue;
            }

            let split = self.add(Instruction::Split(0, 0))?;
            compile(self, child)?;
            jumps.push(self.add(Instruction::Jump(0))?);
            self.instructions[split] = Instruction::Split(split + 1, self.here());
        }

        for jump in jumps {
            self.instructions[jump] = Instruction::Jump(self.here());
        }
        Ok(())
    }

    fn repeat(&mut self, child: &Expr, min: usize, max: usize, greedy: bool) -> Result<(), CompileError> {
        if min > max {
            return Err(CompileError::Invalid("min repeat greater than max repeat".to_owned()));
        }
        if let Some(set) = self.set_of(child)? {
            return self.add(Instruction::Run { set, min, max, greedy }).map(drop);
        }

        let count = self.registers;
        self.registers += 2;
        self.room.take(2 * size_of::<usize>())?;
        self.add(Instruction::LoopBegin { count })?;
        let head = self.add(Instruction::Jump(0))?;
        self.add(Instruction::LoopAgain { count })?;
        self.expression(child)?;
        self.add(Instruction::Jump(head))?;
        self.instructions[head] = Instruction::Loop { count, min, max, greedy, exit: self.here() };
        Ok(())
    }

    fn look_around(&mut self, child: &Expr, kind: LookAround) -> Result<(), CompileError> {
        match (kind, child) {
            // What matches different widths is several look-behinds, if it is made of alternatives.
            (LookAround::LookBehind, Expr::Alt(children)) if width(child).is_none() => {
                self.alternatives(children, &mut |compiler, child| compiler.look(child, kind))
            }
            (LookAround::LookBehindNeg, Expr::Alt(children)) if width(child).is_none() => {
                children.iter().try_for_each(|child| self.look(child, kind))
            }
            _ => self.look(child, kind),
        }
    }

    fn look(&mut self, child: &Expr, kind: LookAround) -> Result<(), CompileError> {
        let begin = self.add(Instruction::Begin(Fence::Look))?;
        if matches!(kind, LookAround::LookBehind | LookAround::LookBehindNeg) {
            let width = width(child).ok_or_else(|| {
                CompileError::Invalid("look-behind requires fixed-width pattern".to_owned())
            })?;
            self.add(Instruction::Back(width))?;
        }

        self.expression(child)?;
        let end = self.add(Instruction::End(Fence::Look))?;
        if matches!(kind, LookAround::LookAheadNeg | LookAround::LookBehindNeg) {
            let fence = Fence::LookNot(self.here());
            self.instructions[begin] = Instruction::Begin(fence);
            self.instructions[end] = Instruction::End(fence);
        }
        Ok(())
    }

    fn conditional(&mut self, condition: &Expr, yes: &Expr, no: &Expr) -> Result<(), CompileError> {
        let Expr::BackrefExistsCondition(group) = condition else {
            return Err(CompileError::Invalid("it has what Python lacks".to_owned()));
        };

        let group = self.group(*group)?;
        let condition = self.add(Instruction::UnlessGroup(group, 0))?;
        self.expression(yes)?;
        let jump = self.add(Instruction::Jump(0))?;
        self.instructions[condition] = Instruction::UnlessGroup(group, self.here());
        self.expression(no)?;
        self.instructions[jump] = Instruction::Jump(self.here());
        Ok(())
    }

    /// Returns the beginning of an expression's matches; `None` if it is too much to tell.
    fn first(&mut self, expression: &Expr) -> Option<First> {
        match expression {
            Expr::Empty | Expr::Assertion(_) | Expr::LookAround(..) => {
                Some(First { set: CharSet::none(), may_be_empty: true })
            }
            Expr::Any { .. } | Expr::Delegate { .. } | Expr::Literal { .. } => {
                let set = self.set_of(expression).ok().flatten()?;
                Some(First { set: self.sets[set].clone(), may_be_empty: false })
            }
            Expr::Group(child) | Expr::AtomicGroup(child) => self.first(child),
            Expr::Repeat { child, lo, hi, .. } => {
                let first = self.first(child).filter(|_| *hi > 0)?;
                Some(First { may_be_empty: first.may_be_empty || *lo == 0, ..first })
            }
            Expr::Concat(children) => {
                let mut begun = First { set: CharSet::none(), may_be_empty: true };
                for child in children {
                    let first = self.first(child)?;
                    begun = First { set: begun.set.or(&first.set), may_be_empty: first.may_be_empty };
                    if !first.may_be_empty {
                        break;
                    }
                }
                Some(begun)
            }
            Expr::Alt(children) => {
                let mut either = First { set: CharSet::none(), may_be_empty: false };
                for child in children {
                    let first = self.first(child)?;
                    either = First {
                        set: either.set.or(&first.set),
                        may_be_empty: either.may_be_empty || first.may_be_empty,
                    };
                }
                Some(either)
            }
            _ => None,
        }
    }
}

fn place(assertion: Assertion) -> Result<Place, CompileError> {
    match assertion {
        Assertion::StartText => Ok(Place::TextStart),
        Assertion::EndText => Ok(Place::TextEnd),
        Assertion::StartLine { crlf: false } => Ok(Place::LineStart),
        Assertion::EndLine { crlf: false } => Ok(Place::LineEnd),
        _ => Err(CompileError::Invalid("it has what Python lacks".to_owned())),
    }
}
