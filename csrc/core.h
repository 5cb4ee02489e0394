// What all files of the compiled core share. Each part has a header of its own: heap.h, edges.h, capture.h.
#pragma once

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define CORE_INTERFACE 7  // as in core/__init__.py: to be counted up in both where a change needs a new build

// ---- bus_errors.c: mapped files that another program truncates

// Tries to put memory in the place of what has no page at an address; false if the address is not in its file.
typedef bool (*BusErrorHandler)(const void *address);

// Leaves the bus errors in a part's mapped files to it. False if the program handles SIGBUS itself by now: its handler need
// not call ours.
bool bus_errors_handle(BusErrorHandler handler);

// ---- held_reads.c

PyObject *held_open(PyObject *module, PyObject *path);
PyObject *held_read(PyObject *module, PyObject *arguments);
PyObject *held_close(PyObject *module, PyObject *descriptor);

// ---- thread_frames.c

#ifndef Py_GIL_DISABLED
PyObject *thread_frames(PyObject *module, PyObject *nothing);
#endif

// ---- symbol_table.c: names of functions

extern PyTypeObject symbol_table_type;
