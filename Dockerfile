# Two stages: a Debian with Rust to build, and an image with nothing but libc, root certificates and the binary:
# no shell, no package manager, no root. Ports below 1024 need nothing more, container runtimes let anyone bind
# them inside.
#
#   docker build -t parvis .
#   docker run -v /etc/parvis:/etc/parvis:ro -v parvis-state:/var/lib/parvis -p 80:80 -p 443:443 parvis
FROM rust:1.95-bookworm AS build
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY src src
RUN cargo build --release --locked --bin parvis \
 && strip --strip-debug target/release/parvis \
 && install -d -m 0750 /own

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /build/target/release/parvis /usr/bin/parvis
# What it writes: its state, and the socket of `[admin]`.
COPY --from=build --chown=nonroot:nonroot /own /var/lib/parvis
COPY --from=build --chown=nonroot:nonroot /own /run/parvis
USER nonroot:nonroot
VOLUME /var/lib/parvis
# SIGTERM drains; give it longer than `[timeouts] drain` (docker run --stop-timeout).
STOPSIGNAL SIGTERM
# There is no curl to ask /live with.
HEALTHCHECK CMD ["/usr/bin/parvis", "status", "--config", "/etc/parvis/parvis.toml"]
ENTRYPOINT ["/usr/bin/parvis"]
CMD ["run", "--config", "/etc/parvis/parvis.toml"]
