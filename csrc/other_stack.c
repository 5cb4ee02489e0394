// The Python frames of another thread, read without the interpreter's lock while that thread runs on.
//
// Whatever is read may have changed or gone by then, so everything is copied by the kernel (process_vm_readv), which
// answers with an error where memory is no longer mapped. Nothing is dereferenced, and no reference count is touched.
#include "interpreter.h"
#include "rss_watch.h"

#ifdef HAS_RSS_WATCH

#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WINDOW = 4096, TRIES = 3, FRAME_HEAD = offsetof(_PyInterpreterFrame, localsplus) };

bool read_memory(uintptr_t address, void *copy, size_t size) {
    struct iovec here = {copy, size}, there = {(void *)address, size};
    return process_vm_readv(getpid(), &here, 1, &there, 1, 0) == (ssize_t)size;
}

// Frames lie one after the other in pieces of memory, the caller's below the callee's: one copy has many of them.
typedef struct {
    uintptr_t first, end;
    char bytes[WINDOW];
} Window;

static bool read_frame(Window *window, uintptr_t address, _PyInterpreterFrame *frame) {
    if (!address || address % sizeof(void *)) return false;
    // What was read as an address may be any number: no sum that overflows.
    if (address < window->first || address >= window->end || window->end - address < FRAME_HEAD) {
        uintptr_t end = address + FRAME_HEAD, first = end - WINDOW;
        if (!read_memory(first, window->bytes, WINDOW)) return read_memory(address, frame, FRAME_HEAD);
        window->first = first;
        window->end = end;
    }
    memcpy(frame, window->bytes + (address - window->first), FRAME_HEAD);
    return true;
}

static uintptr_t innermost(const PyThreadState *thread) {
    PyThreadState state;
    if (!read_memory((uintptr_t)thread, &state, sizeof state)) return 0;
#if PY_VERSION_HEX >= 0x030D0000
    return (uintptr_t)state.current_frame;
#else
    _PyCFrame c_frame;
    if (!state.cframe || !read_memory((uintptr_t)state.cframe, &c_frame, sizeof c_frame)) return 0;
    return (uintptr_t)c_frame.current_frame;
#endif
}

static uintptr_t code_of(const _PyInterpreterFrame *frame) {
#if PY_VERSION_HEX >= 0x030C0000
    if (frame->owner == FRAME_OWNED_BY_CSTACK) return 0;
#endif
#if PY_VERSION_HEX >= 0x030D0000
    return (uintptr_t)frame->f_executable;
#else
    return (uintptr_t)frame->f_code;
#endif
}

static uintptr_t instruction_of(const _PyInterpreterFrame *frame) {
#if PY_VERSION_HEX >= 0x030D0000
    return (uintptr_t)frame->instr_ptr;
#else
    return (uintptr_t)frame->prev_instr;
#endif
}

static size_t walk(const PyThreadState *thread, OtherFrame *frames, size_t most) {
    Window window = {0};
    _PyInterpreterFrame frame;
    size_t count = 0, passed = 0;
    uintptr_t next = innermost(thread);
    for (; next && count < most && passed < 2 * most; passed++, next = (uintptr_t)frame.previous) {
        if (!read_frame(&window, next, &frame)) return 0;
        uintptr_t code = code_of(&frame);
        if (!code) continue;
        frames[count].address = next;
        frames[count].code = code;
        frames[count].of_generator = frame.owner == FRAME_OWNED_BY_GENERATOR;
        frames[count++].instruction = instruction_of(&frame);
    }
    return count;
}

// Drops what two walks do not agree on, so what the thread entered or left meanwhile; returns how many frames are left.
static size_t agreed(OtherFrame *frames, size_t count, const OtherFrame *again, size_t count_again) {
    size_t same = 0;
    while (same < count && same < count_again && frames[count - 1 - same].address == again[count_again - 1 - same].address &&
           frames[count - 1 - same].code == again[count_again - 1 - same].code)
        same++;
    memmove(frames, frames + count - same, same * sizeof *frames);
    return same;
}

size_t other_stack(const PyThreadState *thread, OtherFrame *frames, size_t most) {
    static OtherFrame again[MOST_OTHER_FRAMES];  // one thread watches
    if (most > MOST_OTHER_FRAMES) most = MOST_OTHER_FRAMES;
    size_t count = 0;
    for (int attempt = 0; attempt < TRIES; attempt++) {
        count = walk(thread, frames, most);
        if (count && innermost(thread) == frames[0].address) return count;
    }
    return agreed(frames, count, again, walk(thread, again, most));
}

static bool take_head(uintptr_t code, const PyCodeObject *copy, CodeHead *head) {
    if (Py_TYPE(copy) != &PyCode_Type) return false;
    head->code = code;
    head->name = (uintptr_t)copy->co_qualname;
    head->file = (uintptr_t)copy->co_filename;
    head->lines = (uintptr_t)copy->co_linetable;
    head->first_line = copy->co_firstlineno;
    head->first_instruction = code + offsetof(PyCodeObject, co_code_adaptive);
    head->first_traceable = head->first_instruction + (size_t)copy->_co_firsttraceable * sizeof(_Py_CODEUNIT);
    head->end = head->first_instruction + (size_t)Py_SIZE(copy) * sizeof(_Py_CODEUNIT);
    return true;
}

bool other_codes(const OtherFrame *frames, size_t count, CodeHead *heads) {
    static PyCodeObject copies[MOST_OTHER_FRAMES];  // one thread watches
    struct iovec here[MOST_OTHER_FRAMES], there[MOST_OTHER_FRAMES];
    enum { HEAD = offsetof(PyCodeObject, co_code_adaptive) };
    for (size_t at = 0; at < count; at++) {
        here[at] = (struct iovec){&copies[at], HEAD};
        there[at] = (struct iovec){(void *)frames[at].code, HEAD};
    }
    if (process_vm_readv(getpid(), here, count, there, count, 0) != (ssize_t)(count * HEAD)) return false;
    for (size_t at = 0; at < count; at++)
        if (!take_head(frames[at].code, &copies[at], &heads[at])) return false;
    return true;
}

#endif
