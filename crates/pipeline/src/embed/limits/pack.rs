//! Packing: the number of inputs that go into a request.

use crate::settings::Settings;

/// The most that a request may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::embed) struct Limits {
    /// Inputs.
    pub inputs: usize,
    /// Estimated tokens of all inputs together.
    pub tokens: usize,
}

impl Limits {
    /// A provider that sets no limit, or whose limits are not known.
    pub(in crate::embed) const NONE: Limits = Limits { inputs: usize::MAX, tokens: usize::MAX };

    /// The operator's limits, of one at least.
    pub(in crate::embed) fn of(settings: &Settings) -> Self {
        Limits { inputs: settings.embedding_max_inputs.max(1), tokens: settings.embedding_max_tokens.max(1) }
    }

    /// Returns the limits that keep both.
    pub(in crate::embed) fn and(self, other: Limits) -> Limits {
        Limits { inputs: self.inputs.min(other.inputs), tokens: self.tokens.min(other.tokens) }
    }
}

/// Estimates the tokens of an input: a quarter of its UTF-8 bytes, rounded up, as OpenAI itself
/// estimates for its limit of a request. A provider that counts more strictly refuses the request, which
/// is then halved.
pub fn estimated_tokens(input: &str) -> usize {
    input.len().div_ceil(4).max(1)
}

/// The inputs and tokens that a request holds so far.
#[derive(Debug)]
pub(in crate::embed) struct Load {
    limits: Limits,
    inputs: usize,
    tokens: usize,
}

impl Load {
    /// An empty request.
    pub(in crate::embed) fn new(limits: Limits) -> Self {
        Load { limits, inputs: 0, tokens: 0 }
    }

    /// Takes an input of so many tokens if there is room for it. The first is always taken: one
    /// that is larger than a request travels alone, and the provider decides.
    pub(in crate::embed) fn take(&mut self, tokens: usize) -> bool {
        let fits = self.inputs < self.limits.inputs && self.tokens + tokens <= self.limits.tokens;
        if fits || self.inputs == 0 {
            self.inputs += 1;
            self.tokens += tokens;
            return true;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes of the requests that hold these inputs.
    fn pack(tokens: &[usize], limits: Limits) -> Vec<usize> {
        let mut sizes = Vec::new();
        let mut load = Load::new(limits);
        for &tokens in tokens {
            if !load.take(tokens) {
                sizes.push(load.inputs);
                load = Load::new(limits);
                assert!(load.take(tokens));
            }
        }
        sizes.push(load.inputs);
        sizes
    }

    #[test]
    fn fills_requests_to_the_limits() {
        let limits = Limits { inputs: 3, tokens: 10 };
        assert_eq!(pack(&[1; 7], limits), [3, 3, 1]);
        assert_eq!(pack(&[5, 5, 1, 9, 1], limits), [2, 2, 1]);
        assert_eq!(pack(&[5, 6, 5], limits), [1, 1, 1]);
    }

    #[test]
    fn an_input_over_the_limit_travels_alone() {
        assert_eq!(pack(&[1, 99, 1], Limits { inputs: 3, tokens: 10 }), [1, 1, 1]);
        assert_eq!(pack(&[1, 1], Limits { inputs: 0, tokens: 0 }), [1, 1]);
    }

    #[test]
    fn estimates_a_quarter_of_the_bytes() {
        assert_eq!(estimated_tokens(""), 1);
        assert_eq!(estimated_tokens("12345"), 2);
        assert_eq!(estimated_tokens("éééé"), 2);
    }
}
