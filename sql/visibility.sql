-- Who sees what of the catalog. The tables have policies that ask these functions, which look nothing up by a name.

-- Whether the caller sees every vectorizer and every S3 source: the database's owner, and who looks after all of them.
CREATE FUNCTION ai._sees_all() RETURNS bool
LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'sees_all_wrapper';

-- Whether the caller sees the vectorizer of these relations: its owner, and whoever may read one of them.
CREATE FUNCTION ai._sees_vectorizer(source oid, inbox oid, store oid, view oid) RETURNS bool
LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'sees_vectorizer_wrapper';
