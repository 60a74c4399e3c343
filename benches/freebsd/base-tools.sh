#!/bin/sh
# The star that the benchmark makes, by base-system commands alone: sh base-tools.sh NODES up|down
set -e
nodes=$1
each() { i=1; while [ $i -le $nodes ]; do "$@" $i; i=$((i + 1)); done; }

add() {
    jail -c name=btstar.h$1 vnet persist path=/
    jexec btstar ngctl mkpeer bt: eiface link$1 ether
    jexec btstar ngctl name bt:link$1 bt_h$1
    interface=$(jexec btstar ngctl msg bt_h$1: getifname | sed -n 's/^Args:[[:space:]]*"\(.*\)"$/\1/p')
    jexec btstar ifconfig $interface name bth$1 >/dev/null
    jexec btstar ifconfig bth$1 vnet h$1
    jexec btstar.h$1 ifconfig bth$1 name eth0 >/dev/null
    jexec btstar.h$1 ifconfig lo0 inet 127.0.0.1/8 up
    jexec btstar.h$1 ifconfig eth0 inet 10.64.$(($1 / 250)).$(($1 % 250 + 1))/16 up
}

take() {
    jexec btstar.h$1 ifconfig eth0 name bth$1 >/dev/null
    jexec btstar ifconfig bth$1 -vnet h$1
    jail -r btstar.h$1
    jexec btstar ngctl shutdown bt_h$1:
}

case $2 in
up)
    jail -c name=btstar vnet persist path=/ children.max=$((nodes + 1))
    printf 'mkpeer bridge b link0\nname .:b bt\nmsg bt: setpersistent\n' | jexec btstar ngctl -f -
    each add
    ;;
down)
    each take
    jexec btstar ngctl shutdown bt:
    jail -r btstar
    ;;
*)
    echo "usage: $0 NODES up|down" >&2
    exit 64
    ;;
esac
