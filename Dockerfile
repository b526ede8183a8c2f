# stresswire in one container: `stresswire up`, as a user without rights, with the record in /data.

FROM python:3.11.13-slim-bookworm AS locked
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv /opt/stresswire
ENV PATH=/opt/stresswire/bin:$PATH
WORKDIR /src
COPY requirements.lock ./
RUN pip install --require-hashes -r requirements.lock

# Node.js builds the pages and goes no further than this stage.
FROM locked AS wheel
COPY requirements-node.lock ./
RUN pip install --require-hashes -r requirements-node.lock
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY frontend frontend
COPY docs/asyncapi.yaml docs/openapi.yaml docs/
COPY broker broker
COPY storage storage
COPY models models
COPY ingest ingest
COPY gateway gateway
COPY stresswire stresswire
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /dist .

FROM locked AS installed
COPY --from=wheel /dist /dist
RUN pip install --no-deps --no-index /dist/*.whl

FROM python:3.11.13-slim-bookworm
RUN groupadd --gid 10001 stresswire \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin stresswire \
    && install --directory --owner=10001 --group=10001 --mode=0700 /data
COPY --from=installed /opt/stresswire /opt/stresswire
# Open beyond the container's loopback, without logins: `up` refuses that until STRESSWIRE_AUTH=off is said, as compose.yaml
# does, which publishes the ports on the host's loopback only.
ENV PATH=/opt/stresswire/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    STRESSWIRE_HTTP_BIND=0.0.0.0:5000 \
    STRESSWIRE_MQTT_BIND=0.0.0.0:1883 \
    STRESSWIRE_DATABASE_URL=sqlite:////data/stresswire.db
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 5000 1883
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "from urllib.request import ProxyHandler, build_opener; build_opener(ProxyHandler({})).open('http://127.0.0.1:5000/readyz', timeout=4)"]
ENTRYPOINT ["stresswire"]
CMD ["up"]
