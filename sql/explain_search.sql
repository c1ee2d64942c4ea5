-- The steps of a search: what each has found, how, and how long it took.
--
-- It searches as ai.search does with the same arguments, with the same rights, and asks the same models. So it is STABLE, too.

CREATE FUNCTION ai.explain_search(
    vectorizer text, query text, k int4 DEFAULT 10, filter text DEFAULT NULL, filter_args text[] DEFAULT NULL,
    min_score float8 DEFAULT NULL, per_document int4 DEFAULT NULL, diversity float8 DEFAULT NULL,
    exact bool DEFAULT false, mode text DEFAULT NULL, vector_weight float8 DEFAULT 1, text_weight float8 DEFAULT 0.5,
    fusion text DEFAULT 'scores', rerank jsonb DEFAULT NULL
) RETURNS TABLE (number int4, step text, candidates int8, rows int8, index text, model text, tokens int8,
                 milliseconds float8, detail jsonb)
LANGUAGE c STABLE ROWS 10 AS 'MODULE_PATHNAME', 'explain_name_text';

CREATE FUNCTION ai.explain_search(
    vectorizer int4, query text, k int4 DEFAULT 10, filter text DEFAULT NULL, filter_args text[] DEFAULT NULL,
    min_score float8 DEFAULT NULL, per_document int4 DEFAULT NULL, diversity float8 DEFAULT NULL,
    exact bool DEFAULT false, mode text DEFAULT NULL, vector_weight float8 DEFAULT 1, text_weight float8 DEFAULT 0.5,
    fusion text DEFAULT 'scores', rerank jsonb DEFAULT NULL
) RETURNS TABLE (number int4, step text, candidates int8, rows int8, index text, model text, tokens int8,
                 milliseconds float8, detail jsonb)
LANGUAGE c STABLE ROWS 10 AS 'MODULE_PATHNAME', 'explain_id_text';

CREATE FUNCTION ai.explain_search(
    vectorizer text, query vector, k int4 DEFAULT 10, filter text DEFAULT NULL, filter_args text[] DEFAULT NULL,
    min_score float8 DEFAULT NULL, per_document int4 DEFAULT NULL, diversity float8 DEFAULT NULL,
    exact bool DEFAULT false, mode text DEFAULT NULL, vector_weight float8 DEFAULT 1, text_weight float8 DEFAULT 0.5,
    fusion text DEFAULT 'scores', words text DEFAULT NULL, rerank jsonb DEFAULT NULL
) RETURNS TABLE (number int4, step text, candidates int8, rows int8, index text, model text, tokens int8,
                 milliseconds float8, detail jsonb)
LANGUAGE c STABLE ROWS 10 AS 'MODULE_PATHNAME', 'explain_name_vector';

CREATE FUNCTION ai.explain_search(
    vectorizer int4, query vector, k int4 DEFAULT 10, filter text DEFAULT NULL, filter_args text[] DEFAULT NULL,
    min_score float8 DEFAULT NULL, per_document int4 DEFAULT NULL, diversity float8 DEFAULT NULL,
    exact bool DEFAULT false, mode text DEFAULT NULL, vector_weight float8 DEFAULT 1, text_weight float8 DEFAULT 0.5,
    fusion text DEFAULT 'scores', words text DEFAULT NULL, rerank jsonb DEFAULT NULL
) RETURNS TABLE (number int4, step text, candidates int8, rows int8, index text, model text, tokens int8,
                 milliseconds float8, detail jsonb)
LANGUAGE c STABLE ROWS 10 AS 'MODULE_PATHNAME', 'explain_id_vector';

CREATE FUNCTION ai.explain_search(
    vectorizers text[], query text, k int4 DEFAULT 10, filter text DEFAULT NULL, filter_args text[] DEFAULT NULL,
    min_score float8 DEFAULT NULL, per_document int4 DEFAULT NULL, exact bool DEFAULT false, mode text DEFAULT NULL,
    vector_weight float8 DEFAULT 1, text_weight float8 DEFAULT 0.5, fusion text DEFAULT 'scores',
    rerank jsonb DEFAULT NULL
) RETURNS TABLE (vectorizer text, number int4, step text, candidates int8, rows int8, index text, model text, tokens int8,
                 milliseconds float8, detail jsonb)
LANGUAGE c STABLE ROWS 10 AS 'MODULE_PATHNAME', 'explain_names_text';
