/* SPDX-License-Identifier: MIT */
/* What was asked of belay fetch: the table of its options. */
#include "cli/fetch_config.h"

#include "cli/fetch.h"
#include "cli/name.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define AT(field) offsetof(struct fetch_config, field)
#define END                                                                    \
    {                                                                          \
        NULL, '\0', ARGS_FLAG, NULL, 0, NULL, 0, 0                             \
    }

enum { CONFIG_JOBS = 10000, CONFIG_MANY = 1000 };

static const struct args_option config_input[] = {
    {"input", 'i', ARGS_LIST, "FILE", AT(inputs),
        "more URLs, one a line; - is stdin", 0, 0},
    {"null", '0', ARGS_FLAG, NULL, AT(null),
        "they end with a NUL byte, not with a line", 0, 0},
    {"allow-duplicates", '\0', ARGS_FLAG, NULL, AT(again),
        "fetch a URL again if it comes again", 0, 0},
    {"header", 'H', ARGS_TEXTS, "LINE", AT(headers),
        "'Name: value', sent with each request", 0, 0},
    {"user-agent", '\0', ARGS_TEXT, "TEXT", AT(agent),
        "instead of belay/VERSION", 0, 0},
    {"ca-file", '\0', ARGS_FILE, "FILE", AT(ca_file),
        "certificates to trust, PEM; default: the system's", 0, 0},
    {"insecure", '\0', ARGS_FLAG, NULL, AT(insecure),
        "do not verify certificates", 0, 0},
    {"proxy", '\0', ARGS_TEXT, "URL", AT(proxy),
        "go through it; the environment is not read", 0, 0},
    END,
};

static const struct args_option config_speed[] = {
    {"jobs", 'j', ARGS_COUNT, "N", AT(jobs), "URLs at once (64)", 1,
        CONFIG_JOBS},
    {"per-host", '\0', ARGS_COUNT, "N", AT(per_host),
        "of these to one host and port (8)", 1, CONFIG_JOBS},
    {"rate", '\0', ARGS_RATE, "RATE", AT(rate),
        "at most so many begin: 10/s, 600/m; 10/s/host:\n"
        "counted for each host; slower after 429 and 503",
        0, 0},
    END,
};

static const struct args_option config_time[] = {
    {"timeout", '\0', ARGS_DURATION, "TIME", AT(timeout),
        "of one URL, retries included (5m)", 0, 0},
    {"deadline", '\0', ARGS_DURATION, "TIME", AT(deadline),
        "of the whole run; then status 4 (none)", 0, 0},
    {"dns-timeout", '\0', ARGS_DURATION, "TIME", AT(dns),
        "to find the address (10s)", 0, 0},
    {"connect-timeout", '\0', ARGS_DURATION, "TIME", AT(connect),
        "to connect (10s)", 0, 0},
    {"tls-timeout", '\0', ARGS_DURATION, "TIME", AT(tls),
        "for the TLS handshake (10s)", 0, 0},
    {"first-byte-timeout", '\0', ARGS_DURATION, "TIME", AT(first_byte),
        "from the request to the answer (60s)", 0, 0},
    {"idle-timeout", '\0', ARGS_DURATION, "TIME", AT(idle),
        "while nothing moves (30s)", 0, 0},
    END,
};

static const struct args_option config_failing[] = {
    {"retries", '\0', ARGS_COUNT, "N", AT(retries),
        "after a lost connection, 429, 502, 503, 504 (2)", 0, CONFIG_MANY},
    {"redirects", '\0', ARGS_COUNT, "N", AT(redirects),
        "followed, for one URL (10)", 0, CONFIG_MANY},
    {"fail-fast", '\0', ARGS_FLAG, NULL, AT(fail_fast),
        "the first failure ends the run; then status 3", 0, 0},
    {"max-failures", '\0', ARGS_SHARE, "N", AT(max_failures),
        "more than N, or N% of at least 20, end it", 0, 0},
    END,
};

static const struct args_option config_output[] = {
    {"output", 'o', ARGS_DIR, "DIR", AT(dir),
        "keep bodies as files below DIR", 0, 0},
    {"name", '\0', ARGS_TEXT, "TEMPLATE", AT(name),
        "their names, of {n} {host} {port} {path} {file}\n"
        "{query} {status} {sha256} {sha2} (" NAME_BY_CONTENT ")",
        0, 0},
    {"overwrite", '\0', ARGS_FLAG, NULL, AT(overwrite),
        "replace other files of these names", 0, 0},
    {"body", '\0', ARGS_CHOICE, "auto|file|inline|none|-", AT(body),
        "what becomes of bodies (file with -o, else none);\n"
        "- writes that of the only URL to stdout",
        0, 0},
    {"max-body", '\0', ARGS_SIZE, "SIZE", AT(max_body),
        "the largest body (64M; inline 1M)", 0, 0},
    {"json", '\0', ARGS_FLAG, NULL, AT(json),
        "one JSON object a URL on stdout", 0, 0},
    {"ordered", '\0', ARGS_FLAG, NULL, AT(ordered),
        "results in the order of the input", 0, 0},
    {"journal", '\0', ARGS_FILE, "FILE", AT(journal),
        "note there what is done", 0, 0},
    {"resume", '\0', ARGS_FLAG, NULL, AT(resume),
        "leave out what the journal says is done", 0, 0},
    {"sync", '\0', ARGS_FLAG, NULL, AT(sync),
        "bodies and journal to the disk before they count", 0, 0},
    END,
};

static const struct args_option config_people[] = {
    {"progress", '\0', ARGS_CHOICE, "auto|bar|plain|json|none", AT(show),
        "on stderr; auto: bar on a terminal, else plain", 0, 0},
    {"color", '\0', ARGS_CHOICE, "auto|always|never", AT(colour),
        "for stdout and stderr", 0, 0},
    {"quiet", 'q', ARGS_FLAG, NULL, AT(quiet),
        "no progress, no summary, no word about single URLs", 0, 0},
    {"help", 'h', ARGS_HELP, NULL, 0, "this text", 0, 0},
    END,
};

static const struct args_group config_groups[] = {
    {"What", config_input},
    {"How much at once", config_speed},
    {"Time (500ms, 20s, 5m; 0: no limit)", config_time},
    {"When something fails", config_failing},
    {"Results", config_output},
    {"For people", config_people},
    {NULL, NULL},
};

static const struct args_example config_examples[] = {
    {"which of these answer, and how fast", "belay fetch -i urls.txt"},
    {"keep the bodies; go on where it was interrupted",
        "belay fetch -i urls.txt -o pages --journal done.jsonl --resume"},
    {"gently, and for a program",
        "belay fetch -i urls.txt --rate 10/s/host --json > results.jsonl"},
    {"one page to stdout", "belay fetch --body=- https://example.org/"},
    {NULL, NULL},
};

const struct args_spec fetch_spec = {"belay fetch", "[URL...]",
    "fetch many URLs, each with its own result", config_examples,
    config_groups, "belay-fetch(1)", false};

/* ---- what goes together -------------------------------------------------- */

static const char *
config_conflict(const struct fetch_config *c)
{
    if (c->urls.n == 0 && c->inputs.n == 0)
        return "no URL; give some, or -i FILE, or -i - for stdin";
    if (c->null && c->inputs.n == 0)
        return "--null is about the files of -i";
    if (c->body == BODY_FILE && c->dir == NULL)
        return "--body=file needs -o DIR";
    if (c->dir != NULL && c->body != BODY_FILE)
        return "-o DIR goes with --body=file only";
    if (c->dir == NULL && (c->name != NULL || c->overwrite))
        return "--name and --overwrite need -o DIR";
    if (c->body == BODY_INLINE && !c->json)
        return "--body=inline needs --json";
    if (c->body == BODY_STDOUT && (c->urls.n != 1 || c->inputs.n > 0))
        return "--body=- needs exactly one URL";
    if (c->body == BODY_STDOUT && c->json)
        return "--body=- and --json both want stdout";
    if (c->resume && c->journal == NULL)
        return "--resume needs --journal FILE";
    if (c->sync && c->journal == NULL && c->dir == NULL)
        return "--sync is about -o DIR and --journal FILE";
    return NULL;
}

/* A header that would be two lines is an attack on somebody. */
static const char *
config_bad_header(const struct fetch_config *c)
{
    for (size_t i = 0; i < c->headers.n; i++) {
        const char *line = c->headers.v[i];

        if (strpbrk(line, "\r\n") != NULL || strchr(line, ':') == NULL ||
            line[0] == ':')
            return line;
    }
    return NULL;
}

static int
config_check(struct fetch_config *c, char *why, size_t size)
{
    const char *text;

    if (c->body == BODY_AUTO)
        c->body = c->dir != NULL ? BODY_FILE : BODY_NONE;
    if (c->max_body == 0)
        c->max_body = UINT64_C(1) << (c->body == BODY_INLINE ? 20 : 26);
    text = config_conflict(c);
    if (text != NULL) {
        snprintf(why, size, "%s", text);
        return -EINVAL;
    }
    text = config_bad_header(c);
    if (text != NULL) {
        snprintf(why, size, "--header needs 'Name: value' on one line, "
            "not '%s'", text);
        return -EINVAL;
    }
    if (c->dir != NULL && c->name == NULL)
        c->name = NAME_BY_CONTENT;
    if (c->name != NULL) {
        char what[200];

        if (name_check(c->name, what, sizeof what) < 0) {
            snprintf(why, size, "--name: %s", what);
            return -EINVAL;
        }
    }
    return 0;
}

int
fetch_config_read(struct fetch_config *c, int argc, char **argv, char *why,
    size_t size)
{
    int r;

    *c = (struct fetch_config){
        .jobs = 64,
        .per_host = 8,
        .timeout = BELAY_S(300),
        .dns = BELAY_S(10),
        .connect = BELAY_S(10),
        .tls = BELAY_S(10),
        .first_byte = BELAY_S(60),
        .idle = BELAY_S(30),
        .retries = 2,
        .redirects = 10,
        .max_failures = {-1, false},
    };
    r = args_parse(&fetch_spec, argc, argv, c, &c->urls, why, size);
    return r == 0 ? config_check(c, why, size) : r;
}

void
fetch_config_free(struct fetch_config *c)
{
    args_free(&fetch_spec, c, &c->urls);
}
