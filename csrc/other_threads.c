// The threads of Python's beside the one that asks, and what the kernel counts for each: without the interpreter's lock.
#include "interpreter.h"
#include "rss_watch.h"

#ifdef HAS_RSS_WATCH

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { PER_THREAD_SCHED = 6, MOST_WALKED = 2 * MOST_THREADS };

size_t other_threads(PyInterpreterState *interpreter, OtherThread *threads, size_t most) {
    const PyThreadState *next = PyInterpreterState_ThreadHead(interpreter);
    unsigned long own = (unsigned long)syscall(SYS_gettid);
    size_t count = 0;
    for (int walked = 0; next && walked < MOST_WALKED; walked++) {
        PyThreadState state;
        if (!read_memory((uintptr_t)next, &state, sizeof state) || state.interp != interpreter) break;  // it has ended
        if (state.native_thread_id && state.native_thread_id != own) {
            if (count == most) return most + 1;
            threads[count++] = (OtherThread){next, state.thread_id, state.native_thread_id, 0};
        }
        next = state.next;
    }
    return count;
}

uint64_t threads_begun(const PyInterpreterState *interpreter) { return interpreter->threads.next_unique_id; }

int64_t processor_time_ns(unsigned long native_id) {
    // MAKE_THREAD_CPUCLOCK in linux/posix-timers.h
    clockid_t clock = (clockid_t)((~(unsigned int)native_id << 3) | PER_THREAD_SCHED);
    struct timespec time;
    if (clock_gettime(clock, &time)) return -1;
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

// Fields behind the thread's name, which is in parentheses and may hold any character; see proc_pid_stat(5).
ThreadState thread_state(int file) {
    enum { STATE = 1, MINOR = 8, MAJOR = 10 };
    ThreadState none = {-1, false}, found = {0, false};
    char text[512];
    if (!read_marked(file, text, sizeof text)) return none;
    char *at = strrchr(text, ')');
    for (int field = 1; field <= MAJOR; field++) {
        at = at ? strchr(at, ' ') : NULL;
        if (!at) return none;
        at++;
        if (field == STATE) found.runs = *at == 'R';
        if (field == MINOR || field == MAJOR) found.faults += strtoll(at, NULL, 10);
    }
    return found;
}

#endif
