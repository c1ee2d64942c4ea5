//! Vectors of the length 1, which inner product and Euclidean distance compare as the cosine does.

/// The largest difference from 1 that is a matter of rounding, and left as the provider sent it.
const ROUNDING: f64 = 1e-3;

/// Brings a vector to the length 1. One that has no direction stays as it is.
pub(in crate::embed) fn normalize(vector: &mut [f32]) {
    let squares: f64 = vector.iter().map(|&number| f64::from(number) * f64::from(number)).sum();
    let length = squares.sqrt();
    if !length.is_normal() || (length - 1.0).abs() < ROUNDING {
        return;
    }
    for number in vector {
        *number = (f64::from(*number) / length) as f32;
    }
}

/// Keeps the first numbers of a vector, and brings it to the length 1 again: a model that was trained for it has said the most
/// with these (Kusupati et al., "Matryoshka Representation Learning", NeurIPS 2022, <https://arxiv.org/abs/2205.13147>).
pub(in crate::embed) fn shorten(vector: &mut Vec<f32>, dimensions: usize) {
    vector.truncate(dimensions);
    vector.shrink_to_fit();
    normalize(vector);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalized(mut vector: Vec<f32>) -> Vec<f32> {
        normalize(&mut vector);
        vector
    }

    #[test]
    fn brings_vectors_to_length_one() {
        assert_eq!(normalized(vec![3.0, -4.0]), [0.6, -0.8]);
        assert_eq!(normalized(vec![3.0e9, 4.0e9]), [0.6, 0.8]);
        assert_eq!(normalized(vec![0.6001, 0.8]), [0.6001, 0.8]);
    }

    #[test]
    fn shortens_to_the_first_numbers() {
        let mut vector = vec![3.0, -4.0, 12.0];
        shorten(&mut vector, 2);
        assert_eq!(vector, [0.6, -0.8]);
        shorten(&mut vector, 5);
        assert_eq!(vector, [0.6, -0.8]);
    }

    #[test]
    fn what_has_no_direction_stays() {
        assert_eq!(normalized(vec![0.0, 0.0]), [0.0, 0.0]);
        assert!(normalized(vec![f32::NAN, 1.0])[0].is_nan());
        assert_eq!(normalized(vec![f32::INFINITY, 1.0])[1], 1.0);
    }
}
