// `RssWatch`: waits for RSS to change, without the interpreter's lock, and notes which Python code runs when it has risen.
//
// A thread that asks for the interpreter's lock gets it up to 5 ms later, when other code may run. And where nothing
// happens, the program is not disturbed.
#include "rss_watch.h"

#ifdef HAS_RSS_WATCH

#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <structmember.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { MOST_SAMPLES = 256, ROOM = 8192 };
// The kernel counts RSS in batches of pages per thread; smaller changes are left for later.
#define SMALLEST_CHANGE (128 * 1024)
// What may be lost if the program is killed now.
#define MUCH ((int64_t)32 << 20)

typedef struct {
    uint32_t code;
    int32_t instruction;
} SampledFrame;

typedef struct {
    int64_t time_ns;
    int64_t rss;
    uint32_t first, count;  // frames; none where RSS has fallen, or they cannot be read
} RssSample;

typedef struct {
    PyObject_HEAD
    unsigned long thread;  // the identifier of the thread whose stack is taken
    long page_size;
    uint32_t stopped;
    CodeCopies *copies;
    RssSample *samples;
    SampledFrame *frames;
    uint32_t sample_count, frame_count;
} RssWatch;

typedef struct {
    PyThreadState *watched;
    PyInterpreterState *interpreter;
    int file;  // /proc/self/statm
    int64_t level, pause_ns, longest_pause_ns, limit_ns;
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
    if (!is_marked(file)) return -1;
    ssize_t length = pread(file, text, sizeof text - 1, 0);
    if (length <= 0 || !is_marked(file)) return -1;
    text[length] = 0;
    char *second = strchr(text, ' ');
    return second ? strtoll(second, NULL, 10) * self->page_size : -1;
}

static PyThreadState *find_thread(PyInterpreterState *interpreter, unsigned long identifier) {
    PyThreadState *state = PyInterpreterState_ThreadHead(interpreter);
    while (state && state->thread_id != identifier) state = PyThreadState_Next(state);
    return state;
}

// Whether there are other threads of Python's than the watched one and this one.
static bool has_others(PyInterpreterState *interpreter) {
    const PyThreadState *state = PyInterpreterState_ThreadHead(interpreter);
    int count = 0;
    while (state && ++count <= 2)
        if (!read_memory((uintptr_t)state + offsetof(PyThreadState, next), &state, sizeof state)) return true;
    return count > 2;
}

static void note_stack(RssWatch *self, const PyThreadState *thread, RssSample *sample) {
    OtherFrame found[MOST_OTHER_FRAMES];
    size_t count = other_stack(thread, found, MOST_OTHER_FRAMES);
    SampledFrame *frames = self->frames + self->frame_count;
    for (size_t at = 0; at < count; at++) {
        frames[at].code = code_copies_number(self->copies, &found[at], &frames[at].instruction);
        if (!frames[at].code) return;
    }
    const RssSample *before = sample == self->samples ? NULL : sample - 1;
    sample->count = (uint32_t)count;
    if (before && before->count == count && !memcmp(self->frames + before->first, frames, count * sizeof *frames)) {
        sample->first = before->first;
        return;
    }
    sample->first = self->frame_count;
    self->frame_count += (uint32_t)count;
}

// Sleeps until the time has passed or somebody calls `stop`.
static void rest(RssWatch *self, int64_t ns) {
    struct timespec time = {ns / 1000000000, ns % 1000000000};
    syscall(SYS_futex, &self->stopped, FUTEX_WAIT_PRIVATE, 0, &time, NULL, 0);
}

// Returns whether the file could be read.
static bool watch(RssWatch *self, const Wait *wait) {
    int64_t until = now_ns() + wait->limit_ns, pause = wait->pause_ns, level = wait->level;
    while (!__atomic_load_n(&self->stopped, __ATOMIC_ACQUIRE)) {
        int64_t left = until - now_ns();
        if (left <= 0) return true;
        rest(self, pause < left ? pause : left);
        int64_t rss = read_rss(self, wait->file);
        if (rss < 0) return false;
        if (rss - level < SMALLEST_CHANGE && level - rss < SMALLEST_CHANGE) {
            pause = 2 * pause < wait->longest_pause_ns ? 2 * pause : wait->longest_pause_ns;
            continue;
        }
        pause = wait->pause_ns;
        if (!wait->most_samples) return true;
        RssSample *sample = &self->samples[self->sample_count++];
        *sample = (RssSample){now_ns(), rss, 0, 0};
        if (rss > level) {
            if (has_others(wait->interpreter)) {  // which of them did it is for the caller to find out
                self->sample_count--;
                return true;
            }
            note_stack(self, wait->watched, sample);
        }
        level = rss;
        if (rss - wait->level >= MUCH || self->sample_count >= wait->most_samples ||
            self->frame_count + MOST_OTHER_FRAMES > ROOM)
            return true;
    }
    return true;
}

static PyObject *stack_of(const RssWatch *self, const RssSample *sample) {
    PyObject *codes = PyTuple_New(sample->count), *instructions = PyTuple_New(sample->count);
    for (uint32_t at = 0; codes && instructions && at < sample->count; at++) {
        const SampledFrame *frame = &self->frames[sample->first + at];
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

static PyObject *found(RssWatch *self) {
    PyObject *list = PyList_New(0), *stack = NULL;
    for (uint32_t at = 0; list && at < self->sample_count; at++) {
        const RssSample *sample = &self->samples[at];
        if (!stack || sample->first != sample[-1].first || sample->count != sample[-1].count) {
            Py_XDECREF(stack);
            stack = stack_of(self, sample);
        }
        PyObject *row = stack ? Py_BuildValue("LLO", sample->time_ns, sample->rss, stack) : NULL;
        if (!row || PyList_Append(list, row)) Py_CLEAR(list);
        Py_XDECREF(row);
    }
    Py_XDECREF(stack);
    uint32_t known;
    PyObject *codes = list ? code_copies_take_new(self->copies, &known) : NULL;
    if (codes) return Py_BuildValue("NNI", list, codes, known);
    Py_XDECREF(list);
    return NULL;
}

static PyObject *wait_for_change(RssWatch *self, PyObject *arguments) {
    Wait wait;
    long long level, pause, longest, limit;
    unsigned int most;
    if (!PyArg_ParseTuple(arguments, "iLLLLI", &wait.file, &level, &pause, &longest, &limit, &most)) return NULL;
    wait.interpreter = PyInterpreterState_Get();
    wait.watched = find_thread(wait.interpreter, self->thread);
    wait.level = level;
    wait.pause_ns = pause;
    wait.longest_pause_ns = longest;
    wait.limit_ns = limit;
    wait.most_samples = most < MOST_SAMPLES ? most : MOST_SAMPLES;
    self->sample_count = self->frame_count = 0;
    code_copies_clear_if_full(self->copies);
    if (!wait.watched) Py_RETURN_NONE;
    bool readable;
    Py_BEGIN_ALLOW_THREADS
    readable = watch(self, &wait);
    Py_END_ALLOW_THREADS
    if (!readable) Py_RETURN_NONE;
    return found(self);
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
    free(self->frames);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"thread", NULL};
    unsigned long thread;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "k", names, &thread)) return NULL;
    RssWatch *self = (RssWatch *)type->tp_alloc(type, 0);
    if (!self) return NULL;
    self->thread = thread;
    self->page_size = sysconf(_SC_PAGESIZE);
    self->copies = code_copies_new();
    self->samples = malloc(MOST_SAMPLES * sizeof *self->samples);
    self->frames = malloc(ROOM * sizeof *self->frames);
    if (self->copies && self->samples && self->frames) return (PyObject *)self;
    Py_DECREF(self);
    return PyErr_NoMemory();
}

static PyMemberDef members[] = {
    {"stopped", T_UINT, offsetof(RssWatch, stopped), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef methods[] = {
    {"wait", (PyCFunction)wait_for_change, METH_VARARGS,
     "Wait for RSS to change, for at most limit_ns; return samples, new codes, and how many were known; or None."},
    {"stop", (PyCFunction)stop, METH_NOARGS, "End the wait that is under way, and all later ones at once."},
    {NULL, NULL, 0, NULL},
};

PyTypeObject rss_watch_type = {
    .ob_base = PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "fwmemtrace.core._compiled.RssWatch",
    .tp_doc = "Waits for RSS to change, and samples the stack of a thread when it has risen.",
    .tp_basicsize = sizeof(RssWatch),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = new,
    .tp_dealloc = (destructor)dealloc,
    .tp_methods = methods,
    .tp_members = members,
};

#endif
