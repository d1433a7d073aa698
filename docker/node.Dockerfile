# The node without its networks: SCP, dispatcher, delivery, web page and command line. No torch, a small image.
#
#   docker build -f docker/node.Dockerfile -t dicom-node .
#
# BASE_IMAGE may be any Debian image with Python 3.11 to 3.13.
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS build
WORKDIR /src
RUN python -m venv /opt/dicom-node
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY dicom_node dicom_node
COPY worker worker
COPY models models
COPY migrations migrations
RUN /opt/dicom-node/bin/pip install --no-cache-dir --constraint constraints.txt .

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
EXPOSE 11112 8080
HEALTHCHECK --interval=15s --timeout=10s --start-period=20s --retries=3 \
    CMD ["python", "/opt/dicom-node/healthy.py"]
ENTRYPOINT ["dicom-node"]
CMD ["serve"]
