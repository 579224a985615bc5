# Two stages: the first installs hash-locked packages and the project, the second has only what runs.
FROM python:3.11-slim AS build
WORKDIR /src
RUN python -m pip install --no-cache-dir uv
ENV UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_NO_CACHE=1
COPY requirements.lock ./
RUN uv venv /opt/undersign \
 && uv pip sync --require-hashes --python /opt/undersign/bin/python requirements.lock
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY fhir_adapters fhir_adapters
COPY recommender recommender
COPY service service
COPY conformance conformance
RUN uv pip install --no-deps --no-build-isolation --python /opt/undersign/bin/python .

FROM python:3.11-slim
# LightGBM's library wants OpenMP's runtime, which slim images leave out.
RUN apt-get update \
 && apt-get install --no-install-recommends -y libgomp1 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --create-home --home-dir /var/lib/undersign undersign
COPY --from=build /opt/undersign /opt/undersign
ENV PATH=/opt/undersign/bin:$PATH PYTHONUNBUFFERED=1 OMP_NUM_THREADS=1
USER undersign
WORKDIR /var/lib/undersign
VOLUME /var/lib/undersign
EXPOSE 8040
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s CMD ["undersign", "ready", "--port", "8040"]
ENTRYPOINT ["undersign"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8040"]
