#!/bin/sh
# Every dialogue of tests/data/smtp, line by line and in one packet.
exec tests/e2e/lib/transcript tests/data/smtp/*.smtp
