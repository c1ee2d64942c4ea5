-- Keys of models' providers that are set for this database.

-- Sealed with a key that lies in the server's data directory and in no database, and bound to the database, the name and the
-- URL. A dump has none of it: nobody could open it elsewhere.
CREATE TABLE ai._secret (
    name     text PRIMARY KEY,
    base_url text,
    sealed   bytea NOT NULL,
    set_by   name NOT NULL,
    set_at   timestamptz NOT NULL DEFAULT pg_catalog.now()
);
CREATE TRIGGER _changed AFTER INSERT OR UPDATE OR DELETE ON ai._secret
FOR EACH ROW EXECUTE FUNCTION ai._catalog_changed();
ALTER TABLE ai._secret ENABLE ALWAYS TRIGGER _changed;

-- Written by the extension alone, as the owner of the table, for whom policies don't hold: pg_write_all_data writes to whatever
-- has none.
ALTER TABLE ai._secret ENABLE ROW LEVEL SECURITY;
CREATE POLICY readable ON ai._secret FOR SELECT USING (true);

-- Sets a key, or another value of it: for its provider's own server, or for the one at base_url. It counts before the server's
-- of the same name. The administrator decides who may call it.
CREATE FUNCTION ai.set_secret(name text, value text, base_url text DEFAULT NULL) RETURNS void
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'set_secret_wrapper';
REVOKE EXECUTE ON FUNCTION ai.set_secret FROM PUBLIC;

CREATE FUNCTION ai.drop_secret(name text) RETURNS void
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'drop_secret_wrapper';
REVOKE EXECUTE ON FUNCTION ai.drop_secret FROM PUBLIC;

-- Whether this server can open it; NULL for who may not read ai.secrets.
CREATE FUNCTION ai._secret_is_readable(name text) RETURNS bool
LANGUAGE c STABLE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'secret_is_readable_wrapper';

-- Never a value.
CREATE VIEW ai.secrets AS
SELECT s.name, s.base_url, s.set_by, s.set_at, ai._secret_is_readable(s.name) AS readable
FROM ai._secret s;
