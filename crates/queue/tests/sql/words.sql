-- store::insert_chunks
INSERT INTO "public"."blog_store" ("id", chunk_seq, chunk, embedding)
SELECT k.k0, k.seq, k.chunk, k.embedding FROM (SELECT u.ord, u.k0::integer AS k0, u.seq, u.chunk, u.embedding FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::int4[]), pg_catalog.unnest($3::text[]), pg_catalog.unnest($4::"public"."vector"[])) WITH ORDINALITY AS u (k0, seq, chunk, embedding, ord)) k RETURNING embedding_uuid;

-- words::add
INSERT INTO "public"."blog_store_words" (embedding_uuid, words)
SELECT s.embedding_uuid, CASE WHEN length(s.chunk) <= 1000 THEN to_tsvector('3748'::regconfig, CASE WHEN s.chunk !~ '\S{65}' THEN s.chunk ELSE regexp_replace(
regexp_replace(s.chunk, '([^\s!-/:-@[-^`{-~]{64})(?=[^\s!-/:-@[-^`{-~])', '\1 ', 'g'), '(\S{255})(?=\S)', '\1 ', 'g') END) ELSE (
WITH RECURSIVE parts (rest, words) AS (
SELECT left(s.chunk, 100000), ''::tsvector
UNION ALL
SELECT substr(p.rest, length(next.part) + 1), p.words || to_tsvector('3748'::regconfig, CASE WHEN next.part !~ '\S{65}' THEN next.part ELSE regexp_replace(
regexp_replace(next.part, '([^\s!-/:-@[-^`{-~]{64})(?=[^\s!-/:-@[-^`{-~])', '\1 ', 'g'), '(\S{255})(?=\S)', '\1 ', 'g') END)
FROM parts p
CROSS JOIN LATERAL (
SELECT left(p.rest, 1000) || substring(substr(p.rest, 1000 + 1, 255) FROM '^\S*')) next (part)
WHERE p.rest <> '')
SELECT p.words FROM parts p WHERE p.rest = '') END FROM "public"."blog_store" s WHERE s.embedding_uuid = ANY ($1)
ON CONFLICT (embedding_uuid) DO NOTHING;

-- words::look
SELECT s.embedding_uuid,
EXISTS (SELECT FROM "public"."blog_store_words" w WHERE w.embedding_uuid = s.embedding_uuid)
FROM (SELECT embedding_uuid FROM "public"."blog_store" WHERE embedding_uuid >= ($1::uuid[])[1]
ORDER BY embedding_uuid LIMIT $2) s
ORDER BY s.embedding_uuid;

-- words::lock
SELECT embedding_uuid FROM "public"."blog_store" WHERE embedding_uuid = ANY ($1)
ORDER BY embedding_uuid FOR KEY SHARE SKIP LOCKED;

-- trigger::remove_row
WITH enqueued AS (INSERT INTO "public"."_vectorizer_q_1" ("id") SELECT s."id" FROM "public"."_vectorizer_q_failed_1" s WHERE s."id" OPERATOR(pg_catalog.=) $1), removed_words AS (DELETE FROM "public"."blog_store_words" w USING "public"."blog_store" s
WHERE w.embedding_uuid = s.embedding_uuid AND s."id" OPERATOR(pg_catalog.=) $1), removed0 AS (DELETE FROM "public"."blog_store" s WHERE s."id" OPERATOR(pg_catalog.=) $1)
SELECT;

-- trigger::removal
WITH enqueued AS (INSERT INTO "public"."_vectorizer_q_1" ("id") SELECT s."id" FROM "public"."_vectorizer_q_failed_1" s, old_rows o WHERE s."id" OPERATOR(pg_catalog.=) o."id"), removed_words AS (DELETE FROM "public"."blog_store_words" w USING "public"."blog_store" s, old_rows o
WHERE w.embedding_uuid = s.embedding_uuid AND s."id" OPERATOR(pg_catalog.=) o."id"), removed0 AS (DELETE FROM "public"."blog_store" s USING old_rows o WHERE s."id" OPERATOR(pg_catalog.=) o."id")
SELECT;
