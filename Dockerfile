# One image for the agents, the API and the command line.
#
#   docker build -t centinela .
#
# It builds with BuildKit and without. At the end stand the pinned packages, the code, and its
# kernels, compiled; nothing of it belongs to the user that runs it.

FROM python:3.11-slim AS build

# Bytecode is wanted here, whatever the base image says: see below.
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE= \
    PATH=/opt/venv/bin:$PATH
WORKDIR /app

RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends binutils \
 && rm -rf /var/lib/apt/lists/*
COPY requirements.txt /opt/
RUN python -m venv --without-pip /opt/venv \
 && pip --python /opt/venv/bin/python install --no-compile --require-hashes -r /opt/requirements.txt

# What no process here reads: what only fitting a model needs (`centinela train` says so, and is
# run from a checkout), the tests and headers that packages bring, Arrow's doors to networks, and
# symbols for debuggers: 80 MB. Libraries that the packages themselves have repacked (*.libs) stay.
RUN pip --python /opt/venv/bin/python uninstall -q -y \
      scikit-learn scipy joblib narwhals threadpoolctl \
 && packages=/opt/venv/lib/python3.11/site-packages \
 && find $packages -type d '(' -name tests -o -name include -o -path '*/onnx/backend/test' ')' -prune -exec rm -r {} + \
 && rm -f $packages/pyarrow/*flight* $packages/pyarrow/*s3* \
 && find $packages -name '*.so*' -type f -not -path '*.libs/*' -exec strip --strip-unneeded {} + \
 && printf '/app\n' >$packages/centinela.pth

COPY feature_store feature_store
COPY models models
COPY producer producer
COPY stream_agents stream_agents
# Machine code for any CPU of this architecture: an image that was built elsewhere need not compile
# for a minute. Measured, judging takes as long as with code for the very CPU, within 3 %.
ENV NUMBA_CPU_NAME=generic NUMBA_CACHE_DIR=/app/.kernels
RUN python -m stream_agents.warm

COPY api api
COPY scripts scripts
COPY pyproject.toml LICENSE ./
# The API's kernels, and bytecode of exactly the modules that the processes load.
RUN python -c 'import api.wiring, models.catalog; [*map(api.wiring.warm, models.catalog.PACKS)]' \
 && python -c 'import api.__main__, scripts.cli, scripts.demonstration' \
 && python -c 'import stream_agents.ingestion, stream_agents.decision, stream_agents.recorder'


FROM python:3.11-slim

COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
COPY scripts/container-entrypoint /usr/local/bin/centinela

# All that is ever written goes to /tmp; the rest works from a read-only root.
# The safe path: a folder `models` where a command is given must not hide ours.
ENV PATH=/opt/venv/bin:$PATH HOME=/tmp \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONSAFEPATH=1 \
    NUMBA_CPU_NAME=generic NUMBA_CACHE_DIR=/tmp/kernels \
    CENTINELA_HOME=/tmp/centinela CENTINELA_API_HOST=0.0.0.0
WORKDIR /tmp
USER 10001:10001
EXPOSE 8080
ENTRYPOINT ["centinela"]
CMD ["demo"]
