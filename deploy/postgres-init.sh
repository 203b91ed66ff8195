#!/bin/sh
# Run once by the Postgres image on an empty volume: a database and a role for each service, and no way into another's.
set -eu
create() {
	psql --set ON_ERROR_STOP=1 --username postgres --set name="$1" --set password="$2" <<-'SQL'
		CREATE ROLE :"name" LOGIN PASSWORD :'password';
		CREATE DATABASE :"name" OWNER :"name";
		REVOKE CONNECT ON DATABASE :"name" FROM PUBLIC;
	SQL
}
create authz "$AUTHZ_DATABASE_PASSWORD"
create user_service "$USER_DATABASE_PASSWORD"
create board "$BOARD_DATABASE_PASSWORD"
