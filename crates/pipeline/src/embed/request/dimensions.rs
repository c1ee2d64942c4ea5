//! The numbers of dimensions that a model's vectors may have, where its provider says so.

/// The largest number of dimensions of a vector: pgvector's limit for its type `vector`.
pub(in crate::embed) const MOST_DIMENSIONS: usize = 16_000;

/// The dimensions of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::embed) enum Dimensions {
    /// They are not known here; the answer tells.
    Unknown,
    /// Always these: the model takes no number.
    Fixed(u32),
    /// Any of these.
    OneOf(&'static [u32]),
    /// Any number up to this.
    UpTo(u32),
}

impl Dimensions {
    /// Returns whether a request says the number that it wants.
    pub(in crate::embed) fn can_be_chosen(self) -> bool {
        !matches!(self, Dimensions::Fixed(_))
    }

    /// Returns whether a vector with so many dimensions is a part of what the model makes.
    pub(in crate::embed) fn shortens(self, dimensions: u32) -> bool {
        let most = match self {
            Dimensions::UpTo(most) => Some(most),
            Dimensions::OneOf(all) => all.iter().copied().max(),
            Dimensions::Unknown | Dimensions::Fixed(_) => None,
        };
        dimensions > 0 && most.is_some_and(|most| dimensions < most)
    }

    /// Returns the objection to a number that is known to be wrong.
    pub(in crate::embed) fn objection(self, dimensions: u32, model: &str) -> Option<String> {
        let must_be = match self {
            Dimensions::Fixed(only) if dimensions != only => only.to_string(),
            Dimensions::UpTo(most) if dimensions > most => format!("at most {most}"),
            Dimensions::OneOf(all) if !all.contains(&dimensions) => {
                let all: Vec<String> = all.iter().map(u32::to_string).collect();
                format!("one of {}", all.join(", "))
            }
            _ => return None,
        };
        Some(format!("dimensions must be {must_be} for {model}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_is_cut_short() {
        assert!(Dimensions::UpTo(3072).shortens(3071));
        assert!(!Dimensions::UpTo(3072).shortens(3072));
        assert!(!Dimensions::UpTo(3072).shortens(0));
        assert!(Dimensions::OneOf(&[256, 1536, 512]).shortens(512));
        assert!(!Dimensions::OneOf(&[256, 1536, 512]).shortens(1536));
        assert!(!Dimensions::Unknown.shortens(9) && !Dimensions::Fixed(9).shortens(8));
    }

    #[test]
    fn tells_what_a_model_can_do() {
        let objection = |known: Dimensions, n| known.objection(n, "m").unwrap_or_default();
        assert_eq!(objection(Dimensions::Fixed(1024), 512), "dimensions must be 1024 for m");
        assert_eq!(objection(Dimensions::UpTo(1536), 1537), "dimensions must be at most 1536 for m");
        assert_eq!(
            objection(Dimensions::OneOf(&[256, 512]), 768),
            "dimensions must be one of 256, 512 for m"
        );
        for (known, n) in [
            (Dimensions::Unknown, 9),
            (Dimensions::Fixed(9), 9),
            (Dimensions::UpTo(9), 9),
            (Dimensions::OneOf(&[9]), 9),
        ] {
            assert_eq!(objection(known, n), "");
        }
    }
}
