// Sites as Python sees them: like the lists of capture/tally.py, in a mapping like the dict that holds those.
#include "capture.h"

#include <stdlib.h>
#include <structmember.h>

enum { FIELDS = 6, KEY = FIELDS - 1 };

static Py_ssize_t site_length(PyObject *self) {
    (void)self;
    return FIELDS;
}

static long long *site_field(Site *self, Py_ssize_t field) {
    long long *fields[] = {&self->allocated, &self->count, &self->live, &self->fall, &self->at_peak};
    return field >= 0 && field < KEY ? fields[field] : NULL;
}

static PyObject *site_key(Site *self) {
    if (!self->by_native) return PyLong_FromUnsignedLong(self->stack);
    return Py_BuildValue("(IKI)", self->stack, (unsigned long long)self->native, self->generation);
}

static PyObject *site_item(Site *self, Py_ssize_t field) {
    long long *found = site_field(self, field);
    if (found) return PyLong_FromLongLong(*found);
    if (field == KEY) return site_key(self);
    PyErr_SetString(PyExc_IndexError, "no such field");
    return NULL;
}

static int site_assign(Site *self, Py_ssize_t field, PyObject *value) {
    long long *found = site_field(self, field);
    if (!found || !value) {
        PyErr_SetString(PyExc_IndexError, "no such field");
        return -1;
    }
    long long number = PyLong_AsLongLong(value);
    if (number == -1 && PyErr_Occurred()) return -1;
    *found = number;
    return 0;
}

static PySequenceMethods site_sequence = {
    .sq_length = site_length,
    .sq_item = (ssizeargfunc)site_item,
    .sq_ass_item = (ssizeobjargproc)site_assign,
};

static PyMemberDef site_members[] = {
    {"blocks", T_LONGLONG, offsetof(Site, blocks), READONLY, "How many of its blocks are live."},
    {NULL, 0, 0, 0, NULL},
};

PyTypeObject site_type = {
    .ob_base = PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "fwmemtrace.core._compiled.Site",
    .tp_doc = "What one stack allocated in one phase; see `capture.tally.Site`.",
    .tp_basicsize = sizeof(Site),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_as_sequence = &site_sequence,
    .tp_members = site_members,
};

static uint32_t hash_of(uint32_t stack, uint64_t native, uint32_t generation) {
    return fold_hash((stack + native * 0xC2B2AE3D27D4EB4Fu) * 0x9E3779B97F4A7C15u + generation);
}

static HashPlace *place_of(const SiteTable *table, uint32_t hash, uint32_t stack, uint64_t native, uint32_t generation) {
    size_t place = hash & table->mask;
    for (; table->places[place].number; place = (place + 1) & table->mask) {
        if (table->places[place].hash != hash) continue;
        const Site *site = table->sites[table->places[place].number - 1];
        if (site->stack == stack && site->native == native && site->generation == generation) break;
    }
    return &table->places[place];
}

static bool grow(SiteTable *table) {
    size_t capacity = table->capacity ? table->capacity * 2 : 64;
    if (capacity > UINT32_MAX) return false;
    Site **sites = realloc(table->sites, capacity * sizeof *sites);
    if (!sites) return false;
    table->sites = sites;
    HashPlace *places = calloc(capacity * 2, sizeof *places);
    if (!places) return false;
    size_t mask = capacity * 2 - 1;
    for (size_t old = 0; table->places && old <= table->mask; old++) {
        if (!table->places[old].number) continue;
        size_t place = table->places[old].hash & mask;
        while (places[place].number) place = (place + 1) & mask;
        places[place] = table->places[old];
    }
    free(table->places);
    table->places = places;
    table->capacity = capacity;
    table->mask = mask;
    return true;
}

Site *site_table_find(SiteTable *table, const Allocation *allocation, bool by_native) {
    uint64_t native = by_native ? allocation->native : 0;
    uint32_t generation = by_native ? (uint32_t)allocation->generation : 0;
    if (table->count == table->capacity && !grow(table)) return (Site *)PyErr_NoMemory();
    uint32_t hash = hash_of(allocation->stack, native, generation);
    HashPlace *place = place_of(table, hash, allocation->stack, native, generation);
    if (LIKELY(place->number)) return table->sites[place->number - 1];
    Site *site = PyObject_New(Site, &site_type);
    if (!site) return NULL;
    site->allocated = site->count = site->live = site->fall = site->at_peak = site->blocks = 0;
    site->stack = allocation->stack;
    site->native = native;
    site->generation = generation;
    site->by_native = by_native;
    table->sites[table->count++] = site;
    *place = (HashPlace){hash, (uint32_t)table->count};
    return site;
}

static PyObject *values(SiteTable *self, PyObject *nothing) {
    (void)nothing;
    PyObject *list = PyList_New((Py_ssize_t)self->count);
    for (size_t number = 0; list && number < self->count; number++)
        PyList_SET_ITEM(list, (Py_ssize_t)number, Py_NewRef(self->sites[number]));
    return list;
}

static PyObject *get(SiteTable *self, PyObject *key) {
    unsigned int stack, generation = 0;
    unsigned long long native = 0;
    if (PyTuple_Check(key)) {
        if (!PyArg_ParseTuple(key, "IKI", &stack, &native, &generation)) return NULL;
    } else {
        unsigned long number = PyLong_AsUnsignedLong(key);
        if (number == (unsigned long)-1 && PyErr_Occurred()) return NULL;
        stack = (unsigned int)number;
    }
    uint32_t number = 0;
    if (self->places) number = place_of(self, hash_of(stack, native, generation), stack, native, generation)->number;
    return Py_NewRef(number ? (PyObject *)self->sites[number - 1] : Py_None);
}

// See `Sites.add_up` in capture/tally.py.
static PyObject *add_up(SiteTable *self, PyObject *argument) {
    long long fall = PyLong_AsLongLong(argument), allocated = 0, count = 0;
    if (fall == -1 && PyErr_Occurred()) return NULL;
    PyObject *live = PyList_New(0), *at_peak = PyList_New(0);
    bool done = live && at_peak;
    for (size_t number = 0; done && number < self->count; number++) {
        Site *site = self->sites[number];
        allocated += site->allocated;
        count += site->count;
        site_touch(site, fall);
        done = !(site->live && PyList_Append(live, (PyObject *)site)) &&
               !(site->at_peak && PyList_Append(at_peak, (PyObject *)site));
    }
    if (done) return Py_BuildValue("(LLNN)", allocated, count, live, at_peak);
    Py_XDECREF(live);
    Py_XDECREF(at_peak);
    return NULL;
}

static PyObject *clear(SiteTable *self, PyObject *nothing) {
    (void)nothing;
    for (size_t number = 0; number < self->count; number++) Py_DECREF(self->sites[number]);
    free(self->sites);
    free(self->places);
    self->sites = NULL;
    self->places = NULL;
    self->count = self->capacity = self->mask = 0;
    Py_RETURN_NONE;
}

static void dealloc(SiteTable *self) {
    Py_XDECREF(clear(self, NULL));
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMethodDef methods[] = {
    {"get", (PyCFunction)get, METH_O, "Return the site of a key, None if there is none."},
    {"add_up", (PyCFunction)add_up, METH_O, "Add up all sites."},
    {"values", (PyCFunction)values, METH_NOARGS, "Return all sites, in the order in which they came."},
    {"clear", (PyCFunction)clear, METH_NOARGS, "Forget all sites."},
    {NULL, NULL, 0, NULL},
};

static PyObject *new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    (void)arguments, (void)keywords;
    return type->tp_alloc(type, 0);
}

PyTypeObject site_table_type = {
    .ob_base = PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "fwmemtrace.core._compiled.SiteTable",
    .tp_doc = "The sites of one phase.",
    .tp_basicsize = sizeof(SiteTable),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = new,
    .tp_dealloc = (destructor)dealloc,
    .tp_methods = methods,
};
