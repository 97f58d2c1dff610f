/* SPDX-License-Identifier: MIT */
/* The parts of a URL, taken apart by libcurl. */
#ifndef CLI_ADDRESS_H
#define CLI_ADDRESS_H

/* Parts that are not there are NULL, and all are if it is no URL. */
struct address {
    char *host, *port, *path, *query;
};

void address_take(struct address *a, const char *url);
void address_free(struct address *a);

#endif
