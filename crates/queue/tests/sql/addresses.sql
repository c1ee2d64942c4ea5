-- inbox::peek
SELECT EXISTS (SELECT FROM "public"."_vectorizer_q_2" WHERE ctid >= (SELECT format('(%s,0)', greatest(least($1::int8, pg_relation_size('"public"."_vectorizer_q_2"'::regclass) / current_setting('block_size')::int8) - 128, 0))::tid)),
(SELECT ceil(extract(epoch FROM min("available_at") - now()) * 1000)::int8 FROM "public"."_vectorizer_work_2");

-- inbox::fold
WITH part AS MATERIALIZED (
SELECT ctid AS place FROM "public"."_vectorizer_q_2" WHERE ctid >= (SELECT format('(%s,0)', greatest(least($2::int8, pg_relation_size('"public"."_vectorizer_q_2"'::regclass) / current_setting('block_size')::int8) - 128, 0))::tid) LIMIT $1),
taken AS (
DELETE FROM "public"."_vectorizer_q_2" WHERE ctid = ANY (ARRAY(SELECT place FROM part))
RETURNING "tenant ""of""", "created_at", "queued_at"),
folded AS (
INSERT INTO "public"."_vectorizer_work_2" AS w ("tenant ""of""", "created_at", "queued_at")
SELECT "tenant ""of""", "created_at", min("queued_at") FROM taken GROUP BY "tenant ""of""", "created_at"
ON CONFLICT ("tenant ""of""", "created_at") DO UPDATE
SET "generation" = w."generation" + 1, "attempts" = 0,
"available_at" = CASE WHEN w."lease" IS NULL THEN now() ELSE w."available_at" END)
SELECT count(*), ((max(place)::text::point)[0])::int8, pg_relation_size('"public"."_vectorizer_q_2"'::regclass) / current_setting('block_size')::int8 FROM part;

-- work::claim
WITH due AS (
SELECT w."tenant ""of""", w."created_at", w."available_at", w."attempts" FROM "public"."_vectorizer_work_2" w
WHERE w."available_at" <= now() AND (w."leased_by" IS NOT DISTINCT FROM 0) = $7 AND true
ORDER BY w."available_at" LIMIT $1 FOR UPDATE OF w SKIP LOCKED),
sized AS (
SELECT d."tenant ""of""", d."created_at", row_number() OVER due_first AS "place of pgai_rs",
sum(CASE WHEN octet_length(s."uri")::int8 <= $6 THEN octet_length(s."uri")::int8 ELSE 0 END) OVER due_first AS "size of pgai_rs",
max(d."attempts") OVER due_first AS "tries of pgai_rs"
FROM due d LEFT JOIN "public"."events" s ON d."tenant ""of""" OPERATOR(pg_catalog.=) s."tenant ""of""" AND d."created_at" OPERATOR(pg_catalog.=) s."created_at"
WINDOW due_first AS (ORDER BY d."available_at" ROWS UNBOUNDED PRECEDING))
UPDATE "public"."_vectorizer_work_2" w
SET "attempts" = w."attempts" + 1, "lease" = $3, "leased_by" = $4,
"available_at" = now() + make_interval(secs => $2)
FROM sized z WHERE w."tenant ""of""" OPERATOR(pg_catalog.=) z."tenant ""of""" AND w."created_at" OPERATOR(pg_catalog.=) z."created_at" AND (z."size of pgai_rs" <= $5 OR z."place of pgai_rs" = 1)
AND (NOT $7 OR (z."place of pgai_rs" = 1 OR z."place of pgai_rs" <= 32 >> least(3 * greatest(z."tries of pgai_rs" - 1, 0), 31)))
RETURNING w."generation", w."attempts", w."tenant ""of"""::text, w."created_at"::text, (SELECT count(*) FROM due),
(SELECT ceil(extract(epoch FROM min(l."available_at") - now()) * 1000)::int8
FROM "public"."_vectorizer_work_2" l WHERE l."available_at" > now()), z."place of pgai_rs";

-- work::claim without sizes
WITH due AS (
SELECT w."tenant ""of""", w."created_at", w."available_at", w."attempts" FROM "public"."_vectorizer_work_2" w
WHERE w."available_at" <= now() AND (w."leased_by" IS NOT DISTINCT FROM 0) = $7 AND true
ORDER BY w."available_at" LIMIT $1 FOR UPDATE OF w SKIP LOCKED),
sized AS (
SELECT d."tenant ""of""", d."created_at", row_number() OVER due_first AS "place of pgai_rs",
sum(0 * $6::int8) OVER due_first AS "size of pgai_rs",
max(d."attempts") OVER due_first AS "tries of pgai_rs"
FROM due d LEFT JOIN "public"."events" s ON d."tenant ""of""" OPERATOR(pg_catalog.=) s."tenant ""of""" AND d."created_at" OPERATOR(pg_catalog.=) s."created_at"
WINDOW due_first AS (ORDER BY d."available_at" ROWS UNBOUNDED PRECEDING))
UPDATE "public"."_vectorizer_work_2" w
SET "attempts" = w."attempts" + 1, "lease" = $3, "leased_by" = $4,
"available_at" = now() + make_interval(secs => $2)
FROM sized z WHERE w."tenant ""of""" OPERATOR(pg_catalog.=) z."tenant ""of""" AND w."created_at" OPERATOR(pg_catalog.=) z."created_at" AND (z."size of pgai_rs" <= $5 OR z."place of pgai_rs" = 1)
AND (NOT $7 OR (z."place of pgai_rs" = 1 OR z."place of pgai_rs" <= 32 >> least(3 * greatest(z."tries of pgai_rs" - 1, 0), 31)))
RETURNING w."generation", w."attempts", w."tenant ""of"""::text, w."created_at"::text, (SELECT count(*) FROM due),
(SELECT ceil(extract(epoch FROM min(l."available_at") - now()) * 1000)::int8
FROM "public"."_vectorizer_work_2" l WHERE l."available_at" > now()), z."place of pgai_rs";

-- work::held
SELECT k.ord FROM (SELECT u.ord, u.k0::text AS k0, u.k1::timestamp with time zone AS k1, u.lease FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::int8[])) WITH ORDINALITY AS u (k0, k1, lease, ord)) k JOIN "public"."_vectorizer_work_2" w ON w."tenant ""of""" OPERATOR(pg_catalog.=) k.k0 AND w."created_at" OPERATOR(pg_catalog.=) k.k1 WHERE w."lease" = k.lease FOR UPDATE OF w;

-- work::settle
DELETE FROM "public"."_vectorizer_work_2" w USING (SELECT u.ord, u.k0::text AS k0, u.k1::timestamp with time zone AS k1, u.generation FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::int8[])) WITH ORDINALITY AS u (k0, k1, generation, ord)) k WHERE w."tenant ""of""" OPERATOR(pg_catalog.=) k.k0 AND w."created_at" OPERATOR(pg_catalog.=) k.k1 AND w."generation" = k.generation;

-- work::release
UPDATE "public"."_vectorizer_work_2" w SET "lease" = NULL, "leased_by" = NULL, "attempts" = 0, "available_at" = now()
FROM (SELECT u.ord, u.k0::text AS k0, u.k1::timestamp with time zone AS k1, u.lease FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::int8[])) WITH ORDINALITY AS u (k0, k1, lease, ord)) k WHERE w."tenant ""of""" OPERATOR(pg_catalog.=) k.k0 AND w."created_at" OPERATOR(pg_catalog.=) k.k1 AND w."lease" = k.lease;

-- work::postpone
UPDATE "public"."_vectorizer_work_2" w SET "lease" = NULL, "leased_by" = NULL, "attempts" = k.attempts,
"available_at" = now() + k.delay * interval '1 millisecond'
FROM (SELECT u.ord, u.k0::text AS k0, u.k1::timestamp with time zone AS k1, u.lease, u.generation, u.delay, u.attempts FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::int8[]), pg_catalog.unnest($4::int8[]), pg_catalog.unnest($5::int8[]), pg_catalog.unnest($6::int4[])) WITH ORDINALITY AS u (k0, k1, lease, generation, delay, attempts, ord)) k WHERE w."tenant ""of""" OPERATOR(pg_catalog.=) k.k0 AND w."created_at" OPERATOR(pg_catalog.=) k.k1 AND w."lease" = k.lease AND w."generation" = k.generation;

-- work::renew
UPDATE "public"."_vectorizer_work_2" w SET "available_at" = now() + make_interval(secs => $4::float8)
FROM (SELECT u.ord, u.k0::text AS k0, u.k1::timestamp with time zone AS k1, u.lease FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::int8[])) WITH ORDINALITY AS u (k0, k1, lease, ord)) k WHERE w."tenant ""of""" OPERATOR(pg_catalog.=) k.k0 AND w."created_at" OPERATOR(pg_catalog.=) k.k1 AND w."lease" = k.lease;

-- suspects::recover
UPDATE "public"."_vectorizer_work_2" w
SET "lease" = NULL, "leased_by" = CASE WHEN w."leased_by" = $1 AND w."lease" BETWEEN $2 AND $3 THEN NULL ELSE 0 END,
"attempts" = CASE WHEN w."leased_by" = $1 AND w."lease" BETWEEN $2 AND $3 THEN greatest(w."attempts" - 1, 0) ELSE w."attempts" END,
"available_at" = now() + CASE WHEN w."leased_by" = $1 AND w."lease" BETWEEN $2 AND $3 OR w."attempts" < 2 THEN interval '0' ELSE make_interval(
secs => least($5, $4 * power(2, least(w."attempts" - 2, 30))) * (1 - random() / 2)) END
WHERE w."lease" IS NOT NULL AND (w."leased_by" = $1 OR NOT EXISTS (
SELECT FROM pg_stat_get_activity(NULL) a
JOIN pg_database d ON d.oid = a.datid AND d.datname = current_database()
WHERE a.pid = w."leased_by"));

-- suspects::next
SELECT ceil(extract(epoch FROM min(w."available_at") - now()) * 1000)::int8 FROM "public"."_vectorizer_work_2" w WHERE (w."leased_by" IS NOT DISTINCT FROM 0);

-- suspects::mark
UPDATE "public"."_vectorizer_work_2" w SET "leased_by" = 0 FROM (SELECT u.ord, u.k0::text AS k0, u.k1::timestamp with time zone AS k1 FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) WITH ORDINALITY AS u (k0, k1, ord)) k WHERE w."tenant ""of""" OPERATOR(pg_catalog.=) k.k0 AND w."created_at" OPERATOR(pg_catalog.=) k.k1 AND w."lease" IS NULL;

-- work::resume
UPDATE "public"."_vectorizer_work_2" w SET "available_at" = now()
WHERE w."available_at" > now() AND w."attempts" = 0 AND w."lease" IS NULL;

-- work::forget_failed
DELETE FROM "public"."_vectorizer_q_failed_2" f USING (SELECT u.ord, u.k0::text AS k0, u.k1::timestamp with time zone AS k1 FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) WITH ORDINALITY AS u (k0, k1, ord)) k WHERE f."tenant ""of""" OPERATOR(pg_catalog.=) k.k0 AND f."created_at" OPERATOR(pg_catalog.=) k.k1;

-- work::set_aside
INSERT INTO "public"."_vectorizer_q_failed_2" ("tenant ""of""", "created_at", "failure_step", "failure_code", "failure_message", "failure_hint", "attempts")
SELECT k.k0, k.k1, k.step, k.code, k.message, k.hint, k.attempts FROM (SELECT u.ord, u.k0::text AS k0, u.k1::timestamp with time zone AS k1, u.step, u.code, u.message, u.hint, u.attempts FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::text[]), pg_catalog.unnest($4::text[]), pg_catalog.unnest($5::text[]), pg_catalog.unnest($6::text[]), pg_catalog.unnest($7::int4[])) WITH ORDINALITY AS u (k0, k1, step, code, message, hint, attempts, ord)) k;

-- source::read
SELECT s."ord of pgai_rs", CASE WHEN s."size of pgai_rs" <= CASE WHEN s."place of pgai_rs" = 1 THEN $4 ELSE $5 END THEN CASE WHEN octet_length(s."uri")::int8 <= $3 THEN s."uri"::text END END, CASE WHEN s."size of pgai_rs" <= CASE WHEN s."place of pgai_rs" = 1 THEN $4 ELSE $5 END THEN NULL::bytea END, CASE WHEN s."size of pgai_rs" <= CASE WHEN s."place of pgai_rs" = 1 THEN $4 ELSE $5 END THEN octet_length(s."uri")::int8 END, s."size of pgai_rs" <= CASE WHEN s."place of pgai_rs" = 1 THEN $4 ELSE $5 END, CASE WHEN s."place of pgai_rs" = 1 THEN s."size of pgai_rs" END
FROM (SELECT k.ord AS "ord of pgai_rs", s."uri",
(sum(CASE WHEN octet_length(s."uri")::int8 <= $3 THEN octet_length(s."uri")::int8 ELSE 0 END) OVER so_far)::int8 AS "size of pgai_rs",
row_number() OVER so_far AS "place of pgai_rs"
FROM (SELECT u.ord, u.k0::text AS k0, u.k1::timestamp with time zone AS k1 FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) WITH ORDINALITY AS u (k0, k1, ord)) k JOIN "public"."events" s ON s."tenant ""of""" OPERATOR(pg_catalog.=) k.k0 AND s."created_at" OPERATOR(pg_catalog.=) k.k1
WINDOW so_far AS (ORDER BY k.ord ROWS UNBOUNDED PRECEDING)) s;

-- source::lock
SELECT k.ord FROM (SELECT u.ord, u.k0::text AS k0, u.k1::timestamp with time zone AS k1 FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) WITH ORDINALITY AS u (k0, k1, ord)) k JOIN "public"."events" s ON s."tenant ""of""" OPERATOR(pg_catalog.=) k.k0 AND s."created_at" OPERATOR(pg_catalog.=) k.k1 ORDER BY s."tenant ""of""", s."created_at" FOR NO KEY UPDATE OF s SKIP LOCKED;

-- source::present
SELECT k.ord FROM (SELECT u.ord, u.k0::text AS k0, u.k1::timestamp with time zone AS k1 FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) WITH ORDINALITY AS u (k0, k1, ord)) k JOIN "public"."events" s ON s."tenant ""of""" OPERATOR(pg_catalog.=) k.k0 AND s."created_at" OPERATOR(pg_catalog.=) k.k1;

-- work::claim_among
WITH due AS (
SELECT w."tenant ""of""", w."created_at", w."available_at", w."attempts" FROM "public"."_vectorizer_work_2" w
WHERE w."available_at" <= now() AND (w."leased_by" IS NOT DISTINCT FROM 0) = $7 AND coalesce((SELECT s."uri"::text ^@ ANY ($8) FROM "public"."events" s WHERE w."tenant ""of""" OPERATOR(pg_catalog.=) s."tenant ""of""" AND w."created_at" OPERATOR(pg_catalog.=) s."created_at"), false) = $9
ORDER BY w."available_at" LIMIT $1 FOR UPDATE OF w SKIP LOCKED),
sized AS (
SELECT d."tenant ""of""", d."created_at", row_number() OVER due_first AS "place of pgai_rs",
sum(CASE WHEN octet_length(s."uri")::int8 <= $6 THEN octet_length(s."uri")::int8 ELSE 0 END) OVER due_first AS "size of pgai_rs",
max(d."attempts") OVER due_first AS "tries of pgai_rs"
FROM due d LEFT JOIN "public"."events" s ON d."tenant ""of""" OPERATOR(pg_catalog.=) s."tenant ""of""" AND d."created_at" OPERATOR(pg_catalog.=) s."created_at"
WINDOW due_first AS (ORDER BY d."available_at" ROWS UNBOUNDED PRECEDING))
UPDATE "public"."_vectorizer_work_2" w
SET "attempts" = w."attempts" + 1, "lease" = $3, "leased_by" = $4,
"available_at" = now() + make_interval(secs => $2)
FROM sized z WHERE w."tenant ""of""" OPERATOR(pg_catalog.=) z."tenant ""of""" AND w."created_at" OPERATOR(pg_catalog.=) z."created_at" AND (z."size of pgai_rs" <= $5 OR z."place of pgai_rs" = 1)
AND (NOT $7 OR (z."place of pgai_rs" = 1 OR z."place of pgai_rs" <= 32 >> least(3 * greatest(z."tries of pgai_rs" - 1, 0), 31)))
RETURNING w."generation", w."attempts", w."tenant ""of"""::text, w."created_at"::text, (SELECT count(*) FROM due),
(SELECT ceil(extract(epoch FROM min(l."available_at") - now()) * 1000)::int8
FROM "public"."_vectorizer_work_2" l WHERE l."available_at" > now()), z."place of pgai_rs";

-- column::existing
SELECT k.ord, '00000000-0000-0000-0000-000000000000'::uuid, 0, o."digest"
FROM (SELECT u.ord, u.k0::text AS k0, u.k1::timestamp with time zone AS k1 FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) WITH ORDINALITY AS u (k0, k1, ord)) k JOIN "public"."_vectorizer_origin_2" o ON o."tenant ""of""" OPERATOR(pg_catalog.=) k.k0 AND o."created_at" OPERATOR(pg_catalog.=) k.k1 JOIN "public"."events" s ON s."tenant ""of""" OPERATOR(pg_catalog.=) k.k0 AND s."created_at" OPERATOR(pg_catalog.=) k.k1
WHERE s."embedding" IS NOT NULL AND o."digest" IS NOT NULL;

-- column::filled
SELECT k.ord FROM (SELECT u.ord, u.k0::text AS k0, u.k1::timestamp with time zone AS k1 FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) WITH ORDINALITY AS u (k0, k1, ord)) k JOIN "public"."events" s ON s."tenant ""of""" OPERATOR(pg_catalog.=) k.k0 AND s."created_at" OPERATOR(pg_catalog.=) k.k1 WHERE s."embedding" IS NOT NULL;

-- column::fill
UPDATE "public"."events" s SET "embedding" = k.embedding FROM (SELECT u.ord, u.k0::text AS k0, u.k1::timestamp with time zone AS k1, u.embedding FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::"public"."vector"[])) WITH ORDINALITY AS u (k0, k1, embedding, ord)) k WHERE s."tenant ""of""" OPERATOR(pg_catalog.=) k.k0 AND s."created_at" OPERATOR(pg_catalog.=) k.k1;

-- column::clear
UPDATE "public"."events" s SET "embedding" = NULL FROM (SELECT u.ord, u.k0::text AS k0, u.k1::timestamp with time zone AS k1 FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) WITH ORDINALITY AS u (k0, k1, ord)) k WHERE s."tenant ""of""" OPERATOR(pg_catalog.=) k.k0 AND s."created_at" OPERATOR(pg_catalog.=) k.k1 AND s."embedding" IS NOT NULL;

-- provenance::remember
INSERT INTO "public"."_vectorizer_origin_2" AS o ("tenant ""of""", "created_at", "etag", "fingerprint", "digest")
SELECT k.k0, k.k1, k.etag, k.fingerprint, k.digest FROM (SELECT u.ord, u.k0::text AS k0, u.k1::timestamp with time zone AS k1, u.etag, u.fingerprint, u.digest FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::text[]), pg_catalog.unnest($4::bytea[]), pg_catalog.unnest($5::bytea[])) WITH ORDINALITY AS u (k0, k1, etag, fingerprint, digest, ord)) k
ON CONFLICT ("tenant ""of""", "created_at") DO UPDATE SET ("etag", "fingerprint", "digest", "parsed_text", "parsed_outline", "parsed_from", "parsed_at") = ROW(excluded."etag", excluded."fingerprint", excluded."digest", excluded."parsed_text", excluded."parsed_outline", excluded."parsed_from", excluded."parsed_at")
WHERE (o."etag", o."fingerprint", o."digest", o."parsed_from") IS DISTINCT FROM (excluded."etag", excluded."fingerprint", excluded."digest", excluded."parsed_from");

-- provenance::forget
DELETE FROM "public"."_vectorizer_origin_2" o USING (SELECT u.ord, u.k0::text AS k0, u.k1::timestamp with time zone AS k1 FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) WITH ORDINALITY AS u (k0, k1, ord)) k WHERE o."tenant ""of""" OPERATOR(pg_catalog.=) k.k0 AND o."created_at" OPERATOR(pg_catalog.=) k.k1;

-- provenance::read
SELECT k.ord, o."etag", o."fingerprint" FROM (SELECT u.ord, u.k0::text AS k0, u.k1::timestamp with time zone AS k1 FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) WITH ORDINALITY AS u (k0, k1, ord)) k JOIN "public"."_vectorizer_origin_2" o ON o."tenant ""of""" OPERATOR(pg_catalog.=) k.k0 AND o."created_at" OPERATOR(pg_catalog.=) k.k1
WHERE o."etag" IS NOT NULL AND o."fingerprint" IS NOT NULL;

-- trigger::enqueue_inserted
INSERT INTO "public"."_vectorizer_q_2" ("tenant ""of""", "created_at") SELECT n."tenant ""of""", n."created_at" FROM new_rows n;

-- trigger::enqueue_changed
INSERT INTO "public"."_vectorizer_q_2" ("tenant ""of""", "created_at") SELECT n."tenant ""of""", n."created_at" FROM new_rows n LEFT JOIN old_rows o ON o."tenant ""of""" OPERATOR(pg_catalog.=) n."tenant ""of""" AND o."created_at" OPERATOR(pg_catalog.=) n."created_at"
WHERE pg_catalog.num_nulls(n."tenant ""of""", n."created_at") OPERATOR(pg_catalog.=) 0 AND (o."tenant ""of""" IS NULL OR ROW(o."uri")::record OPERATOR(pg_catalog.*<>) ROW(n."uri")::record);

-- trigger::enqueue_row
INSERT INTO "public"."_vectorizer_q_2" ("tenant ""of""", "created_at") VALUES ($1, $2);

-- trigger::remove_row
WITH enqueued AS (INSERT INTO "public"."_vectorizer_q_2" ("tenant ""of""", "created_at") SELECT s."tenant ""of""", s."created_at" FROM "public"."_vectorizer_q_failed_2" s WHERE s."tenant ""of""" OPERATOR(pg_catalog.=) $1 AND s."created_at" OPERATOR(pg_catalog.=) $2), removed0 AS (DELETE FROM "public"."_vectorizer_origin_2" s WHERE s."tenant ""of""" OPERATOR(pg_catalog.=) $1 AND s."created_at" OPERATOR(pg_catalog.=) $2)
SELECT;

-- trigger::removal
WITH enqueued AS (INSERT INTO "public"."_vectorizer_q_2" ("tenant ""of""", "created_at") SELECT s."tenant ""of""", s."created_at" FROM "public"."_vectorizer_q_failed_2" s, old_rows o WHERE s."tenant ""of""" OPERATOR(pg_catalog.=) o."tenant ""of""" AND s."created_at" OPERATOR(pg_catalog.=) o."created_at"), removed0 AS (DELETE FROM "public"."_vectorizer_origin_2" s USING old_rows o WHERE s."tenant ""of""" OPERATOR(pg_catalog.=) o."tenant ""of""" AND s."created_at" OPERATOR(pg_catalog.=) o."created_at")
SELECT;

-- tables::definitions
CREATE TABLE "public"."_vectorizer_q_2" ("created_at" timestamp with time zone NOT NULL, "tenant ""of""" text NOT NULL, "queued_at" timestamptz NOT NULL DEFAULT now(), "loading_retries" int4 NOT NULL DEFAULT 0, "loading_retry_after" timestamptz) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 5000);

-- tables::definitions
CREATE TABLE "public"."_vectorizer_work_2" ("created_at" timestamp with time zone NOT NULL, "tenant ""of""" text NOT NULL, "generation" int8 NOT NULL DEFAULT 1, "attempts" int4 NOT NULL DEFAULT 0, "queued_at" timestamptz NOT NULL DEFAULT now(), "available_at" timestamptz NOT NULL DEFAULT now(), "lease" int8, "leased_by" int4, PRIMARY KEY ("tenant ""of""", "created_at")) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 5000);

-- tables::definitions
CREATE INDEX ON "public"."_vectorizer_work_2" ("available_at");

-- tables::definitions
CREATE TABLE "public"."_vectorizer_q_failed_2" ("created_at" timestamp with time zone NOT NULL, "tenant ""of""" text NOT NULL, "_created_at" timestamptz NOT NULL DEFAULT now(), "failure_step" text NOT NULL DEFAULT '', "failure_code" text, "failure_message" text, "failure_hint" text, "attempts" int4);

-- tables::definitions
CREATE INDEX ON "public"."_vectorizer_q_failed_2" ("tenant ""of""", "created_at");

-- tables::definitions
CREATE TABLE "public"."_vectorizer_origin_2" ("created_at" timestamp with time zone NOT NULL, "tenant ""of""" text NOT NULL, "etag" text, "fingerprint" bytea, "digest" bytea, "parsed_text" text, "parsed_outline" jsonb, "parsed_from" bytea, "parsed_at" timestamptz, PRIMARY KEY ("tenant ""of""", "created_at"));

-- tables::definitions
ALTER TABLE "public"."_vectorizer_q_2" REPLICA IDENTITY FULL;

-- tables::definitions
ALTER TABLE "public"."_vectorizer_q_failed_2" REPLICA IDENTITY FULL;
