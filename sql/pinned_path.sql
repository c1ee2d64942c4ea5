-- Names mean what they mean in prelude.sql again.
SET LOCAL search_path = pg_catalog, pg_temp;
