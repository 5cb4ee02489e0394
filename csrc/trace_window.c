// `TraceWindow`: the end of a trace file, mapped, so that a frame is there without a system call, whatever kills the
// process. The space of a window is reserved before it is mapped: a full disk is an error then and never a SIGBUS.
//
// One way to a SIGBUS remains: another program truncates the file. Then `window_lost_at` puts memory in the place of the
// window, the frame ends up in that, and the window takes no more.
#include "edges.h"

#ifdef HAS_EDGES

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
    PyObject_HEAD
    char *base;           // NULL without a window
    size_t size, used;    // in bytes; they are equal if there is no room
    uint64_t offset;      // of the window in the file
    unsigned generation;  // of processes; a forked child must not write for its parent
    bool is_lost;         // the file was truncated
} TraceWindow;

static unsigned generation;

static void in_child(void) { generation++; }

// ---- a SIGBUS in a window

typedef struct {
    char *low;  // NULL while nothing is copied
    size_t size;
    volatile sig_atomic_t failed;
} Copying;

static __thread volatile Copying copying __attribute__((tls_model("initial-exec")));

static bool window_lost_at(const void *address) {
    char *low = copying.low;
    if (!low || (uintptr_t)address < (uintptr_t)low || (uintptr_t)address >= (uintptr_t)low + copying.size) return false;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    if (mmap(low, copying.size, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED) return false;
    copying.failed = 1;
    return true;
}

// ---- windows

static bool is_ours(const TraceWindow *self) { return self->generation == generation; }

bool window_append(PyObject *window, const uint8_t *frame, size_t size) {
    TraceWindow *self = (TraceWindow *)window;
    if (size > self->size - self->used || size < sizeof(uint32_t) || !is_ours(self)) return false;
    char *place = self->base + self->used;
    copying.size = self->size;
    copying.failed = 0;
    copying.low = self->base;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    // The first word of a frame is never zero, and is written last: until then no reader sees a frame here, even after a
    // kill.
    memcpy(place + sizeof(uint32_t), frame + sizeof(uint32_t), size - sizeof(uint32_t));
    __atomic_thread_fence(__ATOMIC_RELEASE);
    memcpy(place, frame, sizeof(uint32_t));
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    copying.low = NULL;
    if (UNLIKELY(copying.failed)) {
        self->is_lost = true;
        self->used = self->size;
        return false;
    }
    self->used += size;
    return true;
}

// Leaves the window; what comes next goes behind the last frame.
static void unmap(TraceWindow *self) {
    if (self->base) munmap(self->base, self->size);
    self->base = NULL;
    self->offset += self->used;
    self->size = self->used = 0;
}

static bool is_file(int number, dev_t device, ino_t inode, struct stat *status) {
    return !fstat(number, status) && status->st_dev == device && status->st_ino == inode;
}

// Moves the window to an offset of the file. Returns an errno.
static int map(TraceWindow *self, int number, dev_t device, ino_t inode, uint64_t end, size_t size) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct stat status;
    if (!is_file(number, device, inode, &status)) return EBADF;
    if ((uint64_t)status.st_size < end) return ESTALE;
    uint64_t start = end / page * page;
    size = (size + page - 1) / page * page;
    int error;
    do error = fallocate(number, 0, (off_t)start, (off_t)size) ? errno : 0;
    while (error == EINTR);
    if (error) {
        struct stat after;  // a part may have been reserved
        if (is_file(number, device, inode, &after) && after.st_size > status.st_size)
            error = ftruncate(number, status.st_size) ? EIO : error;
        return error;
    }
    // The pages are there at once, in the place of those before: RSS does not move with what is written to them.
    char *place = self->size == size ? self->base : NULL;
    if (!place) unmap(self);
    int flags = MAP_SHARED | MAP_POPULATE | (place ? MAP_FIXED : 0);
    char *base = mmap(place, size, PROT_READ | PROT_WRITE, flags, number, (off_t)start);
    if (base == MAP_FAILED) return errno;
    self->base = base;
    self->size = size;
    self->used = (size_t)(end - start);
    self->offset = start;
    if (is_file(number, device, inode, &status)) return 0;
    unmap(self);  // the program has closed the number meanwhile, and another file has it
    return EBADF;
}

// ---- for Python

static PyObject *new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    if (!PyArg_ParseTuple(arguments, "") || (keywords && PyDict_GET_SIZE(keywords))) return NULL;
    static bool is_registered;
    if (!is_registered && pthread_atfork(NULL, NULL, in_child)) return PyErr_NoMemory();
    is_registered = true;
    TraceWindow *self = (TraceWindow *)type->tp_alloc(type, 0);
    if (self) self->generation = generation;
    return (PyObject *)self;
}

static void dealloc(TraceWindow *self) {
    unmap(self);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *append(PyObject *self, PyObject *frame) {
    if (!PyBytes_Check(frame)) {
        PyErr_SetString(PyExc_TypeError, "a frame is bytes");
        return NULL;
    }
    const uint8_t *bytes = (const uint8_t *)PyBytes_AS_STRING(frame);
    return PyBool_FromLong(window_append(self, bytes, (size_t)PyBytes_GET_SIZE(frame)));
}

static PyObject *map_end(TraceWindow *self, PyObject *arguments) {
    int number;
    unsigned long long device, inode, end;
    Py_ssize_t size;
    if (!PyArg_ParseTuple(arguments, "iKKKn", &number, &device, &inode, &end, &size)) return NULL;
    if (size <= 0) {
        PyErr_SetString(PyExc_ValueError, "a window has a size");
        return NULL;
    }
    if (!is_ours(self)) return PyLong_FromLong(ECHILD);
    if (self->is_lost) return PyLong_FromLong(ESTALE);
    if (!bus_errors_handle(window_lost_at)) return PyLong_FromLong(ENOTSUP);
    return PyLong_FromLong(map(self, number, (dev_t)device, (ino_t)inode, end, (size_t)size));
}

static PyObject *leave(TraceWindow *self, PyObject *arguments) {
    int number;
    unsigned long long device, inode;
    if (!PyArg_ParseTuple(arguments, "iKK", &number, &device, &inode)) return NULL;
    bool is_open = self->base && is_ours(self) && !self->is_lost;
    unmap(self);
    struct stat status;
    int error = 0;
    if (is_open && is_file(number, (dev_t)device, (ino_t)inode, &status) && (uint64_t)status.st_size > self->offset)
        error = ftruncate(number, (off_t)self->offset) ? errno : 0;
    return PyLong_FromLong(error);
}

static PyObject *get_end(TraceWindow *self, void *nothing) {
    (void)nothing;
    return PyLong_FromUnsignedLongLong(self->offset + self->used);
}

static PyObject *get_is_open(TraceWindow *self, void *nothing) {
    (void)nothing;
    return PyBool_FromLong(self->base != NULL);
}

static PyObject *get_is_ours(TraceWindow *self, void *nothing) {
    (void)nothing;
    return PyBool_FromLong(is_ours(self));
}

static PyMethodDef methods[] = {
    {"append", append, METH_O, "Write a frame at the end; False if there is no room for it."},
    {"map", (PyCFunction)map_end, METH_VARARGS, "Map what follows the end of the file; return an errno, or 0."},
    {"leave", (PyCFunction)leave, METH_VARARGS, "Unmap the window, and cut off the file behind the last frame."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef fields[] = {
    {"end", (getter)get_end, NULL, "the offset in the file of the end of the frames", NULL},
    {"is_open", (getter)get_is_open, NULL, "whether a part of the file is mapped", NULL},
    {"is_ours", (getter)get_is_ours, NULL, "whether this process has made it, and not one that it was forked from", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyTypeObject trace_window_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "fwmemtrace.core._compiled.TraceWindow",
    .tp_doc = "The end of a trace file, mapped.",
    .tp_basicsize = sizeof(TraceWindow),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = new,
    .tp_dealloc = (destructor)dealloc,
    .tp_methods = methods,
    .tp_getset = fields,
};

#endif
