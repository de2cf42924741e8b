#!/bin/sh
# Run once by the database's image on an empty data folder: one role owns and migrates, one serves.
set -eu
psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
     -v owner_password="$OWNER_PASSWORD" -v app_password="$APP_PASSWORD" <<'SQL'
CREATE ROLE greenroom_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE greenroom_app LOGIN PASSWORD :'app_password';
CREATE DATABASE greenroom OWNER greenroom_owner;
SQL
