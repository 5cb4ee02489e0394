// The extension module `fwmemtrace.core._compiled`: what Python can ask of the core.
#include "capture.h"
#include "heap.h"
#include "rss_watch.h"

#include <errno.h>
#include <structmember.h>
#include <string.h>

#define MOST_LARGEST 64  // sites

static bool is_on;

static PyObject *heap_check(PyObject *module, PyObject *nothing) {
    (void)module, (void)nothing;
    const char *reason = python_stack_check();
    if (!reason) Py_RETURN_NONE;
    return PyUnicode_FromString(reason);
}

static PyObject *heap_start(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *path = NULL;
    double mean;
    unsigned long long seed;
    int native;
    if (!PyArg_ParseTuple(arguments, "OdKp", &path, &mean, &seed, &native)) return NULL;
    PyObject *encoded = NULL;
    if (path != Py_None && !PyUnicode_FSConverter(path, &encoded)) return NULL;
    static bool registered;
    if (is_on) {
        PyErr_SetString(PyExc_RuntimeError, "the sampler is on already");
    } else if (!registered && fork_handlers_register()) {
        PyErr_NoMemory();
    } else {
        registered = true;
        int error = file_open(encoded ? PyBytes_AS_STRING(encoded) : NULL);
        if (!file_header()) {
            PyErr_NoMemory();
        } else {
            FileHeader *header = file_header();
            header->mean = header->first_mean = mean;
            if (encoded) bus_errors_handle(file_lost_at);
            tables_begin();
            sampler_begin(mean, seed, native);
            if (hooks_install()) {
                is_on = true;
                Py_XDECREF(encoded);
                return PyLong_FromLong(error);
            }
            sampler_end();
            tables_end();
            file_leave();
            PyErr_SetString(PyExc_RuntimeError, "the allocator's functions cannot be found");
        }
    }
    Py_XDECREF(encoded);
    return NULL;
}

static PyObject *heap_stop(PyObject *module, PyObject *nothing) {
    (void)module, (void)nothing;
    if (!is_on) return PyBytes_FromStringAndSize(NULL, 0);
    is_on = false;
    sampler_settle(&current_thread);
    sampler_end();
    context_watch(NULL, NULL, 0, 0);
    hooks_remove();
    tables_lock();
    tables_end();
    tables_unlock();
    file_header()->closed = 1;
    Py_ssize_t size = file_is_lost() ? 0 : (Py_ssize_t)file_header()->used;
    PyObject *contents = PyBytes_FromStringAndSize((const char *)file_header(), size);
    tables_lock();
    file_leave();
    tables_unlock();
    return contents;
}

// The child of a fork has let go of its parent's tables; its hooks are still in place.
static PyObject *heap_after_fork(PyObject *module, PyObject *nothing) {
    (void)module, (void)nothing;
    is_on = false;
    context_watch(NULL, NULL, 0, 0);
    hooks_remove();
    Py_RETURN_NONE;
}

static PyObject *heap_phase(PyObject *module, PyObject *arguments) {
    (void)module;
    unsigned int parent;
    const char *name;
    Py_ssize_t length;
    if (!PyArg_ParseTuple(arguments, "Iy#", &parent, &name, &length)) return NULL;
    bool inside = current_thread.inside;
    current_thread.inside = true;
    tables_lock();
    uint32_t phase = is_on ? tables_add_phase(parent, name, (size_t)length) : 0;
    tables_unlock();
    current_thread.inside = inside;
    return PyLong_FromUnsignedLong(phase);
}

static PyObject *heap_begin(PyObject *module, PyObject *phase) {
    (void)module;
    unsigned long number = PyLong_AsUnsignedLong(phase);
    if (number == (unsigned long)-1 && PyErr_Occurred()) return NULL;
    sampler_switch_phase((uint32_t)number);
    if (is_on) tables_count_call((uint32_t)number);
    Py_RETURN_NONE;
}

static PyObject *heap_switch(PyObject *module, PyObject *phase) {
    (void)module;
    unsigned long number = PyLong_AsUnsignedLong(phase);
    if (number == (unsigned long)-1 && PyErr_Occurred()) return NULL;
    sampler_switch_phase((uint32_t)number);
    Py_RETURN_NONE;
}

static PyObject *heap_watch(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *variable, *phase, *outer;
    if (!PyArg_ParseTuple(arguments, "OO!O!", &variable, &PyMemberDescr_Type, &phase, &PyMemberDescr_Type, &outer))
        return NULL;
    PyObject *value = NULL;
    if (!PyContextVar_CheckExact(variable) || PyContextVar_Get(variable, Py_None, &value)) return NULL;
    PyObject *read = context_value(variable);
    bool right = read == value || (!read && value == Py_None);
    Py_XDECREF(value);
    if (!right) Py_RETURN_FALSE;
    context_watch(variable, PyDescr_TYPE(phase), ((PyMemberDescrObject *)phase)->d_member->offset,
                  ((PyMemberDescrObject *)outer)->d_member->offset);
    Py_RETURN_TRUE;
}

static PyObject *heap_context_value(PyObject *module, PyObject *variable) {
    (void)module;
    if (!PyContextVar_CheckExact(variable)) Py_RETURN_NONE;
    PyObject *value = context_value(variable);
    if (!value) Py_RETURN_NONE;
    return Py_NewRef(value);
}

static PyObject *frames_of(const LiveSite *site) {
    PyObject *frames = PyList_New(0);
    for (uint32_t at = 0; frames && at < site->frame_count; at++) {
        FrameText text;
        if (!tables_frame(site->frames[at], &text)) continue;
        PyObject *name = PyUnicode_DecodeUTF8(text.name, text.name_length, "replace");
        PyObject *file = PyUnicode_DecodeUTF8(text.file, text.file_length, "replace");
        PyObject *frame = name && file ? Py_BuildValue("OOi", name, file, text.line) : NULL;
        Py_XDECREF(name);
        Py_XDECREF(file);
        if (!frame || PyList_Append(frames, frame)) Py_CLEAR(frames);
        Py_XDECREF(frame);
    }
    return frames;
}

static PyObject *live_site(const LiveSite *site) {
    PyObject *frames = frames_of(site);
    return frames ? Py_BuildValue("ddKN", site->live, site->variance, (unsigned long long)site->samples, frames) : NULL;
}

static PyObject *heap_largest(PyObject *module, PyObject *nothing) {
    (void)module, (void)nothing;
    LiveSite found[MOST_LARGEST], all = {0};
    bool inside = current_thread.inside;
    current_thread.inside = true;
    size_t count = is_on ? tables_largest(found, MOST_LARGEST, &all) : 0;
    current_thread.inside = inside;
    double mean = is_on ? sampler_mean() : 0;
    PyObject *sites = PyList_New(0);
    for (size_t at = 0; sites && at < count; at++) {
        PyObject *site = live_site(&found[at]);
        if (!site || PyList_Append(sites, site)) Py_CLEAR(sites);
        Py_XDECREF(site);
    }
    if (!sites) return NULL;
    return Py_BuildValue("dNN", mean, live_site(&all), sites);
}

static PyObject *crc32(PyObject *module, PyObject *bytes) {
    (void)module;
    if (!PyBytes_Check(bytes)) {
        PyErr_SetString(PyExc_TypeError, "a checksum is that of bytes");
        return NULL;
    }
    size_t size = (size_t)PyBytes_GET_SIZE(bytes);
    return PyLong_FromUnsignedLong(crc32_of((const uint8_t *)PyBytes_AS_STRING(bytes), size));
}

static PyMethodDef methods[] = {
    {"heap_check", heap_check, METH_NOARGS, "Return why the heap cannot be sampled here, None if it can."},
    {"heap_start", heap_start, METH_VARARGS, "Start to sample; return the errno with which the file failed, or 0."},
    {"heap_stop", heap_stop, METH_NOARGS, "Stop, and return the tables."},
    {"heap_after_fork", heap_after_fork, METH_NOARGS, "Make a forked child ready for a start of its own."},
    {"heap_phase", heap_phase, METH_VARARGS, "Add a phase below another one; return its number."},
    {"heap_largest", heap_largest, METH_NOARGS, "Return the mean, the sum of the live samples, and the largest sites."},
    {"heap_begin", heap_begin, METH_O, "Make a phase the calling thread's, and count a call of it."},
    {"heap_switch", heap_switch, METH_O, "Make a phase the calling thread's."},
    {"heap_watch", heap_watch, METH_VARARGS, "Take phases from a context variable's spans, if it can be read; else False."},
    {"held_open", held_open, METH_O, "Open a file for reading; the interpreter's lock is kept."},
    {"held_read", held_read, METH_VARARGS, "Read from a descriptor at an offset; the interpreter's lock is kept."},
    {"held_close", held_close, METH_O, "Close a descriptor; the interpreter's lock is kept."},
    {"crc32", crc32, METH_O, "Return the checksum of bytes, as zlib.crc32 does."},
#ifndef Py_GIL_DISABLED
    {"thread_frames", thread_frames, METH_NOARGS, "Return the frames of this interpreter's threads by their identifiers."},
#endif
    {"context_value", heap_context_value, METH_O, "Return the value of a context variable, as the sampler reads it."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "fwmemtrace.core._compiled",
    .m_doc = "The compiled core of fwmemtrace.",
    .m_size = -1,
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__compiled(void);
PyMODINIT_FUNC PyInit__compiled(void) {
    PyObject *module = PyModule_Create(&definition);
    PyTypeObject *types[] = {
        &capture_parser_type, &level_type, &tally_type, &run_type, &site_type, &site_table_type, &fold_type,
        &symbol_table_type,
#ifdef HAS_EDGES
        &trace_window_type, &phase_peaks_type, &phase_edges_type,
#endif
#ifdef HAS_RSS_WATCH
        &rss_watch_type,
#endif
    };
    crc32_prepare();
    for (size_t type = 0; module && type < sizeof types / sizeof *types; type++)
        if (PyModule_AddType(module, types[type])) Py_CLEAR(module);
    if (module && PyModule_AddIntConstant(module, "INTERFACE", CORE_INTERFACE)) Py_CLEAR(module);
    return module;
}
