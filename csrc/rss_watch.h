// What the files of the watch for rises of RSS share.
#pragma once

#include "edges.h"

#if defined(HAS_EDGES) && PY_VERSION_HEX >= 0x030B0000 && PY_VERSION_HEX < 0x030E0000
#define HAS_RSS_WATCH 1
#endif

// ---- other_stack.c: the Python frames of another thread

#define MOST_OTHER_FRAMES 100  // the innermost ones; recursion may be deeper

typedef struct {
    uintptr_t address, code, instruction;
    bool of_generator;
} OtherFrame;

// What identifies a code object, and where its parts were when it was read.
typedef struct {
    uintptr_t code, name, file, lines;
    int first_line;
    uintptr_t first_instruction, first_traceable, end;
} CodeHead;

bool read_memory(uintptr_t address, void *copy, size_t size);  // of this process; false if it is not mapped
size_t other_stack(const PyThreadState *thread, OtherFrame *frames, size_t most);  // innermost first; 0: cannot be read
// Reads what the frames run, at most MOST_OTHER_FRAMES; false if any of it is no code object.
bool other_codes(const OtherFrame *frames, size_t count, CodeHead *heads);

// ---- other_threads.c

#define MOST_THREADS 64

typedef struct {
    const PyThreadState *state;
    unsigned long identifier, native_id;
    int64_t processor_ns;
} OtherThread;

// Lists the threads of Python's beside this one; more than `most` if there are more.
size_t other_threads(PyInterpreterState *interpreter, OtherThread *threads, size_t most);
uint64_t threads_begun(const PyInterpreterState *interpreter);  // how many threads of Python's there have been
int64_t processor_time_ns(unsigned long native_id);  // -1 if the thread has ended

typedef struct {
    int64_t faults;  // -1 if nothing is known
    bool runs;       // or is ready to: it does not wait
} ThreadState;

ThreadState thread_state(int file);  // of the thread whose `stat` the file is

// ---- code_copies.c: code objects by value

typedef struct CodeCopies CodeCopies;

CodeCopies *code_copies_new(void);
void code_copies_free(CodeCopies *copies);
void code_copies_clear_if_full(CodeCopies *copies);
// Returns the number of a code object, counted from 1; 0 if it cannot be read or there is no room.
uint32_t code_copies_number(CodeCopies *copies, const CodeHead *head);
bool code_heads_are_same(const CodeHead *one, const CodeHead *other);
uint32_t code_copies_count(const CodeCopies *copies);
void code_copies_forget(CodeCopies *copies, uint32_t kept);  // all but the first ones; those must not be taken yet
// Returns a list of tuples: address, name, file, first line, table of lines; and how many were taken before.
PyObject *code_copies_take_new(CodeCopies *copies, uint32_t *known);

// ---- rss_watch.c

extern PyTypeObject rss_watch_type;
