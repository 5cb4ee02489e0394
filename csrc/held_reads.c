// Reads of files that the kernel makes up in microseconds. They hold the interpreter's lock, so no other thread runs
// between two of them; see `system.held_reads`.
#include "core.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { MOST = 16 * 1024 };  // bytes at a time

PyObject *held_open(PyObject *module, PyObject *path) {
    (void)module;
    PyObject *encoded;
    if (!PyUnicode_FSConverter(path, &encoded)) return NULL;
    int number = open(PyBytes_AS_STRING(encoded), O_RDONLY | O_CLOEXEC | O_NOCTTY);
    Py_DECREF(encoded);
    return number < 0 ? PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, path) : PyLong_FromLong(number);
}

PyObject *held_read(PyObject *module, PyObject *arguments) {
    (void)module;
    int number;
    Py_ssize_t size;
    long long offset;
    if (!PyArg_ParseTuple(arguments, "inL", &number, &size, &offset)) return NULL;
    if (size < 0 || size > MOST) {
        PyErr_Format(PyExc_ValueError, "%zd bytes at a time: at most %d are read", size, MOST);
        return NULL;
    }
    char bytes[MOST];
    ssize_t length = pread(number, bytes, (size_t)size, (off_t)offset);
    return length < 0 ? PyErr_SetFromErrno(PyExc_OSError) : PyBytes_FromStringAndSize(bytes, length);
}

PyObject *held_close(PyObject *module, PyObject *descriptor) {
    (void)module;
    int number = (int)PyLong_AsLong(descriptor);
    if (number == -1 && PyErr_Occurred()) return NULL;
    if (close(number)) return PyErr_SetFromErrno(PyExc_OSError);
    Py_RETURN_NONE;
}
