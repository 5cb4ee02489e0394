// `SymbolTable`: the functions of an ELF symbol table by address. torch's largest library has half a million.
#include "core.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

enum { BEFORE = 32 };  // functions that may begin between an address and the start of its own function

typedef struct {
    uint64_t start;
    uint32_t symbol;  // its place in the table
} Place;

typedef struct {
    PyObject_HEAD
    Py_buffer symbols, names;
    Place *places;
    size_t count;
} SymbolTable;

static Elf64_Sym symbol_at(const SymbolTable *self, size_t place) {
    Elf64_Sym symbol;
    memcpy(&symbol, (const uint8_t *)self->symbols.buf + place * sizeof symbol, sizeof symbol);
    return symbol;
}

static bool is_function(const Elf64_Sym *symbol) {
    unsigned int kind = ELF64_ST_TYPE(symbol->st_info);
    return (kind == STT_FUNC || kind == STT_GNU_IFUNC) && symbol->st_shndx != SHN_UNDEF && symbol->st_size;
}

static int by_address(const void *one, const void *other) {
    const Place *first = one, *second = other;
    if (first->start != second->start) return first->start < second->start ? -1 : 1;
    return (first->symbol > second->symbol) - (first->symbol < second->symbol);
}

static bool find_functions(SymbolTable *self) {
    size_t count = (size_t)self->symbols.len / sizeof(Elf64_Sym);
    if (count > UINT32_MAX) return false;
    self->places = malloc((count + 1) * sizeof *self->places);
    if (!self->places) return false;
    bool sorted = true;
    for (size_t place = 0; place < count; place++) {
        Elf64_Sym symbol = symbol_at(self, place);
        if (!is_function(&symbol)) continue;
        if (self->count && self->places[self->count - 1].start > symbol.st_value) sorted = false;
        self->places[self->count++] = (Place){symbol.st_value, (uint32_t)place};
    }
    if (!sorted) qsort(self->places, self->count, sizeof *self->places, by_address);
    return true;
}

static void dealloc(SymbolTable *self) {
    free(self->places);
    if (self->symbols.obj) PyBuffer_Release(&self->symbols);
    if (self->names.obj) PyBuffer_Release(&self->names);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"", "", NULL};
    SymbolTable *self = (SymbolTable *)type->tp_alloc(type, 0);
    if (!self) return NULL;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "y*y*", names, &self->symbols, &self->names)) {
        Py_DECREF(self);
        return NULL;
    }
    if (find_functions(self)) return (PyObject *)self;
    Py_DECREF(self);
    return PyErr_NoMemory();
}

static const char *name_of(const SymbolTable *self, const Elf64_Sym *symbol, size_t *length) {
    if (symbol->st_name >= (uint64_t)self->names.len) return NULL;
    const char *name = (const char *)self->names.buf + symbol->st_name;
    *length = strnlen(name, (size_t)self->names.len - symbol->st_name);
    return *length ? name : NULL;
}

// Ranks the names of one function: exported ones are the best known, and of equally good ones the shortest is taken.
static unsigned int worth(const Elf64_Sym *symbol, const char *name) {
    unsigned int binding = ELF64_ST_BIND(symbol->st_info);
    return (binding == STB_GLOBAL) * 4u + (binding != STB_LOCAL) * 4u + (*name != '_') * 1u;
}

static PyObject *name_at(SymbolTable *self, PyObject *argument) {
    uint64_t address = PyLong_AsUnsignedLongLong(argument);
    if (PyErr_Occurred()) return NULL;
    size_t low = 0, high = self->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (self->places[middle].start <= address) low = middle + 1;
        else high = middle;
    }
    const char *best = NULL;
    size_t best_length = 0;
    unsigned int best_worth = 0;
    uint64_t start = 0;
    for (size_t back = 0; low && (back < BEFORE || (best && self->places[low - 1].start == start)); back++) {
        const Place *place = &self->places[--low];
        if (best && place->start != start) break;
        Elf64_Sym symbol = symbol_at(self, place->symbol);
        size_t length = 0;
        const char *name = address - symbol.st_value < symbol.st_size ? name_of(self, &symbol, &length) : NULL;
        if (!name) continue;
        unsigned int found_worth = worth(&symbol, name);
        if (best && (found_worth < best_worth || (found_worth == best_worth && length >= best_length))) continue;
        best = name;
        best_length = length;
        best_worth = found_worth;
        start = place->start;
    }
    if (!best) Py_RETURN_NONE;
    return PyBytes_FromStringAndSize(best, (Py_ssize_t)best_length);
}

static PyMethodDef methods[] = {
    {"name_at", (PyCFunction)name_at, METH_O, "Return the name of the function at an address, None if there is none."},
    {NULL, NULL, 0, NULL},
};

PyTypeObject symbol_table_type = {
    .ob_base = PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "fwmemtrace.core._compiled.SymbolTable",
    .tp_doc = "The functions of an ELF symbol table, from its bytes and those of its names.",
    .tp_basicsize = sizeof(SymbolTable),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = new,
    .tp_dealloc = (destructor)dealloc,
    .tp_methods = methods,
};
