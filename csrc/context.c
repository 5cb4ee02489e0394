// The phase of the calling thread by its context, read by value: event loops with handles of their own (uvloop) and
// greenlets switch contexts without telling us. Contexts are immutable trees (Python/hamt.c in CPython's source), and
// nobody but this thread changes which one is its own.
#include "heap.h"

#include <string.h>

#if PY_VERSION_HEX >= 0x030B0000 && PY_VERSION_HEX < 0x030E0000 && !defined(Py_GIL_DISABLED)
#define Py_BUILD_CORE 1
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "internal/pycore_hamt.h"
#include "internal/pycore_context.h"
#pragma GCC diagnostic pop
#undef Py_BUILD_CORE

#define BITS 5         // of the hash, at each level of the tree
#define DEEPEST 8      // levels
#define MOST_OUTER 64  // spans around a span

typedef struct {
    PyObject_VAR_HEAD
    uint32_t bitmap;
    PyObject *entries[];  // key and value, or NULL and a node
} BitmapNode;

typedef struct {
    PyObject_HEAD
    PyObject *nodes[1 << BITS];
    Py_ssize_t count;
} ArrayNode;

typedef struct {
    PyObject_VAR_HEAD
    int32_t hash;
    PyObject *entries[];  // key and value
} CollisionNode;

static PyObject *variable;  // the one that holds the current span; a reference of our own
static PyTypeObject *span_type;
static Py_ssize_t phase_offset, outer_offset;  // of a span's slots

static uint32_t hash_of(PyObject *key) {
    Py_hash_t hash = ((PyContextVar *)key)->var_hash;
    int32_t folded = (int32_t)((uint64_t)hash & 0xFFFFFFFF) ^ (int32_t)((uint64_t)hash >> 32);
    return (uint32_t)(folded == -1 ? -2 : folded);
}

PyObject *context_value(PyObject *key) {
    PyThreadState *state = PyGILState_GetThisThreadState();
    PyContext *context = state ? (PyContext *)state->context : NULL;
    if (!context || !context->ctx_vars) return NULL;
    PyObject *node = (PyObject *)context->ctx_vars->h_root;
    uint32_t hash = hash_of(key);
    for (int level = 0; node && level < DEEPEST; level++, hash >>= BITS) {
        const char *kind = Py_TYPE(node)->tp_name;
        uint32_t at = hash & ((1 << BITS) - 1);
        if (!strcmp(kind, "hamt_array_node")) {
            node = ((ArrayNode *)node)->nodes[at];
        } else if (!strcmp(kind, "hamt_bitmap_node")) {
            BitmapNode *bitmap = (BitmapNode *)node;
            if (!(bitmap->bitmap >> at & 1)) return NULL;
            int entry = 2 * __builtin_popcount(bitmap->bitmap & ((1u << at) - 1));
            if (bitmap->entries[entry] == key) return bitmap->entries[entry + 1];
            if (bitmap->entries[entry]) return NULL;
            node = bitmap->entries[entry + 1];
        } else if (!strcmp(kind, "hamt_collision_node")) {
            CollisionNode *collision = (CollisionNode *)node;
            for (Py_ssize_t entry = 0; entry + 1 < Py_SIZE(collision); entry += 2)
                if (collision->entries[entry] == key) return collision->entries[entry + 1];
            return NULL;
        } else {
            return NULL;
        }
    }
    return NULL;
}

static uint32_t small_integer(PyObject *number) {
#if PY_VERSION_HEX >= 0x030C0000
    return (uint32_t)((PyLongObject *)number)->long_value.ob_digit[0];
#else
    return (uint32_t)((PyLongObject *)number)->ob_digit[0];
#endif
}

void context_watch(PyObject *new_variable, PyTypeObject *type, Py_ssize_t phase, Py_ssize_t outer) {
    span_type = type;  // that of a module which is never unloaded
    phase_offset = phase;
    outer_offset = outer;
    Py_XINCREF(new_variable);
    PyObject *before = variable;
    __atomic_store_n(&variable, new_variable, __ATOMIC_RELEASE);
    Py_XDECREF(before);
}

bool context_phase(uint32_t *phase) {
    PyObject *watched = __atomic_load_n(&variable, __ATOMIC_ACQUIRE);
    if (!watched || !PyGILState_GetThisThreadState()) return false;
    PyObject *span = context_value(watched);
    *phase = 0;
    for (int at = 0; span && Py_TYPE(span) == span_type && at < MOST_OUTER; at++) {
        PyObject *number = *(PyObject **)((char *)span + phase_offset);
        if (number) {
            *phase = tables_has_phase(small_integer(number)) ? small_integer(number) : 0;
            break;
        }
        span = *(PyObject **)((char *)span + outer_offset);
    }
    return true;
}

#else

PyObject *context_value(PyObject *key) {
    (void)key;
    return NULL;
}

void context_watch(PyObject *new_variable, PyTypeObject *type, Py_ssize_t phase, Py_ssize_t outer) {
    (void)new_variable, (void)type, (void)phase, (void)outer;
}

bool context_phase(uint32_t *phase) {
    (void)phase;
    return false;
}

#endif
