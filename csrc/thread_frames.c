// The frames of this interpreter's threads. Python's `sys._current_frames` makes frame objects for threads of all
// interpreters: those with a lock of their own run on meanwhile, and the process crashes.
#include "core.h"

#ifndef Py_GIL_DISABLED  // our lock keeps the list of threads and their frames as they are

static bool add_frame(PyObject *frames, PyThreadState *thread) {
    PyObject *frame = (PyObject *)PyThreadState_GetFrame(thread);
    if (!frame) return !PyErr_Occurred();
    PyObject *identifier = PyLong_FromUnsignedLong(thread->thread_id);
    bool is_added = identifier && !PyDict_SetItem(frames, identifier, frame);
    Py_XDECREF(identifier);
    Py_DECREF(frame);
    return is_added;
}

PyObject *thread_frames(PyObject *module, PyObject *nothing) {
    (void)module, (void)nothing;
    int was_enabled = PyGC_Disable();  // a collection runs Python code, and threads may end meanwhile
    PyObject *frames = PyDict_New();
    PyThreadState *thread = PyInterpreterState_ThreadHead(PyInterpreterState_Get());
    for (; frames && thread; thread = PyThreadState_Next(thread))
        if (!add_frame(frames, thread)) Py_CLEAR(frames);
    if (was_enabled) PyGC_Enable();
    return frames;
}

#endif
