//! Writes rows in one transaction, or in ever smaller ones until the rows that are refused are alone.

use crate::pg::error::PgError;

/// The largest number of rows of a batch that may be refused. If there are more, the cause is not in the
/// rows, and trying each one would only take time.
const MOST_REFUSED: usize = 16;

/// A row that a constraint or a trigger of the table refused.
#[derive(Debug, Clone)]
pub struct Refused {
    /// Its address.
    pub uri: String,
    /// The error.
    pub error: PgError,
}

/// A function that writes all of the rows or none.
type Write<'a, T> = dyn FnMut(&[(String, T)]) -> Result<(), PgError> + 'a;

/// Hands rows to `write`, and after an error their halves. Returns the rows that were refused alone.
///
/// # Errors
///
/// Contention and costly errors are returned at once, because smaller parts would meet them again. The last
/// error is returned if more than [`MOST_REFUSED`] rows are refused.
pub fn each<T>(rows: &[(String, T)], write: &mut Write<'_, T>) -> Result<Vec<Refused>, PgError> {
    let mut refused = Vec::new();
    halves(rows, write, &mut refused)?;
    Ok(refused)
}

fn halves<T>(
    rows: &[(String, T)],
    write: &mut Write<'_, T>,
    refused: &mut Vec<Refused>,
) -> Result<(), PgError> {
    let Some((first, others)) = rows.split_first() else { return Ok(()) };
    match write(rows) {
        Ok(()) => Ok(()),
        // Parts of it would cost as much again.
        Err(error) if error.is_contention() || error.is_costly() => Err(error),
        Err(error) if others.is_empty() => {
            refused.push(Refused { uri: first.0.clone(), error: error.clone() });
            if refused.len() > MOST_REFUSED {
                return Err(error);
            }
            Ok(())
        }
        Err(_) => {
            let (left, right) = rows.split_at(rows.len() / 2);
            halves(left, write, refused)?;
            halves(right, write, refused)
        }
    }
}
