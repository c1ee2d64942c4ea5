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
    fn what_has_no_direction_stays() {
        assert_eq!(normalized(vec![0.0, 0.0]), [0.0, 0.0]);
        assert!(normalized(vec![f32::NAN, 1.0])[0].is_nan());
        assert_eq!(normalized(vec![f32::INFINITY, 1.0])[1], 1.0);
    }
}
