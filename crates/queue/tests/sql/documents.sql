-- inbox::peek
SELECT EXISTS (SELECT FROM "public"."_vectorizer_q_1" WHERE ctid >= (SELECT format('(%s,0)', greatest(least($1::int8, pg_relation_size('"public"."_vectorizer_q_1"'::regclass) / current_setting('block_size')::int8) - 128, 0))::tid)),
(SELECT ceil(extract(epoch FROM min("available_at") - now()) * 1000)::int8 FROM "public"."_vectorizer_work_1");

-- inbox::fold
WITH part AS MATERIALIZED (
SELECT ctid AS place FROM "public"."_vectorizer_q_1" WHERE ctid >= (SELECT format('(%s,0)', greatest(least($2::int8, pg_relation_size('"public"."_vectorizer_q_1"'::regclass) / current_setting('block_size')::int8) - 128, 0))::tid) LIMIT $1),
taken AS (
DELETE FROM "public"."_vectorizer_q_1" WHERE ctid = ANY (ARRAY(SELECT place FROM part))
RETURNING "id", "queued_at"),
folded AS (
INSERT INTO "public"."_vectorizer_work_1" AS w ("id", "queued_at")
SELECT "id", min("queued_at") FROM taken GROUP BY "id"
ON CONFLICT ("id") DO UPDATE
SET "generation" = w."generation" + 1, "attempts" = 0,
"available_at" = CASE WHEN w."lease" IS NULL THEN now() ELSE w."available_at" END)
SELECT count(*), ((max(place)::text::point)[0])::int8, pg_relation_size('"public"."_vectorizer_q_1"'::regclass) / current_setting('block_size')::int8 FROM part;

-- work::claim
WITH due AS (
SELECT w."id", w."available_at", w."attempts" FROM "public"."_vectorizer_work_1" w
WHERE w."available_at" <= now() AND (w."leased_by" IS NOT DISTINCT FROM 0) = $7 AND true
ORDER BY w."available_at" LIMIT $1 FOR UPDATE OF w SKIP LOCKED),
sized AS (
SELECT d."id", row_number() OVER due_first AS "place of pgai_rs",
sum(CASE WHEN octet_length(s."body")::int8 <= $6 THEN octet_length(s."body")::int8 ELSE 0 END + coalesce(octet_length(s."title")::int8, 0) + coalesce(pg_column_size(s."price")::int8, 0) + CASE WHEN (octet_length(o."parsed_text")::int8 + coalesce(pg_column_size(o."parsed_outline"), 0)) <= $6 THEN (octet_length(o."parsed_text")::int8 + coalesce(pg_column_size(o."parsed_outline"), 0)) ELSE 0 END) OVER due_first AS "size of pgai_rs",
max(d."attempts") OVER due_first AS "tries of pgai_rs"
FROM due d LEFT JOIN "public"."blog" s ON d."id" OPERATOR(pg_catalog.=) s."id" LEFT JOIN "public"."_vectorizer_origin_1" o ON d."id" OPERATOR(pg_catalog.=) o."id"
WINDOW due_first AS (ORDER BY d."available_at" ROWS UNBOUNDED PRECEDING))
UPDATE "public"."_vectorizer_work_1" w
SET "attempts" = w."attempts" + 1, "lease" = $3, "leased_by" = $4,
"available_at" = now() + make_interval(secs => $2)
FROM sized z WHERE w."id" OPERATOR(pg_catalog.=) z."id" AND (z."size of pgai_rs" <= $5 OR z."place of pgai_rs" = 1)
AND (NOT $7 OR (z."place of pgai_rs" = 1 OR z."place of pgai_rs" <= 32 >> least(3 * greatest(z."tries of pgai_rs" - 1, 0), 31)))
RETURNING w."generation", w."attempts", w."id"::text, (SELECT count(*) FROM due),
(SELECT ceil(extract(epoch FROM min(l."available_at") - now()) * 1000)::int8
FROM "public"."_vectorizer_work_1" l WHERE l."available_at" > now()), z."place of pgai_rs";

-- work::claim without sizes
WITH due AS (
SELECT w."id", w."available_at", w."attempts" FROM "public"."_vectorizer_work_1" w
WHERE w."available_at" <= now() AND (w."leased_by" IS NOT DISTINCT FROM 0) = $7 AND true
ORDER BY w."available_at" LIMIT $1 FOR UPDATE OF w SKIP LOCKED),
sized AS (
SELECT d."id", row_number() OVER due_first AS "place of pgai_rs",
sum(0 * $6::int8) OVER due_first AS "size of pgai_rs",
max(d."attempts") OVER due_first AS "tries of pgai_rs"
FROM due d LEFT JOIN "public"."blog" s ON d."id" OPERATOR(pg_catalog.=) s."id" LEFT JOIN "public"."_vectorizer_origin_1" o ON d."id" OPERATOR(pg_catalog.=) o."id"
WINDOW due_first AS (ORDER BY d."available_at" ROWS UNBOUNDED PRECEDING))
UPDATE "public"."_vectorizer_work_1" w
SET "attempts" = w."attempts" + 1, "lease" = $3, "leased_by" = $4,
"available_at" = now() + make_interval(secs => $2)
FROM sized z WHERE w."id" OPERATOR(pg_catalog.=) z."id" AND (z."size of pgai_rs" <= $5 OR z."place of pgai_rs" = 1)
AND (NOT $7 OR (z."place of pgai_rs" = 1 OR z."place of pgai_rs" <= 32 >> least(3 * greatest(z."tries of pgai_rs" - 1, 0), 31)))
RETURNING w."generation", w."attempts", w."id"::text, (SELECT count(*) FROM due),
(SELECT ceil(extract(epoch FROM min(l."available_at") - now()) * 1000)::int8
FROM "public"."_vectorizer_work_1" l WHERE l."available_at" > now()), z."place of pgai_rs";

-- work::held
SELECT k.ord FROM (SELECT u.ord, u.k0::integer AS k0, u.lease FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::int8[])) WITH ORDINALITY AS u (k0, lease, ord)) k JOIN "public"."_vectorizer_work_1" w ON w."id" OPERATOR(pg_catalog.=) k.k0 WHERE w."lease" = k.lease FOR UPDATE OF w;

-- work::settle
DELETE FROM "public"."_vectorizer_work_1" w USING (SELECT u.ord, u.k0::integer AS k0, u.generation FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::int8[])) WITH ORDINALITY AS u (k0, generation, ord)) k WHERE w."id" OPERATOR(pg_catalog.=) k.k0 AND w."generation" = k.generation;

-- work::release
UPDATE "public"."_vectorizer_work_1" w SET "lease" = NULL, "leased_by" = NULL, "attempts" = 0, "available_at" = now()
FROM (SELECT u.ord, u.k0::integer AS k0, u.lease FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::int8[])) WITH ORDINALITY AS u (k0, lease, ord)) k WHERE w."id" OPERATOR(pg_catalog.=) k.k0 AND w."lease" = k.lease;

-- work::postpone
UPDATE "public"."_vectorizer_work_1" w SET "lease" = NULL, "leased_by" = NULL, "attempts" = k.attempts,
"available_at" = now() + k.delay * interval '1 millisecond'
FROM (SELECT u.ord, u.k0::integer AS k0, u.lease, u.generation, u.delay, u.attempts FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::int8[]), pg_catalog.unnest($3::int8[]), pg_catalog.unnest($4::int8[]), pg_catalog.unnest($5::int4[])) WITH ORDINALITY AS u (k0, lease, generation, delay, attempts, ord)) k WHERE w."id" OPERATOR(pg_catalog.=) k.k0 AND w."lease" = k.lease AND w."generation" = k.generation;

-- work::renew
UPDATE "public"."_vectorizer_work_1" w SET "available_at" = now() + make_interval(secs => $3::float8)
FROM (SELECT u.ord, u.k0::integer AS k0, u.lease FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::int8[])) WITH ORDINALITY AS u (k0, lease, ord)) k WHERE w."id" OPERATOR(pg_catalog.=) k.k0 AND w."lease" = k.lease;

-- suspects::recover
UPDATE "public"."_vectorizer_work_1" w
SET "lease" = NULL, "leased_by" = CASE WHEN w."leased_by" = $1 AND w."lease" BETWEEN $2 AND $3 THEN NULL ELSE 0 END,
"attempts" = CASE WHEN w."leased_by" = $1 AND w."lease" BETWEEN $2 AND $3 THEN greatest(w."attempts" - 1, 0) ELSE w."attempts" END,
"available_at" = now() + CASE WHEN w."leased_by" = $1 AND w."lease" BETWEEN $2 AND $3 OR w."attempts" < 2 THEN interval '0' ELSE make_interval(
secs => least($5, $4 * power(2, least(w."attempts" - 2, 30))) * (1 - random() / 2)) END
WHERE w."lease" IS NOT NULL AND (w."leased_by" = $1 OR NOT EXISTS (
SELECT FROM pg_stat_get_activity(NULL) a
JOIN pg_database d ON d.oid = a.datid AND d.datname = current_database()
WHERE a.pid = w."leased_by"));

-- suspects::next
SELECT ceil(extract(epoch FROM min(w."available_at") - now()) * 1000)::int8 FROM "public"."_vectorizer_work_1" w WHERE (w."leased_by" IS NOT DISTINCT FROM 0);

-- suspects::mark
UPDATE "public"."_vectorizer_work_1" w SET "leased_by" = 0 FROM (SELECT u.ord, u.k0::integer AS k0 FROM ROWS FROM (pg_catalog.unnest($1::text[])) WITH ORDINALITY AS u (k0, ord)) k WHERE w."id" OPERATOR(pg_catalog.=) k.k0 AND w."lease" IS NULL;

-- work::resume
UPDATE "public"."_vectorizer_work_1" w SET "available_at" = now()
WHERE w."available_at" > now() AND w."attempts" = 0 AND w."lease" IS NULL;

-- work::forget_failed
DELETE FROM "public"."_vectorizer_q_failed_1" f USING (SELECT u.ord, u.k0::integer AS k0 FROM ROWS FROM (pg_catalog.unnest($1::text[])) WITH ORDINALITY AS u (k0, ord)) k WHERE f."id" OPERATOR(pg_catalog.=) k.k0;

-- work::set_aside
INSERT INTO "public"."_vectorizer_q_failed_1" ("id", "failure_step", "failure_code", "failure_message", "failure_hint", "attempts")
SELECT k.k0, k.step, k.code, k.message, k.hint, k.attempts FROM (SELECT u.ord, u.k0::integer AS k0, u.step, u.code, u.message, u.hint, u.attempts FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::text[]), pg_catalog.unnest($4::text[]), pg_catalog.unnest($5::text[]), pg_catalog.unnest($6::int4[])) WITH ORDINALITY AS u (k0, step, code, message, hint, attempts, ord)) k;

-- source::read
SELECT s."ord of pgai_rs", CASE WHEN s."size of pgai_rs" <= CASE WHEN s."place of pgai_rs" = 1 THEN $3 ELSE $4 END THEN NULL::text END, CASE WHEN s."size of pgai_rs" <= CASE WHEN s."place of pgai_rs" = 1 THEN $3 ELSE $4 END THEN CASE WHEN octet_length(s."body")::int8 <= $2 THEN s."body"::bytea END END, CASE WHEN s."size of pgai_rs" <= CASE WHEN s."place of pgai_rs" = 1 THEN $3 ELSE $4 END THEN octet_length(s."body")::int8 END, CASE WHEN s."size of pgai_rs" <= CASE WHEN s."place of pgai_rs" = 1 THEN $3 ELSE $4 END THEN coalesce(s."title"::text, 'None') END, CASE WHEN s."size of pgai_rs" <= CASE WHEN s."place of pgai_rs" = 1 THEN $3 ELSE $4 END THEN coalesce(CASE WHEN s."price"::text ~ '^-?[0-9]+$' THEN s."price"::text || '.0'
ELSE replace(lower(s."price"::text), 'infinity', 'inf') END, 'None') END, s."size of pgai_rs" <= CASE WHEN s."place of pgai_rs" = 1 THEN $3 ELSE $4 END, CASE WHEN s."place of pgai_rs" = 1 THEN s."size of pgai_rs" END
FROM (SELECT k.ord AS "ord of pgai_rs", s."body", s."price", s."title",
(sum(CASE WHEN octet_length(s."body")::int8 <= $2 THEN octet_length(s."body")::int8 ELSE 0 END + coalesce(octet_length(s."title")::int8, 0) + coalesce(64, 0)) OVER so_far)::int8 AS "size of pgai_rs",
row_number() OVER so_far AS "place of pgai_rs"
FROM (SELECT u.ord, u.k0::integer AS k0 FROM ROWS FROM (pg_catalog.unnest($1::text[])) WITH ORDINALITY AS u (k0, ord)) k JOIN "public"."blog" s ON s."id" OPERATOR(pg_catalog.=) k.k0
WINDOW so_far AS (ORDER BY k.ord ROWS UNBOUNDED PRECEDING)) s;

-- source::lock
SELECT k.ord FROM (SELECT u.ord, u.k0::integer AS k0 FROM ROWS FROM (pg_catalog.unnest($1::text[])) WITH ORDINALITY AS u (k0, ord)) k JOIN "public"."blog" s ON s."id" OPERATOR(pg_catalog.=) k.k0 ORDER BY s."id" FOR KEY SHARE OF s SKIP LOCKED;

-- source::present
SELECT k.ord FROM (SELECT u.ord, u.k0::integer AS k0 FROM ROWS FROM (pg_catalog.unnest($1::text[])) WITH ORDINALITY AS u (k0, ord)) k JOIN "public"."blog" s ON s."id" OPERATOR(pg_catalog.=) k.k0;

-- store::existing
SELECT k.ord, s.embedding_uuid, s.chunk_seq,
CASE WHEN octet_length(s.chunk) <= $3 THEN sha256(convert_to(s.chunk, 'UTF8')) END
FROM (SELECT u.ord, u.k0::integer AS k0 FROM ROWS FROM (pg_catalog.unnest($1::text[])) WITH ORDINALITY AS u (k0, ord)) k JOIN "public"."blog_store" s ON s."id" OPERATOR(pg_catalog.=) k.k0 ORDER BY k.ord, s.chunk_seq LIMIT $2;

-- store::there
SELECT embedding_uuid FROM "public"."blog_store" WHERE embedding_uuid = ANY ($1);

-- store::delete_chunks
DELETE FROM "public"."blog_store" s USING (SELECT u.ord, u.k0::integer AS k0 FROM ROWS FROM (pg_catalog.unnest($1::text[])) WITH ORDINALITY AS u (k0, ord)) k WHERE s."id" OPERATOR(pg_catalog.=) k.k0 AND s.embedding_uuid <> ALL ($2::uuid[]);

-- store::move_aside
UPDATE "public"."blog_store" s SET chunk_seq = -1 - k.seq
FROM unnest($1::uuid[], $2::int4[]) AS k (id, seq) WHERE s.embedding_uuid = k.id;

-- store::renumber
UPDATE "public"."blog_store" s SET chunk_seq = k.seq
FROM unnest($1::uuid[], $2::int4[]) AS k (id, seq) WHERE s.embedding_uuid = k.id;

-- store::insert_chunks
INSERT INTO "public"."blog_store" ("id", chunk_seq, chunk, embedding)
SELECT k.k0, k.seq, k.chunk, k.embedding FROM (SELECT u.ord, u.k0::integer AS k0, u.seq, u.chunk, u.embedding FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::int4[]), pg_catalog.unnest($3::text[]), pg_catalog.unnest($4::"public"."vector"[])) WITH ORDINALITY AS u (k0, seq, chunk, embedding, ord)) k;

-- store::cite
UPDATE "public"."blog_store" s SET citation = k.citation::jsonb
FROM unnest($1::uuid[], $2::text[]) AS k (id, citation)
WHERE s.embedding_uuid = k.id AND s.citation IS DISTINCT FROM k.citation::jsonb;

-- provenance::remember
INSERT INTO "public"."_vectorizer_origin_1" AS o ("id")
SELECT k.k0 FROM (SELECT u.ord, u.k0::integer AS k0 FROM ROWS FROM (pg_catalog.unnest($1::text[])) WITH ORDINALITY AS u (k0, ord)) k
ON CONFLICT ("id") DO NOTHING;

-- provenance::forget
DELETE FROM "public"."_vectorizer_origin_1" o USING (SELECT u.ord, u.k0::integer AS k0 FROM ROWS FROM (pg_catalog.unnest($1::text[])) WITH ORDINALITY AS u (k0, ord)) k WHERE o."id" OPERATOR(pg_catalog.=) k.k0;

-- text::known
SELECT k.ord, o."parsed_from" FROM (SELECT u.ord, u.k0::integer AS k0 FROM ROWS FROM (pg_catalog.unnest($1::text[])) WITH ORDINALITY AS u (k0, ord)) k JOIN "public"."_vectorizer_origin_1" o ON o."id" OPERATOR(pg_catalog.=) k.k0
WHERE o."parsed_from" IS NOT NULL AND (octet_length(o."parsed_text")::int8 + coalesce(pg_column_size(o."parsed_outline"), 0)) <= $2;

-- text::read
SELECT k.ord, CASE WHEN sum(octet_length(o."parsed_text")::int8 + octet_length(o."parsed_outline"::text)) OVER (ORDER BY k.ord ROWS UNBOUNDED PRECEDING) <= $3 THEN o."parsed_text" END, CASE WHEN sum(octet_length(o."parsed_text")::int8 + octet_length(o."parsed_outline"::text)) OVER (ORDER BY k.ord ROWS UNBOUNDED PRECEDING) <= $3 THEN o."parsed_outline"::text END
FROM (SELECT u.ord, u.k0::integer AS k0 FROM ROWS FROM (pg_catalog.unnest($1::text[])) WITH ORDINALITY AS u (k0, ord)) k JOIN "public"."_vectorizer_origin_1" o ON o."id" OPERATOR(pg_catalog.=) k.k0
WHERE o."parsed_text" IS NOT NULL AND o."parsed_outline" IS NOT NULL AND (octet_length(o."parsed_text")::int8 + coalesce(pg_column_size(o."parsed_outline"), 0)) <= $2;

-- text::write
UPDATE "public"."_vectorizer_origin_1" o
SET "parsed_text" = k.parsed_text, "parsed_outline" = k.parsed_outline::jsonb, "parsed_from" = k.parsed_from,
"parsed_at" = CASE WHEN k.parsed_from IS NOT NULL THEN now() END
FROM (SELECT u.ord, u.k0::integer AS k0, u.parsed_text, u.parsed_outline, u.parsed_from FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::text[]), pg_catalog.unnest($4::bytea[])) WITH ORDINALITY AS u (k0, parsed_text, parsed_outline, parsed_from, ord)) k WHERE o."id" OPERATOR(pg_catalog.=) k.k0 AND (k.parsed_from IS NOT NULL OR o."parsed_from" IS NOT NULL);

-- text::show
SELECT o."parsed_text", o."parsed_outline"::text, o."parsed_at"
FROM (SELECT u.ord, u.k0::integer AS k0 FROM ROWS FROM (pg_catalog.unnest($1::text[])) WITH ORDINALITY AS u (k0, ord)) k JOIN "public"."_vectorizer_origin_1" o ON o."id" OPERATOR(pg_catalog.=) k.k0 JOIN "public"."blog" s ON s."id" OPERATOR(pg_catalog.=) k.k0
WHERE o."parsed_text" IS NOT NULL AND o."parsed_outline" IS NOT NULL AND o."parsed_at" IS NOT NULL;

-- trigger::enqueue_inserted
INSERT INTO "public"."_vectorizer_q_1" ("id") SELECT n."id" FROM new_rows n;

-- trigger::enqueue_changed
INSERT INTO "public"."_vectorizer_q_1" ("id") SELECT n."id" FROM new_rows n LEFT JOIN old_rows o ON o."id" OPERATOR(pg_catalog.=) n."id"
WHERE pg_catalog.num_nulls(n."id") OPERATOR(pg_catalog.=) 0 AND (o."id" IS NULL OR ROW(o."body", o."title", o."price")::record OPERATOR(pg_catalog.*<>) ROW(n."body", n."title", n."price")::record);

-- trigger::enqueue_row
INSERT INTO "public"."_vectorizer_q_1" ("id") VALUES ($1);

-- trigger::remove_row
WITH enqueued AS (INSERT INTO "public"."_vectorizer_q_1" ("id") SELECT s."id" FROM "public"."_vectorizer_q_failed_1" s WHERE s."id" OPERATOR(pg_catalog.=) $1), removed0 AS (DELETE FROM "public"."blog_store" s WHERE s."id" OPERATOR(pg_catalog.=) $1), removed1 AS (DELETE FROM "public"."_vectorizer_origin_1" s WHERE s."id" OPERATOR(pg_catalog.=) $1)
SELECT;

-- trigger::removal
WITH enqueued AS (INSERT INTO "public"."_vectorizer_q_1" ("id") SELECT s."id" FROM "public"."_vectorizer_q_failed_1" s, old_rows o WHERE s."id" OPERATOR(pg_catalog.=) o."id"), removed0 AS (DELETE FROM "public"."blog_store" s USING old_rows o WHERE s."id" OPERATOR(pg_catalog.=) o."id"), removed1 AS (DELETE FROM "public"."_vectorizer_origin_1" s USING old_rows o WHERE s."id" OPERATOR(pg_catalog.=) o."id")
SELECT;

-- tables::definitions
CREATE TABLE "public"."_vectorizer_q_1" ("id" integer NOT NULL, "queued_at" timestamptz NOT NULL DEFAULT now(), "loading_retries" int4 NOT NULL DEFAULT 0, "loading_retry_after" timestamptz) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 5000);

-- tables::definitions
CREATE TABLE "public"."_vectorizer_work_1" ("id" integer NOT NULL, "generation" int8 NOT NULL DEFAULT 1, "attempts" int4 NOT NULL DEFAULT 0, "queued_at" timestamptz NOT NULL DEFAULT now(), "available_at" timestamptz NOT NULL DEFAULT now(), "lease" int8, "leased_by" int4, PRIMARY KEY ("id")) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 5000);

-- tables::definitions
CREATE INDEX ON "public"."_vectorizer_work_1" ("available_at");

-- tables::definitions
CREATE TABLE "public"."_vectorizer_q_failed_1" ("id" integer NOT NULL, "created_at" timestamptz NOT NULL DEFAULT now(), "failure_step" text NOT NULL DEFAULT '', "failure_code" text, "failure_message" text, "failure_hint" text, "attempts" int4);

-- tables::definitions
CREATE INDEX ON "public"."_vectorizer_q_failed_1" ("id");

-- tables::definitions
CREATE TABLE "public"."_vectorizer_origin_1" ("id" integer NOT NULL, "parsed_text" text, "parsed_outline" jsonb, "parsed_from" bytea, "parsed_at" timestamptz, PRIMARY KEY ("id"));

-- tables::definitions
ALTER TABLE "public"."_vectorizer_q_1" REPLICA IDENTITY FULL;

-- tables::definitions
ALTER TABLE "public"."_vectorizer_q_failed_1" REPLICA IDENTITY FULL;
