// The fold of a capture: its state, and what its two files share.
#pragma once

#include "capture.h"

enum { AT_ONCE = 256 };

// What consecutive records of one thread do to the run that the thread is in.
typedef struct {
    Run *run;
    Tally *tally;
    Level *level;
    SiteTable *sites;
    long long start, now, top, peak, fall, freed, moved;
} Stretch;

// Bytes that one phase allocated, and another one freed after the run had ended.
typedef struct {
    Tally *owner, *by;
    long long bytes;
} Later;

// What `run_of` returned for a thread; it holds until the next marker.
typedef struct {
    PyObject *returned;
    uint64_t markers;
} Entered;

typedef struct {
    PyObject_HEAD
    CaptureParser *parser;
    PyObject *run_of, *read, *apply, *map, *unmap;  // see capture/compiled_fold.py
    bool by_native, busy;
    PyObject **names;  // what `read` returned, by the places of the parser's markers
    size_t name_count;
    LiveBlocks blocks;
    Peak peak;
    Stretch stretch;
    bool in_stretch;
    uint64_t thread, markers, marker_bytes;
    Entered *entered;
    size_t entered_count, entered_capacity;
    NumberMap entered_places;  // by thread
    Later *later;
    size_t later_count, later_capacity;
    NumberMap later_places;  // in `later`, by the numbers of both tallies
    Allocation found[AT_ONCE];
    size_t at, count;
} Fold;

// Takes about that many records and returns how many; `done` is false if an error is set, or memory was short.
long long fold_feed(Fold *fold, long long most, bool *done);
