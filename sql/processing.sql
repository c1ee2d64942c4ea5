-- How much is worked on at a time, and which way existing rows go: with backfill => 'batch' that of the provider's batch API.

CREATE FUNCTION ai.processing_default(
    batch_size int4 DEFAULT NULL,
    concurrency int4 DEFAULT NULL,
    backfill text DEFAULT NULL
) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_strip_nulls(jsonb_build_object(
    'config_type', 'processing',
    'implementation', 'default',
    'batch_size', batch_size,
    'concurrency', concurrency,
    'backfill', backfill));
