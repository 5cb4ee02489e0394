// A fork copies the tables' addresses, not the thread that writes to them. The child lets go of its parent's tables before
// it runs anything else, and starts its own when the session follows it.
#include "heap.h"

#include <pthread.h>

static bool was_inside;

static void before(void) {
    was_inside = current_thread.inside;
    current_thread.inside = true;  // what other handlers allocate now must not wait for the locks below
    slots_lock();
    tables_lock();
}

static void in_parent(void) {
    tables_unlock();
    slots_unlock();
    current_thread.inside = was_inside;
}

static void in_child(void) {
    sampler_end();
    tables_end();
    file_leave();
    tables_unlock();
    slots_unlock();
    current_thread.inside = was_inside;
}

int fork_handlers_register(void) { return pthread_atfork(before, in_parent, in_child); }
