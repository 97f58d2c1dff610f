/* SPDX-License-Identifier: MIT */
/* All of belay.  Each header of include/belay/ may also be used alone. */
#ifndef BELAY_H
#define BELAY_H

#include <belay/base.h>
#include <belay/blocking.h>
#include <belay/broadcast.h>
#include <belay/chan.h>
#include <belay/deep.h>
#include <belay/diag.h>
#include <belay/error.h>
#include <belay/flight.h>
#include <belay/frozen.h>
#include <belay/inlet.h>
#include <belay/io.h>
#include <belay/loop.h>
#include <belay/net.h>
#include <belay/policy.h>
#include <belay/pool.h>
#include <belay/process.h>
#include <belay/run.h>
#include <belay/select.h>
#include <belay/signals.h>
#include <belay/slice.h>
#include <belay/stream.h>
#include <belay/sync.h>
#include <belay/task.h>
#include <belay/timeline.h>
#include <belay/timer.h>

#endif
