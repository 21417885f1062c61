# A Node bot under monopoll. Build the image `monopoll` first
# (deploy/Dockerfile), then in the bot's folder:
#
#   docker build -f node.Dockerfile -t bot .
FROM node:22-bookworm-slim
COPY --from=monopoll /usr/local/bin/monopoll /usr/local/bin/monopoll
RUN useradd --uid 10001 --home-dir /srv/bot --create-home bot \
    && install -d -o bot -g bot -m 0700 /var/lib/monopoll

# Containers that must detect each other mount one volume here. Without it, each guards only itself.
ENV MONOPOLL_LOCK__PATHS='["/var/lib/monopoll/{instance}.lock"]'
VOLUME /var/lib/monopoll

WORKDIR /srv/bot
COPY package.json package-lock.json ./
RUN npm ci --omit=dev
COPY . .

USER bot
ENTRYPOINT ["monopoll", "run", "--"]
CMD ["node", "main.js"]
