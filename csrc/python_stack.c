// The Python frames of the calling thread, read by value: no reference counts, with or without the GIL. No other thread
// changes them. The layouts are those of the headers that this was compiled with, and are checked when it is loaded.
#include "heap.h"
#include "interpreter.h"

#include <string.h>

#ifdef HAS_FRAMES

static _PyInterpreterFrame *innermost(PyThreadState *state) {
#if PY_VERSION_HEX >= 0x030D0000
    return state->current_frame;
#else
    return state->cframe ? state->cframe->current_frame : NULL;
#endif
}

// Returns the code that a frame runs; NULL for one of C, or one that is still being made.
static PyCodeObject *code_of(_PyInterpreterFrame *frame, int32_t *instruction) {
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *code = frame->f_executable;
    if (frame->owner == FRAME_OWNED_BY_CSTACK || !code || !PyCode_Check(code)) return NULL;
    const _Py_CODEUNIT *at = frame->instr_ptr;
#elif PY_VERSION_HEX >= 0x030C0000
    PyCodeObject *code = frame->f_code;
    if (frame->owner == FRAME_OWNED_BY_CSTACK || !code) return NULL;
    const _Py_CODEUNIT *at = frame->prev_instr;
#else
    PyCodeObject *code = frame->f_code;
    if (!code) return NULL;
    const _Py_CODEUNIT *at = frame->prev_instr;
#endif
    PyCodeObject *running = (PyCodeObject *)code;
    ptrdiff_t units = at - _PyCode_CODE(running);
    if (frame->owner != FRAME_OWNED_BY_GENERATOR && units < running->_co_firsttraceable) return NULL;
    *instruction = (int32_t)(units * (ptrdiff_t)sizeof(_Py_CODEUNIT));
    return running;
}

size_t python_stack(PythonFrame *frames, size_t most) {
    PyThreadState *state = PyGILState_GetThisThreadState();
    size_t count = 0;
    if (!state) return 0;
    for (_PyInterpreterFrame *frame = innermost(state); frame && count < most; frame = frame->previous) {
        PyCodeObject *code = code_of(frame, &frames[count].instruction);
        if (code) frames[count++].code = code;
    }
    return count;
}

// Copies text as UTF-8 into NAME_BYTES; of what is longer, the end. Touches nothing but the object itself.
static uint16_t copy_text(PyObject *text, char *out) {
    if (!text || !PyUnicode_Check(text) || !PyUnicode_IS_COMPACT(text)) return 0;
    Py_ssize_t length = PyUnicode_GET_LENGTH(text);
    int kind = (int)PyUnicode_KIND(text);
    const void *data = PyUnicode_DATA(text);
    Py_ssize_t first = length > NAME_BYTES / 4 && kind != PyUnicode_1BYTE_KIND ? length - NAME_BYTES / 4 : 0;
    if (kind == PyUnicode_1BYTE_KIND && length > NAME_BYTES / 2) first = length - NAME_BYTES / 2;
    if (PyUnicode_IS_ASCII(text)) first = length > NAME_BYTES ? length - NAME_BYTES : 0;
    char *end = out;
    for (Py_ssize_t at = first; at < length; at++) {
        uint32_t c = PyUnicode_READ(kind, data, at);
        if (c >= 0xD800 && c < 0xE000) c = 0xFFFD;
        if (c < 0x80) {
            *end++ = (char)c;
        } else if (c < 0x800) {
            *end++ = (char)(0xC0 | c >> 6);
            *end++ = (char)(0x80 | (c & 63));
        } else if (c < 0x10000) {
            *end++ = (char)(0xE0 | c >> 12);
            *end++ = (char)(0x80 | (c >> 6 & 63));
            *end++ = (char)(0x80 | (c & 63));
        } else {
            *end++ = (char)(0xF0 | c >> 18);
            *end++ = (char)(0x80 | (c >> 12 & 63));
            *end++ = (char)(0x80 | (c >> 6 & 63));
            *end++ = (char)(0x80 | (c & 63));
        }
    }
    return (uint16_t)(end - out);
}

void code_facts(const void *key, CodeFacts *facts) {
    PyCodeObject *code = (PyCodeObject *)(uintptr_t)key;
    facts->key = key;
    facts->lines = code->co_linetable;
    facts->first_line = code->co_firstlineno;
    facts->name_length = copy_text(code->co_qualname, facts->name);
    facts->file_length = copy_text(code->co_filename, facts->file);
    facts->table_length = 0;
    facts->table = NULL;
    if (code->co_linetable && PyBytes_Check(code->co_linetable) && PyBytes_GET_SIZE(code->co_linetable) < 1 << 16) {
        facts->table_length = (uint32_t)PyBytes_GET_SIZE(code->co_linetable);
        facts->table = (const uint8_t *)PyBytes_AS_STRING(code->co_linetable);
    }
}

const char *python_stack_check(void) {
    static char reason[160];
    if ((Py_Version >> 16) != (PY_VERSION_HEX >> 16)) {
        PyOS_snprintf(reason, sizeof reason, "it was compiled for another version of Python; reinstall fwmemtrace");
        return reason;
    }
    PythonFrame frames[MOST_FRAMES];
    size_t count = python_stack(frames, MOST_FRAMES);
    PyFrameObject *frame = PyEval_GetFrame();
    Py_XINCREF(frame);
    for (size_t at = 0; frame && at < count; at++) {
        PyCodeObject *code = PyFrame_GetCode(frame);
        bool same = frames[at].code == code && frames[at].instruction == PyFrame_GetLasti(frame);
        PyFrameObject *back = PyFrame_GetBack(frame);
        Py_DECREF(code);
        Py_DECREF(frame);
        frame = back;
        if (!same) {
            Py_XDECREF(frame);
            return "the frames of this interpreter have another layout than the one it was compiled for";
        }
    }
    bool complete = !frame || count == MOST_FRAMES;
    Py_XDECREF(frame);
    return complete && count ? NULL : "the frames of this interpreter cannot be read";
}

#else

size_t python_stack(PythonFrame *frames, size_t most) {
    (void)frames, (void)most;
    return 0;
}

void code_facts(const void *key, CodeFacts *facts) {
    memset(facts, 0, sizeof *facts);
    facts->key = key;
}

const char *python_stack_check(void) {
#ifdef Py_GIL_DISABLED
    return "free-threaded builds of Python are not supported yet";
#else
    return "it reads the frames of Python 3.11, 3.12 and 3.13 only";
#endif
}

#endif
