# A Python bot under monopoll. Build the image `monopoll` first
# (deploy/Dockerfile), then in the bot's folder:
#
#   docker build -f python.Dockerfile -t bot .
FROM python:3.12-slim-bookworm
COPY --from=monopoll /usr/local/bin/monopoll /usr/local/bin/monopoll
RUN useradd --uid 10001 --home-dir /srv/bot --create-home bot \
    && install -d -o bot -g bot -m 0700 /var/lib/monopoll

# Containers that must detect each other mount one volume here. Without it, each guards only itself.
ENV MONOPOLL_LOCK__PATHS='["/var/lib/monopoll/{instance}.lock"]'
VOLUME /var/lib/monopoll

WORKDIR /srv/bot
COPY requirements.txt ./
RUN pip install --no-cache-dir -r requirements.txt
COPY . .

USER bot
ENTRYPOINT ["monopoll", "run", "--"]
CMD ["python3", "main.py"]
