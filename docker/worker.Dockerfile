# The analysis worker: the node's packages with torch, MONAI and the trained weights.
#
#   docker build -f docker/worker.Dockerfile -t dicom-node-worker .
#   docker build -f docker/worker.Dockerfile -t dicom-node-worker --build-arg TORCH_INDEX_URL=<index of CPU wheels> .
#
# BASE_IMAGE may be any Debian image with Python 3.11 to 3.13; torch brings CUDA's libraries itself, so a GPU needs
# only the host's driver and container toolkit. TORCH_INDEX_URL chooses where torch comes from: unset is pip's
# default (on x86_64 a CUDA build); an index of CPU wheels makes the image several GB smaller.
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS build
ARG TORCH_INDEX_URL=""
WORKDIR /src
RUN python -m venv /opt/dicom-node
COPY constraints.txt ./
RUN if [ -n "$TORCH_INDEX_URL" ]; then set -- --index-url "$TORCH_INDEX_URL"; fi \
    && /opt/dicom-node/bin/pip install --no-cache-dir --constraint constraints.txt "$@" torch torchvision
COPY pyproject.toml README.md LICENSE ./
COPY dicom_node dicom_node
COPY worker worker
COPY models models
COPY migrations migrations
RUN /opt/dicom-node/bin/pip install --no-cache-dir --constraint constraints.txt ".[worker]"

FROM ${BASE_IMAGE}
RUN useradd --system --uid 10001 --create-home dicom-node \
    && install --directory --owner=dicom-node --mode=0700 /var/lib/dicom-node
COPY --from=build /opt/dicom-node /opt/dicom-node
COPY docker/healthy.py /opt/dicom-node/healthy.py
ENV PATH=/opt/dicom-node/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DICOM_NODE_DATA_HOME=/var/lib/dicom-node
USER 10001
WORKDIR /var/lib/dicom-node
VOLUME /var/lib/dicom-node
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python", "/opt/dicom-node/healthy.py"]
ENTRYPOINT ["dicom-node"]
CMD ["worker", "run", "--queue", "analysis", "--slot", "analysis-0"]
