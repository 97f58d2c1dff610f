# SPDX-License-Identifier: MIT
# The front door. What each word does is written in tools/ci.

.PHONY: all check check-deep bench demo clean

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

# make demo URLS=list.txt: with URLs of your own
demo:
	@tools/setup demo
	@tools/ci demo $(URLS)

clean:
	rm -rf build
