# docker build --tag partyline .
# docker run --publish 8080:8080 --volume partyline:/data --env PARTYLINE_PUBLIC_URL=https://… partyline

FROM rust:1.95-slim-bookworm AS build
WORKDIR /source
COPY . .
# For a binary that is smaller by a quarter and takes longer to build: --build-arg PROFILE=dist
ARG PROFILE=release
RUN cargo build --locked --profile "$PROFILE" --bin partyline \
    && install -D "target/$PROFILE/partyline" /out/partyline

FROM debian:bookworm-slim
# The certificates are needed for requests to Twilio.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /data --no-create-home --shell /usr/sbin/nologin partyline \
    && install -d -o partyline -g partyline -m 700 /data
COPY --from=build /out/partyline /usr/local/bin/partyline
USER partyline
WORKDIR /data
# Holds the SQLite file and the secrets that are generated at the first start.
VOLUME /data
ENV PARTYLINE_LISTEN=0.0.0.0:8080 \
    DATABASE_URL=sqlite:///data/partyline.db?mode=rwc
EXPOSE 8080
# bash opens the TCP connection, so the image needs no curl.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /readyz HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && read -r answer <&3 && [[ $answer == *' 200 '* ]]"]
ENTRYPOINT ["partyline"]
CMD ["serve"]
