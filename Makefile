# SPDX-License-Identifier: MIT
# The front door. What each word does is written in tools/ci.

.PHONY: all check check-deep bench clean

all:
	@tools/ci build

check:
	@tools/setup
	@tools/ci check

check-deep:
	@tools/setup
	@tools/setup deep
	@tools/ci check-deep

bench:
	@tools/ci bench

clean:
	rm -rf build
