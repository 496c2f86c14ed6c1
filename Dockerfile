# What logscan needs to run, and nothing else; no shell tools are used at run time and nothing is written.
# Give the base by digest where builds must be the same for ever:
#   docker build --build-arg PYTHON=python:3.13.7-slim-bookworm@sha256:… --tag logscan .
ARG PYTHON=python:3.13.7-slim-bookworm

FROM ${PYTHON} AS build
WORKDIR /src
COPY requirements.lock ./
RUN python -m venv /opt/logscan \
    && /opt/logscan/bin/pip install --no-cache-dir --require-hashes --only-binary :all: --requirement requirements.lock
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY logscan logscan
COPY rules rules
RUN /opt/logscan/bin/pip install --no-cache-dir --no-deps . \
    && /opt/logscan/bin/python -m compileall -q /opt/logscan/lib \
    && /opt/logscan/bin/pip uninstall --yes pip

FROM ${PYTHON}
LABEL org.opencontainers.image.title="logscan" \
      org.opencontainers.image.description="Says why a csi-driver-nfs volume does not come up, from its logs" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/logscan /opt/logscan
ENV PATH=/opt/logscan/bin:$PATH \
    LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /work
# By number, so that Kubernetes' runAsNonRoot can see that it is not root.
USER 65532:65532
ENTRYPOINT ["logscan"]
