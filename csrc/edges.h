// What the files of the phases' edges share: a recorder of phases that runs no Python between its system calls.
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

// ---- crc32.c

void crc32_prepare(void);
uint32_t crc32_of(const uint8_t *bytes, size_t size);

// ---- frame.c: a record as a frame of the trace file

typedef struct {
    uint8_t bytes[1024];
    size_t size;
    bool is_unfit;  // it is too large, or has a value that only the encoder in Python makes fit
} Frame;

void frame_begin(Frame *frame, unsigned fields);
void frame_add_number(Frame *frame, uint64_t number);
void frame_add_none(Frame *frame);
void frame_add_text(Frame *frame, PyObject *text);
void frame_add_attributes(Frame *frame, PyObject *attributes);  // a dict; it raises nothing
void frame_end(Frame *frame, uint16_t kind);

// ---- process_files.c: files of /proc/self that the meter keeps open

// The open file of that name if it is the meter's still, else -1. `files` is a dict of names and numbers.
int meter_file(PyObject *files, PyObject *name);
bool is_marked(int number);
// Reads a text from the start of a file, without the interpreter's lock; false if the file is not ours, before or after.
bool read_marked(int number, char *text, size_t size);

// ---- phase_peaks.c

extern PyTypeObject phase_peaks_type;
// They return -1 with an exception if they fail.
int peaks_begin(PyObject *peaks, PyObject *span, uint64_t rss, uint64_t *edge);
int peaks_leave(PyObject *peaks, PyObject *span);
int peaks_end(PyObject *peaks, uint64_t edge, uint64_t rss, uint64_t *bytes);
int peaks_edge(PyObject *peaks);
int peaks_skip(PyObject *peaks);

// ---- phase_edges.c

extern PyTypeObject phase_edges_type;
