# The wheel with its prebuilt kernels, without development tools, for an ordinary user: `docker run IMAGE` runs
# the main job, `docker run IMAGE COMMAND ...` any other, compose.yaml a team's service.
FROM python:3.11-slim AS needs
# What evonum needs is a layer of its own: a change of code does not install it again.
WORKDIR /source
COPY pyproject.toml constraints.txt ./
RUN python -m venv /opt/evonum \
    && python -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb'))['project']; print(*p['dependencies'], *p['optional-dependencies']['team'], sep='\n')" > needs.txt \
    && /opt/evonum/bin/pip install --no-cache-dir --constraint constraints.txt --requirement needs.txt

FROM needs AS build
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
COPY . .
RUN /opt/evonum/bin/python -m evo.kernels.prebuilt \
    && /opt/evonum/bin/pip wheel --quiet --no-deps --wheel-dir dist \
        --config-settings=--build-option=--plat-name=manylinux_2_29_x86_64 .

FROM python:3.11-slim
RUN useradd --create-home --uid 10001 evonum && install --directory --owner evonum --group evonum /data
COPY --from=needs /opt/evonum /opt/evonum
COPY --from=build /source/dist /opt/dist
RUN /opt/evonum/bin/pip install --no-cache-dir --no-deps /opt/dist/*.whl
# The root may be read-only: what is written lies in /data (a volume) and /tmp (memory).
ENV PATH=/opt/evonum/bin:$PATH HOME=/data MPLCONFIGDIR=/tmp/matplotlib MLFLOW_DISABLE_TELEMETRY=true
USER evonum
WORKDIR /data
VOLUME /data
# Of a service; any other command is well while it runs.
HEALTHCHECK --interval=10s --start-period=30s CMD ["sh", "-c", "! tr '\\0' ' ' < /proc/1/cmdline | grep -q ' serve' || python -c \"import urllib.request as u; u.urlopen('http://127.0.0.1:8765/healthz', timeout=5)\""]
ENTRYPOINT ["evonum"]
CMD ["search", "exp2", "--interval", "0", "1", "--max-ops", "8", "--time", "60s", "--seed", "0"]
