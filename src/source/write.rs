//! Rows in one transaction, or in ever smaller ones until the row at fault is alone.

use crate::pg::error::PgError;

/// Most rows of a batch that may be refused. With more it is not the rows, and trying each would
/// only take long.
const MOST_REFUSED: usize = 16;

/// A row that the table refuses, by a constraint or a trigger.
#[derive(Debug, Clone)]
pub struct Refused {
    /// Its address.
    pub uri: String,
    /// Why.
    pub error: PgError,
}

/// What writes rows, all or nothing.
type Write<'a, T> = dyn FnMut(&[(String, T)]) -> Result<(), PgError> + 'a;

/// Hands rows to `write`, which writes all or nothing; on an error their halves.
///
/// # Errors
///
/// Contention at once, for the same rows will do later. The last error, if more than
/// [`MOST_REFUSED`] rows are refused.
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
