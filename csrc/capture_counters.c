// The counters of levels, tallies and runs. The Python classes derive from these types, so that the fold here counts in the
// same objects in which capture/ counts what is rare: edges of phases, and mappings.
#include "capture.h"

#include <structmember.h>

static PyObject *new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    (void)arguments, (void)keywords;
    return type->tp_alloc(type, 0);
}

static PyMemberDef level_members[] = {
    {"now", T_LONGLONG, offsetof(Level, now), 0, NULL},
    {"top", T_LONGLONG, offsetof(Level, top), 0, NULL},
    {"fall", T_LONGLONG, offsetof(Level, fall), 0, NULL},
    {"local", T_LONGLONG, offsetof(Level, local), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

PyTypeObject level_type = {
    .ob_base = PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "fwmemtrace.core._compiled.Level",
    .tp_doc = "The counters of `capture.level.Level`.",
    .tp_basicsize = sizeof(Level),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_new = new,
    .tp_members = level_members,
};

static int tally_init(Tally *self, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"own", "whole", "around", "sites", "ambient", NULL};
    PyObject *own, *whole, *around, *sites, *ambient;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O!O!OOO", names, &level_type, &own, &level_type, &whole, &around,
                                     &sites, &ambient))
        return -1;
    if (self->own || (around != Py_None && !PyObject_TypeCheck(around, &tally_type))) {
        PyErr_SetString(PyExc_TypeError, "not a tally");
        return -1;
    }
    self->own = (Level *)Py_NewRef(own);
    self->whole = (Level *)Py_NewRef(whole);
    self->around = around == Py_None ? NULL : (Tally *)Py_NewRef(around);
    static uint32_t tallies;
    self->root = self->around ? self->around->root : self;
    self->number = tallies++;
    self->sites = Py_NewRef(sites);
    self->ambient = Py_NewRef(ambient);
    return 0;
}

static int tally_traverse(Tally *self, visitproc visit, void *arg) {
    Py_VISIT(self->own);
    Py_VISIT(self->whole);
    Py_VISIT(self->around);
    Py_VISIT(self->sites);
    Py_VISIT(self->ambient);
    return 0;
}

static void tally_dealloc(Tally *self) {
    PyObject_GC_UnTrack(self);
    Py_XDECREF(self->own);
    Py_XDECREF(self->whole);
    Py_XDECREF(self->around);
    Py_XDECREF(self->sites);
    Py_XDECREF(self->ambient);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMemberDef tally_members[] = {
    {"own", T_OBJECT_EX, offsetof(Tally, own), READONLY, NULL},
    {"whole", T_OBJECT_EX, offsetof(Tally, whole), READONLY, NULL},
    {"sites", T_OBJECT_EX, offsetof(Tally, sites), READONLY, NULL},
    {"ambient", T_OBJECT_EX, offsetof(Tally, ambient), READONLY, NULL},
    {"freed", T_LONGLONG, offsetof(Tally, freed), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

PyTypeObject tally_type = {
    .ob_base = PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "fwmemtrace.core._compiled.Tally",
    .tp_doc = "The counters of `capture.tally.Tally`.",
    .tp_basicsize = sizeof(Tally),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = new,
    .tp_init = (initproc)tally_init,
    .tp_dealloc = (destructor)tally_dealloc,
    .tp_traverse = (traverseproc)tally_traverse,
    .tp_members = tally_members,
};

static int run_init(Run *self, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"tally", "parent", NULL};
    PyObject *tally, *parent;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O!O", names, &tally_type, &tally, &parent)) return -1;
    if (self->tally || !((Tally *)tally)->own || (parent != Py_None && !PyObject_TypeCheck(parent, &run_type))) {
        PyErr_SetString(PyExc_TypeError, "not a run");
        return -1;
    }
    self->tally = (Tally *)Py_NewRef(tally);
    self->parent = parent == Py_None ? NULL : (Run *)Py_NewRef(parent);
    self->open = 1;
    return 0;
}

static int run_traverse(Run *self, visitproc visit, void *arg) {
    Py_VISIT(self->tally);
    Py_VISIT(self->parent);
    return 0;
}

static void run_dealloc(Run *self) {
    PyObject_GC_UnTrack(self);
    Py_XDECREF(self->tally);
    Py_XDECREF(self->parent);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMemberDef run_members[] = {
    {"tally", T_OBJECT_EX, offsetof(Run, tally), READONLY, NULL},
    {"live", T_LONGLONG, offsetof(Run, live), 0, NULL},
    {"whole", T_LONGLONG, offsetof(Run, whole), 0, NULL},
    {"open", T_BOOL, offsetof(Run, open), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

PyTypeObject run_type = {
    .ob_base = PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "fwmemtrace.core._compiled.Run",
    .tp_doc = "The counters of `capture.runs.PhaseRun`.",
    .tp_basicsize = sizeof(Run),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = new,
    .tp_init = (initproc)run_init,
    .tp_dealloc = (destructor)run_dealloc,
    .tp_traverse = (traverseproc)run_traverse,
    .tp_members = run_members,
};
