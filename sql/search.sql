-- The chunks that are nearest to a question, or to a vector, or share words with it, with what they are cited by.
--
-- SELECTs with the caller's own rights: there is no SECURITY DEFINER here, and no search path is set, for the filter is the
-- caller's own SQL. STABLE: it reads on the snapshot of the statement that calls it, and asks the model once in it. A model
-- that ranks what is found is asked each time.
--
-- In several vectorizers each finds as many chunks as are wanted of all.

CREATE FUNCTION ai.search(
    vectorizer text, query text, k int4 DEFAULT 10, filter text DEFAULT NULL, filter_args text[] DEFAULT NULL,
    min_score float8 DEFAULT NULL, per_document int4 DEFAULT NULL, diversity float8 DEFAULT NULL,
    exact bool DEFAULT false, mode text DEFAULT NULL, vector_weight float8 DEFAULT 1, text_weight float8 DEFAULT 0.5,
    fusion text DEFAULT 'scores', rerank jsonb DEFAULT NULL
) RETURNS TABLE (rank int4, score float8, distance float8, key jsonb, chunk_seq int4, chunk text, uri text, citation jsonb,
                 embedding_uuid uuid, arms jsonb)
LANGUAGE c STABLE ROWS 10 AS 'MODULE_PATHNAME', 'search_name_text';

CREATE FUNCTION ai.search(
    vectorizer int4, query text, k int4 DEFAULT 10, filter text DEFAULT NULL, filter_args text[] DEFAULT NULL,
    min_score float8 DEFAULT NULL, per_document int4 DEFAULT NULL, diversity float8 DEFAULT NULL,
    exact bool DEFAULT false, mode text DEFAULT NULL, vector_weight float8 DEFAULT 1, text_weight float8 DEFAULT 0.5,
    fusion text DEFAULT 'scores', rerank jsonb DEFAULT NULL
) RETURNS TABLE (rank int4, score float8, distance float8, key jsonb, chunk_seq int4, chunk text, uri text, citation jsonb,
                 embedding_uuid uuid, arms jsonb)
LANGUAGE c STABLE ROWS 10 AS 'MODULE_PATHNAME', 'search_id_text';

CREATE FUNCTION ai.search(
    vectorizer text, query vector, k int4 DEFAULT 10, filter text DEFAULT NULL, filter_args text[] DEFAULT NULL,
    min_score float8 DEFAULT NULL, per_document int4 DEFAULT NULL, diversity float8 DEFAULT NULL,
    exact bool DEFAULT false, mode text DEFAULT NULL, vector_weight float8 DEFAULT 1, text_weight float8 DEFAULT 0.5,
    fusion text DEFAULT 'scores', words text DEFAULT NULL, rerank jsonb DEFAULT NULL
) RETURNS TABLE (rank int4, score float8, distance float8, key jsonb, chunk_seq int4, chunk text, uri text, citation jsonb,
                 embedding_uuid uuid, arms jsonb)
LANGUAGE c STABLE ROWS 10 AS 'MODULE_PATHNAME', 'search_name_vector';

CREATE FUNCTION ai.search(
    vectorizer int4, query vector, k int4 DEFAULT 10, filter text DEFAULT NULL, filter_args text[] DEFAULT NULL,
    min_score float8 DEFAULT NULL, per_document int4 DEFAULT NULL, diversity float8 DEFAULT NULL,
    exact bool DEFAULT false, mode text DEFAULT NULL, vector_weight float8 DEFAULT 1, text_weight float8 DEFAULT 0.5,
    fusion text DEFAULT 'scores', words text DEFAULT NULL, rerank jsonb DEFAULT NULL
) RETURNS TABLE (rank int4, score float8, distance float8, key jsonb, chunk_seq int4, chunk text, uri text, citation jsonb,
                 embedding_uuid uuid, arms jsonb)
LANGUAGE c STABLE ROWS 10 AS 'MODULE_PATHNAME', 'search_id_vector';

CREATE FUNCTION ai.search(
    vectorizers text[], query text, k int4 DEFAULT 10, filter text DEFAULT NULL, filter_args text[] DEFAULT NULL,
    min_score float8 DEFAULT NULL, per_document int4 DEFAULT NULL, exact bool DEFAULT false, mode text DEFAULT NULL,
    vector_weight float8 DEFAULT 1, text_weight float8 DEFAULT 0.5, fusion text DEFAULT 'scores',
    rerank jsonb DEFAULT NULL
) RETURNS TABLE (vectorizer text, rank int4, score float8, distance float8, key jsonb, chunk_seq int4, chunk text, uri text,
                 citation jsonb, embedding_uuid uuid, arms jsonb)
LANGUAGE c STABLE ROWS 10 AS 'MODULE_PATHNAME', 'search_names_text';
