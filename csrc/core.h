// What the files of the compiled core share. Each file has one job; see docs/heap.md for how they work together.
#pragma once

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define CORE_INTERFACE 3  // as in core/__init__.py: to be counted up in both where a change needs a new build

#define COLD __attribute__((cold, noinline))

// ---- sampler.c: which allocation is a sample

// All that an allocation touches. `left` counts the bytes until the next sample down; it is never negative.
typedef struct {
    int64_t left;
    int64_t drawn;     // bytes that this thread has allocated, plus `left`
    int64_t settled;   // of the bytes that it has allocated, those that a phase has been charged with
    double mean;       // of the distribution that `left` was drawn from
    uint64_t random;
    uint32_t session;  // that the fields above belong to; 0 for none
    uint32_t phase;    // the offset of its phase in the tables; 0 for none
    const void *operator_caller;  // the code that called C++'s operator new last
    uint32_t thread_id;
    bool leads;        // threads without a phase are counted with the phase of this one
    bool inside;       // the thread is in the sampler itself
    bool in_arena;     // Python's allocator maps an arena, whose objects are counted one by one
} Thread;

extern __thread Thread current_thread __attribute__((tls_model("initial-exec")));

typedef enum { BLOCK_MALLOC = 0, BLOCK_MAPPING = 1, BLOCK_OBJECT = 2 } BlockKind;

void sampler_begin(double mean, uint64_t seed, bool native);  // native: with C and C++ frames
void sampler_end(void);
void sampler_double_mean(void);
bool sampler_owns_tables(void);
double sampler_mean(void);
void sampler_settle(Thread *thread);
void sampler_switch_phase(uint32_t phase);
// An allocation for which `left` did not suffice, or the first one of a thread.
void sampler_took(void *address, size_t size, BlockKind kind, const void *caller);

// Counts an allocation; true if the slow path has to look at it.
static inline bool exceeds_countdown(Thread *thread, size_t size) {
    if (LIKELY(size <= (uint64_t)thread->left)) {
        thread->left -= (int64_t)size;
        return false;
    }
    return true;
}

// ---- heap_file.c: the mapped file that the tables are in

#define FILE_LIMIT (32u << 20)
#define FILE_SPARE (2u << 20)  // of that, for phases and libraries

typedef struct {
    char magic[8];
    uint32_t version;
    uint32_t byte_order;
    uint32_t pid;
    uint32_t closed;      // 1 after an orderly stop
    uint64_t used;        // bytes of complete entries, this header included
    uint64_t full;        // 1 if the file could not grow: on a full disk, or at its limit
    uint64_t samples;
    uint64_t dropped;     // samples without room in the tables
    uint64_t freed;       // samples that were freed
    uint64_t patched;     // slots of libraries that lead to the sampler
    uint64_t foreign;     // slots that lead to another tool, and were left alone
    double mean;          // bytes between two samples, now
    double first_mean;    // the same at the start
    uint64_t live;        // samples in the tables
    uint64_t reserved;
} FileHeader;

typedef struct {
    uint32_t size;  // of the entry, this head included; a multiple of 8
    uint16_t kind;
    uint16_t reserved;
} EntryHead;

enum { ENTRY_CODE = 1, ENTRY_SITE = 2, ENTRY_PHASE = 3, ENTRY_LIBRARY = 4, ENTRY_BLOCKS = 5 };

// Returns an errno if the file cannot be made; the tables are then in memory only, unless memory is short too.
int file_open(const char *path);
void *file_append(uint16_t kind, size_t size);  // a zeroed entry that no reader sees yet; NULL if there is no room
uint32_t file_commit(void *entry);              // readers see it from now on; returns its offset divided by 8
void *file_at(uint32_t offset);                 // the entry at an offset that `file_commit` returned
FileHeader *file_header(void);
bool file_has(const void *entry);
bool file_lost_at(const void *address);         // puts memory in the place of a file that has no page at the address
bool file_is_lost(void);
void file_leave(void);                          // lets go of the file; pointers into it stay harmless

// ---- tables.c: live samples, by phase and stack

typedef struct {
    uint64_t address;  // 0 for an unused row
    uint64_t size;
    double weight;     // the bytes that the sample stands for
    double variance;
    uint32_t site;
    uint32_t thread_id;
    uint32_t next;
    uint32_t kind;
    uint32_t call;  // the number of the phase's call that allocated it
    uint32_t reserved;
} Block;

void tables_begin(void);
void tables_end(void);
bool tables_has_phase(uint32_t phase);
uint32_t tables_add_phase(uint32_t parent, const char *name, size_t length);
void tables_count_call(uint32_t phase);
void tables_charge(uint32_t phase, uint64_t bytes);
void tables_add(void *address, size_t size, double mean, uint32_t phase, uint32_t thread_id, BlockKind kind,
                const void *caller, bool native);
void tables_add_library(uint64_t low, uint64_t high, uint32_t build, const char *path);
bool tables_forget(void *address, Block *forgotten);
void tables_restore(const Block *block);
void tables_unmapped(uint64_t low, uint64_t high);
void tables_lock(void);
void tables_unlock(void);

// The live samples of a site. The frames stay where they are until the sampler stops.
typedef struct {
    double live, variance;
    uint64_t samples;
    const uint64_t *frames;
    uint32_t frame_count;
    uint32_t site;  // 0 for the sum of all sites
} LiveSite;

typedef struct {
    const char *name, *file;
    uint16_t name_length, file_length;
    int line;  // 0 if it has none
} FrameText;

// Finds the sites with the most live bytes, the largest first, and the sum of all; allocates nothing.
size_t tables_largest(LiveSite *found, size_t most, LiveSite *all);
bool tables_frame(uint64_t frame, FrameText *text);  // false if its code is not known

#define FILTER_BITS 17
extern uint64_t block_filter[(1u << FILTER_BITS) / 64];
extern uint32_t live_mappings;

// Blocks of the same 8 KiB share a cache line of the filter: what is freed together is mostly close together, and a hash
// that scattered it would cost a cache miss with nearly every free.
static inline uint32_t block_hash(const void *address) {
    uintptr_t at = (uintptr_t)address;
    return (uint32_t)((at >> 13) * UINT64_C(0x9E3779B97F4A7C15) >> (64 - FILTER_BITS)) ^ (at >> 4 & 511);
}

// False if the block is certainly no sample: one bit of 16 KiB tells, so a free costs next to nothing.
static inline bool may_be_sample(const void *address) {
    uint32_t hash = block_hash(address);
    return (__atomic_load_n(&block_filter[hash / 64], __ATOMIC_RELAXED) >> (hash % 64)) & 1;
}

// ---- python_stack.c: the Python frames of the calling thread, by value

#define MOST_FRAMES 128
#define NAME_BYTES 512

typedef struct {
    const void *code;
    int32_t instruction;  // offset in bytes
} PythonFrame;

typedef struct {
    const void *key;       // identifies the code object together with the other fields
    const void *lines;
    int32_t first_line;
    uint16_t name_length, file_length;
    uint32_t table_length;
    const uint8_t *table;
    char name[NAME_BYTES], file[NAME_BYTES];
} CodeFacts;

const char *python_stack_check(void);  // why stacks cannot be read here; NULL if they can
size_t python_stack(PythonFrame *frames, size_t most);
void code_facts(const void *code, CodeFacts *facts);

// ---- native_stack.c: the C and C++ frames inside the innermost Python frame; guarded by the lock of the tables

#define MOST_NATIVE_FRAMES 128

void native_stack_add_library(uintptr_t low, uintptr_t high, const void *table);  // table: its .eh_frame_hdr, or NULL
void native_stack_forget_libraries(void);
size_t native_stack(uint64_t *frames, size_t most);  // return addresses, innermost first, without those of the core

// ---- context.c: the phase of the calling thread by its context

// Reads the phase of a thread from the span in a context variable from now on; NULL switches that off.
void context_watch(PyObject *variable, PyTypeObject *span_type, Py_ssize_t phase_offset, Py_ssize_t outer_offset);
bool context_phase(uint32_t *phase);     // false if nothing is watched, or this is no thread of Python's
PyObject *context_value(PyObject *key);  // a borrowed reference; NULL if the context has no such variable

// ---- trace_window.c: what is mapped, and truncated by somebody else

bool bus_errors_handle(void);  // false if somebody else handles SIGBUS by now, who might not leave ours to us

// ---- hooks.c, slots.c: how calls get here

bool hooks_install(void);
void hooks_remove(void);
extern uintptr_t operators_low, operators_high;  // the library of the operators that call malloc
const void *hooks_operator(void);
void hooks_find_operators(void);
const void *hooks_malloc_library(void);  // the base of a library that stands in for the C library's malloc, or NULL
typedef struct {
    const char *name;
    void *hook;
    void **real;
    void *operator_hook;  // for one of C++'s operators that calls malloc; NULL to leave it alone then
} Hooked;
extern Hooked hooked_functions[];
extern const size_t hooked_count;
void slots_patch(void);
bool slots_try_patch(void);      // the same, but does nothing and returns false if another thread is at it
void slots_patch_if_needed(void);
void slots_restore(void);
void slots_lock(void);
void slots_unlock(void);

// ---- fork.c
int fork_handlers_register(void);

// ---- held_reads.c

PyObject *held_open(PyObject *module, PyObject *path);
PyObject *held_read(PyObject *module, PyObject *arguments);
PyObject *held_close(PyObject *module, PyObject *descriptor);

// ---- symbol_table.c: names of functions, for whoever reads

extern PyTypeObject symbol_table_type;
