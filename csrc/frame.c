// Records of phases as frames of the trace file: a head, a MessagePack array as msgspec writes it, and a checksum. What is
// not plain is left to the encoder in Python, so that both write the same bytes.
#include "edges.h"

#include <string.h>

enum { HEAD = 6, CHECKSUM = 4 };  // bytes around the payload

static uint8_t *room_for(Frame *frame, size_t size) {
    if (frame->is_unfit || size > sizeof frame->bytes - CHECKSUM - frame->size) {
        frame->is_unfit = true;
        return NULL;
    }
    uint8_t *place = frame->bytes + frame->size;
    frame->size += size;
    return place;
}

// A byte for the type, and a number of 0, 1, 2, 4 or 8 bytes, the most significant first.
static void add(Frame *frame, uint8_t type, uint64_t number, unsigned size) {
    uint8_t *place = room_for(frame, 1 + size);
    if (!place) return;
    *place = type;
    for (unsigned at = 0; at < size; at++) place[size - at] = (uint8_t)(number >> (8 * at));
}

void frame_begin(Frame *frame, unsigned fields) {
    frame->size = HEAD;
    frame->is_unfit = false;
    add(frame, (uint8_t)(0x90 | fields), 0, 0);
}

void frame_add_none(Frame *frame) { add(frame, 0xC0, 0, 0); }

void frame_add_number(Frame *frame, uint64_t number) {
    if (number < 0x80) add(frame, (uint8_t)number, 0, 0);
    else if (number <= UINT8_MAX) add(frame, 0xCC, number, 1);
    else if (number <= UINT16_MAX) add(frame, 0xCD, number, 2);
    else if (number <= UINT32_MAX) add(frame, 0xCE, number, 4);
    else add(frame, 0xCF, number, 8);
}

static void add_negative(Frame *frame, int64_t number) {
    if (number >= -32) add(frame, (uint8_t)number, 0, 0);
    else if (number >= INT8_MIN) add(frame, 0xD0, (uint64_t)number, 1);
    else if (number >= INT16_MIN) add(frame, 0xD1, (uint64_t)number, 2);
    else if (number >= INT32_MIN) add(frame, 0xD2, (uint64_t)number, 4);
    else add(frame, 0xD3, (uint64_t)number, 8);
}

void frame_add_text(Frame *frame, PyObject *text) {
    Py_ssize_t length;
    const char *bytes = PyUnicode_CheckExact(text) ? PyUnicode_AsUTF8AndSize(text, &length) : NULL;
    if (!bytes) {
        PyErr_Clear();  // a lone surrogate
        frame->is_unfit = true;
        return;
    }
    if (length < 32) add(frame, (uint8_t)(0xA0 | length), 0, 0);
    else if (length <= UINT8_MAX) add(frame, 0xD9, (uint64_t)length, 1);
    else add(frame, 0xDA, (uint64_t)length, 2);  // a longer one does not fit in a frame
    uint8_t *place = room_for(frame, (size_t)length);
    if (place) memcpy(place, bytes, (size_t)length);
}

static void add_integer(Frame *frame, PyObject *value) {
    int is_beyond;
    long long number = PyLong_AsLongLongAndOverflow(value, &is_beyond);
    if (is_beyond > 0) {
        unsigned long long large = PyLong_AsUnsignedLongLong(value);
        if (!PyErr_Occurred()) {
            frame_add_number(frame, large);
            return;
        }
        PyErr_Clear();
    }
    if (is_beyond) frame->is_unfit = true;
    else if (number < 0) add_negative(frame, number);
    else frame_add_number(frame, (uint64_t)number);
}

static void add_value(Frame *frame, PyObject *value) {
    if (PyUnicode_CheckExact(value)) {
        frame_add_text(frame, value);
    } else if (PyBool_Check(value)) {
        add(frame, value == Py_True ? 0xC3 : 0xC2, 0, 0);
    } else if (PyLong_CheckExact(value)) {
        add_integer(frame, value);
    } else if (PyFloat_CheckExact(value)) {
        double number = PyFloat_AS_DOUBLE(value);
        uint64_t bits;
        memcpy(&bits, &number, sizeof bits);
        add(frame, 0xCB, bits, 8);
    } else {
        frame->is_unfit = true;
    }
}

void frame_add_attributes(Frame *frame, PyObject *attributes) {
    if (!PyDict_CheckExact(attributes) || PyDict_GET_SIZE(attributes) > 15) {
        frame->is_unfit = true;
        return;
    }
    add(frame, (uint8_t)(0x80 | PyDict_GET_SIZE(attributes)), 0, 0);
    PyObject *name, *value;
    for (Py_ssize_t at = 0; PyDict_Next(attributes, &at, &name, &value);) {
        frame_add_text(frame, name);
        add_value(frame, value);
    }
}

void frame_end(Frame *frame, uint16_t kind) {
    uint32_t length = (uint32_t)(frame->size - HEAD);
    memcpy(frame->bytes, &length, sizeof length);
    memcpy(frame->bytes + sizeof length, &kind, sizeof kind);
    uint32_t checksum = crc32_of(frame->bytes, frame->size);
    memcpy(frame->bytes + frame->size, &checksum, CHECKSUM);
    frame->size += CHECKSUM;
}
