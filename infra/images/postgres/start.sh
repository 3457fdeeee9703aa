#!/bin/sh
# Starts PostgreSQL as process 1. The first time it makes the database and its roles; a first start that was cut off begins anew.
#
#   KAGGLE_AGENT_POSTGRES_PASSWORDS  folder with one file per role: its name is the role's, its text the password
#                                    (/etc/kaggle-agent/postgres-passwords)
#   KAGGLE_AGENT_POSTGRES_ROLES      roles to make, the database's owner first (owner writer reader)
#   KAGGLE_AGENT_POSTGRES_PREFIX     put before each name (kaggle_agent_)
#   KAGGLE_AGENT_POSTGRES_DATABASE   the database (kaggle_agent)
#   PGDATA                           a folder inside the volume (/var/lib/postgresql/data/main)
set -eu
umask 077
data=${PGDATA:-/var/lib/postgresql/data/main}
passwords=${KAGGLE_AGENT_POSTGRES_PASSWORDS:-/etc/kaggle-agent/postgres-passwords}
roles=${KAGGLE_AGENT_POSTGRES_ROLES:-owner writer reader}
prefix=${KAGGLE_AGENT_POSTGRES_PREFIX-kaggle_agent_}
database=${KAGGLE_AGENT_POSTGRES_DATABASE:-kaggle_agent}
sockets=/run/postgresql

refuse() {
  printf '%s\n' "$1" >&2
  exit 64
}

# Process 1 has no default action for signals.
trap 'exit 143' TERM INT

is_name() {
  case $1 in '' | *[!a-z0-9_]*) return 1 ;; esac
}

is_name "$database" || refuse "KAGGLE_AGENT_POSTGRES_DATABASE=$database: use small letters, digits and underscores."
for role in $roles; do
  is_name "$role" || refuse "KAGGLE_AGENT_POSTGRES_ROLES names '$role': use small letters, digits and underscores."
  [ -s "$passwords/$role" ] || refuse "$passwords/$role is missing or empty: it must hold the password of the role $prefix$role."
done

# Passwords are read by psql itself, so that no argument of a process shows them.
write_sql() {
  owner=
  for role in $roles; do
    [ -n "$owner" ] || owner=$prefix$role
    printf '\\set password `cat %s/%s`\n' "$passwords" "$role"
    printf "CREATE ROLE %s LOGIN PASSWORD :'password';\n" "$prefix$role"
  done
  printf 'CREATE DATABASE %s OWNER %s;\n' "$database" "$owner"
}

if [ ! -d "$data" ]; then
  rm -rf "$data.new"
  initdb --pgdata="$data.new" --username=postgres --encoding=UTF8 --locale=C --auth-local=peer --auth-host=scram-sha-256 --no-sync >/dev/null
  printf 'host all all all scram-sha-256\n' >>"$data.new/pg_hba.conf"
  pg_ctl --pgdata="$data.new" --wait --silent --options="-c listen_addresses='' -c unix_socket_directories=$sockets" start >/dev/null
  write_sql | psql --host="$sockets" --username=postgres --dbname=postgres --no-psqlrc --quiet --set=ON_ERROR_STOP=1
  pg_ctl --pgdata="$data.new" --wait --silent --mode=fast stop >/dev/null
  mv "$data.new" "$data"
fi

exec postgres -D "$data" -c listen_addresses='*' -c unix_socket_directories="$sockets" -c max_connections=120
