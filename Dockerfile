# KMS and its operator (docs/image.md). Both bases by tag; a release pins them by digest: --build-arg BASE_DIGEST=sha256:…
ARG BUILD=docker.io/library/node:24-trixie-slim
ARG BUILD_DIGEST=""
ARG BASE=gcr.io/distroless/cc-debian13:nonroot
ARG BASE_DIGEST=""

FROM ${BUILD}${BUILD_DIGEST:+@${BUILD_DIGEST}} AS build
WORKDIR /kms
COPY . .
# Seconds since 1970, of the commit: builds of one commit are then the same bytes.
ARG SOURCE_DATE_EPOCH=""
# The only step, and a test runs it: Node and the dependencies that package-lock.json pins, without what no program reads.
RUN ["node", "tools/image/build.mjs", "/image"]

# The C library, certificates of authorities, and a user 65532. No shell, no package manager.
FROM ${BASE}${BASE_DIGEST:+@${BASE_DIGEST}}
ARG BASE
ARG BASE_DIGEST
ARG VERSION=0.1.0
ARG REVISION=""
LABEL org.opencontainers.image.title="Hanzo KMS" \
      org.opencontainers.image.description="A self-hosted secrets manager that speaks Infisical's HTTP API, and its Kubernetes operator" \
      org.opencontainers.image.url="https://kms.hanzo.ai" \
      org.opencontainers.image.source="https://github.com/hanzoai/kms" \
      org.opencontainers.image.documentation="https://github.com/hanzoai/kms/blob/main/docs/image.md" \
      org.opencontainers.image.vendor="Hanzo" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE}" \
      org.opencontainers.image.base.digest="${BASE_DIGEST}"
COPY --from=build /image/ /
# The programs' own first lines say why; there is no env here that could read them.
ENV NODE_ENV=production MALLOC_ARENA_MAX=2 HOST=0.0.0.0
USER 65532:65532
EXPOSE 8080 8081
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 CMD ["kms-health"]
CMD ["kms-server"]
