-- The worker of this database.

-- Starts a worker for this database where none runs, and returns its process id. With the library
-- in shared_preload_libraries this is done without asking.
CREATE FUNCTION ai.start_worker() RETURNS int4
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'start_worker_wrapper';
REVOKE EXECUTE ON FUNCTION ai.start_worker() FROM PUBLIC;

-- Tells the launcher of this database at commit, or the user what is missing.
CREATE FUNCTION ai._extension_created() RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'extension_created_wrapper';
REVOKE EXECUTE ON FUNCTION ai._extension_created() FROM PUBLIC;

SELECT ai._extension_created();
