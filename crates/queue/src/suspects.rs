//! Rows that a worker held when it ended without a word of them: one of them may be what ended it.
//!
//! An operator's signal and a crash of the server end a worker, too, and whoever holds a thousand rows then knows of none of them
//! what it was. So [`recover`] marks the rows, and they are claimed apart from the others, the fewer at a
//! time the more often it has happened ([`claim`](crate::claim::claim)), and no more before these have come to an end. A row that
//! does so is like any other again. Those in the end that were alone when the worker ended, again and again, are set aside.

use std::time::Duration;

use pgai_rs_pipeline::failure::{Failure, Retry, Step};

use crate::definition::Definition;
use crate::session::{Connection, Param, Session};
use crate::sql::suspects;
use crate::work::Claimed;

/// The shortest pause between two looks for suspects, of which none could be claimed.
pub const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// The smallest number of retries that a row has as a suspect, lest those be set aside that were there when an operator
/// ended the worker a few times.
const FEWEST_RETRIES: u32 = 3;

/// Returns the time until the next suspect is due; zero if one is, and `None` if there are none.
pub fn next<C: Connection>(connection: &mut C, v: &Definition) -> Result<Option<Duration>, C::Error> {
    let next = connection.query(&suspects::next(v), &[], |row| row.get_opt::<i64>(1))?;
    let left = |millis: i64| Duration::from_millis(millis.max(0).unsigned_abs());
    Ok(next.into_iter().flatten().next().map(left))
}

/// Takes those suspects out of claims with which the worker has ended after all their retries. They are to be set aside
/// without being read, with their [`failure`].
pub fn take_hopeless(claims: &mut Vec<Claimed>, retries: u32) -> Vec<Claimed> {
    let most = i32::try_from(retries.max(FEWEST_RETRIES)).unwrap_or(i32::MAX);
    // The claim itself is no attempt: nothing comes of it.
    let hopeless =
        claims.extract_if(.., |claim| claim.is_suspect && claim.attempts.saturating_sub(2) >= most);
    hopeless.map(|claim| Claimed { attempts: claim.attempts - 1, ..claim }).collect()
}

/// Returns the failure of a row with which the worker has ended so many times.
pub fn failure(times: i32) -> Failure {
    let message = format!(
        "the worker has ended, in {times} attempts, while it processed the row; or the server has, and the worker with it"
    );
    Failure::new(Step::Loading, "worker_ended", message, Retry::Never).with_hint(
        "See the server log for what ended the worker: if its memory ran out, shorten the row's document, or lower \
         pgai_rs.worker_memory_limit. Then call ai.retry_failed.",
    )
}

/// Marks rows as suspects again that were given back.
pub(crate) fn mark<'a, C: Connection>(
    connection: &mut C,
    v: &Definition,
    claims: impl Iterator<Item = &'a Claimed>,
) -> Result<(), C::Error> {
    let suspect: Vec<&Claimed> = claims.filter(|claim| claim.is_suspect).collect();
    if suspect.is_empty() {
        return Ok(());
    }
    let keys = v.keys(suspect.iter().map(|claim| &claim.key));
    connection.execute(&suspects::mark(v), &keys.params()).map(drop)
}

/// Releases the rows that dead workers hold, or an earlier process with this one's id, as suspects, in a transaction of its
/// own: each after the pause of a retry if it was tried before. Those that this process holds itself, by leases between the two,
/// are released as if they had not been claimed. Returns whether there are suspects.
pub fn recover<S: Session>(
    session: &mut S,
    v: &Definition,
    own_leases: (i64, i64),
    backoff: (Duration, Duration),
) -> Result<bool, S::Error> {
    let args = [
        Param::Int4(session.holder()),
        Param::Int8(own_leases.0),
        Param::Int8(own_leases.1),
        Param::Float8(backoff.0.as_secs_f64()),
        Param::Float8(backoff.1.as_secs_f64()),
    ];
    session.transaction(|s| {
        s.as_owner(|s| {
            s.execute(&suspects::recover(v), &args)?;
            Ok(next(s, v)?.is_some())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyValues;

    fn claimed(attempts: i32, is_suspect: bool) -> Claimed {
        let key = KeyValues(vec!["1".to_owned()]);
        Claimed { vectorizer: 1, key, generation: 1, attempts, lease: 1, is_suspect, chunks: None }
    }

    #[test]
    fn a_row_is_hopeless_after_as_many_retries_as_it_has_and_three_at_least() {
        for (retries, attempts) in [(0, 4), (3, 4), (6, 7)] {
            let mut claims = vec![claimed(attempts, true), claimed(attempts + 1, true), claimed(100, false)];
            let hopeless = take_hopeless(&mut claims, retries);
            assert_eq!(hopeless.iter().map(|claim| claim.attempts).collect::<Vec<_>>(), [attempts]);
            assert_eq!(claims.len(), 2);
        }
    }
}
