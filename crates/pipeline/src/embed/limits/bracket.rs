//! The number of inputs that a server takes in a request, narrowed down between what it has taken and
//! what it has refused, where it does not say the number.

/// A request that is refused is made smaller by this factor until one is taken.
const STEP: usize = 8;
/// The number of refusals in a row that point to the number of inputs: one at fault is in the first part of a request
/// only once in [`STEP`] times.
const TELLING: u32 = 2;

/// The bounds that are known of the number.
#[derive(Debug)]
pub(in crate::embed) struct Bracket {
    /// The most inputs that were taken.
    taken: usize,
    /// The least that were refused.
    refused: usize,
    /// Refusals before anything was taken.
    steps: u32,
    /// `true` if the server says that the number of inputs is the reason.
    said: bool,
}

impl Bracket {
    /// The bounds after a request of so many inputs was refused.
    pub(in crate::embed) fn new(refused: usize, said: bool) -> Self {
        Bracket { taken: 0, refused, steps: 1, said }
    }

    /// Returns the number of inputs to ask for next; `None` if the largest number is known, or the
    /// refusals are not about the number.
    pub(in crate::embed) fn next(&self) -> Option<usize> {
        match self.taken {
            0 if self.refused <= 1 => None,
            0 => Some(self.refused.div_ceil(STEP)),
            taken if self.is_about_number() && self.refused - taken > 1 => Some(taken.midpoint(self.refused)),
            _ => None,
        }
    }

    /// A request of so many was taken.
    pub(in crate::embed) fn took(&mut self, inputs: usize) {
        self.taken = self.taken.max(inputs);
        self.refused = self.refused.max(self.taken + 1);
    }

    /// A request of so many was refused.
    pub(in crate::embed) fn refused(&mut self, inputs: usize) {
        self.steps += u32::from(self.taken == 0);
        self.refused = self.refused.min(inputs).max(self.taken + 1);
    }

    /// The most inputs that were taken.
    pub(in crate::embed) fn taken(&self) -> usize {
        self.taken
    }

    /// Returns a number of inputs to try with other inputs: if they are refused as well, the number is
    /// the reason, and no input. `None` where the server has said so itself.
    pub(in crate::embed) fn proof(&self) -> Option<usize> {
        self.most().filter(|_| !self.said).map(|_| self.refused)
    }

    /// The most inputs of a request, if it is their number that is refused.
    pub(in crate::embed) fn most(&self) -> Option<usize> {
        (self.taken > 0 && self.is_about_number()).then_some(self.taken)
    }

    fn is_about_number(&self) -> bool {
        self.said || self.steps >= TELLING
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns what a server that takes so many inputs is asked for, after `first` were refused.
    fn asked(first: usize, limit: usize) -> (Vec<usize>, Option<usize>) {
        let (mut bracket, mut asked) = (Bracket::new(first, false), Vec::new());
        while let Some(inputs) = bracket.next() {
            asked.push(inputs);
            match inputs <= limit {
                true => bracket.took(inputs),
                false => bracket.refused(inputs),
            }
        }
        (asked, bracket.most())
    }

    #[test]
    fn finds_the_number_in_a_few_requests() {
        assert_eq!(asked(1000, 10), (vec![125, 16, 2, 9, 12, 10, 11], Some(10)));
        for limit in [1, 2, 3, 8, 9, 10, 15, 16] {
            let (asked, most) = asked(1000, limit);
            assert_eq!(most, Some(limit));
            assert!(asked.len() <= 9, "{limit}: {asked:?}");
        }
    }

    #[test]
    fn one_refusal_may_be_an_inputs_doing() {
        assert_eq!(asked(1000, 125), (vec![125], None));
        assert_eq!(asked(1000, 0), (vec![125, 16, 2, 1], None));
    }

    #[test]
    fn a_server_that_says_so_is_believed() {
        let mut bracket = Bracket::new(10, true);
        assert_eq!(bracket.next(), Some(2));
        bracket.took(2);
        assert_eq!(bracket.next(), Some(6));
        bracket.refused(6);
        assert_eq!((bracket.next(), bracket.most()), (Some(4), Some(2)));
        bracket.took(4);
        assert_eq!(bracket.next(), Some(5));
        bracket.took(5);
        assert_eq!((bracket.next(), bracket.most()), (None, Some(5)));
    }
}
