# The steps of the README on a bare Python: `docker run IMAGE` runs the main job.
FROM python:3.11-slim
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev make git \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /evonum
COPY . .
RUN make ready
# The kernels are compiled for the processor they run on, at the first start.
CMD ["make", "search"]
