-- Who may use what.

-- The given roles and those of the setting ai.grant_to_default (a comma-separated list).
CREATE FUNCTION ai.grant_to(VARIADIC grantees name[]) RETURNS name[]
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
RETURN coalesce(
    (SELECT array_agg(DISTINCT role)
     FROM (SELECT unnest(grantees) AS role
           UNION ALL
           SELECT trim(item)::name
           FROM string_to_table(current_setting('ai.grant_to_default', true), ',') AS item) AS roles
     WHERE role <> ''),
    '{}');

CREATE FUNCTION ai.grant_to() RETURNS name[]
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
RETURN ai.grant_to(VARIADIC '{}'::name[]);

-- What a role needs to have vectorizers on its tables, whatever they fetch and send, and S3 sources; admin: also to look after
-- the others'.
CREATE FUNCTION ai.grant_vectorizer_usage(to_user name, admin bool DEFAULT false) RETURNS void
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'grant_vectorizer_usage_wrapper';
