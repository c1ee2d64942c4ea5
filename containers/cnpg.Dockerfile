# The files of pgai_rs alone, which CloudNativePG mounts beside a Postgres of its own.
#
#   make package PG=18
#   docker build -f containers/cnpg.Dockerfile --build-arg PG=18 -t pgai_rs:18-extension .
#
# cnpg.yaml says how it is used. No engine has built it yet: `make test-packages` lays the same files out by the same script,
# and has a server find them there.
ARG PG=18
FROM debian:12-slim AS files
ARG PG
COPY containers/lay-out.sh dist/postgresql-${PG}-pgai-rs_*.deb /tmp/pgai_rs/
RUN sh /tmp/pgai_rs/lay-out.sh /tmp/pgai_rs/*.deb /image

FROM scratch
COPY --from=files /image/ /
USER 65532:65532
