# `docker run IMAGE` runs the main job: the wheel's prebuilt kernels, no development tools, an ordinary user.
FROM python:3.11-slim AS build
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN make wheel && python -m venv /opt/evonum \
    && /opt/evonum/bin/pip install --no-cache-dir --constraint constraints.txt dist/*.whl

FROM python:3.11-slim
RUN useradd --create-home evonum
COPY --from=build /opt/evonum /opt/evonum
ENV PATH=/opt/evonum/bin:$PATH
USER evonum
WORKDIR /home/evonum
CMD ["evonum", "search", "exp2", "--interval", "0", "1", "--max-ops", "8", "--time", "60s", "--seed", "0"]
