// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// LD_PRELOAD: makes every fsync and fdatasync take TML_SLOW_DISK_MS longer, like an SD card, and tells when it does:
// one line "NANOSECONDS B" before and "NANOSECONDS E" after, appended to the file TML_SLOW_DISK_MARKS. A kill that
// finds a B without its E hit a process in the middle of a commit. Built by chaos.py.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void mark(char what) {
  const char* path = getenv("TML_SLOW_DISK_MARKS");
  struct timespec now;
  char line[32];
  int fd, size;
  if (path == NULL) return;
  clock_gettime(CLOCK_MONOTONIC, &now);
  size = snprintf(line, sizeof line, "%lld %c\n", (long long)now.tv_sec * 1000000000LL + now.tv_nsec, what);
  fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return;
  if (write(fd, line, (size_t)size) < 0) { /* The harness then counts no commit. */
  }
  close(fd);
}

static int slowly(const char* name, int fd) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
  const char* ms = getenv("TML_SLOW_DISK_MS");
  const long delay = ms != NULL ? atol(ms) : 0;
  struct timespec pause = {delay / 1000, delay % 1000 * 1000000};
  int result, error;
  mark('B');
  nanosleep(&pause, NULL);
  result = real(fd);
  error = errno;
  mark('E');
  errno = error;
  return result;
}

int fsync(int fd) { return slowly("fsync", fd); }
int fdatasync(int fd) { return slowly("fdatasync", fd); }
