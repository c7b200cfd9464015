#!/bin/sh
# The guestbook's replica: follows redis-master, found by DNS or by the variables of a Service.
if [ "${GET_HOSTS_FROM:-dns}" = env ]; then
    set -- "$REDIS_MASTER_SERVICE_HOST"
else
    set -- redis-master
fi
exec entrypoint.sh redis-server --replicaof "$1" 6379
