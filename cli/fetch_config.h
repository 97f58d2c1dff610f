/* SPDX-License-Identifier: MIT */
/* What was asked of belay fetch. */
#ifndef CLI_FETCH_CONFIG_H
#define CLI_FETCH_CONFIG_H

#include "cli/args.h"
#include "cli/number.h"

/* As the choices of --body stand in the table. */
enum fetch_body { BODY_AUTO, BODY_FILE, BODY_INLINE, BODY_NONE, BODY_STDOUT };

struct fetch_config {
    struct args_list urls;   /* operands */
    struct args_list inputs; /* files of URLs; "-": stdin */
    bool null;
    bool again;              /* fetch duplicates */
    struct args_list headers;
    const char *agent, *ca_file, *proxy;
    bool insecure;
    uint64_t jobs, per_host;
    struct rate rate;        /* per == 0: none */
    belay_dur timeout, deadline, dns, connect, tls, first_byte, idle;
    uint64_t retries, redirects;
    bool fail_fast;
    struct args_share max_failures; /* n < 0: any number */
    const char *dir, *name;
    int body; /* enum fetch_body; not BODY_AUTO once checked */
    uint64_t max_body;
    bool overwrite, sync, json, ordered;
    const char *journal;
    bool resume;
    int show, colour; /* enum progress_kind, enum term_when */
    bool quiet;
};

/*
 * Reads arguments.  Returns 0, ARGS_WANTS_HELP, or -EINVAL with a text in
 * why.  config is to be freed in any case.
 */
int fetch_config_read(struct fetch_config *config, int argc, char **argv,
    char *why, size_t size);
void fetch_config_free(struct fetch_config *config);

#endif
