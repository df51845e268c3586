# The image of a connector. Build it at the root of the repository:
#   docker build -f deploy/containers/connector.Dockerfile -t hefu-connector:0.1.0 .
# It holds the protocol, the policies and this tower, and nothing of the others.
ARG PYTHON=3.11.14-slim-bookworm

FROM python:${PYTHON} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_CONSTRAINT=/build/constraints.txt
WORKDIR /build
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY proto/hefu proto/hefu
COPY policies/hefu_policies policies/hefu_policies
COPY connector/hefu_connector connector/hefu_connector
RUN python -m venv /opt/hefu \
 && pip wheel --no-deps --wheel-dir /wheels . \
 && /opt/hefu/bin/pip install "hefu[connector,telemetry] @ file://$(echo /wheels/*.whl)" \
 && /opt/hefu/bin/pip uninstall --yes pip setuptools \
 && python -m compileall -q /opt/hefu

FROM python:${PYTHON}
COPY --from=build /opt/hefu /opt/hefu
RUN groupadd --gid 10001 hefu \
 && useradd --uid 10001 --gid 10001 --home-dir /var/lib/hefu --no-create-home --shell /usr/sbin/nologin hefu \
 && install --directory --mode=0700 --owner=10001 --group=10001 /var/lib/hefu /run/hefu
ENV PATH=/opt/hefu/bin:$PATH \
    HEFU_DIR=/var/lib/hefu \
    HEFU_LOG=json \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    XDG_RUNTIME_DIR=/run/hefu
USER 10001:10001
WORKDIR /var/lib/hefu
VOLUME /var/lib/hefu
EXPOSE 7410
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s \
  CMD ["python", "-c", "import urllib.request as web; web.urlopen('http://127.0.0.1:9464/readyz', timeout=4)"]
ENTRYPOINT ["hefu"]
CMD ["connector", "serve", "--dir", "/var/lib/hefu", "--http", "127.0.0.1:9464"]
