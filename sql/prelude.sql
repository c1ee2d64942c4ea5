-- Before all else: what names mean in these scripts, and whose the schema is.

-- CREATE EXTENSION looks for names in the schema of pgvector as well, in which others may have made functions and operators
-- that fit better than those that are meant.
SET LOCAL search_path = pg_catalog, pg_temp;

-- What a document is made of, and what providers are sent, is UTF-8; so must be what the functions are given.
DO $$
BEGIN
    IF pg_catalog.getdatabaseencoding() OPERATOR(pg_catalog.<>) 'UTF8' THEN
        RAISE EXCEPTION 'pgai_rs needs a database in UTF-8'
            USING ERRCODE = 'feature_not_supported',
                  DETAIL = pg_catalog.format('The encoding of this database is %s.', pg_catalog.getdatabaseencoding()),
                  HINT = 'Create a database with ENCODING ''UTF8'' TEMPLATE template0, and move the data there by pg_dump.';
    END IF;
END
$$;

-- Whoever owns the schema can put tables of their own in the place of the extension's, which its worker reads as a superuser.
DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_namespace n
        JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) n.nspowner
        WHERE n.nspname OPERATOR(pg_catalog.=) 'ai' AND r.rolsuper)
    THEN
        RAISE EXCEPTION 'the schema ai must belong to a superuser'
            USING ERRCODE = 'insufficient_privilege',
                  DETAIL = 'The extension keeps its catalog there.',
                  HINT = 'Run ALTER SCHEMA ai OWNER TO a superuser, or drop the schema if it is empty.';
    END IF;
END
$$;
