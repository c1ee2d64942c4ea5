#!/bin/sh
# Ends with 0 if the server answers and every vectorizer of the image's database has its worker.
#
# A model or an S3 that is out does not make the container unhealthy: to start it again would mend nothing.
set -eu

database=${POSTGRES_DB:-${POSTGRES_USER:-postgres}}
ask="psql --no-psqlrc --quiet --tuples-only --no-align --username=${POSTGRES_USER:-postgres} --dbname=$database"

# Without the extension there is nothing of ours that could be ill.
test "$($ask --command="SELECT count(*) FROM pg_extension WHERE extname = 'pgai_rs'")" = 1 || exit 0

ill=$($ask --command="SELECT name, state, reason FROM ai.vectorizer_health
                      WHERE state IN ('no_worker', 'not_preloaded', 'stalled')")
test -z "$ill" || { echo "$ill"; exit 1; }
