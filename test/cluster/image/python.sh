#!/bin/sh
# Stands where the agent image has its Python, and starts what the sandbox's wrapper would have confined: [-I wrapper --] program.
while [ "$1" != "--" ]; do shift; done
shift
exec "$@"
