# The image: one static program, CA certificates, and an empty directory with the owner that Airflow's containers need.
#
#   docker build -t airflow-secrets-init .                                (scripts/image, or `make image`, where there is no registry)
#   docker buildx build --platform linux/amd64,linux/arm64 ...            (compiles on the builder's own platform for the other)
#
# The base is pinned by this argument: any Debian with rustup in it will do.
ARG RUST_IMAGE=docker.io/library/rust:1.95.0-bookworm

FROM --platform=$BUILDPLATFORM ${RUST_IMAGE} AS build
ARG TARGETARCH
WORKDIR /build

# The C compilers that aws-lc needs, and what writes the list of dependencies into the program.
COPY scripts/static-build scripts/
RUN scripts/static-build prepare "$TARGETARCH"

# Dependencies are a layer of their own: it stays until a Cargo.toml or Cargo.lock changes.
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY benches/relay/Cargo.toml benches/relay/
COPY benches/virtual-herd/Cargo.toml benches/virtual-herd/
COPY tests/support/fake-aws/Cargo.toml tests/support/fake-aws/
COPY tests/support/tracer/Cargo.toml tests/support/tracer/
RUN scripts/static-build dependencies "$TARGETARCH"

COPY src src
COPY templates templates
RUN scripts/static-build program "$TARGETARCH" /image

FROM scratch
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="airflow-secrets-init" \
      org.opencontainers.image.description="Renders Airflow connections from AWS Secrets Manager into the file that LocalFilesystemBackend reads: at pod start, or again and again" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /image/root /
# A named volume of docker's takes owner and mode from here. Airflow's containers are 50000:0, or any user of group 0.
COPY --from=build --chown=50000:0 /image/opt /opt
USER 50000:0
ENTRYPOINT ["/airflow-secrets-init"]
