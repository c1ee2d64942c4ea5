//! `ai._vectorizer_errors`.

/// Counts an error on the row of the vectorizer `$1` with the same message `$2` and the same code and key in the
/// details `$3`.
pub const COUNT: &str = "
    UPDATE ai._vectorizer_errors
    SET recorded = now(), details = $3 || jsonb_build_object('count', (details ->> 'count')::int8 + 1)
    WHERE id = $1 AND message = $2 AND details ->> 'code' = $3 ->> 'code'
      AND details -> 'key' IS NOT DISTINCT FROM $3 -> 'key'";

/// Adds an error of the vectorizer `$1` with the message `$2` and the details `$3`.
pub const ADD: &str = "
    INSERT INTO ai._vectorizer_errors (id, message, details)
    VALUES ($1, $2, $3 || jsonb_build_object('count', 1))";

/// Deletes the oldest errors of the vectorizer `$1` beyond the number `$2`.
pub const TRIM: &str = "
    DELETE FROM ai._vectorizer_errors
    WHERE ctid = ANY (ARRAY(SELECT ctid FROM ai._vectorizer_errors WHERE id = $1
                            ORDER BY recorded DESC OFFSET $2))";
