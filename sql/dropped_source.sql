-- A source that is dropped takes its vectorizer along, with queue, store and view: embeddings of rows
-- that are gone are no longer f(source).
--
-- In PL/pgSQL, so that a DROP that concerns no vectorizer needs nothing of the library; and whatever
-- goes wrong here is a warning, for the user's DROP is his own affair.

CREATE FUNCTION ai._vectorizer_forget(vectorizer_id int4) RETURNS void
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'forget_vectorizer_wrapper';

-- As whoever drops something. A source is known by the trigger for TRUNCATE that each has.
CREATE FUNCTION ai._vectorizer_source_dropped() RETURNS event_trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    vectorizer_id int4;
BEGIN
    FOR vectorizer_id IN
        WITH dropped AS MATERIALIZED (SELECT d.object_type, d.address_names FROM pg_event_trigger_dropped_objects() d)
        SELECT DISTINCT substring(d.address_names[3] FROM '^_vectorizer_src_trg_([0-9]{1,9})_truncate$')::int4
        FROM dropped d
        JOIN dropped source ON source.object_type = 'table' AND source.address_names = d.address_names[1:2]
        WHERE d.object_type = 'trigger' AND d.address_names[3] ~ '^_vectorizer_src_trg_[0-9]{1,9}_truncate$'
    LOOP
        BEGIN
            PERFORM ai._vectorizer_forget(vectorizer_id);
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING 'the vectorizer % of the dropped table is still there', vectorizer_id
                USING DETAIL = SQLERRM, HINT = format('SELECT ai.drop_vectorizer(%s, drop_all => true);', vectorizer_id);
        END;
    END LOOP;
END
$$;
REVOKE EXECUTE ON FUNCTION ai._vectorizer_source_dropped() FROM PUBLIC;

CREATE EVENT TRIGGER _pgai_rs_source_dropped ON sql_drop
WHEN TAG IN ('DROP TABLE', 'DROP SCHEMA', 'DROP OWNED')
EXECUTE FUNCTION ai._vectorizer_source_dropped();
