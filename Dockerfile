# The worker and the starter as static binaries in an otherwise empty image.
#
#   docker build --tag seriatim-worker .
#   docker run --rm --entrypoint /starter seriatim-worker --help

FROM golang:1.26.8 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY protocol ./protocol
COPY catalogue ./catalogue
COPY codec ./codec
COPY workflows ./workflows
COPY activities ./activities
COPY opclient ./opclient
COPY internal ./internal
COPY worker ./worker
COPY starter ./starter
RUN CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o /out/ ./worker ./starter \
    && cp "$(go env GOROOT)/lib/time/zoneinfo.zip" /out/zoneinfo.zip

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/zoneinfo.zip /zoneinfo.zip
COPY --from=build /out/worker /out/starter /
ENV ZONEINFO=/zoneinfo.zip
USER 65532:65532
ENTRYPOINT ["/worker"]
