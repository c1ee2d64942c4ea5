-- Where vectors go.

-- With citation, the store has a column of that name: where each chunk stands in its document. vector_type is 'vector' or
-- 'halfvec'; NULL: chosen by the number of dimensions.
CREATE FUNCTION ai.destination_table(
    destination name DEFAULT NULL,
    target_schema name DEFAULT NULL,
    target_table name DEFAULT NULL,
    view_schema name DEFAULT NULL,
    view_name name DEFAULT NULL,
    citation boolean DEFAULT false,
    vector_type text DEFAULT NULL
) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_strip_nulls(jsonb_build_object(
    'config_type', 'destination',
    'implementation', 'table',
    'destination', destination,
    'target_schema', target_schema,
    'target_table', target_table,
    'view_schema', view_schema,
    'view_name', view_name,
    'citation', CASE WHEN citation THEN true END,
    'vector_type', vector_type));

-- A column of the source, made if it is not there: one vector for each row, with ai.chunking_none().
CREATE FUNCTION ai.destination_column(embedding_column name, vector_type text DEFAULT NULL) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_strip_nulls(jsonb_build_object(
    'config_type', 'destination',
    'implementation', 'column',
    'embedding_column', embedding_column,
    'vector_type', vector_type));
