// Files of /proc/self that the meter (`system.meter.ProcMeter`) keeps open under numbers that a program may close.
#include "edges.h"

#ifdef HAS_EDGES

#include <fcntl.h>

enum { MARK = 64 };  // as in `system.descriptors`

int meter_file(PyObject *files, PyObject *name) {
    PyObject *number = PyDict_GetItemWithError(files, name);
    if (!number || !PyLong_CheckExact(number)) {
        PyErr_Clear();
        return -1;
    }
    return (int)PyLong_AsLong(number);
}

bool is_marked(int number) { return fcntl(number, F_GETSIG) == MARK; }

#endif
