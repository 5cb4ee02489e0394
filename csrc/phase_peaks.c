// `PhasePeaks`: what `system.peaks.PhasePeaks` is in Python, without the calls. Both are tested against each other.
#include "edges.h"

#ifdef HAS_EDGES

#include <stdlib.h>
#include <string.h>
#include <structmember.h>
#include <sys/resource.h>
#include <unistd.h>

enum { COUNTER_SLACK = 256 * 1024 };  // as in `system.meter`

typedef struct {
    uint64_t edge;  // the number of the edge that closed it
    uint64_t peak;
} Interval;

typedef struct {
    PyObject_HEAD
    PyObject *read, *reset;  // of the meter; NULL once nothing is read any more
    PyObject *files;         // of the meter; NULL if it reads its peaks from elsewhere
    PyObject *open;          // ids of open phases
    uint64_t own_from;       // from here on, getrusage's mark is this process's own; see `system.meter`
    uint64_t latest, largest;
    Interval *intervals;  // peaks fall as time rises
    size_t count, capacity;
} PhasePeaks;

static PyObject *clear_refs;

static int call_meter(PyObject *function, uint64_t *number) {
    if (!function) {
        if (number) *number = 0;
        return 0;
    }
    Py_INCREF(function);  // another thread may call `finish` meanwhile
    PyObject *result = PyObject_CallNoArgs(function);
    Py_DECREF(function);
    if (!result) return -1;
    if (number) *number = PyLong_AsUnsignedLongLong(result);
    Py_DECREF(result);
    return PyErr_Occurred() ? -1 : 0;
}

static int read_mark(PhasePeaks *self, uint64_t *peak) {
    struct rusage usage;
    if (!self->files || !self->read || getrusage(RUSAGE_SELF, &usage)) return call_meter(self->read, peak);
    uint64_t largest = (uint64_t)usage.ru_maxrss * 1024;
    *peak = largest;
    if (largest >= self->own_from) return 0;
    if (call_meter(self->read, peak)) return -1;
    self->own_from = largest <= *peak + COUNTER_SLACK ? largest : largest + 1;
    return 0;
}

static int reset_mark(PhasePeaks *self) {
    if (self->files && self->reset) {
        int number = meter_file(self->files, clear_refs);
        if (number >= 0 && is_marked(number) && write(number, "5", 1) == 1) return 0;
    }
    return call_meter(self->reset, NULL);
}

// `present` is a reading of just now: if the mark is no higher, there is nothing to reset.
static int edge(PhasePeaks *self, int64_t present) {
    uint64_t peak;
    if (read_mark(self, &peak) || ((int64_t)peak > present && reset_mark(self))) return -1;
    while (self->count && self->intervals[self->count - 1].peak <= peak) self->count--;
    if (self->count == self->capacity) {
        size_t capacity = self->capacity ? 2 * self->capacity : 64;
        Interval *larger = realloc(self->intervals, capacity * sizeof *larger);
        if (!larger) {
            PyErr_NoMemory();
            return -1;
        }
        self->intervals = larger;
        self->capacity = capacity;
    }
    self->intervals[self->count++] = (Interval){++self->latest, peak};
    if (peak > self->largest) self->largest = peak;
    return 0;
}

int peaks_edge(PyObject *peaks) { return edge((PhasePeaks *)peaks, -1); }

int peaks_skip(PyObject *peaks) { return reset_mark((PhasePeaks *)peaks); }

int peaks_begin(PyObject *peaks, PyObject *span, uint64_t rss, uint64_t *number) {
    PhasePeaks *self = (PhasePeaks *)peaks;
    if (!PySet_GET_SIZE(self->open)) self->count = 0;
    if (PySet_Add(self->open, span) || edge(self, (int64_t)rss)) return -1;
    *number = self->latest;
    return 0;
}

int peaks_leave(PyObject *peaks, PyObject *span) {
    return PySet_Discard(((PhasePeaks *)peaks)->open, span) < 0 ? -1 : 0;
}

int peaks_end(PyObject *peaks, uint64_t number, uint64_t rss, uint64_t *bytes) {
    PhasePeaks *self = (PhasePeaks *)peaks;
    if (edge(self, (int64_t)rss)) return -1;
    size_t low = 0, high = self->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (self->intervals[middle].edge > number) high = middle;
        else low = middle + 1;
    }
    *bytes = low < self->count ? self->intervals[low].peak : 0;
    return 0;
}

// ---- for Python

static PyObject *new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"", "", "", NULL};
    PyObject *read, *reset, *files;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OOO", names, &read, &reset, &files)) return NULL;
    if (!clear_refs && !(clear_refs = PyUnicode_InternFromString("clear_refs"))) return NULL;
    PhasePeaks *self = (PhasePeaks *)type->tp_alloc(type, 0);
    if (!self) return NULL;
    self->read = Py_NewRef(read);
    self->reset = Py_NewRef(reset);
    if (PyDict_CheckExact(files)) self->files = Py_NewRef(files);
    self->own_from = UINT64_MAX;
    self->open = PySet_New(NULL);
    if (!self->open) Py_CLEAR(self);
    return (PyObject *)self;
}

static int traverse(PhasePeaks *self, visitproc visit, void *arg) {
    Py_VISIT(self->read);
    Py_VISIT(self->reset);
    Py_VISIT(self->files);
    Py_VISIT(self->open);
    return 0;
}

static int clear(PhasePeaks *self) {
    Py_CLEAR(self->read);
    Py_CLEAR(self->reset);
    Py_CLEAR(self->files);
    return 0;
}

static void dealloc(PhasePeaks *self) {
    PyObject_GC_UnTrack(self);
    clear(self);
    Py_CLEAR(self->open);
    free(self->intervals);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *begin(PyObject *self, PyObject *arguments) {
    PyObject *span;
    unsigned long long rss;
    uint64_t number;
    if (!PyArg_ParseTuple(arguments, "O!K", &PyLong_Type, &span, &rss)) return NULL;
    return peaks_begin(self, span, rss, &number) ? NULL : PyLong_FromUnsignedLongLong(number);
}

static PyObject *leave(PyObject *self, PyObject *span) {
    if (peaks_leave(self, span)) return NULL;
    Py_RETURN_NONE;
}

static PyObject *end(PyObject *self, PyObject *arguments) {
    unsigned long long since, rss;
    uint64_t bytes;
    if (!PyArg_ParseTuple(arguments, "KK", &since, &rss)) return NULL;
    return peaks_end(self, since, rss, &bytes) ? NULL : PyLong_FromUnsignedLongLong(bytes);
}

static PyObject *edge_now(PyObject *self, PyObject *nothing) {
    (void)nothing;
    if (peaks_edge(self)) return NULL;
    Py_RETURN_NONE;
}

static PyObject *skip(PyObject *self, PyObject *nothing) {
    (void)nothing;
    if (peaks_skip(self)) return NULL;
    Py_RETURN_NONE;
}

static PyObject *finish(PhasePeaks *self, PyObject *nothing) {
    (void)nothing;
    if (edge(self, -1)) return NULL;
    Py_CLEAR(self->read);
    Py_CLEAR(self->reset);
    return PyLong_FromUnsignedLongLong(self->largest);
}

static PyMethodDef methods[] = {
    {"begin", begin, METH_VARARGS, "A phase begins; return the number of its edge."},
    {"leave", leave, METH_O, "A phase is open no more."},
    {"end", end, METH_VARARGS, "Return the largest value since that edge."},
    {"edge", edge_now, METH_NOARGS, "Close the interval and begin the next one."},
    {"skip", skip, METH_NOARGS, "Begin the next interval, and ignore what came since the latest edge."},
    {"finish", (PyCFunction)finish, METH_NOARGS, "Read nothing from now on; return the largest value of all."},
    {NULL, NULL, 0, NULL},
};

PyTypeObject phase_peaks_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "fwmemtrace.core._compiled.PhasePeaks",
    .tp_doc = "The peaks of open phases.",
    .tp_basicsize = sizeof(PhasePeaks),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = new,
    .tp_traverse = (traverseproc)traverse,
    .tp_clear = (inquiry)clear,
    .tp_dealloc = (destructor)dealloc,
    .tp_methods = methods,
};

#endif
