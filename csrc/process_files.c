// Files of /proc/self that the meter (`system.meter.ProcMeter`) keeps open under numbers that a program may close.
#include "edges.h"

#ifdef HAS_EDGES

#include <fcntl.h>
#include <unistd.h>

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

bool read_marked(int number, char *text, size_t size) {
    if (!is_marked(number)) return false;
    ssize_t length = pread(number, text, size - 1, 0);
    if (length <= 0 || !is_marked(number)) return false;
    text[length] = 0;
    return true;
}

#endif
