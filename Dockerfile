# The image of ktlsserve: docker build --tag ktlsserve:0.1.0 . How to run it is in docs/container.md.

FROM python:3.13-slim AS build

# A pip of its own, so that the environment that is shipped has none.
RUN python3 -m venv /opt/pip

WORKDIR /src
# What .dockerignore lets through.
COPY . .
# Of the extras, auth is for the server; compress is for who makes the site, and takes 28 MB.
ARG EXTRAS=auth
RUN /opt/pip/bin/pip wheel --no-cache-dir --no-deps --wheel-dir /opt/wheels . \
    && python3 -m venv --without-pip /opt/venv \
    && wheel=$(echo /opt/wheels/*.whl) \
    && /opt/pip/bin/pip --python /opt/venv/bin/python install --no-cache-dir "ktlsserve[$EXTRAS] @ file://$wheel"

# What else is shipped; and all of it is readable for everybody, whatever the checkout's umask was.
RUN mkdir -p /shipped/etc/ktlsserve /shipped/srv /shipped/usr/share/doc/ktlsserve \
    && cp config/container.toml /shipped/etc/ktlsserve/ktlsserve.toml \
    && cp -R config/site /shipped/srv/site \
    && cp LICENSE /shipped/usr/share/doc/ktlsserve/ \
    && chmod -R u=rwX,go=rX /shipped /opt/venv


FROM python:3.13-slim

ARG VERSION=0.1.0
# Where this very image was built from, for whoever publishes it.
ARG SOURCE=
ARG REVISION=
LABEL org.opencontainers.image.title="ktlsserve" \
      org.opencontainers.image.description="Static files over HTTPS: the Linux kernel encrypts (kTLS), sendfile sends" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.revision="${REVISION}"

# The folder is for the self-signed certificate, where a volume or a writable file system lets it be kept.
RUN groupadd --gid 10001 ktlsserve \
    && useradd --no-log-init --no-create-home --home-dir /var/lib/ktlsserve --shell /usr/sbin/nologin \
        --uid 10001 --gid 10001 ktlsserve \
    && install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/ktlsserve

COPY --from=build /opt/venv /opt/venv
COPY --from=build /shipped /

# The base image has Python's library uncompiled, and where nobody may write, each start would compile it anew: to import
# all of ktlsserve is to keep compiled what it uses.
RUN ["/opt/venv/bin/python", "-c", "import pkgutil, ktlsserve; [__import__(module.name) for module in pkgutil.walk_packages(ktlsserve.__path__, 'ktlsserve.') if module.name != 'ktlsserve.__main__']"]

ENV PATH="/opt/venv/bin:${PATH}" \
    KTLSSERVE_CONFIG=/etc/ktlsserve/ktlsserve.toml \
    XDG_STATE_HOME=/var/lib

# A number, so that Kubernetes can see that it isn't root.
USER 10001:10001
EXPOSE 8443
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["ktlsserve", "healthcheck"]
ENTRYPOINT ["ktlsserve"]
CMD ["serve"]
