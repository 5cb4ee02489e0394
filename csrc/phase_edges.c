// `PhaseEdges`: what happens at the edges of phases, as `recording.phase_recorder.PhaseRecorder` does it, step by step, and
// with the same bytes in the trace. Whatever is unusual is left to that: `begin_in_python` and `end_in_python`.
//
// Signal handlers and other threads run only where Python code is called: by hooks of probes, by sinks that have no window,
// and where the program has closed a file of the meter's.
#include "edges.h"

#ifdef HAS_EDGES

#include <stddef.h>
#include <string.h>
#include <structmember.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { BEGIN_KIND = 2, END_KIND = 3 };  // of frames, see `records`

typedef struct {
    char text[64];
    ssize_t length;
    uint64_t bytes;
} Statm;

typedef struct {
    PyObject_HEAD
    PyObject *recorder, *begin_in_python, *end_in_python, *begin_failed, *end_failed;
    PyObject *span_type, *current, *changing;
    PyObject *ids, *probes, *emit, *begin_record, *end_record, *redact, *read_rss;
    PyObject *peaks;       // NULL if peaks are those of the readings
    PyObject *files;       // of the meter; NULL if it has none
    PyObject *clock;       // NULL for the system's
    PyObject *get_window;  // NULL if the sink has no windows
    PyObject *window;      // NULL likewise
    char is_over;
    unsigned long thread;     // that was at an edge last
    PyObject *thread_number;  // the same; NULL before the first edge
    Statm statm;
} PhaseEdges;

static struct { Py_ssize_t id, parent, phase, tracer, thread_id, peak_index, state, closed; } slots;
static PyObject *statm_name, *name_name, *attributes_name, *hears_outermost, *hears_inner, *measures, *phase_began, *phase_ended;

static PyObject **slot(PyObject *span, Py_ssize_t offset) { return (PyObject **)((char *)span + offset); }

static void set(PyObject *span, Py_ssize_t offset, PyObject *value) { Py_XSETREF(*slot(span, offset), Py_NewRef(value)); }

static bool is_closed(PyObject *span) { return *slot(span, slots.closed) == Py_True; }

static bool is_span(const PhaseEdges *self, PyObject *thing) { return (PyObject *)Py_TYPE(thing) == self->span_type; }

static uint64_t number_in(PyObject *span, Py_ssize_t offset) {
    PyObject *number = *slot(span, offset);
    return number ? PyLong_AsUnsignedLongLong(number) : 0;
}

// ---- readings

static int call_for_number(PyObject *function, uint64_t *number) {
    PyObject *result = PyObject_CallNoArgs(function);
    if (!result) return -1;
    *number = PyLong_AsUnsignedLongLong(result);
    Py_DECREF(result);
    return *number == (uint64_t)-1 && PyErr_Occurred() ? -1 : 0;
}

static bool read_digits(const char **text, uint64_t *number) {
    const char *start = *text;
    for (*number = 0; **text >= '0' && **text <= '9'; (*text)++) *number = *number * 10 + (uint64_t)(**text - '0');
    return *text > start && *text < start + 19;
}

// The second number of /proc/self/statm: resident pages. The call goes to the kernel directly: the C library's makes the
// thread cancellable first, in programs with threads.
static bool read_statm(PhaseEdges *self, uint64_t *bytes) {
    int number = self->files ? meter_file(self->files, statm_name) : -1;
    char text[sizeof self->statm.text];
    ssize_t length = number < 0 ? -1 : syscall(SYS_pread64, number, text, sizeof text - 1, (off_t)0);
    if (length <= 0) return false;
    if (length == self->statm.length && !memcmp(text, self->statm.text, (size_t)length)) {
        *bytes = self->statm.bytes;
        return true;
    }
    text[length] = 0;
    const char *at = text;
    uint64_t all, pages;
    if (!read_digits(&at, &all) || *at++ != ' ' || !read_digits(&at, &pages) || *at != ' ') return false;
    if (!is_marked(number)) return false;
    static uint64_t page;
    if (!page) page = (uint64_t)sysconf(_SC_PAGESIZE);
    memcpy(self->statm.text, text, (size_t)length);
    self->statm.length = length;
    *bytes = self->statm.bytes = pages * page;
    return true;
}

static int read_rss(PhaseEdges *self, uint64_t *bytes) {
    return read_statm(self, bytes) ? 0 : call_for_number(self->read_rss, bytes);
}

static int read_clock(const PhaseEdges *self, uint64_t *nanoseconds) {
    if (self->clock) return call_for_number(self->clock, nanoseconds);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    *nanoseconds = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    return 0;
}

// ---- records

// Takes the reference to the record; it may be NULL.
static int emit(PhaseEdges *self, PyObject *record) {
    if (!record) return -1;
    PyObject *done = PyObject_CallOneArg(self->emit, record);
    Py_DECREF(record);
    if (!done) return -1;
    Py_DECREF(done);
    if (!self->get_window) return 0;
    PyObject *window = PyObject_CallNoArgs(self->get_window);  // the sink may have a new file
    if (!window) return -1;
    if (Py_IS_TYPE(window, &trace_window_type)) {
        Py_XSETREF(self->window, window);
    } else {
        Py_DECREF(window);
        Py_CLEAR(self->window);
        Py_CLEAR(self->get_window);
    }
    return 0;
}

static int write_begin(PhaseEdges *self, PyObject *span, PyObject *name, uint64_t now, uint64_t rss,
                       PyObject *attributes) {
    PyObject *parent = *slot(span, slots.parent);
    uint64_t parent_id = parent == Py_None ? 0 : number_in(parent, slots.id);
    if (self->window) {
        Frame frame;
        frame_begin(&frame, 7);
        frame_add_number(&frame, number_in(span, slots.id));
        frame_add_number(&frame, parent_id);
        frame_add_text(&frame, name);
        bool is_known = *slot(span, slots.thread_id) == self->thread_number;
        frame_add_number(&frame, is_known ? self->thread : number_in(span, slots.thread_id));
        frame_add_number(&frame, now);
        frame_add_number(&frame, rss);
        if (attributes == Py_None) frame_add_none(&frame);
        else frame_add_attributes(&frame, attributes);
        if (!frame.is_unfit) {
            frame_end(&frame, BEGIN_KIND);
            if (window_append(self->window, frame.bytes, frame.size)) return 0;
        }
    }
    return emit(self, PyObject_CallFunction(self->begin_record, "OKOOKKO", *slot(span, slots.id),
                                            (unsigned long long)parent_id, name, *slot(span, slots.thread_id),
                                            (unsigned long long)now, (unsigned long long)rss, attributes));
}

static int write_end(PhaseEdges *self, PyObject *span, uint64_t now, uint64_t rss, uint64_t peak) {
    if (self->window) {
        Frame frame;
        frame_begin(&frame, 5);
        frame_add_number(&frame, number_in(span, slots.id));
        frame_add_number(&frame, now);
        frame_add_number(&frame, rss);
        frame_add_number(&frame, peak);
        frame_add_none(&frame);
        frame_end(&frame, END_KIND);
        if (window_append(self->window, frame.bytes, frame.size)) return 0;
    }
    return emit(self, PyObject_CallFunction(self->end_record, "OKKKO", *slot(span, slots.id), (unsigned long long)now,
                                            (unsigned long long)rss, (unsigned long long)peak, Py_None));
}

// ---- the current span

// The ident of this thread as Python's number: mostly that of the edge before.
static PyObject *thread_number(PhaseEdges *self) {
    unsigned long thread = PyThread_get_thread_ident();
    if (!self->thread_number || thread != self->thread) {
        PyObject *number = PyLong_FromUnsignedLong(thread);
        if (!number) return NULL;
        self->thread = thread;
        Py_XSETREF(self->thread_number, number);
    }
    return Py_NewRef(self->thread_number);
}

// Whether this thread is inside `ContextVar.set` already, which must not be entered twice; see `tracing.span`.
static bool is_changing(const PhaseEdges *self, PyObject *thread_id) {
    return PySet_GET_SIZE(self->changing) && PySet_Contains(self->changing, thread_id) != 0;
}

// `before` is the value until now: what is freed by the change must not be the span, whose finaliser might set another.
static int set_current(const PhaseEdges *self, PyObject *span, PyObject *before) {
    (void)before;
#if PY_VERSION_HEX < 0x030C0000
    int was_enabled = PyGC_Disable();  // a collection in there might run code that sets the variable too
#endif
    PyObject *token = PyContextVar_Set(self->current, span);
#if PY_VERSION_HEX < 0x030C0000
    if (was_enabled) PyGC_Enable();
#endif
    Py_XDECREF(token);
    return token ? 0 : -1;
}

static int leave(PhaseEdges *self, PyObject *span) {
    PyObject *value;
    if (PyContextVar_Get(self->current, Py_None, &value)) return -1;
    int result = 0;
    if (value == span) {
        PyObject *outer = *slot(span, slots.parent);
        while (outer != Py_None && is_span(self, outer) && is_closed(outer)) outer = *slot(outer, slots.parent);
        PyObject *thread = thread_number(self);
        if (!thread) result = -1;
        else if (!is_changing(self, thread)) result = set_current(self, outer, value);
        Py_XDECREF(thread);
    }
    Py_DECREF(value);
    return result;
}

// ---- hooks

static int attribute_is_true(PyObject *thing, PyObject *name) {
    PyObject *value = PyObject_GetAttr(thing, name);
    if (!value) return -1;
    int truth = PyObject_IsTrue(value);
    Py_DECREF(value);
    return truth;
}

// Calls hooks of the probes, if the span has any; what they allocate is in no phase's peak.
static int call_probes(PhaseEdges *self, PyObject *hooks, PyObject *span) {
    bool is_outermost = *slot(span, slots.parent) == Py_None;
    int hears = attribute_is_true(self->probes, is_outermost ? hears_outermost : hears_inner);
    if (hears <= 0) return hears;
    int measured = self->peaks ? attribute_is_true(self->probes, measures) : 0;
    if (measured < 0 || (measured && peaks_edge(self->peaks))) return -1;
    PyObject *done = PyObject_CallMethodOneArg(self->probes, hooks, span);
    if (!done) return -1;
    Py_DECREF(done);
    return measured ? peaks_skip(self->peaks) : 0;
}

// ---- edges

// Lets Python decide what becomes of the exception that is set: NULL if it goes on to the program.
static PyObject *tell_failure(PyObject *handler, PyObject *span) {
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    if (traceback) PyException_SetTraceback(error, traceback);
    PyObject *result = PyObject_CallFunctionObjArgs(handler, span, error, NULL);
    Py_XDECREF(type);
    Py_XDECREF(error);
    Py_XDECREF(traceback);
    return result;
}

static PyObject *new_span(PhaseEdges *self, PyObject *phase, PyObject *thread) {
    PyObject *parent;
    if (PyContextVar_Get(self->current, Py_None, &parent)) return NULL;
    while (parent != Py_None &&
           (!is_span(self, parent) || is_closed(parent) || *slot(parent, slots.tracer) != self->recorder)) {
        PyObject *outer = is_span(self, parent) ? *slot(parent, slots.parent) : Py_None;
        Py_SETREF(parent, Py_NewRef(outer));
    }
    PyObject *id = PyIter_Next(self->ids);
    PyTypeObject *type = (PyTypeObject *)self->span_type;
    PyObject *span = id ? type->tp_alloc(type, 0) : NULL;
    if (span) {
        *slot(span, slots.id) = Py_NewRef(id);
        *slot(span, slots.parent) = Py_NewRef(parent);
        *slot(span, slots.phase) = Py_NewRef(phase);
        *slot(span, slots.tracer) = Py_NewRef(self->recorder);
        *slot(span, slots.thread_id) = Py_NewRef(thread);
        *slot(span, slots.peak_index) = PyLong_FromLong(0);
        *slot(span, slots.state) = Py_NewRef(Py_None);
        *slot(span, slots.closed) = Py_NewRef(Py_False);
    }
    Py_XDECREF(id);
    Py_DECREF(parent);
    return span;
}

static int begin_peak(PhaseEdges *self, PyObject *span, uint64_t rss) {
    uint64_t edge;
    if (!self->peaks) return 0;
    if (peaks_begin(self->peaks, *slot(span, slots.id), rss, &edge)) return -1;
    PyObject *number = PyLong_FromUnsignedLongLong(edge);
    if (!number) return -1;
    Py_XSETREF(*slot(span, slots.peak_index), number);
    return 0;
}

static int record_begin(PhaseEdges *self, PyObject *span, PyObject *name) {
    PyObject *phase = *slot(span, slots.phase);
    if (call_probes(self, phase_began, span)) return -1;
    PyObject *attributes = PyObject_GetAttr(phase, attributes_name);
    if (!attributes) return -1;
    int has_some = PyObject_IsTrue(attributes);
    if (has_some > 0) Py_SETREF(attributes, PyObject_CallOneArg(self->redact, attributes));
    uint64_t rss, now;
    int result = -1;
    if (attributes && has_some >= 0 && !read_rss(self, &rss) && !begin_peak(self, span, rss) && !read_clock(self, &now))
        result = write_begin(self, span, name, now, rss, attributes);
    Py_XDECREF(attributes);
    return result;
}

static int become_current(PhaseEdges *self, PyObject *span) {
    PyObject *before;
    if (is_changing(self, *slot(span, slots.thread_id))) return 0;
    if (PyContextVar_Get(self->current, Py_None, &before)) return -1;
    int result = set_current(self, span, before);
    Py_DECREF(before);
    return result;
}

static PyObject *begin(PhaseEdges *self, PyObject *phase) {
    PyObject *thread = thread_number(self);
    PyObject *name = PyObject_GetAttr(phase, name_name);
    PyObject *span = NULL;
    if (thread && name && !self->is_over && PyUnicode_CheckExact(name) && !is_changing(self, thread))
        span = new_span(self, phase, thread);
    Py_XDECREF(thread);
    if (!span) {
        Py_XDECREF(name);
        PyErr_Clear();
        if (self->begin_in_python) return PyObject_CallOneArg(self->begin_in_python, phase);
        PyErr_SetString(PyExc_RuntimeError, "the recorder has been freed");
        return NULL;
    }
    // Current only once its record is written: else a phase that a signal handler begins would name an unknown parent.
    // A signal that came meanwhile is handled here, where its exception can end the span.
    if (record_begin(self, span, name) || become_current(self, span) || PyErr_CheckSignals()) {
        PyObject *done = tell_failure(self->begin_failed, span);
        if (done) Py_DECREF(done);
        else Py_CLEAR(span);
    }
    Py_DECREF(name);
    return span;
}

static int record_end(PhaseEdges *self, PyObject *span) {
    uint64_t rss, now, since, peak;
    if (read_rss(self, &rss) || read_clock(self, &now)) return -1;
    peak = rss;
    if (self->peaks) {
        if (peaks_end(self->peaks, number_in(span, slots.peak_index), rss, &since)) return -1;
        if (since > peak) peak = since;
    }
    if (call_probes(self, phase_ended, span)) return -1;
    return write_end(self, span, now, rss, peak);
}

static PyObject *end(PhaseEdges *self, PyObject *const *arguments, Py_ssize_t count) {
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "end() takes a span and an exception's type");
        return NULL;
    }
    PyObject *span = arguments[0];
    bool is_usual = arguments[1] == Py_None && is_span(self, span) && !self->is_over;
    if (!is_usual && self->end_in_python)
        return PyObject_CallFunctionObjArgs(self->end_in_python, span, arguments[1], NULL);
    if (!is_usual || is_closed(span)) Py_RETURN_NONE;
    set(span, slots.closed, Py_True);
    if ((self->peaks && peaks_leave(self->peaks, *slot(span, slots.id))) || leave(self, span) || record_end(self, span))
        return tell_failure(self->end_failed, span);
    Py_RETURN_NONE;
}

// ---- for Python

static bool find_slot(PyObject *type, const char *name, Py_ssize_t *offset) {
    PyObject *found = PyObject_GetAttrString(type, name);
    bool is_slot = found && Py_IS_TYPE(found, &PyMemberDescr_Type);
    if (is_slot) *offset = ((PyMemberDescrObject *)found)->d_member->offset;
    else if (found) PyErr_Format(PyExc_TypeError, "a span has no slot %s", name);
    Py_XDECREF(found);
    return is_slot;
}

static bool prepare(PyObject *span_type) {
    struct { PyObject **place; const char *text; } texts[] = {
        {&statm_name, "statm"}, {&name_name, "name"}, {&attributes_name, "attributes"},
        {&hears_outermost, "hears_outermost"}, {&hears_inner, "hears_inner"},
        {&measures, "measures"}, {&phase_began, "phase_began"}, {&phase_ended, "phase_ended"},
    };
    for (size_t at = 0; at < sizeof texts / sizeof *texts; at++)
        if (!*texts[at].place && !(*texts[at].place = PyUnicode_InternFromString(texts[at].text))) return false;
    return find_slot(span_type, "id", &slots.id) && find_slot(span_type, "parent", &slots.parent) &&
           find_slot(span_type, "phase", &slots.phase) && find_slot(span_type, "tracer", &slots.tracer) &&
           find_slot(span_type, "thread_id", &slots.thread_id) && find_slot(span_type, "state", &slots.state) &&
           find_slot(span_type, "peak_index", &slots.peak_index) && find_slot(span_type, "closed", &slots.closed);
}

static PyObject *given(PyObject *value) { return value == Py_None ? NULL : Py_NewRef(value); }

static PyObject *new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"recorder", "begin", "end", "begin_failed", "end_failed", "span_type", "current", "changing",
                            "ids", "probes", "emit", "begin_record", "end_record", "redact", "rss", "peaks", "files",
                            "window", "clock", NULL};
    PyObject *recorder, *begin_in_python, *end_in_python, *begin_failed, *end_failed, *span_type, *current, *changing;
    PyObject *ids, *probes, *emitter, *begin_record, *end_record, *redact, *rss, *peaks, *files, *get_window, *clock;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "$OOOOOO!OO!OOOOOOOOOOO", names, &recorder, &begin_in_python,
                                     &end_in_python, &begin_failed, &end_failed, &PyType_Type, &span_type, &current,
                                     &PySet_Type, &changing, &ids, &probes, &emitter, &begin_record, &end_record,
                                     &redact, &rss, &peaks, &files, &get_window, &clock))
        return NULL;
    if (!PyContextVar_CheckExact(current) || !PyIter_Check(ids) ||
        (peaks != Py_None && !Py_IS_TYPE(peaks, &phase_peaks_type)) || (files != Py_None && !PyDict_CheckExact(files))) {
        PyErr_SetString(PyExc_TypeError, "an argument has the wrong type");
        return NULL;
    }
    if (!prepare(span_type)) return NULL;
    PhaseEdges *self = (PhaseEdges *)type->tp_alloc(type, 0);
    if (!self) return NULL;
    self->recorder = Py_NewRef(recorder);
    self->begin_in_python = Py_NewRef(begin_in_python);
    self->end_in_python = Py_NewRef(end_in_python);
    self->begin_failed = Py_NewRef(begin_failed);
    self->end_failed = Py_NewRef(end_failed);
    self->span_type = Py_NewRef(span_type);
    self->current = Py_NewRef(current);
    self->changing = Py_NewRef(changing);
    self->ids = Py_NewRef(ids);
    self->probes = Py_NewRef(probes);
    self->emit = Py_NewRef(emitter);
    self->begin_record = Py_NewRef(begin_record);
    self->end_record = Py_NewRef(end_record);
    self->redact = Py_NewRef(redact);
    self->read_rss = Py_NewRef(rss);
    self->peaks = given(peaks);
    self->files = given(files);
    self->clock = given(clock);
    PyObject *window = PyObject_CallNoArgs(get_window);
    if (window && Py_IS_TYPE(window, &trace_window_type)) {
        self->window = Py_NewRef(window);
        self->get_window = Py_NewRef(get_window);
    }
    Py_XDECREF(window);
    if (!window) Py_CLEAR(self);
    return (PyObject *)self;
}

#define EACH(action)                                                                                              \
    action(self->recorder); action(self->begin_in_python); action(self->end_in_python); action(self->begin_failed); \
    action(self->end_failed); action(self->ids); action(self->probes); action(self->emit); action(self->redact);    \
    action(self->read_rss); action(self->peaks); action(self->files); action(self->clock); action(self->get_window)

static int traverse(PhaseEdges *self, visitproc visit, void *arg) {
    EACH(Py_VISIT);
    return 0;
}

static int clear(PhaseEdges *self) {
    self->is_over = 1;  // what is left of it ends here
    EACH(Py_CLEAR);
    return 0;
}

static void dealloc(PhaseEdges *self) {
    PyObject_GC_UnTrack(self);
    clear(self);
    Py_CLEAR(self->span_type);
    Py_CLEAR(self->current);
    Py_CLEAR(self->changing);
    Py_CLEAR(self->begin_record);
    Py_CLEAR(self->end_record);
    Py_CLEAR(self->window);
    Py_CLEAR(self->thread_number);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMethodDef methods[] = {
    {"end", (PyCFunction)(void (*)(void))end, METH_FASTCALL, "A span's phase ends."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef fields[] = {
    {"is_over", T_BOOL, offsetof(PhaseEdges, is_over), 0, "whether all is left to Python, which records nothing more"},
    {NULL, 0, 0, 0, NULL},
};

static PyMappingMethods mapping = {.mp_subscript = (binaryfunc)begin};

PyTypeObject phase_edges_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "fwmemtrace.core._compiled.PhaseEdges",
    .tp_doc = "Begins a span of a phase, as in edges[phase], and ends it.",
    .tp_basicsize = sizeof(PhaseEdges),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = new,
    .tp_traverse = (traverseproc)traverse,
    .tp_clear = (inquiry)clear,
    .tp_dealloc = (destructor)dealloc,
    .tp_methods = methods,
    .tp_members = fields,
    .tp_as_mapping = &mapping,
};

#endif
