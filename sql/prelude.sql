-- Before all else: what names mean in these scripts, and whose the schema is.

-- CREATE EXTENSION looks for names in the schema of pgvector as well, in which others may have made functions and operators
-- that fit better than those that are meant.
SET LOCAL search_path = pg_catalog, pg_temp;

-- What a document is made of, and what providers are sent, is UTF-8; so must be what the functions are given.
DO $$
BEGIN
    IF pg_catalog.getdatabaseencoding() OPERATOR(pg_catalog.<>) 'UTF8' THEN
        RAISE EXCEPTION 'pgai_rs requires a database with encoding UTF8'
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

-- Whoever may make something in the schema, or has made it, can give a function of the extension's name to those who call it: of
-- two of a name Postgres calls the one that fits better.
DO $$
DECLARE
    found pg_catalog.text;
BEGIN
    SELECT pg_catalog.string_agg(o.what, E'\n' ORDER BY o.what) INTO found
    FROM (SELECT pg_catalog.format('%s may create objects in it.', CASE WHEN a.grantee OPERATOR(pg_catalog.=) 0::pg_catalog.oid
                                   THEN 'PUBLIC' ELSE a.grantee::pg_catalog.regrole::pg_catalog.text END) AS what
          FROM pg_catalog.pg_namespace n
          CROSS JOIN LATERAL pg_catalog.aclexplode(n.nspacl) AS a
          LEFT JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) a.grantee
          WHERE n.nspname OPERATOR(pg_catalog.=) 'ai' AND a.privilege_type OPERATOR(pg_catalog.=) 'CREATE'
            AND r.rolsuper IS NOT TRUE
          UNION ALL
          SELECT pg_catalog.format('It has %s of %s.', pg_catalog.pg_describe_object('pg_catalog.pg_proc'::pg_catalog.regclass, p.oid, 0),
                                   pg_catalog.quote_ident(r.rolname))
          FROM pg_catalog.pg_proc p
          JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) p.proowner AND NOT r.rolsuper
          WHERE p.pronamespace OPERATOR(pg_catalog.=) pg_catalog.to_regnamespace('ai')::pg_catalog.oid) AS o;
    IF found IS NOT NULL THEN
        RAISE EXCEPTION 'the schema ai is open to roles that are no superusers'
            USING ERRCODE = 'insufficient_privilege',
                  DETAIL = found,
                  HINT = 'Run REVOKE CREATE ON SCHEMA ai FROM them, and drop what they have made there.';
    END IF;
END
$$;
