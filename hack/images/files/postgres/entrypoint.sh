#!/bin/sh
# The official image's environment, as far as tests use it: POSTGRES_PASSWORD, POSTGRES_USER, POSTGRES_DB,
# POSTGRES_INITDB_ARGS, POSTGRES_HOST_AUTH_METHOD, PGDATA, and scripts in /docker-entrypoint-initdb.d.
set -e
case "$1" in
-*) set -- postgres "$@" ;;
esac
[ "$1" = postgres ] || exec "$@"

if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA" /var/run/postgresql
    chown postgres:postgres "$PGDATA" /var/run/postgresql
    chmod 700 "$PGDATA"
    exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$0" "$@"
fi

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    user=${POSTGRES_USER:-postgres}
    database=${POSTGRES_DB:-$user}
    method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
    if [ -z "$POSTGRES_PASSWORD" ] && [ "$method" != trust ]; then
        echo "Error: Database is uninitialized and superuser password is not specified: set POSTGRES_PASSWORD" >&2
        exit 1
    fi
    mkdir -p "$PGDATA"
    chmod 700 "$PGDATA"
    secret=$(mktemp)
    printf '%s\n' "${POSTGRES_PASSWORD:-unused}" >"$secret"
    # shellcheck disable=SC2086 # several arguments on purpose
    initdb --username="$user" --pwfile="$secret" $POSTGRES_INITDB_ARGS
    rm "$secret"
    printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
    pg_ctl --wait -o "-c listen_addresses=" start
    if [ "$database" != postgres ]; then
        createdb --username="$user" --maintenance-db=postgres "$database"
    fi
    for file in /docker-entrypoint-initdb.d/*; do
        case "$file" in
        *.sh) . "$file" ;;
        *.sql) psql -v ON_ERROR_STOP=1 --no-psqlrc --username="$user" --dbname="$database" --file="$file" ;;
        *.sql.gz) gunzip -c "$file" | psql -v ON_ERROR_STOP=1 --no-psqlrc --username="$user" --dbname="$database" ;;
        esac
    done
    pg_ctl --wait stop
fi
unset POSTGRES_PASSWORD
shift
exec postgres -c listen_addresses='*' "$@"
