-- Which vector index is wanted, and when it is built.

CREATE FUNCTION ai.indexing_none() RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_build_object('config_type', 'indexing', 'implementation', 'none');

CREATE FUNCTION ai.indexing_default() RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_build_object('config_type', 'indexing', 'implementation', 'default');

-- With quantization 'halfvec' or 'binary', the index has the vectors in less precision than the store.
CREATE FUNCTION ai.indexing_hnsw(
    min_rows int4 DEFAULT 100000,
    opclass text DEFAULT 'vector_cosine_ops',
    m int4 DEFAULT NULL,
    ef_construction int4 DEFAULT NULL,
    create_when_queue_empty bool DEFAULT true,
    quantization text DEFAULT NULL
) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_strip_nulls(jsonb_build_object(
    'config_type', 'indexing', 'implementation', 'hnsw', 'min_rows', min_rows, 'opclass', opclass, 'm', m,
    'ef_construction', ef_construction, 'create_when_queue_empty', create_when_queue_empty, 'quantization', quantization));

CREATE FUNCTION ai.indexing_diskann(
    min_rows int4 DEFAULT 100000,
    storage_layout text DEFAULT NULL,
    num_neighbors int4 DEFAULT NULL,
    search_list_size int4 DEFAULT NULL,
    max_alpha float8 DEFAULT NULL,
    num_dimensions int4 DEFAULT NULL,
    num_bits_per_dimension int4 DEFAULT NULL,
    create_when_queue_empty bool DEFAULT true
) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_strip_nulls(jsonb_build_object(
    'config_type', 'indexing', 'implementation', 'diskann', 'min_rows', min_rows, 'storage_layout', storage_layout,
    'num_neighbors', num_neighbors, 'search_list_size', search_list_size, 'max_alpha', max_alpha,
    'num_dimensions', num_dimensions, 'num_bits_per_dimension', num_bits_per_dimension,
    'create_when_queue_empty', create_when_queue_empty));

-- pgai's functions for the index itself. The worker builds it without them, and without holding up
-- who writes to the store.

CREATE FUNCTION ai._vectorizer_vector_index_exists(
    target_schema name, target_table name, indexing jsonb, column_name name DEFAULT 'embedding') RETURNS bool
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'vector_index_exists_wrapper';

CREATE FUNCTION ai._vectorizer_index_is_due(vectorizer_id int4) RETURNS bool
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'index_is_due_wrapper';

CREATE FUNCTION ai._vectorizer_should_create_vector_index(vectorizer ai.vectorizer) RETURNS bool
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
RETURN ai._vectorizer_index_is_due(vectorizer.id);

-- Within the caller's transaction, and with his rights: who writes to the table waits meanwhile.
CREATE FUNCTION ai._vectorizer_create_vector_index(
    target_schema name, target_table name, indexing jsonb, column_name name DEFAULT 'embedding') RETURNS void
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'create_vector_index_wrapper';
