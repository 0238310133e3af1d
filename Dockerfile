FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /out/headcount .
# An empty directory: volumes mounted over it get its owner.
RUN mkdir -p /out/data

# One static binary, which carries its time zones. Certificates are for a
# PostgreSQL that is reached with TLS.
FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/headcount /usr/local/bin/headcount
COPY --from=build --chown=65532:65532 /out/data /var/lib/headcount
USER 65532:65532
WORKDIR /var/lib/headcount
VOLUME /var/lib/headcount

# No HEALTHCHECK here: a node listens on the address its cluster file gives it,
# which an image cannot know. docker-compose.yml has one per node.
ENTRYPOINT ["/usr/local/bin/headcount"]
CMD ["help"]
