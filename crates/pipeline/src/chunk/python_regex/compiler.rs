//! The way from a pattern to its program.

use std::collections::HashMap;

use fancy_regex::{Assertion, Expr, LookAround};

use super::char_set::CharSet;
use super::expression::{count_groups, width};
use super::program::{Anchor, CompileError, Fence, Instruction, Program, Room};

/// The bytes that count for a set of characters beside its own, for the time that reading it takes.
const BYTES_PER_SET: usize = 2048;

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

fn place(assertion: Assertion) -> Result<Anchor, CompileError> {
    match assertion {
        Assertion::StartText => Ok(Anchor::TextStart),
        Assertion::EndText => Ok(Anchor::TextEnd),
        Assertion::StartLine { crlf: false } => Ok(Anchor::LineStart),
        Assertion::EndLine { crlf: false } => Ok(Anchor::LineEnd),
        _ => Err(CompileError::Invalid("it has what Python lacks".to_owned())),
    }
}
