//! The machine that runs a [`Program`] over a text, by trying and going back as Python's does.
//!
//! Its time and memory are bounded whatever the pattern: it counts each instruction, each character that it looks
//! at, and each place that it remembers to go back to.

use super::super::allowance::StepClock;
use super::branch::{Branch, BranchKind, SearchEnd};
use super::char_set::CharSet;
use super::program::{Anchor, Fence, Instruction, Program};

/// The largest number of steps of one search, in addition to those for each byte of the text.
const STEPS: u64 = 50_000_000;
/// The number of steps of one search for each byte of the text: a search that finds nothing looks at each.
const STEPS_PER_BYTE: u64 = 16;
/// The largest number of places to go back to, and half of that of registers' former values.
const MAX_BRANCHES: usize = 1 << 20;

/// The register's value if nothing was noted in it.
const NOTHING: usize = usize::MAX;

/// The state of a search.
pub(super) struct Machine<'p, 't, 'c, 'a> {
    program: &'p Program,
    text: &'t str,
    clock: &'c mut StepClock<'a>,
    /// Steps that the search may still take.
    left: u64,
    registers: Vec<usize>,
    branches: Vec<Branch>,
    /// Registers and their former values.
    changes: Vec<(usize, usize)>,
    max_branches: usize,
}

impl<'p, 't, 'c, 'a> Machine<'p, 't, 'c, 'a> {
    /// A machine for searches of this text.
    pub(super) fn new(program: &'p Program, text: &'t str, clock: &'c mut StepClock<'a>) -> Self {
        let steps = STEPS + STEPS_PER_BYTE * text.len() as u64;
        // Lists grow to twice what is in them, and changes take as much as branches.
        let max_branches = clock.part(size_of::<Branch>() as u64 * 4).min(MAX_BRANCHES);
        Machine {
            program,
            text,
            clock,
            left: steps,
            registers: vec![NOTHING; program.registers],
            branches: Vec::new(),
            changes: Vec::new(),
            max_branches,
        }
    }

    /// Looks for the first match from a position on, and returns the registers; `None` if there is none. With
    /// `advance`, an empty match at that position is none.
    pub(super) fn search(mut self, from: usize, advance: bool) -> Result<Option<Vec<usize>>, SearchEnd> {
        let mut start = from;
        loop {
            if let Some(first) = &self.program.first {
                match self.next_of(first, start)? {
                    Some(next) => start = next,
                    None => return Ok(None),
                }
            }

            let empty_is_none = advance && start == from;
            if let Some(end) = self.run(start, empty_is_none)? {
                self.registers[0] = start;
                self.registers[1] = end;
                return Ok(Some(self.registers));
            }
            match self.char_at(start) {
                Some(c) => start += c.len_utf8(),
                None => return Ok(None),
            }
        }
    }

    /// Returns the first position from `start` on that has a character of the set.
    fn next_of(&mut self, set: &CharSet, start: usize) -> Result<Option<usize>, SearchEnd> {
        let mut at = start;
        while let Some(c) = self.char_at(at) {
            if set.contains(c) {
                return Ok(Some(at));
            }
            self.step(1)?;
            at += c.len_utf8();
        }
        Ok(None)
    }

    /// Runs the program at a position, and returns where its match ends.
    fn run(&mut self, start: usize, empty_is_none: bool) -> Result<Option<usize>, SearchEnd> {
        self.step(1 + self.registers.len() as u64 / 32)?;
        self.registers.fill(NOTHING);
        self.branches.clear();
        self.changes.clear();

        let mut next = Some((0, start));
        while let Some((at, position)) = next {
            self.step(1)?;
            next = match self.program.instructions[at] {
                Instruction::Match if empty_is_none && position == start => None,
                Instruction::Match => return Ok(Some(position)),
                _ => self.take(at, position)?,
            };
            if next.is_none() {
                next = self.go_back()?;
            }
        }
        Ok(None)
    }

    /// Takes one instruction, and returns the next with its position; `None` if it fails.
    fn take(&mut self, at: usize, position: usize) -> Result<Option<(usize, usize)>, SearchEnd> {
        Ok(match self.program.instructions[at] {
            Instruction::Match => None,
            Instruction::One(set) => self.one(set, position).map(|position| (at + 1, position)),
            Instruction::Run { set, min, max, greedy } => {
                self.take_run(at, position, set, (min, max), greedy)?
            }
            Instruction::At(place) => self.is_at(place, position).then_some((at + 1, position)),
            Instruction::Split(first, second) => {
                self.branch(BranchKind::Plain, second, position)?;
                Some((first, position))
            }
            Instruction::Jump(to) => Some((to, position)),
            Instruction::Save(register) => {
                self.set(register, position)?;
                Some((at + 1, position))
            }
            Instruction::LoopBegin { count } => {
                self.set(count, 0)?;
                self.set(count + 1, NOTHING)?;
                Some((at + 1, position))
            }
            Instruction::Loop { count, min, max, greedy, exit } => {
                self.take_loop(at, position, count, (min, max), greedy, exit)?
            }
            Instruction::LoopAgain { count } => {
                self.set(count, self.registers[count] + 1)?;
                self.set(count + 1, position)?;
                Some((at + 1, position))
            }
            Instruction::Backreference(group) => self.repeat_group(group, position)?.map(|end| (at + 1, end)),
            Instruction::UnlessGroup(group, otherwise) => {
                let took_part = self.registers[2 * group + 1] != NOTHING;
                Some((if took_part { at + 1 } else { otherwise }, position))
            }
            Instruction::Begin(Fence::LookNot(otherwise)) => {
                self.branch(BranchKind::FenceNot, otherwise, position)?;
                Some((at + 1, position))
            }
            Instruction::Begin(Fence::Atomic | Fence::Look) => {
                self.branch(BranchKind::Fence, at, position)?;
                Some((at + 1, position))
            }
            Instruction::End(fence) => self.end(fence, at, position)?,
            Instruction::Back(width) => self.back(width, position)?.map(|position| (at + 1, position)),
        })
    }

    /// Takes a run of characters.
    fn take_run(
        &mut self,
        at: usize,
        position: usize,
        set: usize,
        (min, max): (usize, usize),
        greedy: bool,
    ) -> Result<Option<(usize, usize)>, SearchEnd> {
        let Some(least) = self.many(set, position, min)?.filter(|&(_, taken)| taken == min) else {
            return Ok(None);
        };
        if !greedy {
            if max > min {
                self.branch(BranchKind::Lazy(min), at, least.0)?;
            }
            return Ok(Some((at + 1, least.0)));
        }

        let most = self.many(set, least.0, max - min)?.map_or(least.0, |(end, _)| end);
        if most > least.0 {
            self.branch(BranchKind::Greedy(least.0), at + 1, most)?;
        }
        Ok(Some((at + 1, most)))
    }

    /// Returns the end of as many characters of the set as follow, up to `most`, and how many they are.
    fn many(&mut self, set: usize, start: usize, most: usize) -> Result<Option<(usize, usize)>, SearchEnd> {
        let mut end = start;
        let mut taken = 0;
        while taken < most {
            let Some(next) = self.one(set, end) else { break };
            self.step(1)?;
            end = next;
            taken += 1;
        }
        Ok(Some((end, taken)))
    }

    /// Goes round a loop once more, or leaves it. As in Python, it goes round as often as it must, and then not
    /// again where it went round before.
    fn take_loop(
        &mut self,
        at: usize,
        position: usize,
        count: usize,
        (min, max): (usize, usize),
        greedy: bool,
        exit: usize,
    ) -> Result<Option<(usize, usize)>, SearchEnd> {
        let (again, body) = (at + 1, at + 2);
        let done = self.registers[count];
        if done < min {
            self.set(count, done + 1)?;
            return Ok(Some((body, position)));
        }
        if done >= max || self.registers[count + 1] == position {
            return Ok(Some((exit, position)));
        }

        let (first, second) = if greedy { (again, exit) } else { (exit, again) };
        self.branch(BranchKind::Plain, second, position)?;
        Ok(Some((first, position)))
    }

    /// Ends what is matched once and for good.
    fn end(&mut self, fence: Fence, at: usize, position: usize) -> Result<Option<(usize, usize)>, SearchEnd> {
        while let Some(branch) = self.branches.pop() {
            self.step(1)?;
            if !matches!(branch.kind, BranchKind::Fence | BranchKind::FenceNot) {
                continue;
            }
            return Ok(match fence {
                Fence::Atomic => Some((at + 1, position)),
                Fence::Look => Some((at + 1, branch.position)),
                Fence::LookNot(_) => {
                    self.undo(branch.changes)?;
                    None
                }
            });
        }
        Ok(None)
    }

    /// Goes on at the last place to go back to; `None` if there is none.
    fn go_back(&mut self) -> Result<Option<(usize, usize)>, SearchEnd> {
        while let Some(branch) = self.branches.pop() {
            self.step(1)?;
            self.undo(branch.changes)?;
            let Branch { kind, at, position, .. } = branch;
            match kind {
                BranchKind::Plain | BranchKind::FenceNot => return Ok(Some((at, position))),
                BranchKind::Fence => {}
                BranchKind::Greedy(least) => {
                    let width = self.text[..position].chars().next_back().map_or(0, char::len_utf8);
                    let shorter = position - width;
                    if shorter > least {
                        self.branch(kind, at, shorter)?;
                    }
                    return Ok(Some((at, shorter)));
                }
                BranchKind::Lazy(taken) => {
                    let Instruction::Run { set, max, .. } = self.program.instructions[at] else { continue };
                    let Some(longer) = self.one(set, position) else { continue };
                    if taken + 1 < max {
                        self.branch(BranchKind::Lazy(taken + 1), at, longer)?;
                    }
                    return Ok(Some((at + 1, longer)));
                }
            }
        }
        Ok(None)
    }

    fn char_at(&self, position: usize) -> Option<char> {
        match self.text.as_bytes().get(position) {
            Some(&byte) if byte.is_ascii() => Some(char::from(byte)),
            _ => self.text[position..].chars().next(),
        }
    }

    /// Returns the position after a character of the set.
    fn one(&self, set: usize, position: usize) -> Option<usize> {
        let c = self.char_at(position)?;
        self.program.sets[set].contains(c).then(|| position + c.len_utf8())
    }

    fn is_at(&self, place: Anchor, position: usize) -> bool {
        let bytes = self.text.as_bytes();
        match place {
            Anchor::TextStart => position == 0,
            Anchor::TextEnd => position == bytes.len(),
            Anchor::LineStart => position == 0 || bytes[position - 1] == b'\n',
            Anchor::LineEnd => bytes.get(position).is_none_or(|&byte| byte == b'\n'),
        }
    }

    /// Returns the end of the text that a group matched last, if it follows here.
    fn repeat_group(&mut self, group: usize, position: usize) -> Result<Option<usize>, SearchEnd> {
        let (start, end) = (self.registers[2 * group], self.registers[2 * group + 1]);
        let Some(matched) = self.text.get(start..end) else { return Ok(None) };
        self.step(matched.len() as u64)?;
        Ok(self.text[position..].starts_with(matched).then(|| position + matched.len()))
    }

    fn back(&mut self, width: usize, position: usize) -> Result<Option<usize>, SearchEnd> {
        let mut at = position;
        for _ in 0..width {
            self.step(1)?;
            match self.text[..at].chars().next_back() {
                Some(c) => at -= c.len_utf8(),
                None => return Ok(None),
            }
        }
        Ok(Some(at))
    }

    fn step(&mut self, steps: u64) -> Result<(), SearchEnd> {
        self.clock.count(steps)?;
        match self.left.checked_sub(steps) {
            Some(left) => self.left = left,
            None => {
                let most = STEPS + STEPS_PER_BYTE * self.text.len() as u64;
                return Err(SearchEnd::RanAway(format!("one search takes more than {most} steps")));
            }
        }
        Ok(())
    }

    fn branch(&mut self, kind: BranchKind, at: usize, position: usize) -> Result<(), SearchEnd> {
        if self.branches.len() == self.max_branches {
            return Err(SearchEnd::RanAway(format!("it remembers more than {} places", self.max_branches)));
        }
        self.branches.push(Branch { kind, at, position, changes: self.changes.len() });
        Ok(())
    }

    fn set(&mut self, register: usize, value: usize) -> Result<(), SearchEnd> {
        // Without a place to go back to, nothing has to be put back.
        if !self.branches.is_empty() {
            let max = 2 * self.max_branches;
            if self.changes.len() == max {
                return Err(SearchEnd::RanAway(format!("it remembers more than {max} positions")));
            }
            self.changes.push((register, self.registers[register]));
        }
        self.registers[register] = value;
        Ok(())
    }

    fn undo(&mut self, remaining: usize) -> Result<(), SearchEnd> {
        while self.changes.len() > remaining {
            self.step(1)?;
            if let Some((register, value)) = self.changes.pop() {
                self.registers[register] = value;
            }
        }
        Ok(())
    }
}
