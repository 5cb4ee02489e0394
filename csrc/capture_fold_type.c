// `Fold` as Python sees it.
#include "capture_fold.h"

#include <stdlib.h>
#include <structmember.h>

// Adds what has come together in `later` to the dicts of the tallies.
static bool settle_later(Fold *fold) {
    for (size_t place = 0; place < fold->later_count; place++) {
        Later *later = &fold->later[place];
        if (!later->bytes) continue;
        PyObject *freed = PyObject_GetAttrString((PyObject *)later->owner, "freed_later");
        PyObject *path = PyObject_GetAttrString((PyObject *)later->by, "path");
        PyObject *before = freed && path ? PyObject_GetItem(freed, path) : NULL;
        if (freed && path && !before && PyErr_ExceptionMatches(PyExc_KeyError)) {
            PyErr_Clear();
            before = PyLong_FromLong(0);
        }
        PyObject *more = PyLong_FromLongLong(later->bytes);
        PyObject *after = before && more ? PyNumber_Add(before, more) : NULL;
        bool done = after && !PyObject_SetItem(freed, path, after);
        Py_XDECREF(freed), Py_XDECREF(path), Py_XDECREF(before), Py_XDECREF(more), Py_XDECREF(after);
        if (!done) return false;
        later->bytes = 0;
    }
    return true;
}

static PyObject *feed(Fold *self, PyObject *argument) {
    long long most = PyLong_AsLongLong(argument);
    if (most == -1 && PyErr_Occurred()) return NULL;
    if (self->busy) {
        PyErr_SetString(PyExc_RuntimeError, "the fold is at it already");
        return NULL;
    }
    bool done;
    self->busy = true;
    long long taken = fold_feed(self, most, &done);
    done = done && settle_later(self);
    self->busy = false;
    if (done) return PyLong_FromLongLong(taken);
    if (!PyErr_Occurred()) PyErr_NoMemory();
    return NULL;
}

static PyObject *release(Fold *self, PyObject *nothing) {
    (void)nothing;
    blocks_clear(&self->blocks);
    Py_RETURN_NONE;
}

static int traverse(Fold *self, visitproc visit, void *arg) {
    Py_VISIT(self->run_of);
    Py_VISIT(self->read);
    Py_VISIT(self->apply);
    Py_VISIT(self->map);
    Py_VISIT(self->unmap);
    return 0;
}

static int clear(Fold *self) {
    Py_CLEAR(self->run_of);
    Py_CLEAR(self->read);
    Py_CLEAR(self->apply);
    Py_CLEAR(self->map);
    Py_CLEAR(self->unmap);
    return 0;
}

static void dealloc(Fold *self) {
    PyObject_GC_UnTrack(self);
    clear(self);
    blocks_clear(&self->blocks);
    peak_clear(&self->peak);
    for (size_t place = 0; place < self->name_count; place++) Py_XDECREF(self->names[place]);
    for (size_t place = 0; place < self->entered_count; place++) Py_XDECREF(self->entered[place].returned);
    for (size_t place = 0; place < self->later_count; place++) {
        Py_DECREF(self->later[place].owner);
        Py_DECREF(self->later[place].by);
    }
    free(self->names);
    free(self->entered);
    free(self->later);
    map_free(&self->entered_places);
    map_free(&self->later_places);
    Py_XDECREF(self->parser);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"parser", "by_native", "run_of", "read", "apply", "map", "unmap", NULL};
    PyObject *parser, *run_of, *read, *apply, *map, *unmap;
    int by_native;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O!pOOOOO", names, &capture_parser_type, &parser, &by_native,
                                     &run_of, &read, &apply, &map, &unmap))
        return NULL;
    Fold *self = (Fold *)type->tp_alloc(type, 0);
    if (!self) return NULL;
    self->parser = (CaptureParser *)Py_NewRef(parser);
    self->by_native = by_native;
    self->run_of = Py_NewRef(run_of);
    self->read = Py_NewRef(read);
    self->apply = Py_NewRef(apply);
    self->map = Py_NewRef(map);
    self->unmap = Py_NewRef(unmap);
    return (PyObject *)self;
}

static PyMethodDef methods[] = {
    {"feed", (PyCFunction)feed, METH_O, "Take the next records, about as many as asked for; return how many, 0 at the end."},
    {"release", (PyCFunction)release, METH_NOARGS, "Free all blocks."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef members[] = {
    {"markers", T_ULONGLONG, offsetof(Fold, markers), READONLY, "How many markers there were."},
    {"marker_bytes", T_ULONGLONG, offsetof(Fold, marker_bytes), READONLY, "Their bytes."},
    {"peak_bytes", T_ULONGLONG, offsetof(Fold, peak.top), READONLY, "The most that was live at once, as memray counts."},
    {NULL, 0, 0, 0, NULL},
};

PyTypeObject fold_type = {
    .ob_base = PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "fwmemtrace.core._compiled.Fold",
    .tp_doc = "Splits the records of a capture by phase.",
    .tp_basicsize = sizeof(Fold),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = new,
    .tp_dealloc = (destructor)dealloc,
    .tp_traverse = (traverseproc)traverse,
    .tp_clear = (inquiry)clear,
    .tp_methods = methods,
    .tp_members = members,
};
