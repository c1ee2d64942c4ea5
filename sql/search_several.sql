-- A search in several vectorizers at once. The caller's own rights hold, as in that of each.

-- Each finds as many chunks as are wanted of all. Scores by one model and one distance can be compared, and so can those of a
-- model that ranks them; others can't, and then the ranks decide.
CREATE FUNCTION ai.search(
    vectorizers text[], query text, k int4 DEFAULT 10, filter text DEFAULT NULL, filter_args text[] DEFAULT NULL,
    min_score float8 DEFAULT NULL, per_document int4 DEFAULT NULL, exact bool DEFAULT false, mode text DEFAULT NULL,
    vector_weight float8 DEFAULT 1, text_weight float8 DEFAULT 0.5, fusion text DEFAULT 'scores',
    rerank jsonb DEFAULT NULL
) RETURNS TABLE (vectorizer text, rank int4, score float8, distance float8, key jsonb, chunk_seq int4, chunk text, uri text,
                 citation jsonb, embedding_uuid uuid, arms jsonb)
LANGUAGE sql STABLE ROWS 10
BEGIN ATOMIC
    WITH named AS (
        SELECT n.name, min(n.place) AS place
        -- Of NULL it is said what is wrong, as for one vectorizer.
        FROM unnest(coalesce(vectorizers, ARRAY[NULL::text])) WITH ORDINALITY AS n (name, place)
        GROUP BY n.name),
    one_kind AS (
        SELECT count(DISTINCT (v.config -> 'embedding', v.config #> '{indexing,opclass}')) = 1 AS is_one
        FROM ai.vectorizer v WHERE v.name::text = ANY (vectorizers)),
    found AS MATERIALIZED (
        SELECT n.name, n.place, s.*
        FROM named n
        CROSS JOIN LATERAL ai.search(n.name, query, k, filter, filter_args, min_score, per_document, exact => exact,
                                     mode => mode, vector_weight => vector_weight, text_weight => text_weight,
                                     fusion => fusion, rerank => rerank) s),
    -- A model that is down may have ranked what one of them has found, and not what another has.
    comparable AS (
        SELECT bool_and(f.arms ? 'rerank')
               OR (SELECT o.is_one FROM one_kind o) AND bool_and(NOT f.arms ?| ARRAY['text', 'rerank']) AS are
        FROM found f),
    scored AS (
        SELECT f.*, CASE WHEN c.are THEN f.score ELSE 1 / (60.0::float8 + f.rank) END AS of_all
        FROM found f CROSS JOIN comparable c)
    SELECT r.name, r.of_all_rank, r.of_all, r.distance, r.key, r.chunk_seq, r.chunk, r.uri, r.citation, r.embedding_uuid, r.arms
    FROM (SELECT s.*, row_number() OVER (ORDER BY s.of_all DESC, s.place, s.rank)::int4 AS of_all_rank FROM scored s) r
    WHERE r.of_all_rank <= coalesce(k, 1)
    ORDER BY r.of_all_rank;
END;
