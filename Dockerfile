# One image for web, worker and beat; what it runs is the command. `--build-arg REQUIREMENTS=requirements-otel.txt` puts tracing in.
FROM python:3.13-slim AS build
ARG REQUIREMENTS=requirements.txt
RUN python -m venv /opt/venv
COPY requirements.txt requirements-otel.txt /tmp/
RUN /opt/venv/bin/pip install --no-cache-dir --require-hashes -r /tmp/$REQUIREMENTS

FROM python:3.13-slim
RUN useradd --system --uid 10001 --create-home greenroom
COPY --from=build /opt/venv /opt/venv
WORKDIR /srv/greenroom
COPY manage.py pyproject.toml ./
COPY registry registry
COPY prompts_app prompts_app
COPY evals_app evals_app
COPY templates templates
COPY static static
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DATA_DIR=/var/lib/greenroom
# Assets get their content hashes here; no database is asked. Modules are compiled here too: what serves may not write beside them.
# The folders are where the volumes of docker-compose.yml are mounted: a new volume takes its owner from here.
RUN python -m compileall -q registry prompts_app evals_app \
 && mkdir -p "$DATA_DIR" /backups /checkpoints \
 && GREENROOM_ENV=development SECRET_KEY=build DATABASE_URL=postgresql://nobody@localhost/none BROKER_URL=redis://localhost \
    python manage.py collectstatic --noinput \
 && chown -R greenroom "$DATA_DIR" /backups /checkpoints
USER greenroom
EXPOSE 8000
CMD ["granian", "--interface", "asgi", "--host", "0.0.0.0", "--port", "8000", "--workers", "2", "--workers-kill-timeout", "25", "--backpressure", "8192", "--no-ws", "--http1-buffer-size", "131072", "--http2-max-headers-size", "131072", "registry.asgi:application"]
