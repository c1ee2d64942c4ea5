"""What everybody may read."""

# What everybody with USAGE on the schema may read: found, so that a new table or view is looked at without anybody's thinking of it.
PUBLIC = """
    SELECT c.oid::regclass::text FROM pg_class c
    WHERE c.relnamespace = 'ai'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
      AND has_table_privilege('public', c.oid, 'SELECT')
    ORDER BY 1
"""
