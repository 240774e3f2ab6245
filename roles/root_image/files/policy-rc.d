#!/bin/sh
# No service starts in a build or staging container.
exit 101
