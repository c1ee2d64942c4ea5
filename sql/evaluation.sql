-- How good the answers of a search are, by questions whose right documents are known. With the caller's own rights.

-- The statement that evaluates; $1 is the vectorizer, $2 is k, $3 ranks what is found. Errors if a column of the questions has
-- a type whose owner may have planted a cast, which would run as whoever evaluates, or if the key is no JSON. Other columns are not
-- read.
-- By nDCG with linear gain, as trec_eval has it: grade / log2(rank + 1), over that of the best order that there is.
CREATE FUNCTION ai._evaluation(questions regclass) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    planted record;
    grade text := '1::float8';
BEGIN
    SELECT a.attname, format_type(a.atttypid, a.atttypmod) AS type INTO planted
    FROM pg_attribute a
    WHERE a.attrelid = questions AND a.attname IN ('query', 'key', 'grade') AND NOT a.attisdropped
      AND (WITH RECURSIVE below (oid, base) AS (
               SELECT t.oid, t.typbasetype FROM pg_type t WHERE t.oid = a.atttypid
               UNION ALL
               SELECT t.oid, t.typbasetype FROM below b JOIN pg_type t ON t.oid = b.base)
           SELECT b.oid >= 16384 OR a.attname = 'key' AND b.oid <> ALL ('{json,jsonb,text,varchar}'::regtype[])
           FROM below b WHERE b.base = 0)
    ORDER BY a.attnum LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'column % of % has type %', quote_ident(planted.attname), questions, planted.type
            USING ERRCODE = 'datatype_mismatch', HINT = 'Convert it to a type of Postgres''s own, the key to jsonb, for instance in a view.';
    END IF;

    IF EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = questions AND a.attname = 'grade' AND NOT a.attisdropped) THEN
        grade := 'coalesce(nullif(format(''%s'', q.grade), '''')::float8, 1)';
    END IF;
    RETURN format($statement$
    WITH judged AS (
        -- By their texts, which no cast makes: the types may be others by now than those that were looked at. The blanks that
        -- fill up a char(n) are no part of a question.
        SELECT rtrim(format('%%s', q.query), ' ') AS query, format('%%s', q.key)::jsonb AS key, max(greatest(%s, 0)) AS grade
        FROM %s AS q
        WHERE q.query IS NOT NULL AND q.key IS NOT NULL
        GROUP BY 1, 2),
    -- A question without a right document tells nothing.
    best AS (
        SELECT g.query, count(*) AS documents, sum(g.grade / (ln(g.place + 1) / ln(2))) FILTER (WHERE g.place <= $2) AS dcg
        FROM (SELECT j.query, j.grade, row_number() OVER (PARTITION BY j.query ORDER BY j.grade DESC) AS place
              FROM judged j WHERE j.grade > 0) g
        GROUP BY g.query),
    -- Words are looked for where they are kept.
    modes AS (
        SELECT m.mode FROM unnest(ARRAY['vector', 'text', 'hybrid']) AS m (mode)
        WHERE m.mode = 'vector' OR EXISTS (
            SELECT FROM ai.vectorizer v
            WHERE $1::text IN (v.id::text, v.name::text) AND v.config #>> '{search,implementation}' = 'hybrid')),
    asked AS MATERIALIZED (SELECT b.query, ai.vectorizer_embed($1, b.query) AS vector FROM best b),
    found AS MATERIALIZED (
        SELECT m.mode, a.query, s.rank, s.key
        FROM asked a
        CROSS JOIN modes m
        CROSS JOIN LATERAL ai.search($1, a.vector, $2, per_document => 1, mode => m.mode, words => a.query, rerank => $3) s),
    -- What a model has ranked is not what the index found.
    exactly AS MATERIALIZED (
        SELECT a.query, s.key
        FROM asked a CROSS JOIN LATERAL ai.search($1, a.vector, $2, per_document => 1, exact => true) s
        WHERE $3 IS NULL),
    measured AS (
        SELECT m.mode, b.query,
               count(j.key)::float8 / b.documents AS recall,
               coalesce(sum(j.grade / (ln(f.rank + 1) / ln(2))), 0) / b.dcg AS ndcg,
               coalesce(1.0::float8 / min(f.rank) FILTER (WHERE j.key IS NOT NULL), 0) AS mrr
        FROM best b
        CROSS JOIN modes m
        LEFT JOIN found f ON f.query = b.query AND f.mode = m.mode
        LEFT JOIN judged j ON j.query = f.query AND j.key = f.key AND j.grade > 0
        GROUP BY m.mode, b.query, b.documents, b.dcg),
    by_index AS (
        SELECT e.query, count(f.key)::float8 / count(*) AS recall
        FROM exactly e LEFT JOIN found f ON f.mode = 'vector' AND f.query = e.query AND f.key = e.key
        GROUP BY e.query)
    SELECT o.mode, count(m.query), avg(m.recall), avg(m.ndcg), avg(m.mrr), avg(i.recall)
    FROM modes o
    LEFT JOIN measured m ON m.mode = o.mode
    LEFT JOIN by_index i ON o.mode = 'vector' AND i.query = m.query
    GROUP BY o.mode
    ORDER BY array_position(ARRAY['vector', 'text', 'hybrid'], o.mode)$statement$, grade, questions);
END
$$;

CREATE FUNCTION ai.evaluate_search(vectorizer text, questions regclass, k int4 DEFAULT 10, rerank jsonb DEFAULT NULL)
RETURNS TABLE (mode text, queries int8, recall float8, ndcg float8, mrr float8, index_recall float8)
LANGUAGE plpgsql STABLE ROWS 3 SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY EXECUTE ai._evaluation(questions) USING vectorizer, k, rerank;
END
$$;

CREATE FUNCTION ai.evaluate_search(vectorizer int4, questions regclass, k int4 DEFAULT 10, rerank jsonb DEFAULT NULL)
RETURNS TABLE (mode text, queries int8, recall float8, ndcg float8, mrr float8, index_recall float8)
LANGUAGE plpgsql STABLE ROWS 3 SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY EXECUTE ai._evaluation(questions) USING vectorizer, k, rerank;
END
$$;
