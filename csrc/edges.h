// What the files of the phases' edges share.
#pragma once

#include "core.h"

// The interpreter's lock keeps edges apart. Without it there are none of these types, and Python does their work.
#ifndef Py_GIL_DISABLED
#define HAS_EDGES 1
#endif

// ---- trace_window.c: the end of a trace file, mapped

extern PyTypeObject trace_window_type;
// Appends a whole frame; false if there is no room, and nothing was written. The caller holds the interpreter's lock.
bool window_append(PyObject *window, const uint8_t *frame, size_t size);
