// `RssWatch`: waits for RSS to change, without the interpreter's lock, and notes what threads run when it has risen.
//
// A thread that asks for the interpreter's lock gets it up to 5 ms later, when other code may run. And where nothing
// happens, the program is not disturbed.
#include "rss_watch.h"

#include "heap.h"

#ifdef HAS_RSS_WATCH

#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <structmember.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { MOST_SAMPLES = 256, MOST_SAMPLED_THREADS = 8, ROOM = 8192 };
#define RAN_NS 20000  // processor time since the sample before; a thread that is merely woken up takes less
// The kernel counts RSS in batches of pages per thread; smaller changes are left for later.
#define SMALLEST_CHANGE (128 * 1024)
// What may be lost if the program is killed now.
#define MUCH ((int64_t)32 << 20)

typedef struct {
    uint32_t code;
    int32_t instruction;
} SampledFrame;

typedef struct {
    unsigned long identifier, native_id;
    int64_t processor_ns;
    ThreadState kernel;
    uint32_t first, count;  // frames; none if they cannot be read
} ThreadSample;

typedef struct {
    int64_t time_ns, rss, faults;
    uint64_t begun;
    uint32_t first, count;  // threads that ran
    bool is_alone;          // there was one thread only, whose time was not asked for
} RssSample;

typedef struct {
    unsigned long native_id;
    int file;  // its `stat` in /proc/self/task
} ThreadFile;

typedef struct {
    PyObject_HEAD
    long page_size;
    uint32_t stopped;
    CodeCopies *copies;
    RssSample *samples;
    ThreadSample *threads;
    SampledFrame *frames;
    uint32_t sample_count, thread_count, frame_count;
    uint64_t begun;  // threads, when the caller looked last
    OtherThread known[MOST_THREADS];  // at the latest sample
    size_t known_count;
} RssWatch;

typedef struct {
    PyInterpreterState *interpreter;
    int file;  // /proc/self/statm
    ThreadFile files[MOST_THREADS];
    Py_ssize_t file_count;
    int64_t level, pause_ns, longest_pause_ns, limit_ns, idle_limit_ns;
    uint32_t most_samples;
} Wait;

static int64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

// Returns RSS in bytes; -1 if the file is ours no more. A program may close all descriptors, as daemons do.
static int64_t read_rss(const RssWatch *self, int file) {
    char text[128];
    if (!read_marked(file, text, sizeof text)) return -1;
    char *second = strchr(text, ' ');
    return second ? strtoll(second, NULL, 10) * self->page_size : -1;
}

// Whether the interpreter shows this frame: the function has begun, and is not one of the interpreter's own.
static bool is_shown(const OtherFrame *found, const CodeHead *head) {
    return found->of_generator || found->instruction >= head->first_traceable;
}

static bool note_frame(RssWatch *self, const OtherFrame *found, const CodeHead *head, SampledFrame *frame) {
    // A generator that has not begun is before its first instruction.
    uintptr_t at = found->instruction < head->first_instruction ? head->first_instruction : found->instruction;
    if (at >= head->end) return false;
    frame->instruction = (int32_t)(at - head->first_instruction);
    frame->code = code_copies_number(self->copies, head);
    return frame->code;
}

// Whether the thread still runs what was found: a code object that has ended may have been copied with the texts of others.
static bool still_runs(const PyThreadState *state, const OtherFrame *found, const CodeHead *heads, size_t count) {
    static OtherFrame frames[MOST_OTHER_FRAMES];  // one thread watches
    static CodeHead now[MOST_OTHER_FRAMES];
    if (other_stack(state, frames, MOST_OTHER_FRAMES) != count || !other_codes(frames, count, now)) return false;
    for (size_t at = 0; at < count; at++)
        if (frames[at].address != found[at].address || !code_heads_are_same(&now[at], &heads[at])) return false;
    return true;
}

static void note_stack(RssWatch *self, const PyThreadState *state, ThreadSample *thread) {
    OtherFrame found[MOST_OTHER_FRAMES];
    CodeHead heads[MOST_OTHER_FRAMES];
    size_t count = other_stack(state, found, MOST_OTHER_FRAMES);
    if (!other_codes(found, count, heads)) return;
    SampledFrame *frames = self->frames + self->frame_count;
    uint32_t known = code_copies_count(self->copies), shown = 0;
    bool is_whole = true;
    for (size_t at = 0; at < count && is_whole; at++)
        if (is_shown(&found[at], &heads[at])) is_whole = note_frame(self, &found[at], &heads[at], &frames[shown++]);
    if (code_copies_count(self->copies) > known && !still_runs(state, found, heads, count)) {
        code_copies_forget(self->copies, known);
        return;
    }
    if (!is_whole) return;
    thread->first = self->frame_count;
    thread->count = shown;
    const ThreadSample *before = thread == self->threads ? NULL : thread - 1;
    if (before && before->count == shown && !memcmp(self->frames + before->first, frames, shown * sizeof *frames))
        thread->first = before->first;
    else
        self->frame_count += shown;
}

// Returns the processor time of a thread at the sample before; 0 if it was not there.
static int64_t time_before(const RssWatch *self, unsigned long native_id) {
    for (size_t at = 0; at < self->known_count; at++)
        if (self->known[at].native_id == native_id) return self->known[at].processor_ns;
    return 0;
}

static ThreadState state_of(const Wait *wait, unsigned long native_id) {
    for (Py_ssize_t at = 0; at < wait->file_count; at++)
        if (wait->files[at].native_id == native_id) return thread_state(wait->files[at].file);
    return (ThreadState){-1, false};
}

// Notes the threads that ran since the sample before; a single one is taken without asking. False: there are too many.
static bool note_threads(RssWatch *self, const Wait *wait, RssSample *sample) {
    OtherThread threads[MOST_THREADS];
    size_t count = other_threads(wait->interpreter, threads, MOST_THREADS);
    if (count > MOST_THREADS) return false;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    sample->faults = usage.ru_minflt + usage.ru_majflt;
    sample->begun = threads_begun(wait->interpreter);
    sample->first = self->thread_count;
    for (size_t at = 0; at < count && sample->count < MOST_SAMPLED_THREADS; at++) {
        OtherThread *other = &threads[at];
        if (count > 1) {
            other->processor_ns = processor_time_ns(other->native_id);
            if (other->processor_ns - time_before(self, other->native_id) < RAN_NS) continue;
        }
        ThreadSample *thread = &self->threads[self->thread_count++];
        *thread = (ThreadSample){other->identifier, other->native_id, other->processor_ns,
                                 state_of(wait, other->native_id), 0, 0};
        note_stack(self, other->state, thread);
        sample->count++;
    }
    sample->is_alone = count == 1;
    memcpy(self->known, threads, count * sizeof *threads);
    self->known_count = count;
    return true;
}

// Sleeps until the time has passed or somebody calls `stop`.
static void rest(RssWatch *self, int64_t ns) {
    struct timespec time = {ns / 1000000000, ns % 1000000000};
    syscall(SYS_futex, &self->stopped, FUTEX_WAIT_PRIVATE, 0, &time, NULL, 0);
}

static int64_t earlier(int64_t one, int64_t other) { return one < other ? one : other; }

// Returns whether the file could be read.
static bool watch(RssWatch *self, const Wait *wait) {
    int64_t began = now_ns(), until = began + wait->idle_limit_ns, pause = wait->pause_ns, level = wait->level;
    while (!__atomic_load_n(&self->stopped, __ATOMIC_ACQUIRE)) {
        int64_t left = until - now_ns();
        if (left <= 0) return true;
        rest(self, pause < left ? pause : left);
        // Page faults of a new thread are known from the caller's next look on.
        if (threads_begun(wait->interpreter) != self->begun) until = earlier(until, began + wait->limit_ns);
        int64_t rss = read_rss(self, wait->file);
        if (rss < 0) return false;
        if (rss - level < SMALLEST_CHANGE && level - rss < SMALLEST_CHANGE) {
            pause = 2 * pause < wait->longest_pause_ns ? 2 * pause : wait->longest_pause_ns;
            continue;
        }
        pause = wait->pause_ns;
        if (!wait->most_samples) return true;
        RssSample *sample = &self->samples[self->sample_count++];
        *sample = (RssSample){.time_ns = now_ns(), .rss = rss};
        if (!note_threads(self, wait, sample)) {  // the caller takes longer, but has no limit
            self->sample_count--;
            return true;
        }
        level = rss;
        if (self->sample_count == 1) until = earlier(until, sample->time_ns + wait->limit_ns);
        if (rss - wait->level >= MUCH || self->sample_count >= wait->most_samples ||
            self->frame_count + MOST_SAMPLED_THREADS * MOST_OTHER_FRAMES > ROOM)
            return true;
    }
    return true;
}

static PyObject *stack_of(const RssWatch *self, const ThreadSample *thread) {
    PyObject *codes = PyTuple_New(thread->count), *instructions = PyTuple_New(thread->count);
    for (uint32_t at = 0; codes && instructions && at < thread->count; at++) {
        const SampledFrame *frame = &self->frames[thread->first + at];
        PyObject *code = PyLong_FromUnsignedLong(frame->code), *instruction = PyLong_FromLong(frame->instruction);
        if (!code || !instruction) {
            Py_XDECREF(code);
            Py_XDECREF(instruction);
            Py_CLEAR(codes);
            break;
        }
        PyTuple_SET_ITEM(codes, at, code);
        PyTuple_SET_ITEM(instructions, at, instruction);
    }
    if (codes && instructions) return Py_BuildValue("NN", codes, instructions);
    Py_XDECREF(codes);
    Py_XDECREF(instructions);
    return NULL;
}

static PyObject *threads_of(const RssWatch *self, const RssSample *sample) {
    PyObject *list = PyList_New(0);
    for (uint32_t at = 0; list && at < sample->count; at++) {
        const ThreadSample *thread = &self->threads[sample->first + at];
        PyObject *stack = stack_of(self, thread);
        PyObject *row = stack ? Py_BuildValue("kkLLNN", thread->identifier, thread->native_id, thread->processor_ns,
                                              thread->kernel.faults, PyBool_FromLong(thread->kernel.runs), stack)
                              : NULL;
        if (!row || PyList_Append(list, row)) Py_CLEAR(list);
        Py_XDECREF(row);
    }
    return list;
}

static PyObject *take(RssWatch *self, PyObject *nothing) {
    (void)nothing;
    PyObject *list = PyList_New(0);
    for (uint32_t at = 0; list && at < self->sample_count; at++) {
        const RssSample *sample = &self->samples[at];
        PyObject *threads = threads_of(self, sample);
        PyObject *row = threads ? Py_BuildValue("LLLKNO", sample->time_ns, sample->rss, sample->faults,
                                                (unsigned long long)sample->begun, threads, sample->is_alone ? Py_True : Py_False)
                                : NULL;
        if (!row || PyList_Append(list, row)) Py_CLEAR(list);
        Py_XDECREF(row);
    }
    uint32_t known;
    PyObject *codes = list ? code_copies_take_new(self->copies, &known) : NULL;
    if (codes) return Py_BuildValue("NNI", list, codes, known);
    Py_XDECREF(list);
    return NULL;
}

static bool take_files(Wait *wait, PyObject *files) {
    for (Py_ssize_t at = 0; at < PyList_GET_SIZE(files) && at < MOST_THREADS; at++, wait->file_count++)
        if (!PyArg_ParseTuple(PyList_GET_ITEM(files, at), "ki", &wait->files[at].native_id, &wait->files[at].file))
            return false;
    return true;
}

static PyObject *wait_for_change(RssWatch *self, PyObject *arguments) {
    Wait wait = {.interpreter = PyInterpreterState_Get()};
    long long level, pause, longest, limit, idle_limit;
    unsigned int most;
    PyObject *files;
    if (!PyArg_ParseTuple(arguments, "iO!LLLLLI", &wait.file, &PyList_Type, &files, &level, &pause, &longest, &limit,
                          &idle_limit, &most))
        return NULL;
    if (!take_files(&wait, files)) return NULL;
    wait.level = level;
    wait.pause_ns = pause;
    wait.longest_pause_ns = longest;
    wait.limit_ns = limit;
    wait.idle_limit_ns = idle_limit;
    wait.most_samples = most < MOST_SAMPLES ? most : MOST_SAMPLES;
    self->sample_count = self->thread_count = self->frame_count = 0;
    code_copies_clear_if_full(self->copies);
    bool readable;
    Py_BEGIN_ALLOW_THREADS
    readable = watch(self, &wait);
    self->begun = threads_begun(wait.interpreter);
    Py_END_ALLOW_THREADS
    return PyBool_FromLong(readable);
}

static PyObject *stop(RssWatch *self, PyObject *nothing) {
    (void)nothing;
    __atomic_store_n(&self->stopped, 1, __ATOMIC_RELEASE);
    syscall(SYS_futex, &self->stopped, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    Py_RETURN_NONE;
}

static void dealloc(RssWatch *self) {
    code_copies_free(self->copies);
    free(self->samples);
    free(self->threads);
    free(self->frames);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "", names)) return NULL;
    const char *reason = python_stack_check();
    if (reason) {
        PyErr_SetString(PyExc_OSError, reason);
        return NULL;
    }
    RssWatch *self = (RssWatch *)type->tp_alloc(type, 0);
    if (!self) return NULL;
    self->page_size = sysconf(_SC_PAGESIZE);
    self->copies = code_copies_new();
    self->samples = malloc(MOST_SAMPLES * sizeof *self->samples);
    self->threads = malloc(MOST_SAMPLES * MOST_SAMPLED_THREADS * sizeof *self->threads);
    self->frames = malloc(ROOM * sizeof *self->frames);
    if (!self->copies || !self->samples || !self->threads || !self->frames) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    long copy;
    if (read_memory((uintptr_t)&self->page_size, &copy, sizeof copy)) return (PyObject *)self;
    PyErr_SetFromErrno(PyExc_OSError);  // a sandbox may not allow it
    Py_DECREF(self);
    return NULL;
}

static PyMemberDef members[] = {
    {"stopped", T_UINT, offsetof(RssWatch, stopped), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef methods[] = {
    {"wait", (PyCFunction)wait_for_change, METH_VARARGS,
     "Wait for RSS to change; return False if the file is not ours."},
    {"take", (PyCFunction)take, METH_NOARGS, "Return the samples, new codes, and how many were known."},
    {"stop", (PyCFunction)stop, METH_NOARGS, "End the wait that is under way, and all later ones at once."},
    {NULL, NULL, 0, NULL},
};

PyTypeObject rss_watch_type = {
    .ob_base = PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "fwmemtrace.core._compiled.RssWatch",
    .tp_doc = "Waits for RSS to change, and samples the stacks of the threads that ran when it has risen.",
    .tp_basicsize = sizeof(RssWatch),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = new,
    .tp_dealloc = (destructor)dealloc,
    .tp_methods = methods,
    .tp_members = members,
};

#endif
