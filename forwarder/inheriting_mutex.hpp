// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A mutex whose holder runs at the priority of whoever waits for it (PTHREAD_PRIO_INHERIT, POSIX.1-2017
// pthread_mutexattr_setprotocol). For what a real-time thread shares with an ordinary one: without it an ordinary
// thread that loses the processor while it holds the lock keeps the real-time thread waiting behind every other
// program. Meets Lockable, so that std::lock_guard, std::unique_lock and std::condition_variable_any take it.
#pragma once

#include <pthread.h>

namespace tml::forwarder {

class InheritingMutex {
 public:
  InheritingMutex() noexcept {
    pthread_mutexattr_t attributes;
    ::pthread_mutexattr_init(&attributes);
    // Where the system cannot do it, it is an ordinary mutex.
    ::pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
    ::pthread_mutex_init(&mutex_, &attributes);
    ::pthread_mutexattr_destroy(&attributes);
  }
  ~InheritingMutex() { ::pthread_mutex_destroy(&mutex_); }
  InheritingMutex(const InheritingMutex&) = delete;
  InheritingMutex& operator=(const InheritingMutex&) = delete;

  void lock() noexcept { ::pthread_mutex_lock(&mutex_); }
  bool try_lock() noexcept { return ::pthread_mutex_trylock(&mutex_) == 0; }
  void unlock() noexcept { ::pthread_mutex_unlock(&mutex_); }

 private:
  pthread_mutex_t mutex_;
};

}  // namespace tml::forwarder
