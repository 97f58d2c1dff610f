/* SPDX-License-Identifier: MIT */
/* A stranger's first program with libbelay-tls: its peer speaks no TLS. */
#include <belay.h>
#include <belay/tls.h>

#include <stdio.h>
#include <string.h>

BELAY_TASK(say_in_plain, (belay_stream *, st))
{
    return belay_stream_write_all(st, "HTTP/1.1 400 No\r\n", 17, NULL);
}

BELAY_TASK(program)
{
    BELAY_AUTO(belay_tls, tls);
    BELAY_AUTO(belay_stream, st);
    BELAY_AUTO(belay_stream, peer);
    int r;

    BELAY_TRY(belay_tls_open(&tls, .min_version = BELAY_TLS_1_3));
    BELAY_TRY(belay_stream_pair(&st, &peer));
    BELAY_SCOPE(s)
    {
        belay_spawn(s, say_in_plain, peer);
        r = belay_tls_connect(&st, tls, &st, "example.org");
    }
    if (r != -EPROTO || strstr(belay_why(), "\"HTTP/1.1 400 No\"") == NULL)
        return BELAY_FAIL(-EBADMSG, "TLS with such a peer gives %d", r);
    printf("belay: 42\n");
    return 0;
}

int
main(void)
{
    return belay_main(program);
}
