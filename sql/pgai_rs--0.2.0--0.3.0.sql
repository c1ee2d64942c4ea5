-- From 0.2.0 to 0.3.0.

\echo Use "ALTER EXTENSION pgai_rs UPDATE" to load this file. \quit

-- CREATE EXTENSION looks for names in the schema of pgvector as well, in which others may have made functions and operators
-- that fit better than those that are meant.
SET LOCAL search_path = pg_catalog, pg_temp;

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

-- What somebody may have planted while 0.1.0 or 0.2.0 let them: refused where it would run in what follows, and reported where it
-- is made anew.
DO $$
DECLARE
    extension CONSTANT pg_catalog.oid := (
        SELECT e.oid FROM pg_catalog.pg_extension e WHERE e.extname OPERATOR(pg_catalog.=) 'pgai_rs');
    tables CONSTANT pg_catalog.oid[] := ARRAY(
        SELECT d.objid FROM pg_catalog.pg_depend d
        WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass
          AND d.refobjid OPERATOR(pg_catalog.=) extension AND d.deptype OPERATOR(pg_catalog.=) 'e'
          AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass);
    functions CONSTANT pg_catalog.oid[] := ARRAY(
        SELECT d.objid FROM pg_catalog.pg_depend d
        WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass
          AND d.refobjid OPERATOR(pg_catalog.=) extension AND d.deptype OPERATOR(pg_catalog.=) 'e'
          AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass);
    -- Functions and operators that are neither Postgres's, on which nothing is noted to depend, nor an extension's; or that
    -- belong to somebody who may have put them into one.
    strangers CONSTANT pg_catalog.text := $strangers$
        SELECT d.classid, d.objid, pg_catalog.pg_describe_object(d.refclassid, d.refobjid, 0) AS stranger
        FROM pg_catalog.pg_depend d
        WHERE d.refclassid OPERATOR(pg_catalog.=) ANY (ARRAY['pg_catalog.pg_proc', 'pg_catalog.pg_operator']::pg_catalog.regclass[])
          AND d.refobjid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
          AND (NOT EXISTS (SELECT FROM pg_catalog.pg_depend o
                           WHERE o.classid OPERATOR(pg_catalog.=) d.refclassid AND o.objid OPERATOR(pg_catalog.=) d.refobjid
                             AND o.deptype OPERATOR(pg_catalog.=) 'e')
               OR EXISTS (SELECT FROM pg_catalog.pg_proc p
                          JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) p.proowner AND NOT r.rolsuper
                          WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
                            AND p.oid OPERATOR(pg_catalog.=) d.refobjid)
               OR EXISTS (SELECT FROM pg_catalog.pg_operator o
                          JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) o.oprowner AND NOT r.rolsuper
                          WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_operator'::pg_catalog.regclass
                            AND o.oid OPERATOR(pg_catalog.=) d.refobjid))$strangers$;
    found pg_catalog.text;
BEGIN
    EXECUTE $attached$
        SELECT pg_catalog.string_agg(a.what, E'\n' ORDER BY a.what)
        FROM (SELECT pg_catalog.format('%s belongs to a role that is no superuser.', c.oid::pg_catalog.regclass) AS what
              FROM pg_catalog.pg_class c JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) c.relowner
              WHERE c.oid OPERATOR(pg_catalog.=) ANY ($1) AND NOT r.rolsuper
              UNION ALL
              SELECT pg_catalog.format('%s has the trigger %s.', t.tgrelid::pg_catalog.regclass, pg_catalog.quote_ident(t.tgname))
              FROM pg_catalog.pg_trigger t
              WHERE t.tgrelid OPERATOR(pg_catalog.=) ANY ($1) AND NOT t.tgisinternal AND NOT t.tgfoid OPERATOR(pg_catalog.=) ANY ($2)
              UNION ALL
              SELECT pg_catalog.format('%s has the rule %s.', w.ev_class::pg_catalog.regclass, pg_catalog.quote_ident(w.rulename))
              FROM pg_catalog.pg_rewrite w
              WHERE w.ev_class OPERATOR(pg_catalog.=) ANY ($1) AND w.rulename OPERATOR(pg_catalog.<>) '_RETURN'
              UNION ALL
              SELECT pg_catalog.format('%s has the policy %s.', p.polrelid::pg_catalog.regclass, pg_catalog.quote_ident(p.polname))
              FROM pg_catalog.pg_policy p WHERE p.polrelid OPERATOR(pg_catalog.=) ANY ($1)
              UNION ALL
              SELECT pg_catalog.format('%s inherits from %s.', i.inhrelid::pg_catalog.regclass, i.inhparent::pg_catalog.regclass)
              FROM pg_catalog.pg_inherits i
              WHERE i.inhparent OPERATOR(pg_catalog.=) ANY ($1) OR i.inhrelid OPERATOR(pg_catalog.=) ANY ($1)
              UNION ALL
              SELECT pg_catalog.format('%s of %s calls %s.', pg_catalog.pg_describe_object(s.classid, s.objid, 0),
                                       part.relation::pg_catalog.regclass, s.stranger)
              FROM ($attached$ OPERATOR(pg_catalog.||) strangers OPERATOR(pg_catalog.||) $attached$) AS s
              JOIN (SELECT 'pg_catalog.pg_attrdef'::pg_catalog.regclass::pg_catalog.oid, d.oid, d.adrelid FROM pg_catalog.pg_attrdef d
                    UNION ALL
                    SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass::pg_catalog.oid, c.oid, c.conrelid FROM pg_catalog.pg_constraint c
                    UNION ALL
                    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, x.indexrelid, x.indrelid FROM pg_catalog.pg_index x)
                   AS part (class, object, relation)
                ON part.class OPERATOR(pg_catalog.=) s.classid AND part.object OPERATOR(pg_catalog.=) s.objid
               AND part.relation OPERATOR(pg_catalog.=) ANY ($1)) AS a$attached$
    INTO found USING tables, functions;
    IF found IS NOT NULL THEN
        RAISE EXCEPTION 'the catalog of pgai_rs has something that is not its own'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = found,
                  HINT = 'It would run as a superuser. Look who made it, drop it, and look what else they have done.';
    END IF;

    EXECUTE $called$
        SELECT pg_catalog.string_agg(DISTINCT s.stranger, ', ' ORDER BY s.stranger)
        FROM ($called$ OPERATOR(pg_catalog.||) strangers OPERATOR(pg_catalog.||) $called$) AS s
        LEFT JOIN pg_catalog.pg_rewrite w
          ON w.oid OPERATOR(pg_catalog.=) s.objid
         AND s.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass
        WHERE w.ev_class OPERATOR(pg_catalog.=) ANY ($1)
           OR (s.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
               AND s.objid OPERATOR(pg_catalog.=) ANY ($2))$called$
    INTO found USING tables, functions;
    IF found IS NOT NULL THEN
        RAISE WARNING 'functions and views of pgai_rs have called what is not its own'
            USING DETAIL = pg_catalog.format('They called %s, as whoever used them. They are made anew, and do so no longer.', found),
                  HINT = 'Look who made it, and whether it was meant to run: somebody may have had the rights of a superuser.';
    END IF;

    SELECT pg_catalog.string_agg(pg_catalog.format('%s of %s',
               pg_catalog.pg_describe_object('pg_catalog.pg_proc'::pg_catalog.regclass, p.oid, 0), pg_catalog.quote_ident(r.rolname)),
               E'\n') INTO found
    FROM pg_catalog.pg_proc p
    JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) p.proowner AND NOT r.rolsuper
    WHERE p.pronamespace OPERATOR(pg_catalog.=) 'ai'::pg_catalog.regnamespace
      AND NOT p.oid OPERATOR(pg_catalog.=) ANY (functions)
      AND EXISTS (SELECT FROM pg_catalog.pg_proc own
                  WHERE own.oid OPERATOR(pg_catalog.=) ANY (functions) AND own.proname OPERATOR(pg_catalog.=) p.proname);
    IF found IS NOT NULL THEN
        RAISE EXCEPTION 'the schema ai has functions of others by the names of pgai_rs''s own'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = found,
                  HINT = 'Of two of a name Postgres calls the one that fits better. Look who made them, and drop them.';
    END IF;

    SELECT pg_catalog.string_agg(CASE WHEN a.grantee OPERATOR(pg_catalog.=) 0::pg_catalog.oid
                                      THEN 'PUBLIC' ELSE a.grantee::pg_catalog.regrole::pg_catalog.text END, ', ') INTO found
    FROM pg_catalog.pg_namespace n
    CROSS JOIN LATERAL pg_catalog.aclexplode(n.nspacl) AS a
    LEFT JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) a.grantee
    WHERE n.nspname OPERATOR(pg_catalog.=) 'ai' AND a.privilege_type OPERATOR(pg_catalog.=) 'CREATE' AND r.rolsuper IS NOT TRUE;
    IF found IS NOT NULL THEN
        RAISE WARNING 'roles that are no superusers may create objects in the schema ai: %', found
            USING DETAIL = 'They can make functions by the names of the extension''s own, which others then call.',
                  HINT = 'Run REVOKE CREATE ON SCHEMA ai FROM them.';
    END IF;

    SELECT pg_catalog.string_agg(o.what, ', ' ORDER BY o.what) INTO found
    FROM (SELECT pg_catalog.pg_describe_object('pg_catalog.pg_class'::pg_catalog.regclass, c.oid, 0) AS what
          FROM pg_catalog.pg_class c
          WHERE c.relnamespace OPERATOR(pg_catalog.=) 'ai'::pg_catalog.regnamespace
            AND c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'p', 'v', 'm', 'f']::pg_catalog."char"[])
            AND NOT c.oid OPERATOR(pg_catalog.=) ANY (tables)
            AND NOT c.relname OPERATOR(pg_catalog.~) '^_(vectorizer_(q|q_failed|work|origin)|s3_source_seen)_[0-9]+$'
          UNION ALL
          SELECT pg_catalog.pg_describe_object('pg_catalog.pg_proc'::pg_catalog.regclass, p.oid, 0)
          FROM pg_catalog.pg_proc p
          WHERE p.pronamespace OPERATOR(pg_catalog.=) 'ai'::pg_catalog.regnamespace
            AND NOT p.oid OPERATOR(pg_catalog.=) ANY (functions)) AS o;
    IF found IS NOT NULL THEN
        RAISE WARNING 'the schema ai has something that is not of pgai_rs'
            USING DETAIL = pg_catalog.format('It has %s.', found),
                  HINT = 'If nobody knows it, drop it.';
    END IF;
END
$$;

-- What others have made that depends on what is dropped below, or has a name that is new: said all at once and with its owners, for
-- Postgres would say it one by one, and tell of a name without saying what to do.
DO $$
DECLARE
    extension CONSTANT pg_catalog.oid := (
        SELECT e.oid FROM pg_catalog.pg_extension e WHERE e.extname OPERATOR(pg_catalog.=) 'pgai_rs');
    dropped CONSTANT pg_catalog.regclass[] := ARRAY['ai.vectorizer_errors', 'ai.vectorizer_status'];
    relations CONSTANT pg_catalog.name[] := ARRAY[
        '_vectorizer_binding', '_vectorizer_missed', '_compared_since_crash', '_secret', 'secrets', '_spent',
        'model_override', '_model_fact', '_model_said', 'models', '_usage', '_usage_priced', 'vectorizer_usage',
        '_budget', '_budget_used', '_budget_state', 'budgets', '_vectorizer_warning',
        '_vectorizer_rate', '_vectorizer_watched', 'vectorizer_progress', 'metrics', '_vectorizer_alteration', 'vectorizer_alterations',
        '_vectorizer_backfill', '_vectorizer_batch', '_vectorizer_batch_id_seq', '_vectorizer_batch_input', 'vectorizer_batches'];
    functions CONSTANT pg_catalog.text[] := ARRAY[
        'ai._catalog_changed()', 'ai._sees_all()', 'ai._sees_vectorizer(oid,oid,oid,oid)', 'ai._vectorizer_readable(oid)',
        'ai._vectorizer_pending(oid,oid,int8)', 'ai._watches_all()', 'ai._model_of(text)', 'ai._store_bytes(oid)',
        'ai._budget_begins(text)', 'ai.set_budget(float8,text,text,text,name,text,float8)',
        'ai.set_secret(text,text,text)', 'ai.drop_secret(text)', 'ai._secret_is_readable(text)',
        'ai._vectorizer_bind_all()', 'ai._vectorizer_keep_rights()', 'ai.chunking_markdown(int4,text,bool)',
        'ai.destination_table(name,name,name,name,name,bool,text)', 'ai._destination_table_of_0_2(name,name,name,name,name)',
        'ai.destination_column(name,text)', 'ai._destination_column_of_0_2(name)',
        'ai.indexing_hnsw(int4,text,int4,int4,bool,text)', 'ai._indexing_hnsw_of_0_2(int4,text,int4,int4,bool)',
        'ai.parse_document(bytea,text,text)', 'ai.parse_document(text,jsonb)',
        'ai.chunk_document(bytea,jsonb,text,text)', 'ai.chunk_document(text,jsonb,jsonb)',
        'ai.parsing_auto(bool)', 'ai.parsing_pymupdf(bool)', 'ai.parsing_docling(bool)',
        'ai._parsing_auto_of_0_2()', 'ai._parsing_pymupdf_of_0_2()', 'ai._parsing_docling_of_0_2()',
        'ai.processing_default(int4,int4,text)', 'ai._processing_default_of_0_2(int4,int4)',
        'ai.parsed_document(int4,jsonb)', 'ai.parsed_document(text,jsonb)',
        'ai.embedding_shortened(jsonb,int4)', 'ai.search_none()', 'ai.search_hybrid(regconfig)',
        'ai.alter_vectorizer(text,jsonb,jsonb,jsonb,jsonb,jsonb,jsonb,jsonb,jsonb,jsonb,interval,bool)', 'ai.alter_vectorizer(int4,jsonb,jsonb,jsonb,jsonb,jsonb,jsonb,jsonb,jsonb,jsonb,interval,bool)',
        'ai.switch_vectorizer(text)', 'ai.switch_vectorizer(int4)', 'ai.revert_vectorizer(text)', 'ai.revert_vectorizer(int4)',
        'ai.cancel_alteration(text)', 'ai.cancel_alteration(int4)',
        'ai.create_s3_source(text,text,text,text[],text[],int8,interval,text,text,text,text,text,bool,bool,bool,text[])', 'ai._create_s3_source_of_0_2(text,text,text,text[],text[],int8,interval,text,text,text,text,text,bool,bool,bool)',
        'ai.refresh_s3_metadata(int4)', 'ai.refresh_s3_metadata(text)',
        'ai.create_vectorizer(regclass,text,jsonb,jsonb,jsonb,jsonb,jsonb,jsonb,jsonb,jsonb,jsonb,name,name,name[],bool,bool,jsonb)',
        'ai._create_vectorizer_of_0_2(regclass,text,jsonb,jsonb,jsonb,jsonb,jsonb,jsonb,jsonb,jsonb,jsonb,name,name,name[],bool,bool)',
        'ai.explain_vectorizer(regclass,text,jsonb,jsonb,jsonb,jsonb,jsonb,jsonb,jsonb,jsonb,jsonb,name,name,name[],bool,bool,jsonb,int4)',
        'ai.explain_vectorizer(text,int4,jsonb,jsonb,jsonb,jsonb,jsonb,jsonb)',
        'ai.search(text[],text,int4,text,text[],float8,int4,bool,text,float8,float8,text,jsonb)',
        'ai.explain_search(text[],text,int4,text,text[],float8,int4,bool,text,float8,float8,text,jsonb)',
        'ai._evaluation(regclass)', 'ai.evaluate_search(text,regclass,int4,jsonb)', 'ai.evaluate_search(int4,regclass,int4,jsonb)',
        'ai.rerank_cohere(text,text,text,int4,text)', 'ai.rerank_voyageai(text,text,text,int4,text)',
        'ai.rerank_jina(text,text,text,int4,text)', 'ai.rerank_tei(text,text,int4,text)', 'ai._rerank_all(jsonb,text,text[],text)',
        'ai.cohere_rerank(text,text,text[],text,text,int4,int4,bool)', 'ai.cohere_rerank_simple(text,text,text[],text,text,int4,int4,bool)',
        'ai.voyageai_rerank(text,text,text[],text,text,int4,bool,bool)',
        'ai.voyageai_rerank_simple(text,text,text[],text,text,int4,bool,bool)',
        'ai.search(text,text,int4,text,text[],float8,int4,float8,bool,text,float8,float8,text,jsonb)',
        'ai.search(int4,text,int4,text,text[],float8,int4,float8,bool,text,float8,float8,text,jsonb)',
        (SELECT pg_catalog.format('ai.search(text,%I.vector,int4,text,text[],float8,int4,float8,bool,text,float8,float8,text,text,jsonb)', n.nspname)
         FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) e.extnamespace
         WHERE e.extname OPERATOR(pg_catalog.=) 'vector'),
        (SELECT pg_catalog.format('ai.search(int4,%I.vector,int4,text,text[],float8,int4,float8,bool,text,float8,float8,text,text,jsonb)', n.nspname)
         FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) e.extnamespace
         WHERE e.extname OPERATOR(pg_catalog.=) 'vector'),
        'ai.explain_search(text,text,int4,text,text[],float8,int4,float8,bool,text,float8,float8,text,jsonb)',
        'ai.explain_search(int4,text,int4,text,text[],float8,int4,float8,bool,text,float8,float8,text,jsonb)',
        (SELECT pg_catalog.format('ai.explain_search(text,%I.vector,int4,text,text[],float8,int4,float8,bool,text,float8,float8,text,text,jsonb)', n.nspname)
         FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) e.extnamespace
         WHERE e.extname OPERATOR(pg_catalog.=) 'vector'),
        (SELECT pg_catalog.format('ai.explain_search(int4,%I.vector,int4,text,text[],float8,int4,float8,bool,text,float8,float8,text,text,jsonb)', n.nspname)
         FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) e.extnamespace
         WHERE e.extname OPERATOR(pg_catalog.=) 'vector')];
    found pg_catalog.text;
BEGIN
    WITH gone (class, object) AS (
        SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, d::pg_catalog.oid FROM pg_catalog.unnest(dropped) AS d
        UNION ALL
        SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, t.oid
        FROM pg_catalog.pg_type t
        LEFT JOIN pg_catalog.pg_type e ON e.oid OPERATOR(pg_catalog.=) t.typelem
        WHERE t.typrelid OPERATOR(pg_catalog.=) ANY (dropped::pg_catalog.oid[])
           OR e.typrelid OPERATOR(pg_catalog.=) ANY (dropped::pg_catalog.oid[])
        UNION ALL
        SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass,
               pg_catalog.to_regprocedure('ai._vectorizer_readable(name,name)')::pg_catalog.oid
        UNION ALL
        SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass, pg_catalog.to_regprocedure(f)::pg_catalog.oid
        FROM pg_catalog.unnest(ARRAY['ai.destination_table(name,name,name,name,name)', 'ai.destination_column(name)',
                                     'ai.indexing_hnsw(int4,text,int4,int4,bool)',
                                     'ai.parsing_auto()', 'ai.parsing_pymupdf()', 'ai.parsing_docling()',
                                     'ai.processing_default(int4,int4)',
                                     'ai.create_s3_source(text,text,text,text[],text[],int8,interval,text,text,text,text,text,bool,bool,bool)',
                                     'ai.create_vectorizer(regclass,text,jsonb,jsonb,jsonb,jsonb,jsonb,jsonb,jsonb,jsonb,jsonb,name,name,name[],bool,bool)'])
             AS f),
    -- A view depends by its rule.
    dependents AS (
        SELECT CASE WHEN w.oid IS NULL THEN d.classid ELSE 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid END AS class,
               coalesce(w.ev_class, d.objid) AS object, d.objsubid AS part, g.class AS gone_class, g.object AS gone_object
        FROM gone g
        JOIN pg_catalog.pg_depend d ON d.refclassid OPERATOR(pg_catalog.=) g.class AND d.refobjid OPERATOR(pg_catalog.=) g.object
         AND d.deptype OPERATOR(pg_catalog.=) 'n'
        LEFT JOIN pg_catalog.pg_rewrite w
          ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND w.oid OPERATOR(pg_catalog.=) d.objid),
    named (class, object) AS (
        SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, c.oid
        FROM pg_catalog.pg_class c
        WHERE c.relnamespace OPERATOR(pg_catalog.=) 'ai'::pg_catalog.regnamespace
          AND c.relname OPERATOR(pg_catalog.=) ANY (relations)
        UNION ALL
        -- Types that are no table's.
        SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, t.oid
        FROM pg_catalog.pg_type t
        WHERE t.typnamespace OPERATOR(pg_catalog.=) 'ai'::pg_catalog.regnamespace
          AND t.typname OPERATOR(pg_catalog.=) ANY (relations)
          AND t.typtype OPERATOR(pg_catalog.<>) 'c'
        UNION ALL
        SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass, pg_catalog.to_regprocedure(f)::pg_catalog.oid
        FROM pg_catalog.unnest(functions) AS f),
    obstacles AS (
        SELECT d.class, d.object, d.part,
               ' depends on ' OPERATOR(pg_catalog.||) pg_catalog.pg_describe_object(d.gone_class, d.gone_object, 0) AS why
        FROM dependents d
        UNION ALL
        SELECT n.class, n.object, 0, ' has a name that the extension needs' FROM named n)
    SELECT pg_catalog.string_agg(DISTINCT
               pg_catalog.pg_describe_object(o.class, o.object, o.part)
               OPERATOR(pg_catalog.||) coalesce(' of ' OPERATOR(pg_catalog.||) pg_catalog.quote_ident(r.rolname), '')
               OPERATOR(pg_catalog.||) coalesce(', the queue of vectorizer ' OPERATOR(pg_catalog.||) v.name::pg_catalog.text OPERATOR(pg_catalog.||) ',', '')
               OPERATOR(pg_catalog.||) o.why OPERATOR(pg_catalog.||) '.', E'\n')
    INTO found
    FROM obstacles o
    LEFT JOIN pg_catalog.pg_class c
      ON o.class OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass AND c.oid OPERATOR(pg_catalog.=) o.object
    LEFT JOIN pg_catalog.pg_proc p
      ON o.class OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass AND p.oid OPERATOR(pg_catalog.=) o.object
    LEFT JOIN pg_catalog.pg_type t
      ON o.class OPERATOR(pg_catalog.=) 'pg_catalog.pg_type'::pg_catalog.regclass AND t.oid OPERATOR(pg_catalog.=) o.object
    LEFT JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) coalesce(c.relowner, p.proowner, t.typowner)
    LEFT JOIN ai.vectorizer v
      ON c.relnamespace OPERATOR(pg_catalog.=) 'ai'::pg_catalog.regnamespace
     AND v.queue_schema OPERATOR(pg_catalog.=) 'ai' AND v.queue_table OPERATOR(pg_catalog.=) c.relname
    WHERE o.object IS NOT NULL
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend m
                      WHERE m.classid OPERATOR(pg_catalog.=) o.class AND m.objid OPERATOR(pg_catalog.=) o.object
                        AND m.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass
                        AND m.refobjid OPERATOR(pg_catalog.=) extension AND m.deptype OPERATOR(pg_catalog.=) 'e');
    IF found IS NOT NULL THEN
        RAISE EXCEPTION 'something that is not of pgai_rs is in the way of its new version'
            USING ERRCODE = 'dependent_objects_still_exist',
                  DETAIL = found,
                  HINT = 'Drop what depends on it, and make it anew after ALTER EXTENSION pgai_rs UPDATE. Rename or move what has '
                         'such a name; with the queue of a vectorizer, in the same transaction, UPDATE ai.vectorizer SET queue_table '
                         'to its new name.';
    END IF;

    -- Those that have a new name, and other arguments.
    SELECT pg_catalog.string_agg(pg_catalog.format('%s of %s',
               pg_catalog.pg_describe_object('pg_catalog.pg_proc'::pg_catalog.regclass, p.oid, 0), pg_catalog.quote_ident(r.rolname)),
               E'\n') INTO found
    FROM pg_catalog.pg_proc p
    JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) p.proowner AND NOT r.rolsuper
    WHERE p.pronamespace OPERATOR(pg_catalog.=) 'ai'::pg_catalog.regnamespace
      AND p.proname OPERATOR(pg_catalog.=) ANY (ARRAY(
              SELECT pg_catalog.split_part(pg_catalog.split_part(f, '(', 1), '.', 2)::pg_catalog.name FROM pg_catalog.unnest(functions) AS f))
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend m
                      WHERE m.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass AND m.objid OPERATOR(pg_catalog.=) p.oid
                        AND m.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass
                        AND m.refobjid OPERATOR(pg_catalog.=) extension AND m.deptype OPERATOR(pg_catalog.=) 'e');
    IF found IS NOT NULL THEN
        RAISE EXCEPTION 'the schema ai has functions of others by the names of pgai_rs''s own'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = found,
                  HINT = 'Of two of a name Postgres calls the one that fits better. Look who made them, and drop them.';
    END IF;
END
$$;

-- What ties a vectorizer to its relations: a UUID, which its triggers have in their arguments, and OIDs.
-- Step by step: before 18, a table whose row type a function takes can't be rewritten.
ALTER TABLE ai.vectorizer ADD COLUMN uuid uuid;
UPDATE ai.vectorizer SET uuid = pg_catalog.gen_random_uuid();
ALTER TABLE ai.vectorizer ALTER COLUMN uuid SET DEFAULT pg_catalog.gen_random_uuid(), ALTER COLUMN uuid SET NOT NULL;

-- Whether the owner was a superuser when it was declared. Of those that are there the owner of now is all that is known: filled in
-- where they are bound, below.
ALTER TABLE ai.vectorizer ADD COLUMN for_superuser bool;
ALTER TABLE ai.s3_source ADD COLUMN for_superuser bool;
UPDATE ai.s3_source s SET for_superuser = r.rolsuper
FROM pg_catalog.pg_class w JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) w.relowner
WHERE w.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass('ai._s3_source_seen_' OPERATOR(pg_catalog.||) s.id::pg_catalog.text)::pg_catalog.oid;

-- Whether a listing was asked for that reads the metadata of all objects anew.
-- Without a default at first: with one, Postgres refuses it while somebody's column has the table's row type.
ALTER TABLE ai._s3_source_run ADD COLUMN refresh_metadata bool;
UPDATE ai._s3_source_run SET refresh_metadata = false;
ALTER TABLE ai._s3_source_run ALTER COLUMN refresh_metadata SET DEFAULT false, ALTER COLUMN refresh_metadata SET NOT NULL;

CREATE TABLE ai._vectorizer_binding (
    vectorizer_id int4 PRIMARY KEY REFERENCES ai.vectorizer (id) ON DELETE CASCADE,
    source        oid NOT NULL,
    inbox         oid NOT NULL UNIQUE,
    work          oid NOT NULL UNIQUE,
    failed        oid NOT NULL UNIQUE,
    origin        oid UNIQUE,
    store         oid,
    view          oid,
    words         oid UNIQUE,
    -- Whether all chunks of the store are known to have words.
    words_ready   bool,
    -- The config of the model that the vectors are of.
    embedding     jsonb
);
GRANT SELECT ON ai._vectorizer_binding TO PUBLIC;

-- Tables are known by OID now, and no longer by name.
DROP VIEW ai.vectorizer_errors, ai.vectorizer_status;
DROP FUNCTION ai._vectorizer_readable(name, name);

-- Since when changes may have been missed, and why. Appended to by the sessions that know of it, with the
-- transaction that made the change: no key, so that nobody waits for another, and nobody's transaction
-- fails because of it.
CREATE TABLE ai._vectorizer_missed (
    vectorizer_id int4 NOT NULL,
    since         timestamptz NOT NULL DEFAULT now(),
    reason        text NOT NULL
);
-- It can be emptied in a database that publishes all its tables.
ALTER TABLE ai._vectorizer_missed REPLICA IDENTITY FULL;
CREATE INDEX _vectorizer_missed_vectorizer_id_idx ON ai._vectorizer_missed (vectorizer_id, since);
SELECT pg_catalog.pg_extension_config_dump('ai._vectorizer_missed', '');

-- Vectorizers with tables that a crash empties, and that were compared since the last one: it empties
-- this table as well.
CREATE UNLOGGED TABLE ai._compared_since_crash (vectorizer_id int4 NOT NULL);

-- Of a table that is published, as all are by FOR ALL TABLES, Postgres refuses to update or to delete a
-- row that it could not tell a subscriber by its key, or else by the whole of it.
ALTER TABLE ai._vectorizer_errors REPLICA IDENTITY FULL;
ALTER TABLE ai._vectorizer_run_request REPLICA IDENTITY FULL;

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

-- What roles that are no superusers have spent of their daily quotas, by day of UTC. Written by the worker; no dump has it, for
-- the roles are those of this cluster.
CREATE TABLE ai._spent (
    role   oid NOT NULL,
    day    date NOT NULL,
    tokens bigint NOT NULL,
    bytes  bigint NOT NULL,
    PRIMARY KEY (role, day)
);

-- Without a policy, so that not even who may write all data can write off a debt.
ALTER TABLE ai._spent ENABLE ROW LEVEL SECURITY;

-- The operator's own facts about models: prices as they were agreed upon, models of own servers, ends that were announced later.
-- What is NULL is not said.
CREATE TABLE ai.model_override (
    -- The provider and the model, as LiteLLM writes them.
    model                  text NOT NULL CONSTRAINT model_override_model_check CHECK (model OPERATOR(pg_catalog.~) '^[^/]+/.'),
    -- The server, without a path, such as http://gpu:8000; empty for the provider's own.
    server                 text NOT NULL DEFAULT '',
    -- The first day on which it holds.
    since                  date NOT NULL DEFAULT '-infinity',
    usd_per_million_tokens numeric CONSTRAINT model_override_price_check
                               CHECK (usd_per_million_tokens >= 0 AND usd_per_million_tokens < 'Infinity'),
    dimensions             int4 CONSTRAINT model_override_dimensions_check CHECK (dimensions > 0),
    max_tokens             int4 CONSTRAINT model_override_max_tokens_check CHECK (max_tokens > 0),
    -- What the provider lets through for the account, by which the time of a backfill is known.
    requests_per_minute    int8 CONSTRAINT model_override_requests_check CHECK (requests_per_minute > 0),
    tokens_per_minute      int8 CONSTRAINT model_override_tokens_check CHECK (tokens_per_minute > 0),
    -- The last day on which it can be asked.
    ends                   date,
    source                 text,
    as_of                  date NOT NULL DEFAULT CURRENT_DATE,
    PRIMARY KEY (model, server, since)
);
SELECT pg_catalog.pg_extension_config_dump('ai.model_override', '');
ALTER TABLE ai.model_override ENABLE ROW LEVEL SECURITY;
CREATE POLICY readable ON ai.model_override FOR SELECT USING (true);
GRANT SELECT ON ai.model_override TO PUBLIC;

-- A row a vectorizer, a model and a day of UTC, for documents, queries and reranking each; of 400 days. Written by the worker with
-- its heartbeat. It has no reference to ai.vectorizer: what was spent stays spent when a vectorizer is dropped.
CREATE TABLE ai._usage (
    day              date NOT NULL,
    -- ai.vectorizer.uuid; zeroes for several together.
    vectorizer       uuid NOT NULL,
    purpose          text NOT NULL,
    model            text NOT NULL,
    server           text NOT NULL,
    vectorizer_id    int4 NOT NULL,
    -- The name that it had last.
    name             text NOT NULL,
    requests         int8 NOT NULL,
    inputs           int8 NOT NULL,
    bytes            int8 NOT NULL,
    documents        int8 NOT NULL,
    tokens           int8 NOT NULL,
    estimated_tokens int8 NOT NULL,
    -- The bytes for which the provider said what it bills.
    billed_bytes     int8 NOT NULL,
    PRIMARY KEY (day, vectorizer, purpose, model, server)
);
SELECT pg_catalog.pg_extension_config_dump('ai._usage', '');
ALTER TABLE ai._usage ENABLE ROW LEVEL SECURITY;

-- What may be used. Zeroes stand for no vectorizer and for no role; both for the database.
CREATE TABLE ai._budget (
    id         uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid() UNIQUE,
    -- ai.vectorizer.uuid.
    vectorizer uuid NOT NULL,
    role       oid NOT NULL,
    purpose    text NOT NULL CONSTRAINT _budget_purpose_check CHECK (purpose IN ('documents', 'queries')),
    period     text NOT NULL CONSTRAINT _budget_period_check CHECK (period IN ('day', 'month')),
    unit       text NOT NULL CONSTRAINT _budget_unit_check CHECK (unit IN ('tokens', 'usd')),
    amount     float8 NOT NULL CONSTRAINT _budget_amount_check CHECK (amount >= 0 AND amount <= 1e15),
    -- What had been used in the period in which it was set.
    before     float8 NOT NULL,
    since      date NOT NULL,
    PRIMARY KEY (vectorizer, role, purpose, period, unit)
);

-- Roles are those of this cluster.
SELECT pg_catalog.pg_extension_config_dump('ai._budget', 'WHERE role = 0');

-- What was used since. In a table of its own, so that the worker, which writes it, never waits for somebody who sets a budget.
CREATE TABLE ai._budget_used (
    budget uuid PRIMARY KEY,
    since  date NOT NULL,
    used   float8 NOT NULL
);
SELECT pg_catalog.pg_extension_config_dump('ai._budget_used', '');

-- Without a policy, so that nobody writes them but the extension.
ALTER TABLE ai._budget ENABLE ROW LEVEL SECURITY;
ALTER TABLE ai._budget_used ENABLE ROW LEVEL SECURITY;

-- The rate of each vectorizer in its last heartbeat in which it completed rows. Written by the worker; no dump has it.
CREATE TABLE ai._vectorizer_rate (
    vectorizer_id     int4 PRIMARY KEY,
    measured          timestamptz NOT NULL,
    rows_per_minute   float8 NOT NULL,
    chunks_per_minute float8 NOT NULL
);
ALTER TABLE ai._vectorizer_rate ENABLE ROW LEVEL SECURITY;

-- Changes of vectorizers for which another one is built beside, until it has taken the place and the old state is dropped.
CREATE TABLE ai._vectorizer_alteration (
    vectorizer_id      int4 PRIMARY KEY REFERENCES ai.vectorizer (id) ON DELETE CASCADE,
    other_id           int4 NOT NULL UNIQUE REFERENCES ai.vectorizer (id) ON DELETE CASCADE,
    switches_by_itself bool NOT NULL,
    keep_old           interval NOT NULL,
    begun_at           timestamptz NOT NULL DEFAULT now(),
    -- NULL before the other one has taken the place. From then on the other one has the old state.
    switched_at        timestamptz,
    problem            text
);
ALTER TABLE ai._vectorizer_alteration ENABLE ROW LEVEL SECURITY;
SELECT pg_catalog.pg_extension_config_dump('ai._vectorizer_alteration', '');

-- The transactions that have enqueued existing rows, whose rows have their time in queued_at. Without a key, so that two
-- vectorizers can change places.
CREATE TABLE ai._vectorizer_backfill (
    vectorizer_id int4 NOT NULL REFERENCES ai.vectorizer (id) ON DELETE CASCADE,
    queued_at     timestamptz NOT NULL
);
-- It can be emptied in a database that publishes all its tables.
ALTER TABLE ai._vectorizer_backfill REPLICA IDENTITY FULL;
CREATE INDEX _vectorizer_backfill_vectorizer_id_idx ON ai._vectorizer_backfill (vectorizer_id);

CREATE TABLE ai._vectorizer_batch (
    id             int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- NULL once the vectorizer is dropped: the worker then gives the batch up.
    vectorizer_id  int4 REFERENCES ai.vectorizer (id) ON DELETE SET NULL,
    -- The SHA-256 of all that decides the vectors of its inputs.
    model          bytea NOT NULL,
    -- The name under which its use is counted, also once the vectorizer is dropped; NULL if it has none.
    counted        text,
    state          text NOT NULL DEFAULT 'collecting' CONSTRAINT _vectorizer_batch_state_check
                       CHECK (state IN ('collecting', 'ready', 'uploaded', 'creating', 'submitted', 'done')),
    inputs         int4 NOT NULL DEFAULT 0,
    bytes          int8 NOT NULL DEFAULT 0,
    -- As estimated.
    tokens         int8 NOT NULL DEFAULT 0,
    -- The available_at of the rows that wait for it, by which they are known.
    held_until     timestamptz NOT NULL,
    opened_at      timestamptz NOT NULL,
    submitted_at   timestamptz,
    over_at        timestamptz,
    -- By which the provider's batch is found if its answer was lost.
    tag            uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
    -- The provider's ids.
    input_file     text,
    provider_batch text,
    problem        text
);
CREATE INDEX _vectorizer_batch_vectorizer_id_idx ON ai._vectorizer_batch (vectorizer_id);

CREATE TABLE ai._vectorizer_batch_input (
    batch_id    int8 NOT NULL REFERENCES ai._vectorizer_batch (id) ON DELETE CASCADE,
    place       int4 NOT NULL,
    -- SHA-256 of the text.
    digest      bytea NOT NULL,
    input       text,
    -- Numbers of four bytes, the lowest first.
    vector      bytea,
    -- The batch has brought no vector.
    is_ordinary bool NOT NULL DEFAULT false,
    PRIMARY KEY (batch_id, place)
);
CREATE INDEX _vectorizer_batch_input_digest_idx ON ai._vectorizer_batch_input (digest);

-- Without policies: they hold texts of rows, and nobody reads or writes them but the extension.
ALTER TABLE ai._vectorizer_backfill ENABLE ROW LEVEL SECURITY;
ALTER TABLE ai._vectorizer_batch ENABLE ROW LEVEL SECURITY;
ALTER TABLE ai._vectorizer_batch_input ENABLE ROW LEVEL SECURITY;

-- They have an argument more. Under their old names beside the new ones, a call would be ambiguous.
ALTER FUNCTION ai.destination_table(name, name, name, name, name) RENAME TO _destination_table_of_0_2;
ALTER FUNCTION ai.destination_column(name) RENAME TO _destination_column_of_0_2;
ALTER FUNCTION ai.indexing_hnsw(int4, text, int4, int4, bool) RENAME TO _indexing_hnsw_of_0_2;
ALTER FUNCTION ai.parsing_auto() RENAME TO _parsing_auto_of_0_2;
ALTER FUNCTION ai.parsing_pymupdf() RENAME TO _parsing_pymupdf_of_0_2;
ALTER FUNCTION ai.parsing_docling() RENAME TO _parsing_docling_of_0_2;
ALTER FUNCTION ai.processing_default(int4, int4) RENAME TO _processing_default_of_0_2;
ALTER FUNCTION ai.create_vectorizer(regclass, text, jsonb, jsonb, jsonb, jsonb, jsonb, jsonb, jsonb, jsonb, jsonb, name, name, name[], bool, bool)
RENAME TO _create_vectorizer_of_0_2;
ALTER FUNCTION ai.create_s3_source(text, text, text, text[], text[], int8, interval, text, text, text, text, text, bool, bool, bool)
RENAME TO _create_s3_source_of_0_2;

-- What functions and views call was looked up when they were made, in the schema of pgvector as well, in which others may
-- have planted what fits better. Made anew they call what is meant; and whoever has changed them loses that.
-- all functions and views of sql/

DROP FUNCTION ai._destination_table_of_0_2(name, name, name, name, name), ai._destination_column_of_0_2(name),
              ai._indexing_hnsw_of_0_2(int4, text, int4, int4, bool), ai._parsing_auto_of_0_2(),
              ai._parsing_pymupdf_of_0_2(), ai._parsing_docling_of_0_2(), ai._processing_default_of_0_2(int4, int4),
              ai._create_vectorizer_of_0_2(
                  regclass, text, jsonb, jsonb, jsonb, jsonb, jsonb, jsonb, jsonb, jsonb, jsonb, name, name, name[], bool, bool),
              ai._create_s3_source_of_0_2(
                  text, text, text, text[], text[], int8, interval, text, text, text, text, text, bool, bool, bool);

GRANT SELECT ON ai.vectorizer_errors, ai.vectorizer_status, ai.vectorizer_usage, ai.vectorizer_progress, ai.metrics, ai.budgets,
                ai.vectorizer_alterations, ai.vectorizer_batches,
                ai._model_fact, ai._model_said, ai.models TO PUBLIC;
REVOKE EXECUTE ON FUNCTION ai.set_secret, ai.drop_secret FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION
    ai.parse_document(bytea, text, text), ai.parse_document(text, jsonb),
    ai.chunk_document(bytea, jsonb, text, text), ai.chunk_document(text, jsonb, jsonb) FROM PUBLIC;

-- A config names buckets, roles, models and servers: it is shown to who may see the vectorizer. What the extension itself does
-- with these tables it does as their owner, for whom the policies don't hold.
ALTER TABLE ai._vectorizer_binding ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON ai._vectorizer_binding FOR SELECT
USING ((SELECT ai._sees_all()) OR ai._sees_vectorizer(source, inbox, store, view));

-- By its binding, of which the reader sees what the policy there shows. One that is not bound yet, as after a restore, is for
-- administrators.
ALTER TABLE ai.vectorizer ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON ai.vectorizer FOR SELECT
USING ((SELECT ai._sees_all()) OR EXISTS (
    SELECT FROM ai._vectorizer_binding b WHERE b.vectorizer_id OPERATOR(pg_catalog.=) vectorizer.id));

-- A URI and a config name buckets, roles and servers.
ALTER TABLE ai.s3_source ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON ai.s3_source FOR SELECT USING (ai._s3_source_is_visible(id, target));

-- Written by the extension alone, as the owner of the table, for whom policies don't hold: pg_write_all_data writes to whatever
-- has none.
ALTER TABLE ai._vectorizer_errors ENABLE ROW LEVEL SECURITY;
CREATE POLICY readable ON ai._vectorizer_errors FOR SELECT USING (true);
-- Administrators are granted to clear it; nothing is decided by what is in it.
CREATE POLICY clearable ON ai._vectorizer_errors FOR DELETE USING (true);
ALTER TABLE ai._vectorizer_missed ENABLE ROW LEVEL SECURITY;
CREATE POLICY readable ON ai._vectorizer_missed FOR SELECT USING (true);
ALTER TABLE ai._compared_since_crash ENABLE ROW LEVEL SECURITY;
CREATE POLICY readable ON ai._compared_since_crash FOR SELECT USING (true);
ALTER TABLE ai._vectorizer_run_request ENABLE ROW LEVEL SECURITY;
CREATE POLICY readable ON ai._vectorizer_run_request FOR SELECT USING (true);
ALTER TABLE ai._s3_source_state ENABLE ROW LEVEL SECURITY;
CREATE POLICY readable ON ai._s3_source_state FOR SELECT USING (true);
ALTER TABLE ai._s3_source_run ENABLE ROW LEVEL SECURITY;
CREATE POLICY readable ON ai._s3_source_run FOR SELECT USING (true);
ALTER TABLE ai._secret ENABLE ROW LEVEL SECURITY;
CREATE POLICY readable ON ai._secret FOR SELECT USING (true);
ALTER TABLE ai._vectorizer_worker_condition ENABLE ROW LEVEL SECURITY;
CREATE POLICY readable ON ai._vectorizer_worker_condition FOR SELECT USING (true);
ALTER TABLE ai.pgai_lib_version ENABLE ROW LEVEL SECURITY;
CREATE POLICY readable ON ai.pgai_lib_version FOR SELECT USING (true);
ALTER TABLE ai.pgai_lib_feature_flag ENABLE ROW LEVEL SECURITY;
CREATE POLICY readable ON ai.pgai_lib_feature_flag FOR SELECT USING (true);

-- Processes that keep what they have read of these tables are told with the commit that a row has changed.
REVOKE EXECUTE ON FUNCTION ai._catalog_changed() FROM PUBLIC;
CREATE TRIGGER _changed AFTER INSERT OR UPDATE OR DELETE ON ai.vectorizer
FOR EACH ROW EXECUTE FUNCTION ai._catalog_changed();
ALTER TABLE ai.vectorizer ENABLE ALWAYS TRIGGER _changed;
CREATE TRIGGER _changed AFTER INSERT OR UPDATE OR DELETE ON ai._vectorizer_binding
FOR EACH ROW EXECUTE FUNCTION ai._catalog_changed();
ALTER TABLE ai._vectorizer_binding ENABLE ALWAYS TRIGGER _changed;
CREATE TRIGGER _changed AFTER INSERT OR DELETE OR UPDATE OF vectorizer_id, other_id, switches_by_itself, keep_old, switched_at
ON ai._vectorizer_alteration FOR EACH ROW EXECUTE FUNCTION ai._catalog_changed();
ALTER TABLE ai._vectorizer_alteration ENABLE ALWAYS TRIGGER _changed;
CREATE TRIGGER _changed AFTER INSERT OR UPDATE OR DELETE ON ai._secret
FOR EACH ROW EXECUTE FUNCTION ai._catalog_changed();
ALTER TABLE ai._secret ENABLE ALWAYS TRIGGER _changed;
CREATE TRIGGER _changed AFTER INSERT OR UPDATE OR DELETE ON ai._budget
FOR EACH ROW EXECUTE FUNCTION ai._catalog_changed();
ALTER TABLE ai._budget ENABLE ALWAYS TRIGGER _changed;
CREATE TRIGGER _changed AFTER INSERT OR UPDATE OR DELETE ON ai.s3_source
FOR EACH ROW EXECUTE FUNCTION ai._catalog_changed();
ALTER TABLE ai.s3_source ENABLE ALWAYS TRIGGER _changed;
CREATE TRIGGER _changed AFTER INSERT OR DELETE OR UPDATE OF id, next_run ON ai._s3_source_state
FOR EACH ROW EXECUTE FUNCTION ai._catalog_changed();
ALTER TABLE ai._s3_source_state ENABLE ALWAYS TRIGGER _changed;
CREATE TRIGGER _changed AFTER INSERT OR DELETE OR UPDATE OF id, state ON ai._s3_source_run
FOR EACH ROW EXECUTE FUNCTION ai._catalog_changed();
ALTER TABLE ai._s3_source_run ENABLE ALWAYS TRIGGER _changed;
CREATE TRIGGER _changed AFTER INSERT OR UPDATE ON ai._vectorizer_run_request
FOR EACH ROW EXECUTE FUNCTION ai._catalog_changed();
ALTER TABLE ai._vectorizer_run_request ENABLE ALWAYS TRIGGER _changed;

-- The vectorizers that are there are bound at once, where their triggers, queues and owners agree; the triggers get the UUID.
CREATE FUNCTION ai._vectorizer_bind_all() RETURNS void
LANGUAGE c AS 'MODULE_PATHNAME', 'bind_all_wrapper';
SELECT ai._vectorizer_bind_all();
DROP FUNCTION ai._vectorizer_bind_all();

-- To declare is a right from now on. Those keep it who have vectorizers or S3 sources, or were given USAGE on the schema; the
-- script says who they are. Granted as users grant, for a dump leaves out what an extension's script grants.
REVOKE EXECUTE ON FUNCTION ai.embedding_openai, ai.embedding_ollama, ai.embedding_voyageai, ai.embedding_litellm,
                           ai.rerank_cohere, ai.rerank_voyageai, ai.rerank_jina, ai.rerank_tei,
                           ai.loading_uri, ai.create_s3_source FROM PUBLIC;
CREATE FUNCTION ai._vectorizer_keep_rights() RETURNS void
LANGUAGE c AS 'MODULE_PATHNAME', 'keep_rights_wrapper';
SELECT ai._vectorizer_keep_rights();
DROP FUNCTION ai._vectorizer_keep_rights();

-- A key's type may go by another name now, or its values may.
DROP EVENT TRIGGER _vectorizer_dropped;
CREATE EVENT TRIGGER _vectorizer_dropped ON sql_drop
WHEN TAG IN ('DROP TABLE', 'DROP SCHEMA', 'DROP OWNED', 'DROP TYPE', 'DROP DOMAIN', 'DROP EXTENSION', 'DROP FUNCTION',
             'DROP PROCEDURE', 'DROP ROUTINE', 'DROP AGGREGATE', 'DROP OPERATOR', 'DROP OPERATOR CLASS', 'DROP OPERATOR FAMILY',
             'DROP COLLATION', 'DROP ACCESS METHOD', 'DROP LANGUAGE', 'DROP FOREIGN TABLE', 'DROP SERVER',
             'DROP FOREIGN DATA WRAPPER')
EXECUTE FUNCTION ai._vectorizer_definition_changed();
DROP EVENT TRIGGER _vectorizer_altered;
CREATE EVENT TRIGGER _vectorizer_altered ON ddl_command_end
WHEN TAG IN ('ALTER TABLE', 'ALTER VIEW', 'ALTER INDEX', 'ALTER MATERIALIZED VIEW', 'ALTER FOREIGN TABLE',
             'ALTER SCHEMA', 'CREATE TABLE', 'CREATE SCHEMA',
             'ALTER TYPE', 'ALTER DOMAIN', 'ALTER COLLATION', 'ALTER EXTENSION', 'GRANT', 'REVOKE', 'DROP OWNED')
EXECUTE FUNCTION ai._vectorizer_definition_changed();

-- Vectors that were cut short have the length 1 from now on. Those that are there have not, and compare by the angle alone.
DO $$
DECLARE
    names text;
BEGIN
    SELECT pg_catalog.string_agg(v.name, ', ' ORDER BY v.name) INTO names
    FROM ai.vectorizer v, pg_catalog.jsonb_extract_path(v.config, 'embedding') AS e
    WHERE pg_catalog.jsonb_extract_path_text(e, 'implementation') OPERATOR(pg_catalog.=) 'litellm'
      AND ((pg_catalog.jsonb_extract_path_text(e, 'model') OPERATOR(pg_catalog.~) '^(gemini|vertex_ai)/'
            AND pg_catalog.jsonb_extract_path_text(e, 'dimensions')::pg_catalog.int4 OPERATOR(pg_catalog.<) 3072)
           OR (pg_catalog.jsonb_extract_path_text(e, 'model') OPERATOR(pg_catalog.~) 'embed-v4|codestral-embed'
               AND pg_catalog.jsonb_extract_path_text(e, 'dimensions')::pg_catalog.int4 OPERATOR(pg_catalog.<) 1536));
    IF names IS NOT NULL THEN
        RAISE WARNING 'new vectors of these vectorizers have another length than those that are there: %', names
            USING DETAIL = 'Their models leave the length of shortened vectors as it is; now it is brought to 1.',
                  HINT = 'Where they are compared by <#> or <->, run UPDATE on each store: SET embedding = l2_normalize(embedding). '
                         'Comparing by <=> needs nothing.';
    END IF;
END
$$;

-- Row security of a source holds for the chunks from now on, once it is switched on. To do it here would show less to those who
-- rely on what they see.
DO $$
DECLARE
    tables text;
BEGIN
    SELECT pg_catalog.string_agg(DISTINCT b.source::pg_catalog.regclass::pg_catalog.text, ', ') INTO tables
    FROM ai._vectorizer_binding b
    JOIN pg_catalog.pg_class s ON s.oid OPERATOR(pg_catalog.=) b.source
    JOIN pg_catalog.pg_class t ON t.oid OPERATOR(pg_catalog.=) b.store
    WHERE s.relrowsecurity AND NOT t.relrowsecurity;
    IF tables IS NOT NULL THEN
        RAISE WARNING 'row security does not hold for the chunks of these tables: %', tables
            USING DETAIL = 'Whoever may read their stores, or the views on them, sees the chunks of all rows.',
                  HINT = 'Run ALTER TABLE … ENABLE ROW LEVEL SECURITY on each once more: from 0.3.0 on it holds for the chunks, too.';
    END IF;
END
$$;

-- A name and a password in a URL are refused now. Those that are there are removed, for everybody may read them.
DO $$
DECLARE
    path pg_catalog.text[];
    named pg_catalog.text;
BEGIN
    FOREACH path SLICE 1 IN ARRAY ARRAY[
        ARRAY['embedding', 'base_url', NULL], ARRAY['embedding', 'extra_options', 'api_base'], ARRAY['loading', 'endpoint', NULL]]
    LOOP
        path := pg_catalog.array_remove(path, NULL);
        FOR named IN
            UPDATE ai.vectorizer v
            SET config = pg_catalog.jsonb_set(v.config, path, pg_catalog.to_jsonb(pg_catalog.regexp_replace(
                    pg_catalog.jsonb_extract_path_text(v.config, VARIADIC path), '^([^/]*//)[^/]*@', '\1')))
            WHERE pg_catalog.jsonb_extract_path_text(v.config, VARIADIC path) OPERATOR(pg_catalog.~) '^[^/]*//[^/]*@'
            RETURNING v.name
        LOOP
            RAISE WARNING 'a name and a password were removed from a URL of the vectorizer %', named
                USING HINT = 'Give its server a key by api_key_name, or let the administrator set the URL.';
        END LOOP;
    END LOOP;

    FOREACH named IN ARRAY ARRAY['endpoint', 'queue_url'] LOOP
        UPDATE ai.s3_source s
        SET config = pg_catalog.jsonb_set(s.config, ARRAY[named], pg_catalog.to_jsonb(pg_catalog.regexp_replace(
                pg_catalog.jsonb_extract_path_text(s.config, named), '^([^/]*//)[^/]*@', '\1')))
        WHERE pg_catalog.jsonb_extract_path_text(s.config, named) OPERATOR(pg_catalog.~) '^[^/]*//[^/]*@';
    END LOOP;
END
$$;
