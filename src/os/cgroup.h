/* SPDX-License-Identifier: MIT */
/* How many processors' worth of time the control groups leave us. */
#ifndef BLY_OS_CGROUP_H
#define BLY_OS_CGROUP_H

#include "base/compiler.h"

/*
 * The smallest quota on the way from our own group to the root, in whole
 * processors, rounded up; UINT_MAX if there is none.  membership is
 * /proc/self/cgroup, mount the directory where the hierarchies lie,
 * /sys/fs/cgroup.
 */
unsigned bly_cgroup_cpus(const char *membership, const char *mount);

#endif
