# The image for those with Docker: `docker build --build-arg VERSION=1.2.3 -t ghcr.io/berth-dev/berth:1.2.3 .`
# `make image` packs the same content without Docker; both take it from e2e/cluster/image.
FROM node:22-bookworm AS page
WORKDIR /src
COPY server/ui/web/package.json server/ui/web/package-lock.json ./
RUN npm ci --ignore-scripts
COPY server/ui/web/ ./
RUN node build.mjs /dist

FROM golang:1.26-bookworm AS build
ARG VERSION=dev
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY e2e/cluster/go.mod e2e/cluster/go.sum e2e/cluster/
RUN go -C e2e/cluster mod download
COPY . .
COPY --from=page /dist/ server/ui/dist/
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X github.com/berth-dev/berth/cmd/berth/internal/build.version=${VERSION}" -o build/berth ./cmd/berth \
 && go -C e2e/cluster run . image --binary /src/build/berth --version "${VERSION}" --rootfs /rootfs

FROM scratch
ARG VERSION=dev
LABEL org.opencontainers.image.title="Berth" \
      org.opencontainers.image.source="https://github.com/berth-dev/berth" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=build /rootfs/ /
ENV PATH=/usr/local/bin HOME=/var/lib/berth
WORKDIR /var/lib/berth
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/berth"]
