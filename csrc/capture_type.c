// `CaptureParser`: a memray capture as Python sees it. It is read twice: once to see that all of it is as memray writes it,
// and for what stacks consist of; then for the records.
#include "capture.h"

#include <stdlib.h>
#include <string.h>
#include <structmember.h>

enum { BETWEEN_SIGNALS = 1 << 20 };
#define MOST_BYTES (UINT64_C(1) << 62)  // of all allocations together, so that no sum of them overflows

void raise_outcome(Outcome outcome) {
    if (PyErr_Occurred()) return;
    if (outcome == CAPTURE_NO_MEMORY) {
        PyErr_NoMemory();
    } else {
        PyErr_SetString(PyExc_ValueError, "not a complete capture of a version that is known here");
    }
}

static Outcome look_through(CaptureParser *self) {
    Allocation found = {0};
    uint64_t total = 0;
    Outcome outcome = parser_begin(&self->parser, PyBytes_AS_STRING(self->path));
    while (outcome == CAPTURE_OK && (outcome = parser_next(&self->parser, &found)) == CAPTURE_OK) {
        if (found.size > MOST_BYTES || (total += found.size) > MOST_BYTES) outcome = CAPTURE_ODD;
        if (self->parser.preface.failed) outcome = CAPTURE_NO_MEMORY;
        if (++self->records % BETWEEN_SIGNALS == 0 && PyErr_CheckSignals()) outcome = CAPTURE_ODD;
    }
    if (outcome == CAPTURE_END && self->parser.preface.failed) outcome = CAPTURE_NO_MEMORY;
    maps_end(&self->parser.maps);
    stream_close(&self->parser.stream);
    return outcome;
}

static bool read_libraries(CaptureParser *self) {
    const Maps *maps = &self->parser.maps;
    self->libraries = PyList_New(0);
    for (size_t library = 0; self->libraries && library < maps->library_count; library++) {
        PyObject *path = PyUnicode_DecodeFSDefault(maps->libraries[library]);
        bool added = path && !PyList_Append(self->libraries, path);
        Py_XDECREF(path);
        if (!added) return false;
    }
    return self->libraries;
}

static void forget(CaptureParser *self) {
    parser_end(&self->parser);
}

static PyObject *new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"", NULL};
    PyObject *path = NULL;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O&", names, PyUnicode_FSConverter, &path)) return NULL;
    CaptureParser *self = (CaptureParser *)type->tp_alloc(type, 0);
    if (!self) {
        Py_DECREF(path);
        return NULL;
    }
    self->path = path;
    self->parser.stream.fd = -1;
    self->zero = PyLong_FromLong(0);
    self->one = PyLong_FromLong(1);
    self->thread = Py_NewRef(self->zero);
    for (long allocator = 0; allocator <= MUNMAP; allocator++) self->allocators[allocator] = PyLong_FromLong(allocator);
    Outcome outcome = look_through(self);
    if (outcome == CAPTURE_END && !read_libraries(self)) outcome = CAPTURE_NO_MEMORY;
    if (outcome == CAPTURE_END) outcome = parser_begin(&self->parser, PyBytes_AS_STRING(path));
    if (outcome == CAPTURE_OK) return (PyObject *)self;
    raise_outcome(outcome);
    Py_DECREF(self);
    return NULL;
}

static void dealloc(CaptureParser *self) {
    forget(self);
    Py_XDECREF(self->path);
    Py_XDECREF(self->libraries);
    Py_XDECREF(self->zero);
    Py_XDECREF(self->one);
    Py_XDECREF(self->thread);
    for (size_t allocator = 0; allocator <= MUNMAP; allocator++) Py_XDECREF(self->allocators[allocator]);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *number(CaptureParser *self, uint64_t value) {
    return value ? PyLong_FromUnsignedLongLong(value) : Py_NewRef(self->zero);
}

static PyObject *thread_number(CaptureParser *self, uint64_t thread) {
    if (self->thread_number != thread) {
        PyObject *read = PyLong_FromUnsignedLongLong(thread);
        if (!read) return NULL;
        Py_SETREF(self->thread, read);
        self->thread_number = thread;
    }
    return Py_NewRef(self->thread);
}

static PyObject *record_of(CaptureParser *self, const Allocation *found) {
    PyObject *record = PyTuple_New(8);
    if (!record) return NULL;
    PyTuple_SET_ITEM(record, 0, thread_number(self, found->thread));
    PyTuple_SET_ITEM(record, 1, number(self, found->address));
    PyTuple_SET_ITEM(record, 2, number(self, found->size));
    PyTuple_SET_ITEM(record, 3, Py_NewRef(self->allocators[found->allocator]));
    PyTuple_SET_ITEM(record, 4, number(self, found->stack));
    PyTuple_SET_ITEM(record, 5, Py_NewRef(self->one));
    PyTuple_SET_ITEM(record, 6, number(self, found->native));
    PyTuple_SET_ITEM(record, 7, number(self, found->generation));
    for (Py_ssize_t field = 0; field < 8; field++) {
        if (!PyTuple_GET_ITEM(record, field)) {
            Py_DECREF(record);
            return NULL;
        }
    }
    return record;
}

static PyObject *next_records(CaptureParser *self, PyObject *argument) {
    Py_ssize_t most = PyLong_AsSsize_t(argument);
    if (most == -1 && PyErr_Occurred()) return NULL;
    PyObject *records = PyList_New(0);
    while (records && PyList_GET_SIZE(records) < most && self->handed_out < self->records) {
        Allocation found;
        Outcome outcome = parser_next(&self->parser, &found);
        PyObject *record = outcome == CAPTURE_OK ? record_of(self, &found) : NULL;
        if (!record || PyList_Append(records, record)) {
            Py_CLEAR(records);
            raise_outcome(outcome == CAPTURE_OK ? CAPTURE_NO_MEMORY : outcome);
        }
        Py_XDECREF(record);
        self->handed_out++;
    }
    return records;
}

// Writes the Python stack of a key, as `native_records.StackKey` has them; returns its number in the outline.
static PyObject *add_key(Outline *outline, PyObject *key) {
    unsigned int stack, generation;
    unsigned long long native;
    if (PyTuple_Check(key)) {
        if (!PyArg_ParseTuple(key, "IKI", &stack, &native, &generation)) return NULL;
    } else {
        unsigned long number = PyLong_AsUnsignedLong(key);
        if (number == (unsigned long)-1 && PyErr_Occurred()) return NULL;
        stack = (unsigned int)number;
    }
    return PyLong_FromUnsignedLong(outline_stack(outline, stack));
}

static bool add_keys(Outline *outline, PyObject *keys, PyObject *numbers) {
    PyObject *iterator = PyObject_GetIter(keys), *key;
    if (!iterator) return false;
    while ((key = PyIter_Next(iterator))) {
        PyObject *number = add_key(outline, key);
        if (number) PyDict_SetItem(numbers, key, number);
        Py_XDECREF(number);
        Py_DECREF(key);
        if (PyErr_Occurred()) break;
    }
    Py_DECREF(iterator);
    return !PyErr_Occurred();
}

static PyObject *outline_of(CaptureParser *self, PyObject *keys) {
    Outline outline = {0};
    PyObject *numbers = PyDict_New(), *result = NULL;
    bool done = numbers && outline_begin(&outline, &self->parser);
    if (done && keys == Py_None) {
        for (size_t stack = 1; stack < self->parser.tree.count; stack++) outline_stack(&outline, (uint32_t)stack);
    } else if (done) {
        done = add_keys(&outline, keys, numbers);
    }
    if (done) outline_end(&outline, self->records > 0 && self->parser.thread_count);
    if (done && !outline.bytes.failed)
        result = Py_BuildValue("(y#O)", outline.bytes.bytes, (Py_ssize_t)outline.bytes.size, numbers);
    if (!result && !PyErr_Occurred()) PyErr_NoMemory();
    outline_free(&outline);
    Py_XDECREF(numbers);
    return result;
}

static bool add_frame(PyObject *frames, const Maps *maps, uint64_t generation, uint64_t instruction) {
    const MapSegment *segment = maps_find(maps, generation, instruction);
    if (!segment) return true;
    PyObject *frame = Py_BuildValue("(IK)", segment->library, instruction - 1 - segment->base);
    bool added = frame && !PyList_Append(frames, frame);
    Py_XDECREF(frame);
    return added;
}

static PyObject *native_frames(CaptureParser *self, PyObject *arguments) {
    const Parser *parser = &self->parser;
    unsigned long long native, generation;
    Py_ssize_t most;
    if (!PyArg_ParseTuple(arguments, "KKn", &native, &generation, &most)) return NULL;
    PyObject *frames = PyList_New(0);
    while (frames && native && native <= parser->native_count && most-- > 0) {
        const NativeFrame *frame = &parser->natives[native - 1];
        if (!add_frame(frames, &parser->maps, generation, frame->instruction)) Py_CLEAR(frames);
        native = frame->caller;
    }
    return frames;
}

static PyObject *entry_frames(CaptureParser *self, PyObject *argument) {
    const FrameTree *tree = &self->parser.tree;
    unsigned long stack = PyLong_AsUnsignedLong(argument);
    if (stack == (unsigned long)-1 && PyErr_Occurred()) return NULL;
    Bytes flags = {0};
    for (; stack && stack < tree->count; stack = tree->nodes[stack].parent)
        bytes_add(&flags, &(uint8_t){tree->nodes[stack].entry != 0}, 1);
    PyObject *result = flags.failed ? PyErr_NoMemory() : PyBytes_FromStringAndSize((char *)flags.bytes, (Py_ssize_t)flags.size);
    free(flags.bytes);
    return result;
}

static int by_number(const void *one, const void *other) {
    uint64_t first = *(const uint64_t *)one, second = *(const uint64_t *)other;
    return (first > second) - (first < second);
}

// Adds the number of a segment's library and the address there of each instruction that was in the segment.
static bool add_addresses(PyObject *found, const MapSegment *segment, const uint64_t *instructions, size_t count) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (instructions[middle] < segment->start) low = middle + 1;
        else high = middle;
    }
    for (; low < count && instructions[low] < segment->end; low++) {
        PyObject *place = Py_BuildValue("(IK)", segment->library, instructions[low] - 1 - segment->base);
        bool added = place && !PySet_Add(found, place);
        Py_XDECREF(place);
        if (!added) return false;
    }
    return true;
}

// Whether the generation before had the same segment. Mostly it had.
static bool was_there(const Maps *maps, size_t generation, const MapSegment *segment) {
    const MapSegment *before = maps_find(maps, generation - 1, segment->start);
    return before && before->start == segment->start && before->end == segment->end && before->base == segment->base &&
           before->library == segment->library;
}

static PyObject *native_addresses(CaptureParser *self, PyObject *nothing) {
    (void)nothing;
    const Parser *parser = &self->parser;
    const Maps *maps = &parser->maps;
    uint64_t *instructions = malloc((parser->native_count + 1) * sizeof *instructions);
    if (!instructions) return PyErr_NoMemory();
    for (size_t native = 0; native < parser->native_count; native++)
        instructions[native] = parser->natives[native].instruction;
    if (parser->native_count) qsort(instructions, parser->native_count, sizeof *instructions, by_number);
    size_t count = 0;
    for (size_t native = 0; native < parser->native_count; native++)
        if (!count || instructions[count - 1] != instructions[native]) instructions[count++] = instructions[native];
    PyObject *found = PySet_New(NULL);
    size_t generation = 0;
    for (size_t at = 0; found && at < maps->segment_count; at++) {
        while (generation < maps->generation_count && maps->generations[generation] <= at) generation++;
        const MapSegment *segment = &maps->segments[at];
        if (was_there(maps, generation, segment)) continue;
        if (!add_addresses(found, segment, instructions, count)) Py_CLEAR(found);
    }
    free(instructions);
    return found;
}

static PyObject *header(CaptureParser *self, PyObject *nothing) {
    (void)nothing;
    return PyBytes_FromStringAndSize((char *)self->parser.preface.bytes, (Py_ssize_t)self->parser.header_size);
}

static PyObject *close_parser(CaptureParser *self, PyObject *nothing) {
    (void)nothing;
    forget(self);
    self->handed_out = self->records;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"next", (PyCFunction)next_records, METH_O, "Return the next records, at most so many; none at the end."},
    {"outline", (PyCFunction)outline_of, METH_O,
     "Return a capture of the Python stacks of some keys, and their numbers there by the keys; of all, with the same numbers, "
     "if None."},
    {"header", (PyCFunction)header, METH_NOARGS, "Return the capture's header, without what follows it."},
    {"native_frames", (PyCFunction)native_frames, METH_VARARGS,
     "Return library and address there of the innermost frames of a native stack in a generation, at most so many."},
    {"native_addresses", (PyCFunction)native_addresses, METH_NOARGS,
     "Return library and address there of all native frames, by all maps."},
    {"entry_frames", (PyCFunction)entry_frames, METH_O,
     "Return for each frame of a Python stack, innermost first, whether a call of the interpreter's loop began with it."},
    {"close", (PyCFunction)close_parser, METH_NOARGS, "Close the file, and free what is known of it."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef members[] = {
    {"records", T_ULONGLONG, offsetof(CaptureParser, records), READONLY, "How many records there are."},
    {"libraries", T_OBJECT, offsetof(CaptureParser, libraries), READONLY, "The paths of the libraries in its maps."},
    {NULL, 0, 0, 0, NULL},
};

PyTypeObject capture_parser_type = {
    .ob_base = PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "fwmemtrace.core._compiled.CaptureParser",
    .tp_doc = "Parses a memray capture; ValueError if it is not exactly as a known version of memray writes it.",
    .tp_basicsize = sizeof(CaptureParser),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = new,
    .tp_dealloc = (destructor)dealloc,
    .tp_methods = methods,
    .tp_members = members,
};
