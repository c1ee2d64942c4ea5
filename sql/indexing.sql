-- Which vector index is wanted, and when it is built.

CREATE FUNCTION ai.indexing_none() RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_build_object('config_type', 'indexing', 'implementation', 'none');

CREATE FUNCTION ai.indexing_default() RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_build_object('config_type', 'indexing', 'implementation', 'default');

CREATE FUNCTION ai.indexing_hnsw(
    min_rows int4 DEFAULT 100000,
    opclass text DEFAULT 'vector_cosine_ops',
    m int4 DEFAULT NULL,
    ef_construction int4 DEFAULT NULL,
    create_when_queue_empty bool DEFAULT true
) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_strip_nulls(jsonb_build_object(
    'config_type', 'indexing', 'implementation', 'hnsw', 'min_rows', min_rows, 'opclass', opclass, 'm', m,
    'ef_construction', ef_construction, 'create_when_queue_empty', create_when_queue_empty));

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
